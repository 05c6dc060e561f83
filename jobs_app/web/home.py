"""My jobs: a list by pages, kept up to date in place.

While something on the page has not ended, its rows are asked for every two seconds. Rows keep their places: jobs that
came since are only counted, and shown on request.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.views.decorators.http import require_safe

from jobs_app.criteria import JobFilter
from jobs_app.errors import InvalidRequest
from jobs_app.lifecycle import FINAL, State
from jobs_app.reads import jobs, kinds, watching
from jobs_app.reads.views import JobView
from jobs_app.web.pages import page, render, user_of

PAGE = 25
ACTIVE = "active"
EVERYONE = "everyone"
SEE_ALL = "jobs_app.see_all_jobs"
FILTERS = ("state", "kind", "who", "parent")


@dataclass(frozen=True)
class Chip:
    """A filter to click."""

    label: str
    query: str
    current: bool


@page
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The list."""
    wanted = _filter(request.GET)
    found = jobs.job_page(user_of(request), wanted, cursor=request.GET.get("cursor"), limit=PAGE)
    first_page = not request.GET.get("cursor")
    context = {
        **_table(request, found.jobs, newer=0),
        "section": "jobs",
        "kinds": kinds.kinds(),
        "chosen_kind": wanted.kind,
        "states": request.GET.getlist("state"),
        "chips": _chips(request.GET),
        "filtered": bool(wanted.states or wanted.kind or wanted.parent),
        "parent": wanted.parent,
        "may_see_all": user_of(request).has_perm(SEE_ALL),
        "older": _query(request.GET, cursor=found.next_cursor) if found.next_cursor else "",
        "newest": "" if first_page else _query(request.GET),
    }
    return render(request, "home.html", context)


@page
@require_safe
def rows(request: HttpRequest) -> HttpResponse:
    """The rows that are on screen, as they stand now; 204 when nothing has changed."""
    user = user_of(request)
    seen = _ids(request.GET.get("ids", ""))
    newest = max(seen, default=None)
    newer = 0 if request.GET.get("cursor") else watching.newer(user, _filter(request.GET), newest)
    context = _table(request, watching.shown(user, seen), newer=newer)
    if context["stamp"] == request.GET.get("stamp"):
        return HttpResponse(status=204)
    return render(request, "home/rows.html", {**context, "fresh": True})


def _table(request: HttpRequest, found: list[JobView], *, newer: int) -> dict[str, Any]:
    stamp = hashlib.sha256(
        repr([(each.id, each.state, each.progress, each.cancel_requested) for each in found]).encode() + bytes([newer])
    ).hexdigest()[:16]
    kept = {name: request.GET.getlist(name) for name in (*FILTERS, "cursor") if request.GET.get(name)}
    query = urlencode({**kept, "ids": ",".join(each.id.hex for each in found), "stamp": stamp}, doseq=True)
    return {
        "jobs": found,
        "newer": newer,
        "stamp": stamp,
        "everyone": request.GET.get("who") == EVERYONE,
        "newest_url": reverse("home") + _query(request.GET),
        "rows_url": f"{reverse('job-rows')}?{query}",
        "active": any(not each.final for each in found),
    }


def _filter(given: QueryDict) -> JobFilter:
    states: list[State] = []
    for each in given.getlist("state"):
        if each == ACTIVE:
            states += [state for state in State if state not in FINAL]
        elif each in list(State):
            states.append(State(each))
        elif each:
            raise InvalidRequest(f"expected a state ({', '.join([ACTIVE, *State])}), got {each[:40]!r}")
    parent = _parent(given.get("parent", ""))
    everyone = given.get("who") == EVERYONE or parent is not None
    # What a job spawned is listed with it alone: a thousand of them would hide everything else.
    return JobFilter(tuple(states), kind=given.get("kind", "")[:100], mine=not everyone, parent=parent, spawned=False)


def _parent(text: str) -> UUID | None:
    try:
        return UUID(text[:64]) if text else None
    except ValueError:
        raise InvalidRequest(f"expected the id of a job as parent, got {text[:64]!r}") from None


def _chips(given: QueryDict) -> list[Chip]:
    chosen = given.getlist("state")
    ends = [(state.value.capitalize(), state.value) for state in State if state in FINAL]
    offered = [("All", ""), ("Active", ACTIVE), *ends]
    return [
        Chip(label, _query(given, state=value or None), chosen == [value] if value else not any(chosen))
        for label, value in offered
    ]


def _query(given: QueryDict, **changes: str | None) -> str:
    """The query string with some values replaced; the place in the list is left out unless it is given."""
    kept: dict[str, Any] = {name: given.getlist(name) for name in FILTERS if given.get(name)}
    merged = {name: value for name, value in {**kept, **changes}.items() if value}
    return f"?{urlencode(merged, doseq=True)}" if merged else "?"


def _ids(text: str) -> list[UUID]:
    try:
        return [UUID(each) for each in text.split(",")[: jobs.PAGE_LIMIT] if each]
    except ValueError:
        raise InvalidRequest("expected the ids of jobs on this page") from None
