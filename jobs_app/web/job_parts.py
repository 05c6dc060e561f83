"""The parts of a job's page, as templates take them: each is asked for alone when it alone has changed."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.models import User
from django.urls import reverse

from jobs_app import searching
from jobs_app.core import control, lane_control
from jobs_app.criteria import JobFilter
from jobs_app.errors import NotFound
from jobs_app.lifecycle import WAITING, State
from jobs_app.reads import jobs, workers
from jobs_app.reads import relatives as reads
from jobs_app.reads.jobs import Standing
from jobs_app.reads.views import ArtifactView, AttemptView, JobView
from jobs_app.reads.waits import Reason, ReasonView
from jobs_app.web import drawing, flower_links, forecasts, results, timeline, words

JSON_SHOWN = 20_000
"""A result of so many characters is shown as JSON too; a longer one is downloaded."""

EVERY = {State.QUEUED: 3, State.RUNNING: 5}
LATER = 10
"""Seconds between two looks at why a job waits, and when it will start or end."""


@dataclass(frozen=True)
class Run:
    """An attempt, and where Flower shows its message (empty where it cannot)."""

    attempt: AttemptView
    message: str


def standing(user: User, found: Standing, now: datetime) -> dict[str, Any]:
    """How the job stands; ``stamp`` changes with everything but progress."""
    shown = found.job
    return {
        "stamp": f"{shown.state}.{shown.attempt}.{int(shown.cancel_requested)}",
        "percent": words.percent(shown.progress.fraction),
        "family": (family := jobs.family(shown)),
        "children_list": _children_list(shown) if family else "",
        "key": uuid.uuid4(),
        "waits": shown.state in WAITING,
        "timed": shown.state in control.TIMED,
        "kept": forecasts.kept(shown),
        **ahead(user, found, now),
    }


def ahead(user: User, found: Standing, now: datetime) -> dict[str, Any]:
    """Why it waits and the estimate, in words; asked for again every few seconds until the job has ended."""
    shown, reason = found.job, found.reason
    return {
        "job": shown,
        "explained": _explained(shown, reason),
        "until": reason.until if reason is not None and not shown.cancel_requested else None,
        "cause": _cause(shown, reason, user) if reason is not None else None,
        "look_every": EVERY.get(shown.state, LATER),
        "ahead": forecasts.ahead(shown, found.estimate, now),
    }


def outcome(user: User, shown: JobView) -> dict[str, Any]:
    """What came out of it, or its preview; and its files. Nothing that is not for this user."""
    if shown.parameters_hidden:
        return {**results.draw(None, [], partial(_file_of, shown.id)), "unread": shown.parameters_hidden, "shut": True}
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
        "as_json": _as_json(result) if shown.state is State.SUCCEEDED else "",
    }


def history(user: User, shown: JobView, now: datetime) -> dict[str, Any]:
    """Its attempts, its events, and the bar of its course."""
    attempts, events = jobs.attempts(user, shown.id), jobs.timeline(user, shown.id)
    looks = flower_links.may_look(user)
    return {
        "runs": [Run(each, flower_links.message_address(each.holder) if looks else "") for each in attempts],
        "story": timeline.tell(events),
        "course": timeline.course(events, attempts, now),
    }


def relatives(user: User, shown: JobView) -> dict[str, Any]:
    """Who spawned it and what it spawned; the chain of runs that it is one of (none if it is alone)."""
    chain = reads.runs(user, shown)
    return {
        "ancestors": reads.ancestors(user, shown),
        "children": reads.children(user, shown) if jobs.spawns(shown.kind) else [],
        "chain": chain if len(chain) > 1 else [],
    }


def parameters(shown: JobView, inputs: list[ArtifactView]) -> list[tuple[str, Any, list[ArtifactView]]]:
    """Name, value as a tree, and the files that the value names."""
    files = {str(each.id): each for each in inputs}
    told = []
    for name, value in shown.parameters.items():
        ids = value if isinstance(value, list) else [value]
        found = [files[each] for each in ids if isinstance(each, str) and each in files]
        told.append((name, drawing.tree(value), found))
    return told


def _explained(shown: JobView, reason: ReasonView | None) -> str:
    """What the state means for this very job; why it waits, if it does."""
    if shown.cancel_requested and not shown.final:
        return "It was asked to stop, and ends in a moment"
    if reason is not None:
        return reason.sentence
    if shown.state is State.RUNNING:
        return "A worker is on it" + (f", at attempt {shown.attempt}" if shown.attempt > 1 else "")
    return shown.meaning.capitalize()


def _cause(shown: JobView, reason: ReasonView, user: User) -> tuple[str, str]:
    """Where the cause can be seen, or mended, and what the link says."""
    match reason.reason:
        case Reason.CHILDREN:
            return _children_list(shown), "Show them"
        case Reason.RETRY | Reason.SNOOZED:
            return "#attempts-title", "Show the attempt"
        case Reason.NOT_DUE:
            return "#timeline-title", "Show what happened"
        case Reason.SHARE:
            return _list_of(JobFilter((State.QUEUED,), queue=shown.queue, owner=shown.owner or "")), "Show those jobs"
        case Reason.BUSY if workers.may_see(user):
            return _list_of(JobFilter((State.RUNNING,), queue=shown.queue)), "Show what runs there"
        case Reason.NO_WORKER | Reason.BROKER | Reason.UPKEEP if workers.may_see(user):
            return reverse("workers"), "Look at the workers"
    here = reverse("queue", args=[shown.queue])
    if reason.reason is Reason.PAUSED and lane_control.may_control(user):
        return f"{here}#queue-buttons", "Resume it"
    return here, f"Look at queue {shown.queue}"


def _children_list(shown: JobView) -> str:
    return _list_of(JobFilter(parent=shown.id))


def _list_of(wanted: JobFilter) -> str:
    return f"{reverse('jobs')}?{urlencode({'q': searching.text_of(wanted)})}"


def _as_json(result: Any) -> str:
    text = json.dumps(result, indent=2, ensure_ascii=False)
    return text if result is not None and len(text) <= JSON_SHOWN else ""


def _file_of(job_id: UUID, name: str) -> str:
    return reverse("api:job_artifact", args=[job_id, name])
