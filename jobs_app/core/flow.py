"""Measured flow: what moves through each queue, every few seconds, read from the record of events.

Estimates need what happened lately, not everything that ever did: a pass reads at most 10,000 events, the newest, and
an event that commits more than a second after its time may be left out. Rows are kept for an hour.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import Count, F, OuterRef, Subquery

from jobs_app import conf
from jobs_app.core import queries
from jobs_app.core.turns import Seldom
from jobs_app.lifecycle import EventName, State
from jobs_app.models import Attempt, Event, Flow, Job, Pace
from jobs_app.models.guard import writing

SETTLED_AFTER = timedelta(seconds=1)
"""Younger events are left for the next pass: one with a lower id may not have committed yet."""

EVENTS = 10_000
"""Events that one pass reads; of more, the newest."""

SILENCE = timedelta(seconds=10)
"""The longest time without a row of a configured queue."""

KEPT_FOR = timedelta(hours=1)
SAMPLES = 200
"""Durations kept of a kind."""

ROWS = 200
"""Of the latest rows, how many a pass reads to know where the one before ended."""


@dataclass(frozen=True)
class Moved:
    """One event, with what is needed of its job. ``began``: when the attempt that it ended had begun."""

    at: datetime
    name: str
    source: str
    target: str
    attempt: int
    queue: str
    kind: str
    start_from: datetime | None
    start_until: datetime | None
    began: datetime | None

    @property
    def seconds(self) -> float:
        """What the attempt that ended took."""
        return max((self.at - self.began).total_seconds(), 0.0) if self.began is not None else 0.0


@dataclass
class Tally:
    """What moved through one queue."""

    arrived: int = 0
    left: int = 0
    ended: int = 0
    busy_seconds: float = 0.0
    promised: int = 0
    kept: int = 0

    def add(self, moved: Moved) -> None:
        """Count one event. What is no move (a refused write, a wish to cancel) counts as nothing."""
        if moved.source == moved.target:
            return
        self.arrived += moved.target == State.QUEUED
        self.left += moved.source == State.QUEUED
        if moved.source == State.RUNNING:
            self.ended += 1
            self.busy_seconds += moved.seconds
        first_start = moved.name == EventName.CLAIMED and moved.attempt == 1
        if first_start and moved.start_from is not None and moved.start_until is not None:
            self.promised += 1
            self.kept += moved.start_from <= moved.at <= moved.start_until


@dataclass(frozen=True)
class Before:
    """Where the last pass ended: the newest row, and for each queue the end of its newest row."""

    row: int | None
    through: int
    ends: Mapping[str, datetime] = field(default_factory=dict)


def observe(*, now: datetime) -> int:
    """Count what happened since the last pass, a row for each queue. Returns how many rows were written.

    Two at once harm nothing: what the second one read is thrown away.
    """
    settled = now - SETTLED_AFTER
    before, through = _before(), _newest_event(settled)
    skipped = before.row is None or through - before.through > EVENTS
    events = list(_events(max(before.through, through - EVENTS), through))
    paces = _paces(events)
    if before.row is None:
        events = []  # how long what ran before took is known by them, but not in how much time it came
    tallies: dict[str, Tally] = defaultdict(Tally)
    for each in events:
        tallies[each.queue].add(each)
    depths, running = _depths.now(tallies, skipped=skipped), _count(State.RUNNING)
    silent = {name for name in conf.current().queues if before.ends.get(name, now - KEPT_FOR) <= settled - SILENCE}
    began = events[0].at if skipped and events else max(before.ends.values(), default=settled)
    rows = [
        Flow(
            queue=queue,
            started_at=min(began if skipped else max(before.ends.get(queue, began), settled - SILENCE * 2), settled),
            ended_at=settled, through=max(through, before.through),
            depth=depths.get(queue, 0), running=running.get(queue, 0), **vars(tallies[queue]),
        )
        for queue in sorted({*tallies, *depths, *running, *silent})
    ]  # fmt: skip
    return len(rows) if rows and _write(rows, before, paces, now) else 0


def _before() -> Before:
    latest = list(Flow.objects.order_by("-id").values_list("id", "through", "queue", "ended_at")[:ROWS])
    if not latest:
        return Before(None, 0)
    ends: dict[str, datetime] = {}
    for _, _, queue, ended_at in latest:
        ends.setdefault(queue, ended_at)
    return Before(latest[0][0], latest[0][1], ends)


def _newest_event(settled: datetime) -> int:
    newest = Event.objects.filter(at__lte=settled).order_by("-id").values_list("id", flat=True).first()
    return newest or 0


def _events(after: int, through: int) -> Iterator[Moved]:
    if through <= after:
        return
    began = Attempt.objects.filter(job=OuterRef("job"), number=OuterRef("attempt")).values("started_at")[:1]
    rows = Event.objects.filter(id__gt=after, id__lte=through).exclude(source=F("target")).order_by("id")
    for row in rows.values_list(
        "at", "name", "source", "target", "attempt", "job__queue", "job__kind", "job__start_from", "job__start_until",
        Subquery(began),
    ):  # fmt: skip
        yield Moved(*row)


def _count(state: State) -> dict[str, int]:
    """Jobs in that state by queue. Both states have a partial index, so that ended jobs cost nothing."""
    return dict(Job.objects.filter(state=state).order_by().values_list("queue").annotate(count=Count("*")))


class _Depths:
    """How many jobs wait in each queue. A deep ledger is counted seldom; in between, what moved is added."""

    def __init__(self) -> None:
        self._seldom = Seldom()
        self._known: dict[str, int] = {}

    def now(self, moved: Mapping[str, Tally], *, skipped: bool) -> dict[str, int]:
        """By queue. skipped: some of what moved is not known, so that the last count stands as it is."""
        if self._seldom.due:
            self._known = self._seldom.read(partial(_count, State.QUEUED), lambda found: sum(found.values()))
        elif not skipped:
            for queue, tally in moved.items():
                self._known[queue] = max(self._known.get(queue, 0) + tally.arrived - tally.left, 0)
        return dict(self._known)


_depths = _Depths()


def _paces(events: Iterable[Moved]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for each in events:
        # A parent's attempt ends when it begins to wait for its children.
        if each.source == State.RUNNING and each.target in {State.SUCCEEDED, State.BLOCKED}:
            found[each.kind].append(round(each.seconds, 4))
    return found


def _write(rows: list[Flow], before: Before, paces: Mapping[str, list[float]], now: datetime) -> bool:
    """Write the rows, unless another pass has written its own since ``before``."""
    with transaction.atomic(), writing():
        if before.row is not None and not queries.locked(Flow.objects.filter(id=before.row), skip_locked=True):
            return False
        if Flow.objects.order_by("-id").values_list("id", flat=True).first() != before.row:
            return False
        Flow.objects.bulk_create(rows)
        Flow.objects.filter(ended_at__lt=now - KEPT_FOR).delete()
        if paces:
            earlier = dict(Pace.objects.filter(kind__in=paces).values_list("kind", "seconds"))
            Pace.objects.bulk_create(
                [
                    Pace(kind=kind, seconds=[*earlier.get(kind, []), *seconds][-SAMPLES:], updated_at=now)
                    for kind, seconds in sorted(paces.items())
                ],
                update_conflicts=True, unique_fields=["kind"], update_fields=["seconds", "updated_at"],
            )  # fmt: skip
    return True
