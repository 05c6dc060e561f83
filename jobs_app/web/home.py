"""The list of jobs: any search, by pages, kept up to date in place.

Its rows are asked for again when the live stream says that something changed, and by and by without it. Rows keep
their places: jobs that came since are only counted, and shown on request. The search is in the address, as text.
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_safe

from jobs_app import conf, searching
from jobs_app.core import clock
from jobs_app.criteria import JobFilter
from jobs_app.errors import InvalidRequest
from jobs_app.reads import counts, jobs, kinds, saved_views, watching
from jobs_app.reads.jobs import JobPage
from jobs_app.reads.views import JobView
from jobs_app.web import address, chips, columns
from jobs_app.web.address import Address
from jobs_app.web.pages import page, render, user_of

PAGE = 25
SEE_ALL = "jobs_app.see_all_jobs"


@page
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The list."""
    operator, problem, found = user_of(request).has_perm(SEE_ALL), "", JobPage([], None)
    at, wanted = Address(request.GET.get("q", "")), JobFilter()
    try:
        at = Address.of(request.GET, operator=operator)
        if address.in_parts(request.GET):
            return redirect(reverse("jobs") + at.query)
        wanted = searching.parse(at.text)
        found = jobs.job_page(user_of(request), _now(wanted), cursor=at.cursor or None, limit=PAGE)
    except InvalidRequest as error:
        if at.cursor:
            raise
        problem = str(error)
    context = {
        **_table(request, at, wanted, found.jobs, newer=0),
        **_frame(request, at, wanted, operator=operator),
        "problem": problem,
        "older": at.page(found.next_cursor) if found.next_cursor else "",
        "newest": at.page(None) if at.cursor else "",
    }
    return render(request, "home.html", context, status=422 if problem else 200)


@page
@require_safe
def rows(request: HttpRequest) -> HttpResponse:
    """The rows that are on screen, as they stand now; 204 when nothing has changed."""
    user = user_of(request)
    at = Address.of(request.GET, operator=user.has_perm(SEE_ALL))
    wanted, seen = searching.parse(at.text), _ids(request.GET.get("ids", ""))
    newest = max(seen, default=None)
    newer = 0 if at.cursor else watching.newer(user, _now(wanted), newest)
    context = _table(request, at, wanted, watching.shown(user, seen), newer=newer)
    if context["stamp"] == request.GET.get("stamp"):
        return HttpResponse(status=204)
    return render(request, "home/rows.html", {**context, "fresh": True})


@page
@require_safe
def count(request: HttpRequest) -> HttpResponse:
    """How many jobs of a search there are in each state: apart from the rows, which do not wait for it."""
    user = user_of(request)
    wanted = searching.parse(Address.of(request.GET, operator=user.has_perm(SEE_ALL)).text)
    return render(request, "home/counts.html", {"counts": counts.by_state(user, _now(wanted))})


def _frame(request: HttpRequest, at: Address, wanted: JobFilter, *, operator: bool) -> dict[str, Any]:
    """What stands around the table."""
    kept = saved_views.saved_views(user_of(request))
    return {
        "section": "jobs",
        "at": at,
        "wanted": wanted,
        "filtered": wanted not in (address.OWN, JobFilter(mine=True, spawned=False), JobFilter()),
        "everyone": operator and not wanted.mine and not wanted.owner,
        "may_see_all": operator,
        "state_chips": chips.of_states(wanted, at),
        "owner_chips": chips.of_owners(wanted, at) if operator else [],
        "chips": chips.in_force(wanted, at),
        "views": [(each, Address(each.text, tuple(each.columns))) for each in kept],
        "counts_url": reverse("job-counts") + at.page(None),
        "events_url": reverse("api:list_events"),
        "kinds": kinds.kinds(),
        "queues": conf.current().queues,
        "all_columns": columns.COLUMNS.values(),
        "qualifiers": searching.NAMES,
    }


def _table(request: HttpRequest, at: Address, wanted: JobFilter, found: list[JobView], *, newer: int) -> dict[str, Any]:
    stamp = hashlib.sha256(
        repr([(each.id, each.state, each.progress, each.cancel_requested) for each in found]).encode() + bytes([newer])
    ).hexdigest()[:16]
    others = not wanted.mine and user_of(request).has_perm(SEE_ALL)
    shown, bulk = columns.shown(at.columns, owners=others), _bulk_url()
    ids = urlencode({"ids": ",".join(each.id.hex for each in found), "stamp": stamp})
    return {
        "jobs": found,
        "newer": newer,
        "stamp": stamp,
        "columns": shown,
        "width": len(shown) + (2 if bulk else 1),
        "bulk_url": bulk,
        "newest_url": reverse("jobs") + at.page(None),
        "rows_url": f"{reverse('job-rows')}{at.query}&{ids}",
        "active": any(not each.final for each in found),
    }


def _bulk_url() -> str:
    """Where the jobs that are ticked are sent; empty, and nothing can be ticked, where there is no such page."""
    try:
        return reverse("bulk-preview")
    except NoReverseMatch:
        return ""


def _now(wanted: JobFilter) -> JobFilter:
    return wanted.at(clock.database_now()) if wanted.relative else wanted


def _ids(text: str) -> list[UUID]:
    try:
        return [UUID(each) for each in text.split(",")[: jobs.PAGE_LIMIT] if each]
    except ValueError:
        raise InvalidRequest("expected the ids of jobs on this page") from None
