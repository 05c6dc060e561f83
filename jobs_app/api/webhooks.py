"""Routes of webhooks: everyone's own endpoints, what they were sent, and sending it again."""

from __future__ import annotations

from typing import Literal

from django.http import HttpRequest
from ninja import Query, Router, Status
from ninja.decorators import decorate_view
from pydantic import BaseModel, ConfigDict, Field

from jobs_app.api.bodies import bounded
from jobs_app.api.security import needs, user_of
from jobs_app.core import clock
from jobs_app.core.webhooks import endpoints, sending
from jobs_app.core.webhooks.endpoints import Wanted
from jobs_app.reads import webhooks
from jobs_app.reads.webhooks import DeliveryPage, EndpointView
from jobs_app.scopes import Scope

router = Router(tags=["webhooks"], auth=needs(Scope.READ, writing=Scope.WEBHOOKS))


class Endpoints(BaseModel):
    """Your endpoints, by name."""

    webhooks: list[EndpointView]


class WantedEndpoint(BaseModel):
    """What an endpoint is to be."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=50, description="By which a submission may name it; one of its name for each user.")
    url: str = Field(max_length=2000, description="Where messages are sent, such as https://example.org/hook.")
    kinds: list[str] = Field([], max_length=50, description="Kinds that it is told of; none: all.")
    states: list[Literal["succeeded", "failed", "cancelled"]] = Field([], max_length=3, description="None: all three.")
    named_only: bool = Field(False, description="Only of jobs whose submission names it.")
    everybody: bool = Field(False, description="Of everybody's jobs; needs the permission to see them.")
    enabled: bool = True

    def wanted(self) -> Wanted:
        """As the core takes it."""
        return Wanted(**self.model_dump())


class MadeEndpoint(EndpointView):
    """An endpoint with a new secret, which is shown this once."""

    secret: str = Field(description="Signs its messages (whsec_…), by the Standard Webhooks specification.")


class Page(BaseModel):
    """Which part of a log."""

    limit: int = Field(webhooks.PAGE, description="Deliveries a page, 1 to 200.")
    cursor: int | None = Field(None, ge=1, le=2**62, description="next_cursor of the page before.")


class Replayed(BaseModel):
    """The job that sends it again."""

    sender: str


@router.get("", response=Endpoints, url_name="webhooks")
def list_webhooks(request: HttpRequest) -> Endpoints:
    """Your endpoints, without their secrets."""
    return Endpoints(webhooks=webhooks.endpoints_of(user_of(request)))


@router.post("", response={201: MadeEndpoint})
@decorate_view(bounded)
def make_webhook(request: HttpRequest, payload: WantedEndpoint) -> Status[MadeEndpoint]:
    """Make an endpoint that is told when jobs end. Its secret is in this answer only."""
    row, secret = endpoints.make(user_of(request), payload.wanted(), now=clock.database_now())
    return Status(201, MadeEndpoint(secret=secret, **EndpointView.of(row).model_dump()))


@router.get("/{int:webhook_id}", response=EndpointView, url_name="webhook")
def show_webhook(request: HttpRequest, webhook_id: int) -> EndpointView:
    """One of your endpoints."""
    return webhooks.endpoint(user_of(request), webhook_id)


@router.put("/{int:webhook_id}", response=EndpointView)
@decorate_view(bounded)
def change_webhook(request: HttpRequest, webhook_id: int, payload: WantedEndpoint) -> EndpointView:
    """Change all of it but its secret."""
    row = endpoints.change(user_of(request), webhook_id, payload.wanted(), now=clock.database_now())
    return EndpointView.of(row)


@router.delete("/{int:webhook_id}", response={204: None})
def remove_webhook(request: HttpRequest, webhook_id: int) -> Status[None]:
    """Remove it, and its log."""
    endpoints.remove(user_of(request), webhook_id, now=clock.database_now())
    return Status(204, None)


@router.post("/{int:webhook_id}/secret", response=MadeEndpoint, url_name="webhook_secret")
def renew_secret(request: HttpRequest, webhook_id: int) -> MadeEndpoint:
    """Give it another secret, in force at once; it is in this answer only."""
    row, secret = endpoints.renew(user_of(request), webhook_id, now=clock.database_now())
    return MadeEndpoint(secret=secret, **EndpointView.of(row).model_dump())


@router.get("/{int:webhook_id}/deliveries", response=DeliveryPage, url_name="webhook_deliveries")
def list_deliveries(request: HttpRequest, webhook_id: int, query: Query[Page]) -> DeliveryPage:
    """What it was sent, newest first, and how each delivery stands. Kept for 30 days."""
    return webhooks.log(user_of(request), webhook_id, before=query.cursor, limit=query.limit)


@router.post("/deliveries/{int:delivery_id}/replay", response={202: Replayed}, url_name="webhook_replay")
def replay_delivery(request: HttpRequest, delivery_id: int) -> Status[Replayed]:
    """Send it once more: the same message, under the same id."""
    _, job = sending.replay(user_of(request), delivery_id, now=clock.database_now())
    return Status(202, Replayed(sender=str(job.id)))
