"""Routes of schedules: look, run now, pause, resume. For operators only."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse
from ninja import Query, Router, Status
from pydantic import BaseModel, Field

from jobs_app.api.security import needs, user_of
from jobs_app.core import clock
from jobs_app.core.schedules import changes, ticks
from jobs_app.reads import schedules
from jobs_app.reads.schedule_views import ScheduleDetailView, ScheduleView, TickView
from jobs_app.reads.schedules import Only
from jobs_app.scopes import Scope

router = Router(tags=["schedules"], auth=needs(Scope.READ, writing=Scope.SCHEDULES))


class SchedulesQuery(BaseModel):
    """Which schedules to list."""

    only: Only = Field(Only.ALL, description="Those that are broken, or paused, alone.")
    limit: int = Field(schedules.PAGE, description="Schedules a page, 1 to 200.")
    cursor: str = Field("", max_length=200, description="next_cursor of the page before.")


class Schedules(BaseModel):
    """A page of schedules, by name; ``next_cursor`` is null on the last."""

    schedules: list[ScheduleView]
    next_cursor: str | None


class Ran(TickView):
    """A tick that was asked for, and its job."""

    links: dict[str, str]


@router.get("", response=Schedules, url_name="schedules")
def list_schedules(request: HttpRequest, query: Query[SchedulesQuery]) -> Schedules:
    """The schedules, by name: when each is due next, and how its last tick went."""
    page = schedules.schedule_page(user_of(request), query.only, cursor=query.cursor, limit=query.limit)
    return Schedules(schedules=page.schedules, next_cursor=page.next_cursor)


@router.get("/{str:schedule}", response=ScheduleDetailView, url_name="schedule")
def show_schedule(request: HttpRequest, schedule: str) -> ScheduleDetailView:
    """One schedule, by its name (or its ``id``, if the name has a slash): its next fires, its last ticks."""
    return schedules.schedule(user_of(request), schedule, now=clock.database_now())


@router.post("/{str:schedule}/run", response={202: Ran}, url_name="schedule_run")
def run_schedule(request: HttpRequest, schedule: str) -> Status[Ran]:
    """One tick out of turn, also of a schedule that is paused. The answer names its job.

    It makes a job: a token needs the scope ``jobs:submit`` too.
    """
    user, now = user_of(request), clock.database_now()
    tick = TickView.of(ticks.run_now(schedules.find(user, schedule), actor=user, now=now))
    links = {"job": reverse("api:job", args=[tick.job])} if tick.job else {}
    return Status(202, Ran(**dict(tick), links=links))


@router.post("/{str:schedule}/pause", response=ScheduleDetailView, url_name="schedule_pause")
def pause_schedule(request: HttpRequest, schedule: str) -> ScheduleDetailView:
    """Stop a schedule; its jobs that have begun go on. Twice is no error."""
    user, now = user_of(request), clock.database_now()
    changes.pause(schedules.find(user, schedule), actor=user, now=now)
    return schedules.schedule(user, schedule, now=now)


@router.post("/{str:schedule}/resume", response=ScheduleDetailView, url_name="schedule_resume")
def resume_schedule(request: HttpRequest, schedule: str) -> ScheduleDetailView:
    """Let a schedule tick again, from its next time on. Twice is no error."""
    user, now = user_of(request), clock.database_now()
    changes.resume(schedules.find(user, schedule), actor=user, now=now)
    return schedules.schedule(user, schedule, now=now)
