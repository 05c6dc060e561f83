"""The route of statistics."""

from __future__ import annotations

from datetime import UTC, datetime

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import BaseModel, Field

from jobs_app.api.security import needs, user_of
from jobs_app.core import clock
from jobs_app.errors import InvalidRequest
from jobs_app.reads import statistics
from jobs_app.reads.statistics import By, Question
from jobs_app.reads.statistics_views import StatisticsView
from jobs_app.scopes import Scope
from jobs_app.steps import Step

router = Router(tags=["statistics"], auth=needs(Scope.READ))


class StatisticsQuery(BaseModel):
    """Which period, and of what."""

    step: Step = Field(Step.HOUR, description="How long a bucket is; all are of UTC.")
    begin: datetime | None = Field(None, description="Rounded down to a bucket. Without it an hour, two days, a month.")
    end: datetime | None = Field(None, description="Rounded up to a bucket. Without it: now.")
    queue: str | None = Field(None, max_length=100)
    kind: str | None = Field(None, max_length=100)
    owner: str | None = Field(None, max_length=150, description="A user's name; empty for the system's own jobs.")
    by: By | None = Field(None, description="Tell totals apart by kind, queue or owner.")


@router.get("", response=StatisticsView, url_name="statistics")
def show_statistics(request: HttpRequest, query: Query[StatisticsQuery]) -> StatisticsView:
    """What happened in a period: counts, quantiles of waits and run times, depths of queues.

    Users without the permission to see all jobs get statistics of their own.
    """
    unknown = sorted(set(request.GET) - set(StatisticsQuery.model_fields))
    if unknown:
        raise InvalidRequest(
            f"expected the parameters {', '.join(StatisticsQuery.model_fields)}, got {', '.join(unknown)[:100]}"
        )
    asked = query.model_dump()
    for name in ("begin", "end"):
        if asked[name] is not None:
            asked[name] = _in_utc(name, asked[name])
    return statistics.statistics(Question(**asked), user_of(request), now=clock.database_now())


def _in_utc(name: str, moment: datetime) -> datetime:
    """A moment in UTC; without an offset it is one of UTC already."""
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise InvalidRequest(f"expected {name} to be a date of this era, got {moment.isoformat()}") from None
