"""Schedules: a list, and of each when it is due next, how its last ticks went, and buttons. For operators only."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from jobs_app.core import clock
from jobs_app.core.schedules import changes, ticks
from jobs_app.errors import NotAllowed, NotFound, WeirError
from jobs_app.reads import schedules as reads
from jobs_app.reads.schedule_views import ScheduleView
from jobs_app.reads.schedules import Only
from jobs_app.web import drawing, schedule_words
from jobs_app.web.pages import page, render, user_of

CHIPS = {Only.ALL: "All", Only.BROKEN: "Broken", Only.PAUSED: "Paused"}


@dataclass(frozen=True)
class Row:
    """A schedule in the list; ``looks`` colours one that needs somebody."""

    schedule: ScheduleView
    looks: str
    last: schedule_words.Tick | None


@page
@require_safe
def schedules(request: HttpRequest) -> HttpResponse:
    """The list."""
    user, wanted = user_of(request), request.GET.get("only", "")
    only = Only(wanted) if wanted in set(Only) else Only.ALL
    found = reads.schedule_page(user, only, cursor=request.GET.get("cursor", "")[:200])
    rows = [
        Row(each, schedule_words.looks(each), schedule_words.tick(each.last) if each.last else None)
        for each in found.schedules
    ]
    counts = reads.counts(user)
    context = {
        "section": "schedules",
        "rows": rows,
        "chips": [(f"{CHIPS[each]} ({counts[each]:,})", f"?only={each}", each is only) for each in Only],
        "filtered": only is not Only.ALL,
        "more": f"?{urlencode({'only': only, 'cursor': found.next_cursor})}" if found.next_cursor else "",
        "may_add": reads.may_change(user) and user.is_staff,
    }
    return render(request, "schedules.html", context)


@page
@require_safe
def schedule(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """One schedule."""
    user, now = user_of(request), clock.database_now()
    shown = reads.schedule(user, schedule_id, now=now)
    context = {
        "section": "schedules",
        "schedule": shown,
        "looks": schedule_words.looks(shown),
        "policies": schedule_words.policy(shown.policy, local=shown.local),
        "fires": [schedule_words.fire(each) for each in shown.fires],
        "ticks": [schedule_words.tick(each) for each in shown.ticks],
        "parameters": [(name, drawing.tree(value), []) for name, value in shown.parameters.items()],
        "parameters_hidden": shown.parameters_hidden,
        "may_change": reads.may_change(user),
        "edit": reverse("admin:django_celery_beat_periodictask_change", args=[shown.id]) if user.is_staff else "",
    }
    return render(request, "schedule.html", context)


@page
@require_POST
def run(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """One tick out of turn."""
    user, now = user_of(request), clock.database_now()
    row = reads.find(user, schedule_id)
    try:
        tick = ticks.run_now(row, actor=user, now=now)
    except (NotAllowed, NotFound):
        raise
    except WeirError as error:
        messages.error(request, f"{error.title}: {error}")
        return redirect("schedule", schedule_id=schedule_id)
    return redirect("job", job_id=tick.job_id) if tick.job_id else redirect("schedule", schedule_id=schedule_id)


@page
@require_POST
def pause(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Stop it."""
    user = user_of(request)
    changes.pause(reads.find(user, schedule_id), actor=user, now=clock.database_now())
    messages.success(request, "The schedule is paused.")
    return redirect("schedule", schedule_id=schedule_id)


@page
@require_POST
def resume(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Let it tick again."""
    user = user_of(request)
    changes.resume(reads.find(user, schedule_id), actor=user, now=clock.database_now())
    messages.success(request, "The schedule ticks again, from its next time on.")
    return redirect("schedule", schedule_id=schedule_id)
