"""Routes of reports: the latest result of a schedule, at once. Nothing is computed here, and no job is made."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from ninja import Query, Router
from ninja.params import functions
from pydantic import BaseModel, Field

from jobs_app import conf
from jobs_app.api import conditional, downloads
from jobs_app.api.artifacts import ArtifactBody
from jobs_app.api.security import needs, user_of
from jobs_app.core import clock
from jobs_app.reads import report_results, reports
from jobs_app.reads.files import Content
from jobs_app.reads.report_views import ReportLine, ReportView
from jobs_app.scopes import Scope

router = Router(tags=["reports"], auth=needs(Scope.READ))

AGE = "Report-Age"


class ReportsQuery(BaseModel):
    """Which page of reports."""

    limit: int = Field(reports.PAGE, description="Reports a page, 1 to 200.")
    cursor: str = Field("", max_length=200, description="next_cursor of the page before.")


class Reports(BaseModel):
    """A page of the reports that you may read, by name; ``next_cursor`` is null on the last."""

    reports: list[ReportLine]
    next_cursor: str | None


class ReportBody(ReportView):
    """A report with its result."""

    result: Any = Field(description="What the job returned; null while there is none, and if it is large: see links.")
    artifacts: list[ArtifactBody] = Field(description="The files that the job made, and where to get them.")
    links: dict[str, str]


@router.get("", response=Reports, url_name="reports")
def list_reports(request: HttpRequest, query: Query[ReportsQuery]) -> HttpResponseBase:
    """The reports that you may read: how old each is, when the next is due, whether one is missing."""
    now = clock.database_now()
    page = reports.report_page(user_of(request), now=now, cursor=query.cursor, limit=query.limit)
    return conditional.answer(request, Reports(reports=page.reports, next_cursor=page.next_cursor), now=now)


@router.api_operation(
    ["GET", "HEAD"],
    "/{str:schedule}",
    response=ReportBody,
    url_name="report",
    openapi_extra={"responses": {304: {"description": "You have it already: If-None-Match, or If-Modified-Since."}}},
)
def show_report(request: HttpRequest, schedule: str) -> HttpResponseBase:
    """The latest result of a schedule, by its name (or ``id``, if the name has a slash), and its history.

    The header Report-Age tells the result's age in seconds, also with a 304: the body names moments only, so that its
    ETag holds until something changes.
    """
    now = clock.database_now()
    report = reports.report(user_of(request), schedule, now=now)
    view = report.view
    here = reverse("api:report", args=[view.id])
    inline = conf.current().result_inline_bytes
    body = ReportBody.model_construct(
        **dict(view),
        result=report_results.result(view, most_bytes=inline),
        artifacts=[
            ArtifactBody.at(each, reverse("api:report_artifact", args=[view.id, each.name]))
            for each in report_results.artifacts(view)
        ],
        links={"self": here, **({"result": f"{here}/result"} if view.job else {})},
    )
    response = conditional.answer(request, body, changed_at=report.changed_at, now=now)
    if view.finished_at is not None:
        response[AGE] = str(_age(view.finished_at, now))
    return response


@router.api_operation(["GET", "HEAD"], "/{str:schedule}/result", response=Any, url_name="report_result")
def show_result(request: HttpRequest, schedule: str) -> HttpResponseBase:
    """The latest result alone, however large, as JSON."""
    found = report_results.latest(user_of(request), schedule)
    return downloads.serve(request, found) if isinstance(found, Content) else JsonResponse(found, safe=False)


@router.api_operation(
    ["GET", "HEAD"],
    "/{str:schedule}/artifacts/{str:name}",
    url_name="report_artifact",
    openapi_extra=downloads.DESCRIPTION,
)
def download_artifact(
    request: HttpRequest,
    schedule: str,
    name: str,
    inline: bool = functions.Query(False, description="Show a picture in place."),
) -> HttpResponseBase:
    """A file that the job of the latest result made."""
    return downloads.serve(request, report_results.output(user_of(request), schedule, name), inline=inline)


def _age(finished_at: datetime, now: datetime) -> int:
    return max(int((now - finished_at).total_seconds()), 0)
