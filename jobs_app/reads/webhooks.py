"""Reading webhooks: endpoints, and the log of what they were sent. Everyone sees their own only."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import Field

from jobs_app.core.webhooks import endpoints, sending
from jobs_app.errors import InvalidRequest
from jobs_app.lifecycle import State
from jobs_app.models import Attempt, Delivery, Endpoint, Job
from jobs_app.reads.views import View

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PAGE, PAGE_LIMIT = 50, 200


class EndpointView(View):
    """An endpoint, without its secret."""

    id: int
    name: str = Field(description="By which a submission names it.")
    url: str
    kinds: list[str] = Field(description="Kinds that it is told of; none: all.")
    states: list[str] = Field(description="Final states that it is told of.")
    named_only: bool = Field(description="Only of jobs whose submission names it.")
    everybody: bool = Field(description="Of everybody's jobs.")
    enabled: bool
    created_at: datetime

    @classmethod
    def of(cls, row: Endpoint) -> EndpointView:
        """From a row."""
        return cls.model_validate(row, from_attributes=True)


class DeliveryView(View):
    """A message to an endpoint, and how its delivery stands."""

    id: int
    message_id: str = Field(description="The webhook-id that the receiver sees, the same at each try and replay.")
    job: UUID = Field(description="The job that ended.")
    event: str
    at: datetime = Field(description="When it ended.")
    state: State | None = Field(description="Of the delivery; null while it waits for room in the queue.")
    attempts: int = Field(description="Tries of the latest delivery.")
    sent: int = Field(description="How often it was handed over: the first time, and replays.")
    said: str = Field(description="What the latest try came to; empty if there was none.")
    data: dict[str, Any]


class DeliveryPage(View):
    """A page of a log, newest first, and the cursor of the next (null at the end)."""

    deliveries: list[DeliveryView]
    next_cursor: int | None


def endpoints_of(user: User) -> list[EndpointView]:
    """This user's endpoints, by name."""
    return [EndpointView.of(row) for row in Endpoint.objects.filter(owner=user).order_by("name")]


def endpoint(user: User, endpoint_id: int) -> EndpointView:
    """One of them. Raises NotFound."""
    return EndpointView.of(endpoints.own(user, endpoint_id))


def log(user: User, endpoint_id: int, *, before: int | None = None, limit: int = PAGE) -> DeliveryPage:
    """What an endpoint was sent. Three queries, whatever the log's length. Raises NotFound, InvalidRequest."""
    if not 1 <= limit <= PAGE_LIMIT:
        raise InvalidRequest(f"expected a limit from 1 to {PAGE_LIMIT}, got {limit}")
    rows = Delivery.objects.filter(endpoint=endpoints.own(user, endpoint_id)).order_by("-id")
    found = list((rows.filter(id__lt=before) if before else rows)[: limit + 1])
    senders = Job.objects.filter(id__in=[row.sender for row in found if row.sender])
    jobs = {job.id: job for job in senders.only("id", "state", "attempt", "error", "result", "due_at")}
    tried = Attempt.objects.filter(job__in=list(jobs)).exclude(error="").order_by("number")
    errors = dict(tried.values_list("job_id", "error"))
    shown = [_view(row, jobs.get(row.sender) if row.sender else None, errors) for row in found[:limit]]
    return DeliveryPage(deliveries=shown, next_cursor=found[limit - 1].pk if len(found) > limit else None)


def _view(row: Delivery, job: Job | None, errors: dict[UUID, str]) -> DeliveryView:
    said = row.problem
    if job is not None:
        answered = job.result.get("status") if isinstance(job.result, dict) else None
        said = f"answered {answered}" if answered else job.error or errors.get(job.id, "")
    return DeliveryView(
        id=row.pk, message_id=sending.message_of(row), job=row.job, event=row.event, at=row.at,
        state=job.status if job is not None else None, attempts=job.attempt if job is not None else 0,
        sent=row.sent, said=said[:500], data=row.data,
    )  # fmt: skip
