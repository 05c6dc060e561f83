"""Routes of failures that are alike: look; and for operators: resolve, ignore, open again."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest
from ninja import Query, Router
from ninja.decorators import decorate_view
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from jobs_app.api.bodies import bounded
from jobs_app.api.security import needs, user_of
from jobs_app.core import clock, failure_control
from jobs_app.core.failure_control import NOTE_LENGTH
from jobs_app.reads import failures
from jobs_app.reads.failure_views import GroupDetailView, GroupPageView
from jobs_app.reads.failures import Sort, Tab, Wanted
from jobs_app.scopes import Scope

router = Router(tags=["failures"], auth=needs(Scope.READ, writing=Scope.ACT))


class FailuresQuery(BaseModel):
    """Which groups to list."""

    tab: Tab = Field(Tab.OPEN, description="Those that are open (seen again after being resolved, too), or others.")
    kind: str = Field("", max_length=100, description="Those of this kind alone.")
    sort: Sort = Field(Sort.LATEST, description="What comes first: seen last, or most often.")
    limit: int = Field(failures.PAGE, description="Groups a page, 1 to 100.")
    cursor: str = Field("", max_length=100, description="next_cursor of the page before.")


class Remark(BaseModel):
    """What is said with it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    note: str = Field("", max_length=NOTE_LENGTH, description="For those who look at it next.")


class Ignoring(Remark):
    """What is said with it, and how long it holds."""

    # Not strict: JSON has no times but as texts.
    until: AwareDatetime | None = Field(
        None, strict=False, description="Open again then, within a year; null: for good."
    )


@router.get("", response=GroupPageView, url_name="failures")
def list_failures(request: HttpRequest, query: Query[FailuresQuery]) -> GroupPageView:
    """Failures that are alike, as groups: of the jobs that you may see. New ones are counted within ten seconds."""
    wanted = Wanted(tab=query.tab, kind=query.kind, sort=query.sort)
    now = clock.database_now()
    return failures.group_page(user_of(request), wanted, now=now, cursor=query.cursor, limit=query.limit)


@router.get("/{str:fingerprint}", response=GroupDetailView, url_name="failure")
def show_failure(request: HttpRequest, fingerprint: str) -> GroupDetailView:
    """One group: what it says, how often it was seen, its latest jobs."""
    return failures.group(user_of(request), fingerprint, now=clock.database_now())


@router.post("/{str:fingerprint}/resolve", response=GroupDetailView, url_name="failure_resolve")
@decorate_view(bounded)
def resolve_failure(request: HttpRequest, fingerprint: str, payload: Remark | None = None) -> GroupDetailView:
    """Say that it is mended. Seen again after that, it is ``regressed``: open once more. Twice is no error."""
    now, note = clock.database_now(), payload.note if payload else ""
    failure_control.resolve(fingerprint, actor=user_of(request), now=now, note=note)
    return failures.group(user_of(request), fingerprint, now=now)


@router.post("/{str:fingerprint}/ignore", response=GroupDetailView, url_name="failure_ignore")
@decorate_view(bounded)
def ignore_failure(request: HttpRequest, fingerprint: str, payload: Ignoring | None = None) -> GroupDetailView:
    """Say that nobody is to be told of it, for good or until a time. Twice is no error."""
    now, said = clock.database_now(), payload or Ignoring()
    until: datetime | None = said.until
    failure_control.ignore(fingerprint, actor=user_of(request), now=now, until=until, note=said.note)
    return failures.group(user_of(request), fingerprint, now=now)


@router.post("/{str:fingerprint}/reopen", response=GroupDetailView, url_name="failure_reopen")
@decorate_view(bounded)
def reopen_failure(request: HttpRequest, fingerprint: str, payload: Remark | None = None) -> GroupDetailView:
    """Take back that it is resolved or ignored. Twice is no error."""
    now, note = clock.database_now(), payload.note if payload else ""
    failure_control.reopen(fingerprint, actor=user_of(request), now=now, note=note)
    return failures.group(user_of(request), fingerprint, now=now)
