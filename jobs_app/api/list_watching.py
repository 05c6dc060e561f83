"""Watching the list of jobs for the live stream: one poller asks once for all that watch, and tells each that there is
something new, never what.

It asks for events: those since the last one seen, and whose jobs they are of. So a watcher is woken by jobs that they
may see and by no others, and how busy others are cannot be told from it. An event that is committed after a later one
may be missed: pages look by themselves too, only less often.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from django.db import Error

from jobs_app.api import readings
from jobs_app.api.refusals import TooManyStreams

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
HINT_SECONDS = 1.0
"""Between two hints to one watcher at least; the more watch, the longer, so that all together ask no more often than
``HINTS_A_SECOND``."""

HINTS_A_SECOND = 25
CHANGED = b"event: changed\ndata: {}\n\n"


class ListWatcher:
    """One reader of the list. owner: whose jobs they may know of; None: everybody's."""

    def __init__(self, owner: int | None) -> None:
        self.owner = owner
        self.ended = False
        self.wake = asyncio.Event()
        self._changed = False
        self._due: float = 0.0
        self._waiting = False

    def take(self) -> bytes:
        """What is to be sent now."""
        self.wake.clear()
        changed, self._waiting = self._waiting, False
        return CHANGED if changed else b""

    def note(self) -> None:
        """Something of theirs changed: it is told when it is time."""
        self._changed = True

    def tell(self, now: float, pause: float) -> None:
        """Put a hint into the outbox, if there is one and the last is long enough ago."""
        if self._changed and now >= self._due:
            self._changed, self._waiting, self._due = False, True, now + pause
            self.wake.set()


class ListPoller:
    """Asks what is new twice a second while anybody watches, in one thread with one database connection."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._watchers: set[ListWatcher] = set()
        self._last: int | None = None
        self._away = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="weir-list-stream")
        self._task: asyncio.Task[None] | None = None

    def watch(self, owner: int | None) -> ListWatcher:
        """Begin to watch. Raises TooManyStreams."""
        if len(self._watchers) >= self._limit:
            raise TooManyStreams(f"expected fewer than {self._limit} open streams on this server; try again later")
        watcher = ListWatcher(owner)
        self._watchers.add(watcher)
        if self._task is None or self._task.done():
            self._last = None
            self._task = asyncio.get_running_loop().create_task(self._run())
        return watcher

    def leave(self, watcher: ListWatcher) -> None:
        """Stop watching."""
        self._watchers.discard(watcher)

    async def close(self) -> None:
        """Stop asking, and let every watcher go."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for watcher in self._watchers:
            watcher.ended = True
            watcher.wake.set()
        self._thread.shutdown(wait=False)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._watchers:
            for owner in await self._changed_owners():
                for watcher in self._watchers:
                    if watcher.owner is None or watcher.owner == owner:
                        watcher.note()
            pause = max(HINT_SECONDS, len(self._watchers) / HINTS_A_SECOND)
            for watcher in self._watchers:
                watcher.tell(loop.time(), pause)
            await asyncio.sleep(POLL_SECONDS)

    async def _changed_owners(self) -> Collection[int | None]:
        try:
            self._last, owners = await asyncio.get_running_loop().run_in_executor(
                self._thread, readings.changed, self._last
            )
        except Exception as error:
            if not isinstance(error, Error):
                logger.error("The stream of the list could not read the ledger; trying again", exc_info=error)
            elif not self._away:
                logger.warning("The stream of the list cannot read the ledger; trying again: %s", error)
            self._away = True
            return ()
        self._away = False
        return owners
