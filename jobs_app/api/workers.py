"""Routes of workers: who is there and what each runs; drain one, let it go on. For operators."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest
from ninja import Router

from jobs_app.api.security import needs, user_of
from jobs_app.core import clock, worker_control
from jobs_app.reads import workers
from jobs_app.reads.workers import WorkersView, WorkerView
from jobs_app.scopes import Scope

router = Router(tags=["workers"], auth=needs(Scope.READ, writing=Scope.QUEUES))


@router.get("", response=WorkersView, url_name="workers")
def list_workers(request: HttpRequest) -> WorkersView:
    """Every worker that was there in the last day, what each runs, and the queues that none serves."""
    return workers.workers(user_of(request), now=clock.database_now())


@router.post("/{uuid:run}/drain", response=WorkerView, url_name="worker_drain")
def drain_worker(request: HttpRequest, run: UUID) -> WorkerView:
    """Have a worker take no more jobs, within a few seconds; what it runs it finishes. Twice is no error."""
    now = clock.database_now()
    worker_control.drain(run, user_of(request), now)
    return workers.worker(user_of(request), run, now=now)


@router.post("/{uuid:run}/resume", response=WorkerView, url_name="worker_resume")
def resume_worker(request: HttpRequest, run: UUID) -> WorkerView:
    """Let a drained worker take jobs again. Twice is no error."""
    now = clock.database_now()
    worker_control.resume(run, user_of(request), now)
    return workers.worker(user_of(request), run, now=now)
