"""The route that acts on many jobs: a preview, or a job that does it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status
from ninja.decorators import decorate_view
from ninja.params import functions
from pydantic import BaseModel, ConfigDict, Field

from jobs_app.api.bodies import bounded
from jobs_app.api.job_bodies import JobBody
from jobs_app.api.jobs import KEY, KEY_WORDS
from jobs_app.api.security import needs, token_of, user_of
from jobs_app.core import clock
from jobs_app.core.bulk import planning
from jobs_app.core.bulk.orders import IDS, Action, Order
from jobs_app.core.bulk.planning import Plan
from jobs_app.forms.lines import Moment
from jobs_app.lifecycle import State, Via
from jobs_app.reads import bulk
from jobs_app.reads.views import JobView
from jobs_app.scopes import Scope

router = Router(tags=["jobs"], auth=needs(Scope.ACT))


class BulkAction(BaseModel):
    """What is to be done, and to which jobs: say them by ``query`` or by ``ids``."""

    model_config = ConfigDict(extra="forbid")

    action: Action
    query: str = Field("", max_length=1000, description="A search, such as state:failed kind:system.echo since:2d.")
    ids: list[UUID] = Field(default_factory=list, max_length=IDS, description="Ids of jobs, at most 1,000.")
    priority: int | None = Field(None, description="The new priority, for reprioritise: -100 to 100.")
    as_of: Moment | None = Field(None, description="Only jobs that existed then; a preview tells when it looked.")
    expected: int | None = Field(None, ge=0, le=10**9, description="How many jobs the preview showed; it is noted.")
    dry_run: bool = Field(False, description="Do nothing, and tell what would be done.")

    def order(self) -> Order:
        """As the core takes it."""
        return Order.of({name: getattr(self, name) for name in type(self).model_fields if name != "dry_run"})


class BulkPreview(BaseModel):
    """What a bulk action would do. To carry out just that, send its as_of and counted (as expected) with it."""

    action: Action
    which: str = Field(description="Which jobs, in words.")
    as_of: datetime
    counted: int = Field(description="Jobs that were looked at: the newest, at most 10,000.")
    more: bool = Field(description="Whether there are more than those.")
    acting: int = Field(description="Of those: jobs to which something would be done.")
    states: dict[State, int]
    what_would_be_done: dict[str, int]
    left_alone: dict[str, int] = Field(description="Why nothing would be done to how many.")
    newest: list[JobView] = Field(description="At most ten of them.")

    @classmethod
    def of(cls, plan: Plan, newest: list[JobView]) -> BulkPreview:
        """Of a plan."""
        assert plan.order.as_of is not None
        return cls.model_construct(
            action=plan.order.action, which=plan.order.which, as_of=plan.order.as_of, counted=plan.counted,
            more=plan.more, acting=plan.acting, states=plan.states,
            what_would_be_done={str(verdict): count for verdict, count in plan.verdicts.items()},
            left_alone=plan.refused, newest=newest,
        )  # fmt: skip


@router.post("/bulk-actions", response={200: BulkPreview | JobBody, 202: JobBody}, url_name="bulk_actions")
@decorate_view(bounded)
def act_on_many(
    request: HttpRequest,
    response: HttpResponse,
    payload: BulkAction,
    idempotency_key: str | None = functions.Header(None, alias=KEY, description=KEY_WORDS),
) -> Status[Any]:
    """Cancel, retry, run again or reprioritise many jobs. A job does it (202), whose result tells what came of it.

    With ``dry_run``, 200 and what would be done. A replay of an idempotency key answers 200 with the job. To retry and
    to run again makes new jobs: for these a token needs the scope ``jobs:submit`` too.
    """
    order, user, now = payload.order(), user_of(request), clock.database_now()
    if payload.dry_run:
        found = bulk.preview(user, order, now=now)
        return Status(200, BulkPreview.of(found.plan, found.sample))
    accepted = planning.submit(
        order, actor=user, now=now, via=Via.API, idempotency_key=idempotency_key, token=token_of(request)
    )
    body = JobBody.of_view(JobView.of(accepted.job, user))
    response["Location"] = body.links["self"]
    if accepted.replayed:
        response["Idempotency-Replayed"] = "true"
    return Status(200 if accepted.replayed else 202, body)
