"""Reading failures that are alike: groups by pages, one of them, and those that come in a burst.

Who may not see the jobs of others gets the figures, the words and the traceback of their own, and no group besides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Q, QuerySet, Sum

from jobs_app import fingerprints
from jobs_app.core import access
from jobs_app.errors import InvalidRequest, NotFound
from jobs_app.fingerprints import LENGTH, UNSOLVED, Status
from jobs_app.models import Attempt, FailureCount, FailureGroup, FailureSight, Job
from jobs_app.models.failure import EVERYBODY
from jobs_app.models.job import ACT_ON_ALL
from jobs_app.reads.failure_figures import LOOKED_AT, Series, series, standing, whose
from jobs_app.reads.failure_views import GroupDetailView, GroupPageView, GroupView, VariantView
from jobs_app.reads.views import JobView, hidden
from jobs_app.steps import Step

if TYPE_CHECKING:
    from jobs_app.reads.jobs import Reader

PAGE, PAGE_LIMIT = 25, 100
SHOWN = 20
VARIANTS = 10
MOST_KINDS = 200
MOST_TIMES = 2**63 - 1

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
    rows = _sights(user)
    if wanted.tab is not Tab.ALL:
        rows = rows.filter(group__status__in=STATUSES[wanted.tab])
    if wanted.kind:
        rows = rows.filter(group__kind=_printable(wanted.kind))
    if cursor:
        value, after = _read_cursor(cursor, wanted.sort)
        rows = rows.filter(Q(**{f"{column}__lt": value}) | Q(**{column: value, "group__gt": after}))
    found = list(rows.order_by(f"-{column}", "group")[: limit + 1])
    more, found = len(found) > limit, found[:limit]
    return GroupPageView(
        failures=[GroupView(**each) for each in _told(user, found, now)],
        next_cursor=_cursor(found[-1], wanted.sort) if more else None,
    )


def counts(user: Reader) -> dict[Tab, int]:
    """How many groups each tab has."""
    rows = _sights(user).order_by().values_list("group__status").annotate(count=Count("*"))
    found = dict(rows)
    return {tab: sum(found.get(each, 0) for each in statuses) for tab, statuses in STATUSES.items()}


def kinds(user: Reader) -> list[str]:
    """The kinds that have groups, by name."""
    rows = _sights(user).order_by("group__kind").values_list("group__kind", flat=True)
    return list(rows.distinct()[:MOST_KINDS])


def group(user: Reader, fingerprint: str, *, now: datetime) -> GroupDetailView:
    """One group. Raises NotFound."""
    sight = find(user, fingerprint)
    (columns,) = _told(user, [sight], now)
    rows = Job.objects.visible_to(user).filter(fingerprint=sight.group_id).order_by("-id")
    sample = Attempt.objects.filter(job_id=sight.job, number=sight.attempt).first()
    seen = not columns["words_hidden"]
    return GroupDetailView(
        **columns,
        sample_job=sample.job_id if sample else None,
        sample_attempt=sight.attempt,
        traceback=sample.traceback if sample and seen else "",
        variants=_variants(list(rows.values_list("error", flat=True)[:LOOKED_AT])) if seen else [],
        latest=[JobView.of(row, user) for row in rows.select_related("owner").defer("result", "sealed")[:SHOWN]],
    )


def _variants(errors: Sequence[str]) -> list[VariantView]:
    """Messages, newest first, told apart as fingerprints are: of each the newest, and how many there are of it."""
    plain = {error: fingerprints.message(error) for error in errors if error}
    newest = {plain[error]: error for error in reversed(errors) if error}
    said = Counter(plain[error] for error in errors if error)
    return [VariantView(message=newest[each], times=times) for each, times in said.most_common(VARIANTS)]


def find(user: Reader, fingerprint: str) -> FailureSight:
    """What this user may see of a group. Raises NotFound, the same for one that is another's and one that is none."""
    wanted = fingerprint if len(fingerprint) == LENGTH and fingerprint.isalnum() else ""
    row = _sights(user).filter(group=wanted).first()
    if row is None:
        raise NotFound(f"expected the fingerprint of a failure of yours, got {fingerprint[:40]!r}")
    return row


def uncounted(user: Reader, fingerprint: str) -> bool:
    """Whether there are jobs with this fingerprint, though perhaps no group yet: it is made within some ten seconds."""
    fits = len(fingerprint) == LENGTH and fingerprint.isalnum()
    return fits and Job.objects.visible_to(user).filter(fingerprint=fingerprint).exists()


def may_act(user: Reader) -> bool:
    """Whether this user may resolve groups and the like; the core asks again."""
    return user is None or user.has_perm(ACT_ON_ALL)


def bursts(user: Reader, now: datetime) -> list[Burst]:
    """The groups whose last ten minutes are far above what is usual of them, the largest first; ignored ones are not.

    Usual is the rate of the 24 hours before. A group that is new is a burst too, once it was seen ten times.
    """
    counted = FailureCount.objects.filter(owner=whose(user)).exclude(group__status=Status.IGNORED).order_by()
    recent = _summed(counted.filter(step=Step.MINUTE, at__gt=now - RECENT, at__lte=now))
    many = {key: times for key, times in recent.items() if times >= BURST_LEAST}
    if not many:
        return []
    hours = _summed(counted.filter(step=Step.HOUR, at__gt=now - USUAL, at__lte=now, group__in=many))
    usual = {key: max(hours.get(key, 0) - times, 0) * (RECENT / USUAL) for key, times in many.items()}
    found = sorted((key for key in many if many[key] > BURST_FACTOR * usual[key]), key=lambda key: -many[key])[:BURSTS]
    rows = {row.group_id: row for row in _sights(user).filter(group__in=found)}
    return [_burst(user, rows[key], many[key], usual[key]) for key in found if key in rows]


def _burst(user: Reader, sight: FailureSight, times: int, usual: float) -> Burst:
    of, said = sight.group, sight.message if _sees(user, sight) else ""
    return Burst(of.fingerprint, of.kind, of.error_type, of.place, said, times, round(usual, 2))


def _sees(user: Reader, sight: FailureSight) -> bool:
    """Whether what failed may be told in its own words: of everybody's jobs, or of this user's own."""
    return access.sees_parameters(user, sight.group.kind, sight.owner)


def _summed(rows: QuerySet[FailureCount]) -> dict[str, int]:
    return dict(rows.values_list("group").annotate(sum=Sum("times")))


def _sights(user: Reader) -> QuerySet[FailureSight]:
    return FailureSight.objects.filter(owner=whose(user)).select_related("group__status_by")


def _told(user: Reader, sights: Sequence[FailureSight], now: datetime) -> list[dict[str, Any]]:
    """What is shown of each, whichever surface shows it."""
    if not sights:
        return []
    hours, days = series(sights, Step.HOUR, now=now), series(sights, Step.DAY, now=now)
    stand, whole = standing(user, sights), whose(user) == EVERYBODY
    return [_one(each, hours, days, stand[each.group_id], whole=whole, seen=_sees(user, each)) for each in sights]


def _one(
    sight: FailureSight, hours: Series, days: Series, stand: tuple[int, int], *, whole: bool, seen: bool
) -> dict[str, Any]:
    of: FailureGroup = sight.group
    return {
        "fingerprint": of.fingerprint, "kind": of.kind, "error_type": of.error_type, "place": of.place,
        "message": sight.message if seen else "", "words_hidden": "" if seen else hidden(of.kind),
        "status": Status(of.status), "first_seen": sight.first_seen,
        "last_seen": sight.last_seen, "times": sight.times, "jobs": sight.jobs,
        "still_failed": stand[0], "looked_at": stand[1], "hours": hours[of.fingerprint], "days": days[of.fingerprint],
        "status_at": of.status_at, "ignored_until": of.ignored_until,
        # What operators write to each other is for those who see what they see.
        "status_by": of.status_by.get_username() if of.status_by and whole else None,
        "note": of.note if whole else "",
    }  # fmt: skip


def _printable(text: str) -> str:
    if not text.isprintable():
        raise InvalidRequest("expected kind to be printable text")
    return text


def _cursor(row: FailureSight, sort: Sort) -> str:
    value = row.last_seen.isoformat() if sort is Sort.LATEST else str(row.times)
    return f"{value}~{row.group_id}"


def _read_cursor(text: str, sort: Sort) -> tuple[Any, str]:
    """The value and the group that a page ended with. Raises InvalidRequest."""
    value, _, after = text[:100].partition("~")
    try:
        found: Any = datetime.fromisoformat(value) if sort is Sort.LATEST else int(value)
        fits = found.tzinfo is not None if sort is Sort.LATEST else 0 <= found <= MOST_TIMES
        if not (fits and after.isalnum() and len(after) == LENGTH):
            raise ValueError(value)
    except ValueError:
        raise InvalidRequest(f"expected a cursor from an earlier page, got {text[:64]!r}") from None
    return found, after
