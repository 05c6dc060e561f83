"""Reports: the latest result of a schedule, how old it is, whether a newer one is missing, and how its runs went."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from jobs_app.core import clock
from jobs_app.errors import NotFound
from jobs_app.forms.questions import label_of
from jobs_app.models.job import SEE_ALL
from jobs_app.reads import report_results
from jobs_app.reads import reports as reads
from jobs_app.reads.report_views import ReportView, RunView
from jobs_app.reads.run_values import steps
from jobs_app.web import cells, results, sparklines
from jobs_app.web.pages import page, render, user_of
from jobs_app.web.schedule_words import OUTCOMES


@page
@require_safe
def reports(request: HttpRequest) -> HttpResponse:
    """The reports that this user may read."""
    cursor = request.GET.get("cursor", "")[:200]
    found = reads.report_page(user_of(request), now=clock.database_now(), cursor=cursor)
    more = f"?{urlencode({'cursor': found.next_cursor})}" if found.next_cursor else ""
    return render(request, "reports.html", {"section": "reports", "reports": found.reports, "more": more})


@page
@require_safe
def report(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """One report, with its picture."""
    user = user_of(request)
    view = reads.report(user, schedule_id, now=clock.database_now()).view
    context = {
        "section": "reports",
        "report": view,
        "may_see_all": user.has_perm(SEE_ALL),
        **_result(view),
        **_history(view),
    }
    return render(request, "report.html", context)


def _result(view: ReportView) -> dict[str, Any]:
    """What is drawn of the result; files are linked where readers of the report may fetch them."""
    too_large = view.result_bytes > results.DRAWN_BYTES
    unread, result = results.TOO_LARGE if too_large else "", None
    try:
        result = report_results.result(view, most_bytes=results.DRAWN_BYTES)
    except (NotFound, OSError):
        unread = results.REMOVED
    drawn = results.draw(result, report_results.artifacts(view), partial(_file_of, view.id))
    return {**drawn, "unread": unread, "too_large": too_large}


def _file_of(schedule: int, name: str) -> str:
    return reverse("api:report_artifact", args=[schedule, name])


def _history(view: ReportView) -> dict[str, Any]:
    """The runs as rows, and the values of those that succeeded as a line, oldest first."""
    values = [run.value for run in view.runs]
    column = cells.Grid.of(["value"], [[value] for value in values])
    rows = [_row(run, line[0][0]) for run, line in zip(view.runs, column.rows, strict=True)]
    name = steps(view.value_pointer)[-1:] or ["Result"]
    return {
        "runs": rows,
        "valued": any(value is not None for value in values),
        "value_name": label_of(name[0]),
        "sparkline": sparklines.draw([run.value for run in reversed(view.runs) if run.finished_at]),
    }


def _row(run: RunView, value: cells.Cell) -> tuple[RunView, str, str]:
    return run, "not kept" if run.outcome == "submitted" else OUTCOMES[run.outcome], value.text
