"""Routes that control queues: pause, resume, change bounds. They need the permission to control queues."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router
from ninja.decorators import decorate_view
from pydantic import BaseModel, ConfigDict, Field

from jobs_app.api.bodies import bounded
from jobs_app.api.security import needs, user_of
from jobs_app.core import clock, lane_control
from jobs_app.reads import lanes
from jobs_app.reads.lanes import LaneView
from jobs_app.scopes import Scope

router = Router(tags=["queues"], auth=needs(Scope.READ, writing=Scope.QUEUES))


class Bounds(BaseModel):
    """The bounds to change: what is left out stays as it is, null puts it back to the setting."""

    model_config = ConfigDict(extra="forbid", strict=True)

    limit: int | None = Field(None, description="Jobs that may wait; more are refused.")
    hard_limit: int | None = Field(None, description="Jobs that may wait with children of running jobs and overflow.")
    low_water: int | None = Field(None, description="A full queue takes jobs again from here on.")
    user_share: float | None = Field(None, description="Part of the limit, 0 to 1, that one user may hold.")
    token_share: float | None = Field(None, description="Part of the limit, 0 to 1, that one token may hold.")
    window: int | None = Field(None, description="Messages on the broker at once.")


@router.patch("/{str:name}", response=LaneView)
@decorate_view(bounded)
def change_queue(request: HttpRequest, name: str, payload: Bounds) -> LaneView:
    """Change bounds of a queue. They are in force within a second."""
    given = payload.model_dump(exclude_unset=True)
    lane_control.set_limits(name, actor=user_of(request), now=clock.database_now(), **given)
    return lanes.lane(name)


@router.post("/{str:name}/pause", response=LaneView, url_name="queue_pause")
def pause_queue(request: HttpRequest, name: str) -> LaneView:
    """Put no more jobs of a queue on the broker. It still takes new ones, up to its limit. Twice is no error."""
    lane_control.pause(name, user_of(request), clock.database_now())
    return lanes.lane(name)


@router.post("/{str:name}/resume", response=LaneView, url_name="queue_resume")
def resume_queue(request: HttpRequest, name: str) -> LaneView:
    """Let a paused queue go on. Twice is no error."""
    lane_control.resume(name, user_of(request), clock.database_now())
    return lanes.lane(name)
