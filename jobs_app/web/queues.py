"""Queues: how deep each is, how long a job waits, and why; the last hour of one as curves."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from jobs_app.core import clock
from jobs_app.reads import queues as reads
from jobs_app.reads.queues import QueueView
from jobs_app.web import forecasts, queue_charts
from jobs_app.web.pages import page, render


@dataclass(frozen=True)
class Shown:
    """A queue and its figures in words."""

    queue: QueueView
    wait: str
    looks: str


@page
@require_safe
def queues(request: HttpRequest) -> HttpResponse:
    """Every queue."""
    found = [_shown(each) for each in reads.queues(clock.database_now())]
    return render(request, "queues.html", {"section": "queues", "queues": found})


@page
@require_safe
def queue(request: HttpRequest, name: str) -> HttpResponse:
    """One queue."""
    now = clock.database_now()
    shown = _shown(reads.queue(name, now))
    moments = reads.history(name, now=now)
    charts = [chart for chart in (queue_charts.depth(moments), queue_charts.rates(moments)) if chart is not None]
    return render(request, "queue.html", {"section": "queues", "shown": shown, "charts": charts})


def _shown(queue: QueueView) -> Shown:
    """``looks`` colours a queue that needs someone: stopped, full, or as it should be."""
    stopped = queue.depth > 0 and queue.expected_wait is None and queue.running == 0
    looks = "stopped" if stopped else "full" if queue.depth >= queue.limit else "flowing"
    return Shown(queue, forecasts.wait(queue.expected_wait), looks)
