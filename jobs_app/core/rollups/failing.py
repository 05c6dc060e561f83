"""Failing: the failures that a batch of events tells of, added to their groups in the transaction that counts it.

A failure is an attempt that failed or was lost, or a job that failed without one (its time to start had passed, a child
failed). Groups rest on the cursor like all that is rolled up: each failure is counted once, whatever crashes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef, Subquery

from jobs_app.core.rollups.sums import Happened
from jobs_app.fingerprints import Fault, Status
from jobs_app.lifecycle import EventName, Outcome, State
from jobs_app.models import Attempt, Event, FailureCount, FailureGroup, FailureSight, Job
from jobs_app.models.failure import EVERYBODY
from jobs_app.models.guard import writing
from jobs_app.steps import Step

NAMES = frozenset({EventName.FAILED, EventName.EXPIRED, EventName.RETRY_PLANNED, EventName.RESCUED})
CHUNK = 200
"""Events whose tracebacks are in memory at once."""

ROWS = 500
MESSAGE_LENGTH = 500
PLACE_LENGTH = FailureGroup._meta.get_field("place").max_length


@dataclass(frozen=True)
class Seen:
    """One failure. final: the job failed for good by it. unmarked: its row has no fingerprint yet."""

    fingerprint: str
    fault: Fault
    place: str
    owner: int
    at: datetime
    job: UUID
    attempt: int
    final: bool
    unmarked: bool


class _Told(NamedTuple):
    """An event, with what is needed of its job and the key of its attempt."""

    at: datetime
    source: str
    target: str
    number: int
    job: UUID
    kind: str
    owner: int | None
    error_type: str
    error: str
    fingerprint: str
    attempt: int | None


COLUMNS = (
    "at", "source", "target", "attempt", "job_id", "job__kind", "job__owner_id", "job__error_type", "job__error",
    "job__fingerprint",
)  # fmt: skip
TEXTS = ("outcome", "error_type", "error", "traceback")


def told_by(events: Iterable[Happened]) -> list[int]:
    """The ids of the events that may tell of a failure."""
    return [each.id for each in events if each.name in NAMES and each.source != each.target]


def look(ids: Sequence[int]) -> list[Seen]:
    """The failures that these events tell of."""
    return [seen for start in range(0, len(ids), CHUNK) for seen in _look(ids[start : start + CHUNK])]


def _look(ids: Sequence[int]) -> Iterator[Seen]:
    mine = Attempt.objects.filter(job=OuterRef("job"), number=OuterRef("attempt")).values("pk")[:1]
    rows = Event.objects.filter(id__in=ids).order_by("id")
    told = [_Told(*row) for row in rows.values_list(*COLUMNS, Subquery(mine))]
    attempts = Attempt.objects.only(*TEXTS).in_bulk([each.attempt for each in told if each.attempt is not None])
    for each in told:
        attempt = attempts.get(each.attempt) if each.source == State.RUNNING and each.attempt is not None else None
        final = each.target == State.FAILED
        if attempt is None and final:
            fault = Fault(each.kind, each.error_type, each.error)
        elif attempt is not None and _failed(attempt):
            fault = Fault(each.kind, attempt.error_type, attempt.error, attempt.traceback)
        else:
            continue  # put off, or given back: nothing went wrong
        yield Seen(
            # What the settlement wrote is what people search for, whichever release it was.
            fingerprint=(final and each.fingerprint) or fault.fingerprint,
            fault=fault._replace(error=fault.error[:MESSAGE_LENGTH], traceback=""), place=fault.place[:PLACE_LENGTH],
            owner=each.owner or 0, at=each.at, job=each.job, attempt=each.number,
            final=final, unmarked=final and not each.fingerprint,
        )  # fmt: skip


def _failed(attempt: Attempt) -> bool:
    """Whether it failed or was lost; one that was given back names no type of error."""
    return attempt.outcome == Outcome.FAILED or (attempt.outcome == Outcome.LOST and attempt.error_type != "")


def note(seen: Sequence[Seen], *, now: datetime) -> None:
    """Add failures to their groups, in the transaction of a caller that has advanced the cursor, and follow up."""
    with writing():
        if seen:
            _make_groups(seen)
            _add_sights(seen)
            _add_counts(seen)
            _mark(seen)
        # All of them, not those of the batch alone: one may have been resolved while it was counted.
        again = FailureSight.objects.filter(group=OuterRef("pk"), owner=EVERYBODY, last_seen__gt=OuterRef("status_at"))
        FailureGroup.objects.filter(Exists(again), status=Status.RESOLVED).update(status=Status.REGRESSED)
        over = FailureGroup.objects.filter(ignored_until__lte=now)
        over.update(status=Status.OPEN, ignored_until=None)


def _make_groups(seen: Sequence[Seen]) -> None:
    made = {
        each.fingerprint: FailureGroup(
            fingerprint=each.fingerprint, kind=each.fault.kind, error_type=each.fault.error_type, place=each.place
        )
        for each in seen
    }
    FailureGroup.objects.bulk_create(made.values(), ignore_conflicts=True, batch_size=ROWS)


def _add_sights(seen: Sequence[Seen]) -> None:
    new: dict[tuple[str, int], list[Seen]] = defaultdict(list)
    for each in seen:
        for owner in (each.owner, EVERYBODY):
            new[each.fingerprint, owner].append(each)
    found = _those(FailureSight.objects.all(), new)
    there = {(row.group_id, row.owner): row for row in found}
    rows = [_sight(there.get(key), *key, those) for key, those in sorted(new.items())]
    FailureSight.objects.bulk_create(
        rows, batch_size=ROWS, update_conflicts=True, unique_fields=["group", "owner"],
        update_fields=["times", "jobs", "first_seen", "last_seen", "job", "attempt", "message"],
    )  # fmt: skip


def _sight(row: FailureSight | None, group: str, owner: int, seen: Sequence[Seen]) -> FailureSight:
    last = sorted(seen, key=lambda each: each.at)[-1]
    first_seen = min(each.at for each in seen)
    if row is None:
        row = FailureSight(group_id=group, owner=owner, first_seen=first_seen, last_seen=first_seen)
    row.pk = None  # the unique key finds it
    row.times += len(seen)
    row.jobs += sum(each.final for each in seen)
    row.first_seen = min(row.first_seen, first_seen)
    if last.at >= row.last_seen:
        row.last_seen, row.job, row.attempt, row.message = last.at, last.job, last.attempt, last.fault.error
    return row


def _add_counts(seen: Sequence[Seen]) -> None:
    new = Counter(
        (each.fingerprint, owner, step, step.floor(each.at))
        for each in seen for owner in (each.owner, EVERYBODY) for step in Step
    )  # fmt: skip
    found = _those(FailureCount.objects.filter(at__in={at for *_, at in new}), new)
    there = {(row.group_id, row.owner, row.step, row.at): row.times for row in found}
    rows = [
        FailureCount(
            group_id=group, owner=owner, step=step, at=at, times=times + there.get((group, owner, step, at), 0)
        )
        for (group, owner, step, at), times in sorted(new.items())
    ]
    FailureCount.objects.bulk_create(
        rows, batch_size=ROWS, update_conflicts=True, unique_fields=["group", "owner", "step", "at"],
        update_fields=["times"],
    )  # fmt: skip


def _those(rows: Any, keys: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    """The rows of these groups and owners, and perhaps a few of others."""
    groups = sorted({key[0] for key in keys})
    owners = {key[1] for key in keys}
    for start in range(0, len(groups), ROWS):
        found = rows.filter(group__in=groups[start : start + ROWS])
        yield from found.filter(owner__in=owners) if len(owners) <= ROWS else found


def _mark(seen: Sequence[Seen]) -> None:
    """Write the fingerprint to jobs that workers of the release before have settled."""
    unmarked: dict[str, list[UUID]] = defaultdict(list)
    for each in seen:
        if each.unmarked:
            unmarked[each.fingerprint].append(each.job)
    for fingerprint, jobs in unmarked.items():
        for start in range(0, len(jobs), ROWS):
            Job.objects.filter(id__in=jobs[start : start + ROWS], fingerprint="").update(fingerprint=fingerprint)
