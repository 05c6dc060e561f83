"""Watching jobs for the live stream: one poller asks for all watched jobs at once, however many watch."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from django.db import Error

from jobs_app.api.readings import GONE, Snapshot, read
from jobs_app.api.refusals import TooManyStreams

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
OUTBOX_BYTES = 262_144
"""What a slow reader may have waiting; it gets nothing more before it has taken that."""

MAX_STREAMS = 2000
ENDED = "end"


class Watcher:
    """One reader of one job. ``cursor`` is the id of the last log line it was given.

    sees: whether the job's parameters, and what may repeat them, are for this reader, where they are not for anyone.
    """

    def __init__(self, job_id: UUID, after: int, *, sees: bool = False) -> None:
        self.job_id = job_id
        self.sees = sees
        self.cursor = after
        self.ended = False
        self.wake = asyncio.Event()
        self._seen: bytes | None = None
        self._outbox: list[bytes] = []
        self._waiting = 0

    @property
    def ready(self) -> bool:
        """Whether it may be given more."""
        return self._waiting < OUTBOX_BYTES and not self.ended

    def take(self) -> bytes:
        """What is to be sent now."""
        self.wake.clear()
        taken, self._outbox, self._waiting = b"".join(self._outbox), [], 0
        return taken

    def give(self, snapshot: Snapshot, lines: list[tuple[int, bytes]], *, whole: bool) -> None:
        """Put what is new into the outbox; ``whole``: there is no line that was not read."""
        told = self.sees or not snapshot.limited
        for line_id, text in lines:
            if line_id > self.cursor:
                self.cursor = line_id
                if told:
                    self._put(b"log", text)
        shown = snapshot.text if told else snapshot.closed
        if shown != self._seen:
            self._seen = shown
            if snapshot is not GONE:
                self._put(b"job", shown)
        if snapshot.final and whole:
            self._put(ENDED.encode(), b'{"state":"%s"}' % snapshot.state.encode(), mark=b"." + ENDED.encode())
            self.ended = True
        if self._outbox:
            self.wake.set()

    def _put(self, name: bytes, text: bytes, mark: bytes = b"") -> None:
        frame = b"id: %d%s\nevent: %s\ndata: %s\n\n" % (self.cursor, mark, name, text)
        self._outbox.append(frame)
        self._waiting += len(frame)


class Poller:
    """Reads every watched job twice a second, in one thread with one database connection.

    A new watcher does not wait for that: its job is read at once. While the database is away, watchers wait.
    """

    def __init__(self, limit: int = MAX_STREAMS) -> None:
        self._limit = limit
        self._watchers: dict[UUID, set[Watcher]] = {}
        self._known: dict[UUID, bytes] = {}
        self._fresh: set[UUID] = set()
        self._news = asyncio.Event()
        self._count = 0
        self._away = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="weir-stream")
        self._task: asyncio.Task[None] | None = None

    def watch(self, job_id: UUID, after: int, *, whole: bool = False) -> Watcher:
        """Begin to watch; whole: also what is not for anyone. Raises TooManyStreams."""
        if self._count >= self._limit:
            raise TooManyStreams(f"expected fewer than {self._limit} open streams on this server; try again later")
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
        watcher = Watcher(job_id, after, sees=whole)
        self._watchers.setdefault(job_id, set()).add(watcher)
        self._count += 1
        self._fresh.add(job_id)
        self._news.set()
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Stop watching."""
        watchers = self._watchers[watcher.job_id]
        watchers.discard(watcher)
        self._count -= 1
        if not watchers:
            del self._watchers[watcher.job_id]
            self._known.pop(watcher.job_id, None)

    async def close(self) -> None:
        """Stop reading, and let every watcher go."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for watcher in [each for watchers in self._watchers.values() for each in watchers]:
            watcher.ended = True
            watcher.wake.set()
        self._thread.shutdown(wait=False)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), max(due - loop.time(), 0) if self._watchers else None)
            self._news.clear()
            full = loop.time() >= due
            fresh, self._fresh = self._fresh & set(self._watchers), set()
            more = await self._serve(set(self._watchers) if full else fresh, fresh)
            if full or more:
                due = loop.time() + (0 if more else POLL_SECONDS)

    async def _serve(self, wanted: set[UUID], fresh: set[UUID]) -> bool:
        """Read these jobs and hand out what is new; returns whether there is more to read at once."""
        ready = {job_id: [each for each in self._watchers[job_id] if each.ready] for job_id in wanted}
        after = {job_id: min(each.cursor for each in watchers) for job_id, watchers in ready.items() if watchers}
        known = {job_id: self._known[job_id] for job_id in after if job_id in self._known and job_id not in fresh}
        if not after:
            return False
        try:
            reading = await asyncio.get_running_loop().run_in_executor(self._thread, read, after, known)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next poll may work, and streams must not hang
            self._say_away(error)
            return False
        if self._away:
            self._away = False
            logger.warning("The live stream reads the ledger again")
        for job_id in after:
            snapshot, lines = reading.jobs.get(job_id, GONE), reading.lines.get(job_id, [])
            for watcher in ready[job_id]:
                watcher.give(snapshot, lines, whole=not reading.more)
            if not reading.more and len(ready[job_id]) == len(self._watchers.get(job_id, ())):
                self._known[job_id] = snapshot.text
            else:  # some watcher has not got every line yet
                self._known.pop(job_id, None)
        return reading.more

    def _say_away(self, error: Exception) -> None:
        if not isinstance(error, Error):
            logger.error("The live stream could not read the ledger; trying again", exc_info=error)
        elif not self._away:
            logger.warning("The live stream cannot read the ledger; trying again: %s", error)
        self._away = True
