"""Reading workers: who is there, what each runs, and which queue nobody serves. For operators only.

All of it is what the workers' processes said of themselves, and what the ledger says they hold: no broker is asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import F
from pydantic import Field

from jobs_app.core import dispatch, presence
from jobs_app.errors import InvalidRequest, NotAllowed, NotFound
from jobs_app.lifecycle import State
from jobs_app.models import Drain, Job, Listener
from jobs_app.models.job import SEE_ALL
from jobs_app.reads.views import View

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MOST_PROCESSES, MOST_RUNNING, MOST_VANISHED = 5_000, 5_000, 50
"""More than this is not shown."""


class Standing(StrEnum):
    """How a worker stands."""

    TAKING = "taking jobs"
    DRAINING = "draining"
    DRAINED = "drained"
    RESUMING = "resuming"
    VANISHED = "vanished"


class RunningView(View):
    """A job that a worker holds."""

    job: UUID
    kind: str
    queue: str
    attempt: int
    since: datetime = Field(description="When this attempt began.")


class WorkerView(View):
    """One run of a worker: a start of it, with all of its processes."""

    id: UUID | None = Field(description="Of this run; null of a worker of an older release, which cannot be drained.")
    name: str
    standing: Standing
    host: str
    pid: int | None = Field(description="Of its first process.")
    release: str
    queues: list[str]
    processes: int = Field(description="That take jobs.")
    slots: int = Field(description="Jobs that it runs at once.")
    running: list[RunningView]
    memory: int | None = Field(description="Bytes in memory of its processes; what they share is counted in each.")
    began_at: datetime
    seen_at: datetime = Field(description="When one of its processes spoke last.")
    drain_asked_at: datetime | None

    @property
    def gone(self) -> bool:
        """Whether nothing was heard of it for too long."""
        return self.standing is Standing.VANISHED

    @property
    def lasted(self) -> timedelta:
        """How long it has been there."""
        return self.seen_at - self.began_at

    @property
    def drainable(self) -> bool:
        """Whether it can be asked to take no more jobs."""
        return self.id is not None and not self.gone and self.drain_asked_at is None

    @property
    def resumable(self) -> bool:
        """Whether there is a wish to take back."""
        return not self.gone and self.drain_asked_at is not None


class WorkersView(View):
    """Every worker."""

    workers: list[WorkerView] = Field(description="By name.")
    vanished: list[WorkerView] = Field(description="In the last day, the latest first, but those that were stopped.")
    unserved: list[str] = Field(description="Queues whose jobs nobody takes.")


@dataclass(frozen=True)
class _Ledger:
    """What else is needed of the ledger: jobs by the process that holds them, and wishes by run."""

    held: Mapping[str, Sequence[RunningView]]
    asked: Mapping[UUID, datetime]


def workers(viewer: User | None, *, now: datetime) -> WorkersView:
    """Every worker that was there in the last day, in five queries however many jobs there are. Raises NotAllowed."""
    _check(viewer)
    rows = list(Listener.objects.order_by("-seen_at")[:MOST_PROCESSES])
    found = _views(rows, now)
    serving = presence.listening(now=now)
    return WorkersView(
        workers=sorted((each for each in found if not each.gone), key=lambda each: (each.name, each.began_at)),
        vanished=[each for each in found if each.gone][:MOST_VANISHED],
        unserved=[name for name in dispatch.queue_names() if name not in serving],
    )


def worker(viewer: User | None, run: UUID, *, now: datetime) -> WorkerView:
    """One run of a worker. Raises NotAllowed, NotFound."""
    _check(viewer)
    rows = list(Listener.objects.filter(run=run).order_by("-seen_at"))
    if not rows:
        raise NotFound(f"expected the id of a worker's run, got {run}")
    return _views(rows, now)[0]


def find(viewer: User | None, named: str, *, now: datetime) -> UUID:
    """The run of a worker that is there, by its name or its id. Raises NotAllowed, NotFound, InvalidRequest."""
    _check(viewer)
    there = [each for each in workers(viewer, now=now).workers if each.id is not None]
    found = [each for each in there if each.name == named or str(each.id) == named]
    if not found:
        known = ", ".join(each.name for each in there[:5]) or "none is there"
        raise NotFound(f"expected the name or the id of a worker that is there ({known}), got {named[:100]!r}")
    if len(found) > 1:
        raise InvalidRequest(f"expected an id, since {len(found)} workers are called {named[:100]!r}")
    return found[0].id  # type: ignore[return-value]  # only those that have one were looked at


def may_see(viewer: User | None) -> bool:
    """Whether this user (None: the system) sees workers."""
    return viewer is None or viewer.has_perm(SEE_ALL)


def _check(viewer: User | None) -> None:
    if not may_see(viewer):
        raise NotAllowed("expected the permission to see all jobs: workers are shown to operators only")


def _views(rows: Collection[Listener], now: datetime) -> list[WorkerView]:
    """The runs to which these processes belong, the one that spoke last first."""
    ledger = _Ledger(_held(), dict(Drain.objects.values_list("run", "asked_at")))
    ordered = sorted(rows, key=_run_of)
    found = [_view(list(each), ledger, now) for _, each in groupby(ordered, key=_run_of)]
    return sorted(found, key=lambda each: each.seen_at, reverse=True)


def _run_of(row: Listener) -> tuple[str, str]:
    return row.worker, str(row.run)


def _held() -> dict[str, list[RunningView]]:
    running = Job.objects.filter(state=State.RUNNING, attempts__number=F("attempt")).order_by("attempts__started_at")
    columns = ("holder", "id", "kind", "queue", "attempt", "attempts__started_at")
    found: dict[str, list[RunningView]] = defaultdict(list)
    for holder, job_id, kind, queue, attempt, since in running.values_list(*columns)[:MOST_RUNNING]:
        # Its third part is the message's.
        found[holder.rpartition("/")[0]].append(
            RunningView(job=job_id, kind=kind, queue=queue, attempt=attempt, since=since)
        )
    return found


def _view(rows: Sequence[Listener], ledger: _Ledger, now: datetime) -> WorkerView:
    """One run. Of its processes those count that are there; if none is, those that were to the end."""
    latest = max(rows, key=lambda row: row.seen_at)
    there = [row for row in rows if row.seen_at > now - presence.SILENCE]
    counted = there or [row for row in rows if row.seen_at > latest.seen_at - presence.SILENCE]
    running = [job for row in rows for job in ledger.held.get(row.process, ())]
    asked_at = ledger.asked.get(latest.run) if latest.run else None
    # The first process holds no jobs and speaks not for itself, unless it is the only one.
    first = f"{latest.worker}/{latest.main_pid}"
    memories = [row.memory for row in counted]
    if all(row.process != first for row in counted):
        memories.append(latest.main_memory)
    known = [each for each in memories if each is not None]
    return WorkerView(
        id=latest.run, name=latest.worker, standing=_standing(there, asked_at, running),
        host=latest.host, pid=latest.main_pid, release=latest.release,
        queues=sorted({queue for row in counted for queue in row.queues}),
        processes=len(counted), slots=sum(row.slots for row in counted), running=running,
        memory=sum(known) if known else None,
        began_at=min(row.began_at or row.started_at for row in rows), seen_at=latest.seen_at, drain_asked_at=asked_at,
    )  # fmt: skip


def _standing(there: Sequence[Listener], asked_at: datetime | None, running: Sequence[RunningView]) -> Standing:
    if not there:
        return Standing.VANISHED
    heeded = [row.draining for row in there]
    if asked_at is None:
        return Standing.RESUMING if all(heeded) else Standing.TAKING
    return Standing.DRAINED if all(heeded) and not running else Standing.DRAINING
