"""Reading failures that are alike: groups by pages, one of them, and those that come in a burst.

Who may not see the jobs of others gets the figures, the words and the traceback of their own, and no group besides.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from jobs_app.errors import InvalidRequest, NotFound
from jobs_app.fingerprints import LENGTH, UNSOLVED, Status
from jobs_app.lifecycle import State
from jobs_app.models import Attempt, FailureCount, FailureGroup, FailureSight, Job
from jobs_app.models.failure import EVERYBODY
from jobs_app.models.job import ACT_ON_ALL, SEE_ALL
from jobs_app.reads.failure_views import CountView, GroupDetailView, GroupPageView, GroupView, VariantView
from jobs_app.reads.views import JobView
from jobs_app.steps import Step

if TYPE_CHECKING:
    from jobs_app.reads.jobs import Reader

PAGE, PAGE_LIMIT = 25, 100
LOOKED_AT = 100
SHOWN = 20
SPANS = {Step.HOUR: 24, Step.DAY: 14}
MOST_KINDS = 200

RECENT = timedelta(minutes=10)
USUAL = timedelta(hours=24)
BURST_LEAST = 10
BURST_FACTOR = 5.0
BURSTS = 5


class Tab(StrEnum):
    """Which groups a list shows."""

    OPEN = "open"
    RESOLVED = "resolved"
    IGNORED = "ignored"
    ALL = "all"


class Sort(StrEnum):
    """What comes first."""

    LATEST = "latest"
    FREQUENT = "frequent"


STATUSES: dict[Tab, tuple[Status, ...]] = {
    Tab.OPEN: UNSOLVED,
    Tab.RESOLVED: (Status.RESOLVED,),
    Tab.IGNORED: (Status.IGNORED,),
    Tab.ALL: tuple(Status),
}


@dataclass(frozen=True)
class Wanted:
    """Which groups, and in which order. An empty kind does not filter."""

    tab: Tab = Tab.OPEN
    kind: str = ""
    sort: Sort = Sort.LATEST


@dataclass(frozen=True)
class Burst:
    """A group that is seen far more often than usual. times: in the last ten minutes; usual: in ten minutes before."""

    fingerprint: str
    kind: str
    error_type: str
    place: str
    message: str
    times: int
    usual: float


def group_page(
    user: Reader, wanted: Wanted | None = None, *, now: datetime, cursor: str = "", limit: int = PAGE
) -> GroupPageView:
    """A page of the groups this user sees. Raises InvalidRequest for a bad cursor, kind, or limit outside 1 to 100."""
    if not 1 <= limit <= PAGE_LIMIT:
        raise InvalidRequest(f"expected a limit from 1 to {PAGE_LIMIT}, got {limit}")
    wanted = wanted or Wanted()
    column = "last_seen" if wanted.sort is Sort.LATEST else "times"
    rows = _sights(user).filter(group__status__in=STATUSES[wanted.tab]).select_related("group__status_by")
    if wanted.kind:
        rows = rows.filter(group__kind=_printable(wanted.kind))
    if cursor:
        value, group = _read_cursor(cursor, wanted.sort)
        rows = rows.filter(Q(**{f"{column}__lt": value}) | Q(**{column: value, "group__gt": group}))
    found = list(rows.order_by(f"-{column}", "group")[: limit + 1])
    more, found = len(found) > limit, found[:limit]
    return GroupPageView(
        failures=[GroupView(**each) for each in _columns(user, found, now)],
        next_cursor=_cursor(found[-1], wanted.sort) if more else None,
    )


def counts(user: Reader) -> dict[Tab, int]:
    """How many groups there are of each tab."""
    rows = _sights(user).order_by().values_list("group__status")
    found = Counter({status: sum(1 for _ in ()) for status in Status})
    for (status,) in rows:
        found[Status(status)] += 1
    return {tab: sum(found[each] for each in statuses) for tab, statuses in STATUSES.items()}


def kinds(user: Reader) -> list[str]:
    """The kinds that have groups, by name."""
    rows = _sights(user).order_by("group__kind").values_list("group__kind", flat=True)
    return list(rows.distinct()[:MOST_KINDS])


def group(user: Reader, fingerprint: str, *, now: datetime) -> GroupDetailView:
    """One group. Raises NotFound."""
    sight = find(user, fingerprint)
    (columns,) = _columns(user, [sight], now)
    rows = _jobs(user).filter(fingerprint=sight.group_id).order_by("-id")
    latest = list(rows.select_related("owner").defer("result", "sealed")[:SHOWN])
    said = Counter(rows.values_list("error", flat=True)[:LOOKED_AT])
    sample = Attempt.objects.filter(job_id=sight.job, number=sight.attempt).first()
    return GroupDetailView(
        **columns,
        sample_job=sample.job_id if sample else None,
        sample_attempt=sight.attempt,
        traceback=sample.traceback if sample else "",
        variants=[VariantView(message=text, times=times) for text, times in said.most_common(SHOWN) if text],
        latest=[JobView.of(row) for row in latest],
    )


def find(user: Reader, fingerprint: str) -> FailureSight:
    """What this user may see of a group. Raises NotFound, the same for one that is another's and one that is none."""
    wanted = fingerprint if len(fingerprint) == LENGTH and fingerprint.isalnum() else ""
    row = _sights(user).filter(group=wanted).select_related("group__status_by").first()
    if row is None:
        raise NotFound(f"expected the fingerprint of a failure of yours, got {fingerprint[:40]!r}")
    return row


def may_act(user: Reader) -> bool:
    """Whether this user may resolve groups and the like; the core asks again."""
    return user is None or user.has_perm(ACT_ON_ALL)


def bursts(user: Reader, now: datetime) -> list[Burst]:
    """The groups whose last ten minutes are far above what is usual of them, the largest first; ignored ones are not.

    Usual is the rate of the 24 hours before. A group that is new is a burst too, once it was seen ten times.
    """
    counted = FailureCount.objects.filter(owner=_owner(user)).exclude(group__status=Status.IGNORED).order_by()
    recent = dict(_summed(counted.filter(step=Step.MINUTE, at__gt=now - RECENT, at__lte=now)))
    many = {key: times for key, times in recent.items() if times >= BURST_LEAST}
    if not many:
        return []
    hours = dict(_summed(counted.filter(step=Step.HOUR, at__gt=now - USUAL, at__lte=now, group__in=many)))
    usual = {key: max(hours.get(key, 0) - times, 0) * (RECENT / USUAL) for key, times in many.items()}
    found = sorted((key for key in many if many[key] > BURST_FACTOR * usual[key]), key=lambda key: -many[key])[:BURSTS]
    rows = {row.group_id: row for row in _sights(user).filter(group__in=found).select_related("group")}
    return [_burst(rows[key], many[key], usual[key]) for key in found if key in rows]


def _burst(sight: FailureSight, times: int, usual: float) -> Burst:
    of = sight.group
    return Burst(of.fingerprint, of.kind, of.error_type, of.place, sight.message, times, round(usual, 2))


def _summed(rows: QuerySet[FailureCount]) -> Iterable[tuple[str, int]]:
    return rows.values_list("group").annotate(sum=Sum("times"))


def _owner(user: Reader) -> int:
    """Whose figures this user gets. A stranger's are nobody's: no owner has that number."""
    if user is None or user.has_perm(SEE_ALL):
        return EVERYBODY
    return user.pk if user.is_authenticated and user.pk else EVERYBODY - 1


def _sights(user: Reader) -> QuerySet[FailureSight]:
    return FailureSight.objects.filter(owner=_owner(user))


def _jobs(user: Reader) -> QuerySet[Job]:
    return Job.objects.visible_to(user)


def _columns(user: Reader, sights: Sequence[FailureSight], now: datetime) -> list[dict[str, Any]]:
    """What is shown of each, whichever surface shows it."""
    series = {step: _series(sights, step, now) for step in SPANS}
    still = {each.group_id: _still(user, each.group_id) for each in sights}
    all_seen = _owner(user) == EVERYBODY
    return [_one(each, series, still[each.group_id], whole=all_seen) for each in sights]


def _one(
    sight: FailureSight, series: dict[Step, dict[str, list[CountView]]], still: tuple[int, int], *, whole: bool
) -> dict[str, Any]:
    of: FailureGroup = sight.group
    return {
        "fingerprint": of.fingerprint, "kind": of.kind, "error_type": of.error_type, "place": of.place,
        "message": sight.message, "status": Status(of.status), "first_seen": sight.first_seen,
        "last_seen": sight.last_seen, "times": sight.times, "jobs": sight.jobs,
        "still_failed": still[0], "looked_at": still[1],
        "hours": series[Step.HOUR][of.fingerprint], "days": series[Step.DAY][of.fingerprint],
        "status_at": of.status_at, "ignored_until": of.ignored_until,
        "status_by": of.status_by.get_username() if of.status_by and whole else None,
        "note": of.note if whole else "",
    }  # fmt: skip


def _series(sights: Sequence[FailureSight], step: Step, now: datetime) -> dict[str, list[CountView]]:
    """The latest buckets of each, those without a failure too: one query."""
    last, length = step.floor(now), SPANS[step]
    moments = [last - place * step.length for place in reversed(range(length))]
    counted: dict[str, dict[datetime, int]] = defaultdict(dict)
    if sights:
        rows = FailureCount.objects.filter(
            group__in=[each.group_id for each in sights], owner=sights[0].owner, step=step, at__gte=moments[0]
        )
        for key, at, times in rows.values_list("group", "at", "times"):
            counted[key][at] = times
    return {
        each.group_id: [CountView(at=at, times=counted[each.group_id].get(at, 0)) for at in moments] for each in sights
    }


def _printable(text: str) -> str:
    if not text.isprintable():
        raise InvalidRequest("expected kind to be printable text")
    return text


def _cursor(row: FailureSight, sort: Sort) -> str:
    value = row.last_seen.isoformat() if sort is Sort.LATEST else str(row.times)
    return f"{value}~{row.group_id}"


def _read_cursor(text: str, sort: Sort) -> tuple[Any, str]:
    value, _, group = text[:100].partition("~")
    try:
        if not (group.isalnum() and len(group) == LENGTH):
            raise ValueError(group)
        found = datetime.fromisoformat(value) if sort is Sort.LATEST else int(value)
        if isinstance(found, datetime) and found.tzinfo is None:
            raise ValueError(value)
    except ValueError:
        raise InvalidRequest(f"expected a cursor from an earlier page, got {text[:64]!r}") from None
    return found, group
