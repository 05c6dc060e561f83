"""One job: how it stands, followed live, what came out of it, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from jobs_app.core import clock, control
from jobs_app.errors import Conflict, InvalidRequest, NotFound, Refused, WeirError
from jobs_app.lifecycle import Via
from jobs_app.reads import jobs, logs
from jobs_app.reads.logs import LogFilter
from jobs_app.web import job_parts
from jobs_app.web.pages import is_fragment, page, refusal, render, user_of


@page
@require_safe
def job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """The page of a job."""
    user, now = user_of(request), clock.database_now()
    found = jobs.job_as_it_stands(user, job_id, now=now)
    shut = bool(found.job.parameters_hidden)
    inputs = [] if shut else jobs.inputs_of(user, job_id)
    context = {
        "section": "jobs",
        **job_parts.standing(user, found, now),
        **job_parts.outcome(user, found.job),
        **job_parts.history(user, found.job, now),
        **job_parts.relatives(user, found.job),
        **({} if shut else _log(request, job_id)),
        "inputs": inputs,
        "parameters": job_parts.parameters(found.job, inputs),
        "parameters_hidden": found.job.parameters_hidden,
    }
    return render(request, "job.html", context)


@page
@require_safe
def live(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """What has changed: always the state and progress; the rest when the state, or the attempt, is another."""
    return _changes(request, job_id, request.GET.get("stamp", ""))


@page
@require_safe
def estimate(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Why it waits, when it will start and end as things are now, and the bar of its course until now."""
    user, now = user_of(request), clock.database_now()
    found = jobs.job_as_it_stands(user, job_id, now=now)
    context = {**job_parts.ahead(user, found, now), **job_parts.history(user, found.job, now), "fresh": True}
    return render(request, "job/ahead.html", context)


@page
@require_safe
def log(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Log lines: after a given one, before a given one, or the latest."""
    after = request.GET.get("after", "")
    if not after:
        return render(request, "job/log_lines.html", _log(request, job_id))
    wanted = _log_filter(request)
    found = logs.since(user_of(request), job_id, wanted, after=logs.number(after, "the number of a log line"))
    return render(request, "job/log_lines.html", {"log": found, "wanted": wanted})


@page
@require_POST
def cancel(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Cancel the job."""
    try:
        control.cancel(job_id, actor=user_of(request), now=clock.database_now())
    except Conflict as error:
        if is_fragment(request):
            return refusal(request, error)
        messages.warning(request, f"{error.title}: {error}.")
    if is_fragment(request):
        return _changes(request, job_id, "")
    return redirect("job", job_id=job_id)


@page
@require_POST
def retry(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Have the job tried at once: its next attempt, or a new job like it."""
    key = request.POST.get("_key") or None
    return _landed(request, job_id, lambda: control.retry_now(
        job_id, actor=user_of(request), now=clock.database_now(), via=Via.WEB, idempotency_key=key
    ).job.id)  # fmt: skip


@page
@require_POST
def reprioritise(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Change the priority of a job that waits."""
    jobs.job(user_of(request), job_id)  # what is not theirs is not found, whatever they sent
    given = request.POST.get("priority", "")
    if not given.lstrip("-").isdecimal() or len(given) > 4:
        raise InvalidRequest(f"expected a priority from -100 to 100, got {given[:40]!r}")
    return _landed(request, job_id, lambda: control.reprioritise(
        job_id, int(given), actor=user_of(request), now=clock.database_now()
    ).id)  # fmt: skip


@page
@require_POST
def rerun(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Run the job again with the same parameters, as a new job."""
    key = request.POST.get("_key") or None
    return _landed(request, job_id, lambda: control.rerun(
        job_id, actor=user_of(request), now=clock.database_now(), via=Via.WEB, idempotency_key=key
    ).job.id)  # fmt: skip


def _landed(request: HttpRequest, job_id: UUID, act: Callable[[], UUID]) -> HttpResponse:
    """Lead to the job that an action gives; back to this one, with the reason, if it cannot be done."""
    try:
        return redirect("job", job_id=act())
    except (NotFound, Refused):
        raise  # pages make of it an answer with its status, and a time to come back
    except WeirError as error:
        messages.error(request, f"{error.title}: {error}")
        return redirect("job", job_id=job_id)


def _changes(request: HttpRequest, job_id: UUID, seen: str) -> HttpResponse:
    user, now = user_of(request), clock.database_now()
    found = jobs.job_as_it_stands(user, job_id, now=now)
    standing = job_parts.standing(user, found, now)
    changed = standing["stamp"] != seen
    # Where nothing but progress is new, the estimate keeps its own time: else each progress would set it back.
    context: dict[str, Any] = {**standing, "changed": changed, "steady": not changed}
    if changed:
        context |= {**job_parts.outcome(user, found.job), **job_parts.history(user, found.job, now), "fresh": True}
        context |= {"wanted": _log_filter(request)}
    if changed or context["family"]:
        context |= job_parts.relatives(user, found.job)
    return render(request, "job/live.html", context)


def _log(request: HttpRequest, job_id: UUID) -> dict[str, Any]:
    """The latest lines, or those before a given one; of an attempt, of a level."""
    wanted = _log_filter(request)
    before = request.GET.get("before")
    number = logs.number(before, "the number of a log line") if before else None
    found = logs.latest(user_of(request), job_id, wanted, before=number)
    # An earlier page brings no line for the end of what is shown.
    return {"log": found, "wanted": wanted, "levels": logs.LEVELS, "paged": number is not None}


def _log_filter(request: HttpRequest) -> LogFilter:
    return LogFilter.of(request.GET.get("attempt", ""), request.GET.get("level", ""))
