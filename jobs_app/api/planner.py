"""The route of the capacity planner."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field

from jobs_app import queueing
from jobs_app.api.security import needs
from jobs_app.core import clock
from jobs_app.errors import InvalidRequest
from jobs_app.reads import planner
from jobs_app.reads.planner import PlanView, Question
from jobs_app.scopes import Scope

router = Router(tags=["planner"], auth=needs(Scope.READ))


class PlannerQuery(BaseModel):
    """What is typed wins over what was measured of the queue."""

    model_config = ConfigDict(allow_inf_nan=False)

    queue: str = Field("", max_length=100, description="Take what was measured of this queue.")
    arrival_rate: float | None = Field(None, ge=0, le=queueing.RATE, description="Jobs a second.")
    service_seconds: float | None = Field(
        None, ge=queueing.SECONDS_LEAST, le=queueing.SECONDS_MOST, description="The mean time that an attempt takes."
    )
    service_deviation: float | None = Field(
        None, ge=0, le=queueing.SECONDS_MOST, description="Its standard deviation. Left out: exponential times."
    )
    slots: int | None = Field(None, ge=1, le=queueing.SLOTS, description="Jobs that run at once.")
    target_seconds: float | None = Field(
        None, ge=0, le=queueing.SECONDS_MOST, description="What 95 of 100 jobs are to wait at most."
    )
    backlog: int | None = Field(None, ge=0, le=queueing.BACKLOG, description="Jobs that wait now.")


@router.get("", response=PlanView, url_name="planner")
def show_plan(request: HttpRequest, query: Query[PlannerQuery]) -> PlanView:
    """What so many worker slots lead to: utilisation, waits, queue length; how many slots a target takes."""
    unknown = sorted(set(request.GET) - set(PlannerQuery.model_fields))
    if unknown:
        raise InvalidRequest(
            f"expected the parameters {', '.join(PlannerQuery.model_fields)}, got {', '.join(unknown)[:100]}"
        )
    return planner.plan(planner.gather(Question(**query.model_dump()), now=clock.database_now()))
