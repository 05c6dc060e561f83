"""Statistics: what happened over hours, weeks and months, from the rollups, as charts, tables and CSV."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from jobs_app import conf
from jobs_app.core import clock
from jobs_app.models.job import SEE_ALL
from jobs_app.reads import deploys, kinds, queues
from jobs_app.reads import statistics as reads
from jobs_app.reads.statistics import By
from jobs_app.reads.statistics_views import GroupView, StatisticsView
from jobs_app.web import statistics_charts, statistics_csv, statistics_query, words
from jobs_app.web.charts import Chart
from jobs_app.web.pages import page, render, user_of
from jobs_app.web.statistics_query import RANGES, SYSTEM, Asked

CALM = {
    "failures": "Nothing failed in this time, and nothing was tried again.",
    "wait": "No job waited in this time, and none was started.",
    "run": "No attempt ended in this time.",
    "throughput": "No job came in this time, and none ended.",
}


@dataclass(frozen=True)
class Place:
    """A chart, or the sentence that stands where it would be."""

    id: str
    title: str
    chart: Chart | None
    calm: str


@dataclass(frozen=True)
class Group:
    """A line of the totals. query: the same page, of this alone; empty where that cannot be asked for."""

    name: str
    totals: GroupView
    query: str


@page
@require_safe
def statistics(request: HttpRequest) -> HttpResponse:
    """The page."""
    now, user = clock.database_now(), user_of(request)
    asked = statistics_query.read(request.GET, user)
    found = reads.statistics(asked.question(now, grouped=True), user, now=now)
    marked = deploys.between(user, found.begin, found.end)
    empty = why_empty(found, asked, now)
    context = {
        "section": "statistics",
        "asked": asked,
        "found": found,
        "places": [] if empty else _places(found, marked),
        "empty": empty,
        "groups": _groups(found, asked),
        "deploys": marked,
        "sees_all": user.has_perm(SEE_ALL),
        **_choices(asked),
        **_ways(asked, found, now),
    }
    return render(request, "statistics.html", context)


@page
@require_safe
def download(request: HttpRequest) -> HttpResponse:
    """The same range as CSV."""
    now, user = clock.database_now(), user_of(request)
    asked = statistics_query.read(request.GET, user)
    found = reads.statistics(asked.question(now, grouped=False), user, now=now)
    lines = statistics_csv.lines(found, queue=asked.queue, kind=asked.kind, owner=asked.owner)
    name = f"statistics-{found.begin:%Y%m%dT%H%M}-{found.end:%Y%m%dT%H%M}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)  # type: ignore[return-value]


def why_empty(found: StatisticsView, asked: Asked, now: datetime) -> str:
    """Why there is nothing to draw, in a sentence; empty if there is something."""
    totals = found.totals
    moved = totals.submitted or totals.started or totals.refused or totals.succeeded + totals.failed + totals.cancelled
    if moved or any(level.oldest_age_max for level in found.levels):
        return ""
    if found.counted_up_to is None:
        return "Nothing has been counted yet. Upkeep counts every ten seconds: look whether it runs."
    kept = conf.current().rollups_kept_for(found.step)
    if kept is not None and found.end <= now - kept:
        return f"Statistics by the {found.step} are kept for {words.length(kept)}, and this is older: choose more days."
    if asked.kind or asked.queue or asked.owner:
        return "No job that fits these filters came, ran or ended in this time."
    return "No job came, ran or ended in this time."


def _places(found: StatisticsView, marked: list[deploys.DeployView]) -> list[Place]:
    zone = timezone.get_current_timezone()
    drawn = [
        Place(name, title, draw(found, zone, marked), CALM.get(name, ""))
        for name, title, draw in (
            ("throughput", "Throughput", statistics_charts.throughput),
            ("failures", "Failures", statistics_charts.failures),
            ("wait", "Wait", statistics_charts.wait),
            ("run", "Run time", statistics_charts.run),
            ("refusals", "Refusals", statistics_charts.refusals),
        )
    ]
    return [each for each in drawn if each.chart or each.calm]


def _groups(found: StatisticsView, asked: Asked) -> list[Group]:
    return [_group(each, asked) for each in found.groups if each.started or each.submitted or each.refused]


def _group(each: GroupView, asked: Asked) -> Group:
    if asked.by is By.OWNER:
        name = each.name or SYSTEM
        return Group(name, each, asked.query(owner=name))
    if not each.name:
        return Group("refused before a kind was known", each, "")
    return Group(each.name, each, asked.query(**{asked.by: each.name}))


def _choices(asked: Asked) -> dict[str, Any]:
    """What can be chosen; what was asked for is among it, though it may be gone."""
    names = {"kinds": [kind.name for kind in kinds.kinds()], "queues": queues.names()}
    for key, own in (("kinds", asked.kind), ("queues", asked.queue)):
        if own and own not in names[key]:
            names[key] = sorted([*names[key], own])
    return {**names, "system": SYSTEM, "bys": list(By)}


def _ways(asked: Asked, found: StatisticsView, now: datetime) -> dict[str, Any]:
    """The same page for other times; none for times to come."""
    later = found.end + asked.range.length
    return {
        "ranges": [(each.words, asked.query(range=key, end=""), each == asked.range) for key, each in RANGES.items()],
        "earlier": asked.query(end=f"{found.begin:%Y-%m-%dT%H:%MZ}"),
        "later": asked.query(end=f"{later:%Y-%m-%dT%H:%MZ}" if later < now else "") if asked.end else "",
        "bys_ways": [(by.value, asked.query(by=by.value), by is asked.by) for by in By],
        "csv": reverse("statistics-csv") + asked.query(),
    }
