"""Workers: who is there, what each runs, and buttons to drain one and to let it go on. For operators only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from jobs_app.core import clock, worker_control
from jobs_app.errors import Conflict
from jobs_app.reads import workers as reads
from jobs_app.reads.workers import Standing, WorkerView
from jobs_app.web.pages import page, render, user_of

LOOKS = {
    Standing.TAKING: "taking", Standing.RESUMING: "taking", Standing.DRAINING: "draining", Standing.DRAINED: "drained",
    Standing.VANISHED: "vanished",
}  # fmt: skip
LISTED = 20
"""Jobs of one worker that are listed; of more it is said how many."""


@dataclass(frozen=True)
class Row:
    """A worker; ``more``: jobs that it runs and that are not listed."""

    worker: WorkerView
    looks: str
    more: int


@page
@require_safe
def workers(request: HttpRequest) -> HttpResponse:
    """Every worker."""
    user = user_of(request)
    found = reads.workers(user, now=clock.database_now())
    context = {
        "section": "workers",
        "rows": [_row(each) for each in found.workers],
        "vanished": [_row(each) for each in found.vanished],
        "unserved": found.unserved,
        "may_control": worker_control.may_control(user),
        "shown_running": f":{LISTED}",
        "totals": _totals(found.workers),
    }
    return render(request, "workers.html", context)


@page
@require_POST
def drain(request: HttpRequest, run: UUID) -> HttpResponse:
    """Have it take no more jobs."""
    done = "The worker finishes what it runs, and takes no more jobs within a few seconds."
    return _act(request, run, worker_control.drain, done)


@page
@require_POST
def resume(request: HttpRequest, run: UUID) -> HttpResponse:
    """Let it take jobs again."""
    return _act(request, run, worker_control.resume, "The worker takes jobs again within a few seconds.")


def _act(request: HttpRequest, run: UUID, verb: Callable[..., None], done: str) -> HttpResponse:
    try:
        verb(run, user_of(request), clock.database_now())
    except Conflict as error:
        messages.warning(request, f"{error.title}: {error}.")
    else:
        messages.success(request, done)
    return redirect("workers")


def _row(worker: WorkerView) -> Row:
    return Row(worker, LOOKS[worker.standing], max(len(worker.running) - LISTED, 0))


def _totals(found: list[WorkerView]) -> str:
    """All of them in a line."""
    slots, running = sum(each.slots for each in found), sum(len(each.running) for each in found)
    many = f"{len(found):,} worker{'' if len(found) == 1 else 's'}"
    return f"{many}, {running:,} of {slots:,} slot{'' if slots == 1 else 's'} busy"
