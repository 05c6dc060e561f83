"""Reading statistics: counts and quantiles of any period, by queue, kind and owner, from the rollups alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Q, QuerySet, Sum

from jobs_app.core.rollups import cursor
from jobs_app.core.rollups.cursor import Place
from jobs_app.core.rollups.sums import COUNTS, EVERYONE
from jobs_app.errors import InvalidRequest, NotAllowed, NotFound
from jobs_app.histograms import ERROR, quantile
from jobs_app.models import QueueLevel, Rollup
from jobs_app.models.job import SEE_ALL
from jobs_app.reads.statistics_views import (
    DurationView,
    GroupView,
    LevelView,
    PointView,
    StatisticsView,
    SumsView,
)  # fmt: skip
from jobs_app.steps import Step

if TYPE_CHECKING:
    from django.contrib.auth.models import User

POINTS = 1_500
"""Buckets of one answer: a day of minutes, two months of hours, four years of days."""

GROUPS = 100
APART = Q(owner__gte=0)
"""The rows of each owner."""

HORIZON = timedelta(days=20 * 366)
USUAL = {Step.MINUTE: timedelta(hours=1), Step.HOUR: timedelta(days=2), Step.DAY: timedelta(days=30)}
"""The period if none is named."""


class By(StrEnum):
    """What totals are told apart by."""

    KIND = "kind"
    QUEUE = "queue"
    OWNER = "owner"


@dataclass(frozen=True)
class Question:
    """What is asked. begin, end: widened to whole buckets; without them the latest hour, two days or month."""

    step: Step = Step.HOUR
    begin: datetime | None = None
    end: datetime | None = None
    queue: str | None = None
    kind: str | None = None
    owner: str | None = None
    by: By | None = None


def statistics(question: Question, viewer: User | None, *, now: datetime) -> StatisticsView:
    """The answer. Who may not see the jobs of others gets statistics of their own.

    Raises InvalidRequest for a period that is empty or has more than 1,500 buckets, NotAllowed for another's, NotFound
    for an unknown owner.
    """
    begin, end = _period(question, now)
    place = cursor.read()
    owner, rows = _asked_owner(question, viewer), _rows(question)
    of_all = rows.filter(_of_all(begin, place) if owner is None else Q(owner=owner))
    apart = rows.filter(APART) if owner is None and question.by is By.OWNER else of_all
    points = _sums(of_all.filter(_within(question.step, begin, end)), "at")
    through = place.caught_up_at or datetime.min.replace(tzinfo=UTC)
    step = question.step
    moments = [begin + number * step.length for number in range((end - begin) // step.length)]
    return StatisticsView(
        begin=begin, end=end, step=step, relative_error=ERROR, counted_up_to=place.caught_up_at,
        totals=_view(_total(points.values())),
        points=[
            PointView(at=at, complete=at + step.length <= through, **vars(_view(points.get(at) or _Sums())))
            for at in moments
        ],
        groups=_groups(apart.filter(_span(question.step, begin, end)), question.by),
        levels=_levels(question, begin, end),
    )  # fmt: skip


class _Sums:
    """Sums as they come from the database."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.bins: dict[str, Counter[int]] = {"wait": Counter(), "run": Counter()}


def _period(question: Question, now: datetime) -> tuple[datetime, datetime]:
    for name, moment in (("begin", question.begin), ("end", question.end)):
        if moment is not None and abs(moment - now) > HORIZON:
            raise InvalidRequest(f"expected {name} within twenty years from now, got {moment.isoformat()}")
    step = question.step
    end = step.ceiling(question.end or now)
    begin = step.floor(question.begin) if question.begin else end - USUAL[step]
    points = (end - begin) // step.length
    if points < 1:
        raise InvalidRequest(f"expected begin before end, got {begin.isoformat()} and {end.isoformat()}")
    if points > POINTS:
        raise InvalidRequest(f"expected at most {POINTS:,} {step}s, got {points:,}; ask for less, or in a longer step")
    return begin, end


def _within(step: Step, begin: datetime, end: datetime) -> Q:
    return Q(step=step, at__gte=begin, at__lt=end)


def _span(step: Step, begin: datetime, end: datetime) -> Q:
    """A period as few buckets: whole days, and the hours at both ends."""
    first, last = Step.DAY.ceiling(begin), Step.DAY.floor(end)
    if step is not Step.HOUR or first >= last:
        return _within(step, begin, end)
    return _within(step, begin, first) | _within(Step.DAY, first, last) | _within(step, last, end)


def _rows(question: Question) -> QuerySet[Rollup]:
    rows = Rollup.objects.filter(gone=False)
    if question.queue is not None:
        rows = rows.filter(queue=question.queue)
    if question.kind is not None:
        rows = rows.filter(kind=question.kind)
    return rows


def _asked_owner(question: Question, viewer: User | None) -> int | None:
    """Whose jobs are told; None: everybody's."""
    sees_all = viewer is None or viewer.has_perm(SEE_ALL)
    if not sees_all and question.owner not in {None, viewer.get_username() if viewer else None}:
        raise NotAllowed("expected your own name as the owner, or none: you may not see the jobs of others")
    if question.owner is not None:
        return _owner(question.owner)
    return None if sees_all or viewer is None else viewer.pk


def _of_all(begin: datetime, place: Place) -> Q:
    """The rows of all owners: their sums, and those of each where no sums are."""
    since = max(place.together_from or begin, begin)
    if not place.told_together(since):
        return APART
    if since == begin:
        return Q(owner=EVERYONE)
    return Q(owner=EVERYONE, at__gte=since) | (APART & Q(at__lt=since))


def _owner(name: str) -> int:
    users = get_user_model().objects
    found = users.filter(username=name).values_list("pk", flat=True).first() if name else 0
    if found is None:
        raise NotFound(f"expected the name of a user as the owner, or an empty one for the system, got {name[:100]!r}")
    return found


def _sums(rows: QuerySet[Rollup], by: str) -> dict[Any, _Sums]:
    """Rows added up by a column, in the database."""
    found: dict[Any, _Sums] = defaultdict(_Sums)
    columns = (*COUNTS, "wait_micros", "run_micros")
    totals = rows.order_by().values(by).annotate(**{f"sum_{name}": Sum(name) for name in columns})
    for row in totals:
        found[row[by]].counts = Counter({name: int(row[f"sum_{name}"]) for name in columns})
    for name in ("wait", "run"):
        for key, number, count in _unnested(rows, by, name):
            found[key].bins[name][int(number)] += int(count)
    for key, reason, count in _unnested(rows, by, "refused"):
        found[key].refused[reason] += int(count)
    return found


def _unnested(rows: QuerySet[Rollup], by: str, column: str) -> list[tuple[Any, str, int]]:
    """The entries of a column of objects, added up: of any number of rows no more comes here than there are entries."""
    inner, parameters = rows.order_by().values_list(by, column).query.sql_with_params()
    entries = "jsonb_each_text" if connection.vendor == "postgresql" else "json_each"
    # Nothing of the request is in the text: the inner query has its values as parameters, and names are our own.
    statement = (
        f'SELECT chosen."{by}", entry.key, SUM(CAST(entry.value AS bigint)) '  # noqa: S608
        f'FROM ({inner}) AS chosen, {entries}(chosen."{column}") AS entry GROUP BY 1, 2'
    )
    with connection.cursor() as database:
        database.execute(statement, parameters)
        found = database.fetchall()
    return [(_read(key) if by == "at" else key, entry, count) for key, entry, count in found]


def _read(moment: Any) -> datetime:
    """A time as a raw statement returns it: SQLite has text."""
    found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _total(parts: Any) -> _Sums:
    total = _Sums()
    for each in parts:
        total.counts.update(each.counts)
        total.refused.update(each.refused)
        for name, bins in each.bins.items():
            total.bins[name].update(bins)
    return total


def _view(sums: _Sums) -> SumsView:
    return SumsView(
        **{name: sums.counts[name] for name in COUNTS},
        refused=sums.refused.total(), refused_by_reason=dict(sorted(sums.refused.items())),
        wait=_duration(sums.bins["wait"], sums.counts["wait_micros"]),
        run=_duration(sums.bins["run"], sums.counts["run_micros"]),
    )  # fmt: skip


def _duration(bins: Mapping[int, int], micros: int) -> DurationView:
    count = sum(bins.values())
    p50, p95, p99 = (quantile(bins, part) for part in (0.5, 0.95, 0.99))
    return DurationView(count=count, mean=micros / 1e6 / count if count else None, p50=p50, p95=p95, p99=p99)


def _groups(rows: QuerySet[Rollup], by: By | None) -> list[GroupView]:
    if by is None:
        return []
    found = _sums(rows, by)
    largest = sorted(found, key=lambda name: (-found[name].counts["submitted"], name))[:GROUPS]
    names: Mapping[Any, str] = {}
    if by is By.OWNER:
        names = dict(get_user_model().objects.filter(pk__in=largest).values_list("pk", "username"))
    return [
        GroupView(name=_name(by, each, names), **vars(_view(found[each])))
        for each in largest
    ]  # fmt: skip


def _name(by: By, each: Any, names: Mapping[Any, str]) -> str:
    if by is not By.OWNER:
        return str(each)
    return names.get(each, f"user {each}") if each else ""


def _levels(question: Question, begin: datetime, end: datetime) -> list[LevelView]:
    rows = QueueLevel.objects.filter(step=question.step, at__gte=begin, at__lt=end).order_by("at", "queue")
    if question.queue is not None:
        rows = rows.filter(queue=question.queue)
    return [
        LevelView(
            at=row.at, queue=row.queue, depth_mean=row.depth_sum / row.samples, depth_max=row.depth_max,
            depth_last=row.depth_last, oldest_age_max=row.oldest_max,
        )
        for row in rows[: POINTS * 10]
    ]  # fmt: skip
