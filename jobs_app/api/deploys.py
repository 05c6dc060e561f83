"""Routes of deploys: a pipeline says that it deployed, and charts show it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.http import HttpRequest
from ninja import Query, Router, Status
from ninja.decorators import decorate_view
from pydantic import BaseModel, ConfigDict, Field

from jobs_app.api.bodies import bounded
from jobs_app.api.security import needs, user_of
from jobs_app.core import clock
from jobs_app.core import deploys as core
from jobs_app.errors import InvalidRequest
from jobs_app.reads import deploys
from jobs_app.reads.deploys import DeployView
from jobs_app.scopes import Scope

ERA = timedelta(days=7305)
EARLIEST = datetime.min.replace(tzinfo=UTC)

router = Router(tags=["statistics"], auth=needs(Scope.READ, writing=Scope.QUEUES))

USUAL = timedelta(days=30)


class DeployBody(BaseModel):
    """A deploy that took place."""

    model_config = ConfigDict(extra="forbid", strict=True)

    label: str = Field(max_length=60, description="What stands at the line in the charts.")
    version: str = Field("", max_length=100)
    url: str = Field("", max_length=500, description="A web address where more is told of it.")
    at: datetime | None = Field(None, strict=False, description="When; without an offset in UTC. Default: now.")


class DeployQuery(BaseModel):
    """Of which period."""

    begin: datetime | None = Field(None, description="Default: 30 days before the end.")
    end: datetime | None = Field(None, description="Default: now.")


@router.post("", response={201: DeployView}, url_name="deploys")
@decorate_view(bounded)
def mark_deploy(request: HttpRequest, payload: DeployBody) -> Status[DeployView]:
    """Mark a deploy in the charts. The same label and version within five minutes is the deploy that is there."""
    actor = user_of(request)
    told = core.Told(payload.label, payload.version, payload.url, _in_utc(payload.at))
    row = core.mark(told, actor=actor, now=clock.database_now())
    return Status(201, DeployView.of(row, actor))


@router.get("", response=list[DeployView])
def list_deploys(request: HttpRequest, query: Query[DeployQuery]) -> list[DeployView]:
    """The deploys of a period, newest first, the latest hundred."""
    now = clock.database_now()
    end = _in_utc(query.end) or now
    begin = _in_utc(query.begin) or end - min(USUAL, end - EARLIEST)
    for name, moment in (("begin", begin), ("end", end)):
        if abs(moment - now) > ERA:
            raise InvalidRequest(f"expected {name} within twenty years from now, got {moment.isoformat()}")
    return deploys.between(user_of(request), begin, end)


def _in_utc(moment: datetime | None) -> datetime | None:
    """A moment in UTC; without an offset it is one of UTC already."""
    if moment is None:
        return None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise InvalidRequest(f"expected a date of this era, got {moment.isoformat()}") from None
