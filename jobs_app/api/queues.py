"""Routes of queues: how each stands. Whoever is known may look; nothing of any job is shown."""

from __future__ import annotations

from django.http import HttpRequest
from pydantic import BaseModel

from jobs_app.api.queue_control import router as router
from jobs_app.core import clock
from jobs_app.reads import queues
from jobs_app.reads.queues import QueueView


class Queues(BaseModel):
    """Every queue, by name."""

    queues: list[QueueView]


# The same router as queue_control: one path has one view, which knows all its methods.
@router.get("", response=Queues, url_name="queues")
def list_queues(request: HttpRequest) -> Queues:
    """Every queue: depth, limit, rates, the wait to expect, and why its head waits."""
    return Queues(queues=queues.queues(clock.database_now()))


@router.get("/{str:name}", response=QueueView, url_name="queue")
def show_queue(request: HttpRequest, name: str) -> QueueView:
    """One queue."""
    return queues.queue(name, clock.database_now())
