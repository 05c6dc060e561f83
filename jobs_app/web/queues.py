"""Queues: how deep each is, how long a job waits, and why; the last hour of one as curves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from jobs_app.core import clock, lane_control
from jobs_app.reads import lanes, queue_hours, workers
from jobs_app.reads import queues as reads
from jobs_app.reads.queues import QueueView
from jobs_app.reads.reasons import Cause
from jobs_app.web import forecasts, queue_charts, queue_limits
from jobs_app.web.pages import is_fragment, page, render, user_of

STANDING, CHARTS = "standing", "charts"
"""The parts of a queue's page that are looked at again, each at its own pace."""


@dataclass(frozen=True)
class Shown:
    """A queue and its figures in words; ``ways`` lead to what its jobs wait for."""

    queue: QueueView
    wait: str
    looks: str
    ways: list[tuple[str, str]]


@page
@require_safe
def queues(request: HttpRequest) -> HttpResponse:
    """Every queue."""
    user = user_of(request)
    found = [_shown(each, user) for each in reads.queues(clock.database_now())]
    return render(request, "queues.html", {"section": "queues", "queues": found})


@page
@require_safe
def queue(request: HttpRequest, name: str) -> HttpResponse:
    """One queue, or a part of its page."""
    part = request.GET.get("part") if is_fragment(request) else None
    if part == CHARTS:
        return render(request, "queues/charts.html", _charts(name))
    if part == STANDING:
        standing = _standing(user_of(request), name)
        turned = request.GET.get("paused") != standing["paused"]
        return render(request, "queues/standing.html", {**standing, "turned": turned})
    return whole(request, name)


def whole(request: HttpRequest, name: str, *, limits: dict[str, Any] | None = None, status: int = 200) -> HttpResponse:
    """The page. limits: its section of limits, if it is another than usual."""
    user = user_of(request)
    context = {
        "section": "queues",
        **_standing(user, name),
        **_charts(name),
        **(limits or queue_limits.parts(user, lanes.lane(name))),
    }
    return render(request, "queue.html", context, status=status)


def _standing(user: User, name: str) -> dict[str, Any]:
    shown = _shown(reads.queue(name, clock.database_now()), user)
    paused = "yes" if shown.queue.paused_at else "no"
    return {"name": name, "shown": shown, "paused": paused, "may_control": lane_control.may_control(user)}


def _charts(name: str) -> dict[str, Any]:
    now = clock.database_now()
    moments, hour = reads.history(name, now=now), queue_hours.hour(name, now=now)
    drawn = (
        queue_charts.depth(moments), queue_charts.rates(moments),
        queue_charts.waits(hour.minutes), queue_charts.refused(hour.minutes),
    )  # fmt: skip
    return {"name": name, "charts": [chart for chart in drawn if chart is not None], "hour": hour}


def _shown(queue: QueueView, user: User) -> Shown:
    """``looks`` colours a queue that needs someone: paused, stopped, full, or as it should be."""
    stopped = queue.depth > 0 and queue.expected_wait is None and queue.running == 0
    looks = "stopped" if stopped else "full" if queue.depth >= queue.limit else "flowing"
    looks = "paused" if queue.paused_at is not None else looks
    return Shown(queue, forecasts.wait(queue.expected_wait), looks, _ways(queue, user))


def _ways(queue: QueueView, user: User) -> list[tuple[str, str]]:
    """Where to look for what keeps the queue, and at its jobs: addresses and words."""
    here, found = reverse("queue", args=[queue.name]), []
    if queue.cause is Cause.PAUSED and lane_control.may_control(user):
        found.append((f"{here}#queue-buttons", "Resume it"))
    if queue.cause in {Cause.NO_WORKER, Cause.DRAINED, Cause.BROKER} and workers.may_see(user):
        found.append((reverse("workers"), "Look at the workers"))
    if queue.cause is Cause.FULL:
        found.append((f"{here}#limits", "Its limits"))
    for state, count, words in (("queued", queue.depth, "Jobs that wait"), ("running", queue.running, "Jobs that run")):
        if count:
            found.append((jobs_address(queue.name, state), words))
    return found


def jobs_address(queue: str, state: str) -> str:
    """Where the jobs of a queue that are in a state are listed, by the text of a search."""
    escaped = queue.replace("\\", "\\\\").replace('"', '\\"')
    name = queue if re.fullmatch(r"[\w.-]+", queue) else f'"{escaped}"'
    return f"{reverse('jobs')}?{urlencode({'q': f'queue:{name} state:{state}'})}"
