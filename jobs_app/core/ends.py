"""Ends: whoever wants to know that jobs have ended is told soon.

``transitions`` notes each end here. Where no endpoint waits for such ends that costs a look at the clock, and one query
a second and process. Else a thread beside it has them told (``core.webhooks``) a moment later. Nothing here needs to
happen: what a process does not live to tell, or has no room to keep, the rollups find within ten seconds.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.db import Error, close_old_connections, connection, transaction

from jobs_app.lifecycle import State
from jobs_app.models import Endpoint
from jobs_app.models.job import SEE_ALL

logger = logging.getLogger(__name__)

KNOWN_SECONDS = 1.0
"""How long a process believes what it knows of endpoints."""

GATHER_SECONDS = 0.2
"""So long ends are gathered, and told together."""

MOST = 10_000
"""Ends that a process keeps until they are told."""


@dataclass(frozen=True)
class Listener:
    """An endpoint that is to be told of ends. kinds: none named means all. everybody: of everybody's jobs, and may."""

    endpoint: int
    owner: int
    kinds: frozenset[str]
    states: frozenset[str]
    named_only: bool
    everybody: bool

    def hears(self, *, state: str, kind: str, owner: int | None, named: int | None) -> bool:
        """Whether it is to be told of such an end. named: the endpoint that the job's submission named."""
        if state not in self.states:
            return False
        if named == self.endpoint:
            return True
        if self.named_only or (self.kinds and kind not in self.kinds):
            return False
        return owner == self.owner or self.everybody


def listeners() -> list[Listener]:
    """Who is to be told; one query where nobody is."""
    rows = list(Endpoint.objects.filter(enabled=True, owner__is_active=True).select_related("owner"))
    owners = {row.owner_id: row.owner for row in rows if row.everybody}
    seeing = {pk for pk, owner in owners.items() if owner.has_perm(SEE_ALL)}
    return [
        Listener(
            row.pk, row.owner_id, frozenset(row.kinds), frozenset(row.states), row.named_only,
            row.everybody and row.owner_id in seeing,
        )
        for row in rows
    ]  # fmt: skip


class Teller:
    """What this process has ended and not told yet. ``work(ids)`` is set once at start-up."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.work: Callable[[Sequence[UUID]], object] | None = None
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Begin anew: in a forked child, whose parent tells its own, and in a test."""
        self._lock = threading.Lock()
        self._ended: list[UUID] = []
        self._timer: threading.Timer | None = None
        self._wanted: frozenset[str] = frozenset()
        self._known_until = 0.0

    def note(self, ids: Sequence[UUID], state: State) -> None:
        """Have these ends told after the commit of the transaction in which the jobs are moved to ``state``."""
        if ids and state.final and (state in self._wanted or self._clock() >= self._known_until):
            transaction.on_commit(partial(self._take, ids, state), robust=True)

    def drain(self, timeout: float = 3.0) -> None:
        """Wait until what was noted is told (tests)."""
        while (timer := self._timer) is not None and timer is not threading.current_thread() and timeout > 0:
            began = self._clock()
            timer.join(timeout)
            timeout -= self._clock() - began

    def _take(self, ids: Sequence[UUID], state: State) -> None:
        if self._clock() >= self._known_until:
            self._known_until = self._clock() + KNOWN_SECONDS
            self._wanted = frozenset[str]().union(*_states_wanted())
        if state in self._wanted:
            with self._lock:
                self._ended += ids[: MOST - len(self._ended)]
                self._begin()

    def _begin(self) -> None:
        if self._ended and self._timer is None and self.work is not None:
            self._timer = threading.Timer(GATHER_SECONDS, self._tell)
            self._timer.name, self._timer.daemon = "weir-ends", True
            self._timer.start()

    def _tell(self) -> None:
        with self._lock:
            ids, self._ended = self._ended, []
        try:
            close_old_connections()
            if self.work is not None:
                self.work(ids)
        except Error as error:
            logger.warning("The ends of %s jobs could not be told yet: %s", len(ids), error)
        except Exception:
            logger.exception("The ends of %s jobs could not be told; the rollups will", len(ids))
        finally:
            connection.close()
            with self._lock:
                self._timer = None
                self._begin()


def _states_wanted() -> Iterable[list[str]]:
    return Endpoint.objects.filter(enabled=True).values_list("states", flat=True)


teller = Teller()
os.register_at_fork(after_in_child=teller.forget)
