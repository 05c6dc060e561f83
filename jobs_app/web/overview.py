"""The overview: what needs attention now, the last hours as charts, and the latest jobs of who asks.

What needs attention is asked for every few seconds, the charts every half minute; neither while nobody sees the page.
Jobs keep their places: those that came since are counted, and shown on request.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from jobs_app.core import clock
from jobs_app.criteria import JobFilter
from jobs_app.errors import InvalidRequest
from jobs_app.models.job import SEE_ALL
from jobs_app.reads import attention, attention_facts, deploys, jobs, statistics, watching
from jobs_app.reads.attention_views import Notice, Rule
from jobs_app.reads.statistics import Question
from jobs_app.steps import Step
from jobs_app.web import statistics_charts
from jobs_app.web.charts import Chart
from jobs_app.web.pages import page, render, user_of

HOURS = timedelta(hours=2)
RECENT = 6
MINE = JobFilter(mine=True, spawned=False)

LINKS: dict[Rule, tuple[str, str]] = {
    Rule.BROKER: ("queues", "Look at the queues"),
    Rule.BEAT: ("schedules", "Look at the schedules"),
    Rule.UPKEEP: ("queues", "Look at the queues"),
    Rule.NO_WORKER: ("queue", "Look at the queue"),
    Rule.STALLED: ("queue", "Look at the queue"),
    Rule.FULL: ("queue", "Look at the queue"),
    Rule.NEARLY_FULL: ("queue", "Look at the queue"),
    Rule.OLD: ("queue", "Look at the queue"),
    Rule.PAUSED: ("queue", "Resume it"),
    Rule.REFUSED: ("queue", "Look at the queue"),
    Rule.FAILURES: ("failure", "Look at these failures"),
    Rule.BROKEN_SCHEDULES: ("schedule", "Mend it"),
    Rule.PUT_OFF: ("schedule", "Look at the schedule"),
    Rule.STALE_REPORTS: ("report", "Look at the report"),
    Rule.BEHIND: ("statistics", "Look at the statistics"),
    Rule.OWN_FAILED: ("jobs", "See which"),
    Rule.OWN_REFUSED: ("queue", "Look at the queue"),
}
"""Where the cause of each is seen, or mended."""

SEVERAL: dict[Rule, tuple[str, str, str]] = {
    Rule.BROKEN_SCHEDULES: ("schedules", "?only=broken", "Mend them"),
    Rule.PUT_OFF: ("schedules", "", "Look at the schedules"),
    Rule.STALE_REPORTS: ("reports", "", "Look at the reports"),
    Rule.OWN_FAILED: ("jobs", "?q=owner%3A%40me+state%3Afailed", "See which"),
}
"""The same for a notice about more than one."""


@dataclass(frozen=True)
class Told:
    """A notice, and where it leads."""

    notice: Notice
    url: str
    words: str


@page
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """The page."""
    user, now = user_of(request), clock.database_now()
    context = {"section": "overview", "hours": HOURS, **_now(user, now), **_recent(request, user), **_charts(user, now)}
    return render(request, "overview.html", context)


@page
@require_safe
def attention_now(request: HttpRequest) -> HttpResponse:
    """What needs attention, as it is now."""
    return render(request, "overview/now.html", _now(user_of(request), clock.database_now()))


@page
@require_safe
def recent(request: HttpRequest) -> HttpResponse:
    """The jobs that are on screen, as they stand now."""
    return render(request, "overview/recent.html", _recent(request, user_of(request)))


@page
@require_safe
def charts(request: HttpRequest) -> HttpResponse:
    """The charts, as they are now."""
    return render(request, "overview/charts.html", _charts(user_of(request), clock.database_now()))


def _now(user: User, now: datetime) -> dict[str, Any]:
    facts, standing = attention_facts.read(user, now=now)
    notices = [_told(each) for each in attention.notices(facts)]
    return {
        "notices": notices,
        "checked": attention.checked(facts),
        "standing": standing,
        "sees_all": facts.sees_all,
        "looked_at": now,
    }


def _told(notice: Notice) -> Told:
    name, words = LINKS[notice.rule]
    several = SEVERAL.get(notice.rule)
    if several is not None and not notice.about:
        name, query, words = several
        return Told(notice, reverse(name) + query, words)
    return Told(notice, reverse(name, args=[notice.about] if notice.about else None), words)


def _recent(request: HttpRequest, user: User) -> dict[str, Any]:
    """The latest jobs; once some are on screen, those, and how many came since."""
    seen = _ids(request.GET.get("ids", ""))
    found = watching.shown(user, seen) if seen else jobs.job_page(user, MINE, limit=RECENT).jobs
    newer = watching.newer(user, MINE, max(seen)) if seen else 0
    return {
        "jobs": found,
        "newer": newer,
        "recent_url": f"{reverse('overview-recent')}?{urlencode({'ids': ','.join(each.id.hex for each in found)})}",
        "newest_url": reverse("overview-recent"),
    }


def _charts(user: User, now: datetime) -> dict[str, Any]:
    end = Step.MINUTE.ceiling(now)
    found = statistics.statistics(Question(Step.MINUTE, end - HOURS, end), user, now=now)
    marked, zone = deploys.between(user, found.begin, found.end), timezone.get_current_timezone()
    everyone = user.has_perm(SEE_ALL)
    job = "job" if everyone else "job of yours"
    drawn: list[tuple[str, str, Chart | None, str]] = [
        ("throughput", "Throughput", statistics_charts.throughput(found, zone, marked), f"No {job} came or ended"),
        ("wait", "Wait", statistics_charts.wait(found, zone, marked), f"No {job} waited"),
    ]
    return {"drawn": drawn, "found": found, "everyone": everyone}


def _ids(text: str) -> list[UUID]:
    try:
        return [UUID(each) for each in text.split(",")[:RECENT] if each]
    except ValueError:
        raise InvalidRequest("expected the ids of jobs on this page") from None
