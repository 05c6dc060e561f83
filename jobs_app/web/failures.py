"""Failures: those that are alike as one line; of each what it says, how often, which jobs, and what is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_POST, require_safe

from jobs_app import searching
from jobs_app.core import clock, failure_control
from jobs_app.criteria import JobFilter
from jobs_app.errors import InvalidRequest, NotFound
from jobs_app.fingerprints import Status
from jobs_app.lifecycle import State
from jobs_app.reads import failures as reads
from jobs_app.reads.failure_figures import LOOKED_AT
from jobs_app.reads.failure_views import GroupView
from jobs_app.reads.failures import Sort, Tab, Wanted
from jobs_app.web import failure_charts
from jobs_app.web.failure_charts import Bars
from jobs_app.web.pages import page, render, user_of

TABS = {Tab.OPEN: "Open", Tab.RESOLVED: "Resolved", Tab.IGNORED: "Ignored", Tab.ALL: "All"}
SORTS = {Sort.LATEST: "latest first", Sort.FREQUENT: "most frequent first"}
SPANS = {"": "for good", "1": "for a day", "7": "for a week", "30": "for 30 days"}
"""How long a group may be ignored: days, in words."""


LATEST = 10
"""Jobs that a group's page shows; the list of jobs has them all."""


@dataclass(frozen=True)
class Row:
    """A group in the list."""

    group: GroupView
    bars: Bars
    still: str


@page
@require_safe
def failures(request: HttpRequest) -> HttpResponse:
    """The list."""
    user, now = user_of(request), clock.database_now()
    wanted = _wanted(request)
    found = reads.group_page(user, wanted, now=now, cursor=request.GET.get("cursor", "")[:100])
    counts = reads.counts(user)
    chosen = {"kind": wanted.kind, "sort": wanted.sort.value}
    following = {"tab": wanted.tab, **chosen, "cursor": found.next_cursor}
    context = {
        "section": "failures",
        "rows": [Row(each, failure_charts.hours(each.hours), still(each)) for each in found.failures],
        "chips": [
            (f"{TABS[each]} ({counts[each]:,})", f"?{urlencode({'tab': each, **chosen})}", each is wanted.tab)
            for each in Tab
        ],
        "tab": wanted.tab.value,
        "kinds": reads.kinds(user),
        "chosen_kind": wanted.kind,
        "sorts": [(each.value, SORTS[each], each is wanted.sort) for each in Sort],
        "any": bool(counts[Tab.ALL]),
        "more": f"?{urlencode(following)}" if found.next_cursor else "",
    }
    return render(request, "failures.html", context)


@page
@require_safe
def failure(request: HttpRequest, fingerprint: str) -> HttpResponse:
    """One group."""
    user, now = user_of(request), clock.database_now()
    text = searching.text_of(JobFilter(states=(State.FAILED,), fingerprint=fingerprint))
    all_jobs = f"{reverse('jobs')}?{urlencode({'q': text})}"
    try:
        shown = reads.group(user, fingerprint, now=now)
    except NotFound:
        if reads.uncounted(user, fingerprint):
            return redirect(all_jobs)  # it failed a moment ago: its jobs are all there is to see yet
        raise
    context = {
        "section": "failures",
        "group": shown,
        "still": still(shown),
        "latest": shown.latest[:LATEST],
        "charts": [
            ("The last 24 hours", failure_charts.hours(shown.hours)),
            ("The last 14 days", failure_charts.days(shown.days)),
        ],
        "retry": _retry_all(text) if shown.still_failed else "",
        "all_jobs": all_jobs,
        "may_act": reads.may_act(user),
        "solved": shown.status in {Status.RESOLVED, Status.IGNORED},
        "spans": SPANS.items(),
        "note_length": failure_control.NOTE_LENGTH,
    }
    return render(request, "failure.html", context)


@page
@require_POST
def resolve(request: HttpRequest, fingerprint: str) -> HttpResponse:
    """It is mended."""
    note = request.POST.get("note", "")
    failure_control.resolve(fingerprint, actor=user_of(request), now=clock.database_now(), note=note)
    messages.success(request, "Resolved. If it is seen again, it is open again.")
    return redirect("failure", fingerprint=fingerprint)


@page
@require_POST
def ignore(request: HttpRequest, fingerprint: str) -> HttpResponse:
    """Nobody is to be told of it."""
    days, now = request.POST.get("days", ""), clock.database_now()
    if days not in SPANS:
        raise InvalidRequest(f"expected one of the times that the form offers, got {days[:20]!r} days")
    until = now + timedelta(days=int(days)) if days else None
    note = request.POST.get("note", "")
    failure_control.ignore(fingerprint, actor=user_of(request), now=now, until=until, note=note)
    messages.success(request, f"Ignored {SPANS[days]}.")
    return redirect("failure", fingerprint=fingerprint)


@page
@require_POST
def reopen(request: HttpRequest, fingerprint: str) -> HttpResponse:
    """Somebody should look at it after all."""
    note = request.POST.get("note", "")
    failure_control.reopen(fingerprint, actor=user_of(request), now=clock.database_now(), note=note)
    messages.success(request, "Open again.")
    return redirect("failure", fingerprint=fingerprint)


def still(group: GroupView) -> str:
    """How many of a group's jobs wait for somebody to run them again."""
    if group.still_failed == LOOKED_AT:
        return f"{LOOKED_AT} or more"
    return f"{group.still_failed}" + (f" of the latest {LOOKED_AT}" if group.looked_at == LOOKED_AT else "")


def _wanted(request: HttpRequest) -> Wanted:
    given = request.GET
    tab, sort = given.get("tab", ""), given.get("sort", "")
    return Wanted(
        tab=Tab(tab) if tab in set(Tab) else Tab.OPEN,
        kind=given.get("kind", "")[:100],
        sort=Sort(sort) if sort in set(Sort) else Sort.LATEST,
    )


def _retry_all(text: str) -> str:
    """The page that shows what retrying all of a search would do; empty where there is none."""
    try:
        return f"{reverse('bulk-preview')}?{urlencode({'action': 'retry', 'all': '1', 'q': text})}"
    except NoReverseMatch:
        return ""
