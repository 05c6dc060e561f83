"""The charts of statistics: what was done, what failed, how long jobs waited and ran. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, tzinfo
from functools import partial

from jobs_app.reads.deploys import DeployView
from jobs_app.reads.statistics_views import DurationView, PointView, StatisticsView
from jobs_app.web import chart_scales, words
from jobs_app.web.charts import Chart, Series, Time, draw

AGE = "queue age"
AGE_NOTE = "Queue age is how long the oldest waiting job had been due: it rises where nothing leaves and no wait ends."
QUANTILES = ("p50", "p95", "p99")


def throughput(found: StatisticsView, zone: tzinfo, deploys: Sequence[DeployView] = ()) -> Chart | None:
    """What came, and what ended; None if nothing did."""
    series = [
        _counted("succeeded", "succeeded", found, lambda point: point.succeeded),
        _counted("failed", "failed", found, lambda point: point.failed),
        _counted("cancelled", "cancelled", found, lambda point: point.cancelled),
        Series("submitted", "submitted", [point.submitted for point in found.points]),
    ]
    return _counts("throughput", "Throughput", "Jobs that ended, and jobs that came.", series, found, zone, deploys)


def failures(found: StatisticsView, zone: tzinfo, deploys: Sequence[DeployView] = ()) -> Chart | None:
    """What went wrong; None if nothing did."""
    series = [
        _counted("failed", "failed", found, lambda point: point.failed),
        _counted("tried again", "retried", found, lambda point: point.retried),
        _counted("rescued", "rescued", found, lambda point: point.rescued),
    ]
    note = "Jobs that failed for good; attempts that were tried again, or lost with their worker and queued again."
    return _counts("failures", "Failures", note, series, found, zone, deploys)


def refusals(found: StatisticsView, zone: tzinfo, deploys: Sequence[DeployView] = ()) -> Chart | None:
    """What was refused for want of room, by reason; None if nothing was."""
    reasons = sorted(found.totals.refused_by_reason, key=lambda reason: -found.totals.refused_by_reason[reason])
    series = [
        _counted(reason, f"reason-{place}", found, partial(_refused, reason)) for place, reason in enumerate(reasons, 1)
    ]
    note = "Submissions that were turned away, by the reason they were told."
    return _counts("refusals", "Refusals", note, series, found, zone, deploys)


def wait(found: StatisticsView, zone: tzinfo, deploys: Sequence[DeployView] = ()) -> Chart | None:
    """How long jobs waited before each start, under the age of the queue; None if nothing waited."""
    ages = oldest(found)
    age = Series(AGE, "age", [ages.get(point.at) for point in found.points])
    series = [age, *_quantiles(found, lambda point: point.wait)]
    if not any(value for each in series for value in each.values):
        return None
    return _durations("wait", "Wait", f"Time in the queue before each start. {AGE_NOTE}", series, found, zone, deploys)


def run(found: StatisticsView, zone: tzinfo, deploys: Sequence[DeployView] = ()) -> Chart | None:
    """How long attempts took; None if none ended."""
    series = _quantiles(found, lambda point: point.run)
    return _durations("run", "Run time", "Time of each attempt that ended.", series, found, zone, deploys)


def oldest(found: StatisticsView) -> dict[datetime, float]:
    """The greatest age in each bucket, over the queues that are asked for."""
    ages: dict[datetime, float] = {}
    for level in found.levels:
        ages[level.at] = max(ages.get(level.at, 0.0), level.oldest_age_max)
    return ages


def complete(points: Iterable[PointView]) -> int:
    """How many buckets at the beginning are complete."""
    number = 0
    for point in points:
        if not point.complete:
            break
        number += 1
    return number


def _counted(name: str, looks: str, found: StatisticsView, of: Callable[[PointView], int]) -> Series:
    return Series(name, looks, [of(point) for point in found.points], bars=True)


def _refused(reason: str, point: PointView) -> int:
    return point.refused_by_reason.get(reason, 0)


def _quantiles(found: StatisticsView, of: Callable[[PointView], DurationView]) -> list[Series]:
    return [Series(name, name, [getattr(of(point), name) for point in found.points]) for name in QUANTILES]


def _counts(
    chart_id: str,
    title: str,
    note: str,
    series: list[Series],
    found: StatisticsView,
    zone: tzinfo,
    deploys: Sequence[DeployView],
) -> Chart | None:
    if not any(value for each in series for value in each.values):
        return None
    return draw(
        chart_id, f"{title} by the {found.step}", _time(found, zone), series, unit=chart_scales.number,
        scale=chart_scales.numbers, note=note, deploys=_marks(deploys),
    )  # fmt: skip


def _durations(
    chart_id: str,
    title: str,
    note: str,
    series: list[Series],
    found: StatisticsView,
    zone: tzinfo,
    deploys: Sequence[DeployView],
) -> Chart | None:
    return draw(
        chart_id, f"{title} by the {found.step}", _time(found, zone), series, unit=words.length,
        scale=chart_scales.fitting_durations, note=note, deploys=_marks(deploys),
    )  # fmt: skip


def _time(found: StatisticsView, zone: tzinfo) -> Time:
    return Time(found.begin, found.step.length, len(found.points), complete(found.points), zone)


def _marks(deploys: Sequence[DeployView]) -> list[tuple[datetime, str]]:
    return [(each.at, f"{each.label} {each.version}".strip()) for each in deploys]
