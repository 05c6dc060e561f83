"""Chunks: how many short jobs of one kind travel in one message. Pure, but for what is measured, which is read.

A message costs as much as a short job, or more: so short jobs share one, about a fifth of a second's work. A long job,
and one of a kind that is not known yet, travels alone: a worker must not hold work while another idles.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import DatabaseError, connection, transaction

from jobs_app import registry
from jobs_app.core import presence
from jobs_app.core.pulses import KindPace
from jobs_app.models import Pace

logger = logging.getLogger(__name__)

AIM_SECONDS = 0.2
"""The work of one message."""

OVERHEAD_SECONDS = 0.0005
"""What a job costs beside its handler: no chunk is longer than this allows, however little the handler does."""

MOST = 200
"""Jobs of one message: about 8 kB on the broker."""

SAMPLES = 10
"""Fewer measured jobs say nothing of a kind."""

AHEAD = 3
"""Chunks that wait on the broker for each slot: more would only make others wait behind them."""

FRESH_SECONDS = 1.0


@dataclass(frozen=True)
class Measured:
    """What is known of those who take a queue's jobs. ``paces``: of the kinds that were measured."""

    slots: int = 0
    paces: Mapping[str, KindPace] = field(default_factory=dict)

    def size(self, kind: str, *, backlog: int) -> int:
        """How many jobs of a kind one message may carry, when so many jobs wait; 1 for a long or unknown kind."""
        pace = self.paces.get(kind)
        if pace is None or pace.samples < SAMPLES or not pace.short:
            return 1
        of_time = int(AIM_SECONDS / (pace.mean + OVERHEAD_SECONDS))
        fair = backlog // (2 * max(self.slots, 1))
        return max(1, min(of_time, fair, MOST))

    @property
    def ahead(self) -> int:
        """How many chunks may wait on the broker."""
        return AHEAD * max(self.slots, 1)

    @property
    def most(self) -> int:
        """The longest chunk that any kind may have."""
        return max((self.size(kind, backlog=MOST * 2 * max(self.slots, 1)) for kind in self.paces), default=1)


class Due(NamedTuple):
    """What is asked of a job before it is put into a message."""

    id: UUID
    kind: str
    kills: int
    priority: int


def pack(jobs: Sequence[Due], measured: Measured, *, backlog: int, messages: int, chunks: int) -> list[list[Due]]:
    """Jobs in their order as messages: at most so many, and so many of more than one job. What does not fit is left.

    A job whose worker has died before travels alone, so that one which kills its worker is found out. None overtakes a
    job that travels alone, or one of higher priority; and the first that finds no room ends it.
    """
    packed: list[list[Due]] = []
    open_chunks: dict[str, list[Due]] = {}
    sizes = {kind: measured.size(kind, backlog=backlog) for kind in {job.kind for job in jobs}}
    for job in jobs:
        size = 1 if job.kills else sizes[job.kind]
        if size == 1 or (packed and job.priority != packed[-1][0].priority):
            open_chunks.clear()
        chunk = open_chunks.get(job.kind) if size > 1 else None
        if chunk is None or len(chunk) >= size:
            if len(packed) >= messages or (size > 1 and chunks <= 0):
                break
            chunk = []
            packed.append(chunk)
            if size > 1:
                open_chunks[job.kind] = chunk
                chunks -= 1
        chunk.append(job)
    return packed


class Memory:
    """What this process has read, for a second. ``clock`` in seconds."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Read anew: in a forked child, and for each test."""
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, Measured]] = {}

    def of(self, queue: str, *, now: datetime) -> Measured:
        """What is measured of a queue."""
        with self._lock:
            at, kept = self._kept.get(queue, (0.0, None))
            if kept is None or time.monotonic() - at > FRESH_SECONDS:
                kept = _read(queue, now)
                self._kept[queue] = (time.monotonic(), kept)
            return kept


def _read(queue: str, now: datetime) -> Measured:
    alone = {kind.name for kind in registry.all_kinds() if kind.alone}
    try:
        with transaction.atomic() if connection.in_atomic_block else nullcontext():
            found = [pace for pace in Pace.objects.all() if pace.seconds and pace.kind not in alone]
            slots = presence.listeners(queue, now=now).slots
    except DatabaseError as error:
        # While an upgrade is under way the tables may be those of a release that measures nothing.
        logger.debug("How short the jobs of queue %s are could not be read: %s", queue, error)
        return Measured()
    return Measured(slots, {pace.kind: KindPace.of(pace.seconds) for pace in found})


memory = Memory()
os.register_at_fork(after_in_child=memory.forget)
