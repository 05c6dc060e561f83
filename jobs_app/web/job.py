"""One job: how it stands, followed live, what came out of it, and what can be done with it."""

from __future__ import annotations

import uuid
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from jobs_app.core import clock, control
from jobs_app.errors import Conflict, InvalidRequest, NotFound, Refused, WeirError
from jobs_app.lifecycle import State, Via
from jobs_app.reads import jobs
from jobs_app.reads.views import ArtifactView, EstimateView, JobView
from jobs_app.web import drawing, forecasts, results, timeline, words
from jobs_app.web.pages import is_fragment, page, refusal, render, user_of


@page
@require_safe
def job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """The page of a job."""
    user = user_of(request)
    shown, estimate = jobs.job_and_estimate(user, job_id, now=(now := clock.database_now()))
    lines = jobs.log_lines(user, job_id)
    inputs = jobs.inputs_of(user, job_id)
    context = {
        "section": "jobs",
        **_standing(shown, estimate, now),
        **_outcome(request, shown),
        **_history(request, shown),
        "lines": lines,
        "more_lines": len(lines) == jobs.LINES,
        "inputs": inputs,
        "parameters": _parameters(shown, inputs),
        "parameters_hidden": shown.parameters_hidden,
        "reruns": jobs.reruns(user, job_id),
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
    """When it will start and end, as things are now."""
    now = clock.database_now()
    return render(request, "job/estimate.html", _ahead(*jobs.job_and_estimate(user_of(request), job_id, now=now), now))


@page
@require_safe
def log(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Log lines after a given one."""
    after = request.GET.get("after", "0")
    if not after.isascii() or not after.isdigit() or len(after) > 18:
        raise InvalidRequest(f"expected the number of a log line, got {after[:40]!r}")
    lines = jobs.log_lines(user_of(request), job_id, after=int(after))
    return render(request, "job/log_lines.html", {"lines": lines, "more_lines": len(lines) == jobs.LINES, "id": job_id})


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
def rerun(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Run the job again with the same parameters, as a new job."""
    key = request.POST.get("_key") or None
    try:
        accepted = control.rerun(
            job_id, actor=user_of(request), now=clock.database_now(), via=Via.WEB, idempotency_key=key
        )
    except (NotFound, Refused):
        raise  # pages make of it an answer with its status, and a time to come back
    except WeirError as error:
        messages.error(request, f"{error.title}: {error}")
        return redirect("job", job_id=job_id)
    return redirect("job", job_id=accepted.job.id)


def _changes(request: HttpRequest, job_id: UUID, seen: str) -> HttpResponse:
    shown, estimate = jobs.job_and_estimate(user_of(request), job_id, now=(now := clock.database_now()))
    standing = _standing(shown, estimate, now)
    context: dict[str, Any] = {**standing, "changed": standing["stamp"] != seen}
    if context["changed"]:
        context |= {**_outcome(request, shown), **_history(request, shown), "fresh": True}
    return render(request, "job/live.html", context)


def _standing(shown: JobView, estimate: EstimateView | None, now: datetime) -> dict[str, Any]:
    """How the job stands; ``stamp`` changes with everything but progress."""
    return {
        "job": shown,
        "stamp": f"{shown.state}.{shown.attempt}.{int(shown.cancel_requested)}",
        "explained": _explained(shown, now),
        "percent": words.percent(shown.progress.fraction),
        "family": (family := jobs.family(shown)),
        "children_list": f"{reverse('jobs')}?q=parent:{shown.id}" if family else "",
        "key": uuid.uuid4(),
        "kept": forecasts.kept(shown),
        **_ahead(shown, estimate, now),
    }


def _ahead(shown: JobView, estimate: EstimateView | None, now: datetime) -> dict[str, Any]:
    """The estimate in words; it is asked for again while the job waits for a worker or runs."""
    followed = shown.state in {State.QUEUED, State.RUNNING}
    return {"job": shown, "followed": followed, "ahead": forecasts.ahead(shown, estimate, now)}


def _explained(shown: JobView, now: datetime) -> str:
    """What the state means for this very job; why it waits, if it does."""
    match shown.state:
        case _ if shown.cancel_requested and not shown.final:
            return "It was asked to stop, and ends in a moment"
        case State.RUNNING:
            return "A worker is on it" + (f", at attempt {shown.attempt}" if shown.attempt > 1 else "")
        case State.SCHEDULED if shown.due_at <= now:
            return f"It waits for room in queue {shown.queue}, and was due"
        case State.SCHEDULED:
            return "It waits for its time"
        case State.RETRYING:
            return "The last attempt failed; the next begins"
        case State.QUEUED if shown.attempt:
            return f"Its worker was lost; it waits for another one of queue {shown.queue}"
        case State.QUEUED:
            return f"It waits for a worker of queue {shown.queue}"
        case State.BLOCKED if shown.attempt:
            return "It waits for the jobs that it spawned"
        case State.BLOCKED:
            return f"It waits for room in queue {shown.queue}"
        case _:
            return shown.meaning.capitalize()


def _outcome(request: HttpRequest, shown: JobView) -> dict[str, Any]:
    user = user_of(request)
    result: Any = None
    unread = ""
    if shown.state is not State.SUCCEEDED:
        result = shown.preview
    elif shown.result_bytes > results.DRAWN_BYTES:
        unread = results.TOO_LARGE
    else:
        try:
            result = jobs.result(user, shown.id)
        except (NotFound, OSError):
            unread = results.REMOVED
    return {
        **results.draw(result, jobs.artifacts_of(user, shown.id), partial(_file_of, shown.id)),
        "unread": unread,
        "too_large": unread == results.TOO_LARGE,
    }


def _file_of(job_id: UUID, name: str) -> str:
    return reverse("api:job_artifact", args=[job_id, name])


def _history(request: HttpRequest, shown: JobView) -> dict[str, Any]:
    user = user_of(request)
    return {
        "attempts": jobs.attempts(user, shown.id),
        "story": timeline.tell(jobs.timeline(user, shown.id)),
    }


def _parameters(shown: JobView, inputs: list[ArtifactView]) -> list[tuple[str, Any, list[ArtifactView]]]:
    """Name, value as a tree, and the files that the value names."""
    files = {str(each.id): each for each in inputs}
    told = []
    for name, value in shown.parameters.items():
        ids = value if isinstance(value, list) else [value]
        found = [files[each] for each in ids if isinstance(each, str) and each in files]
        told.append((name, drawing.tree(value), found))
    return told
