"""Acting on many jobs: what would be done, shown before it is asked for. What follows is the page of the job that does
it, like any other job's."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from jobs_app.core import clock
from jobs_app.core.bulk import planning
from jobs_app.core.bulk.orders import IDS, Action, Order
from jobs_app.errors import InvalidRequest
from jobs_app.lifecycle import Via
from jobs_app.reads import bulk
from jobs_app.reads.bulk import Preview
from jobs_app.web.pages import page, render, user_of

MANY = 100
"""From more jobs than this on, it is asked once more whether so many are meant."""

EVERY = "spawned:yes"
"""A search that leaves nothing out: what is meant by all jobs of a list that is not searched."""

PRIORITY = 10
"""What is offered as the new priority."""


@page
@require_http_methods(["GET", "HEAD", "POST"])
def preview(request: HttpRequest) -> HttpResponse:
    """What would be done. It changes nothing; a list sends the ids of its ticked jobs by POST."""
    given = request.POST if request.method == "POST" else request.GET
    return _shown(request, _order(given))


@page
@require_POST
def act(request: HttpRequest) -> HttpResponse:
    """Submit it, and lead to the job that does it."""
    order = _order(request.POST)
    if (order.expected or 0) > MANY and request.POST.get("sure") != "yes":
        return _shown(request, order, problem="Say that you mean so many jobs.")
    accepted = planning.submit(
        order, actor=user_of(request), now=clock.database_now(), via=Via.WEB,
        idempotency_key=request.POST.get("_key") or None,
    )  # fmt: skip
    return redirect("job", job_id=accepted.job.id)


@page
@require_safe
def count(request: HttpRequest) -> HttpResponse:
    """How many jobs a search means: for the bar above the list."""
    order = Order.of({"action": Action.CANCEL, "query": request.GET.get("q") or EVERY})
    number, more = bulk.count(user_of(request), order, now=clock.database_now())
    return HttpResponse(f"{number:,}{'+' if more else ''}")


def _shown(request: HttpRequest, order: Order, problem: str = "") -> HttpResponse:
    found = bulk.preview(user_of(request), order, now=clock.database_now())
    plan = found.plan
    context: dict[str, Any] = {
        "section": "jobs",
        "preview": found,
        "plan": plan,
        "order": plan.order,
        "title": _title(found),
        "button": f"{_verb(order)} {_jobs(plan.acting, plan.acting_words)}",
        "possible": plan.acting or plan.more,
        "many": plan.counted > MANY,
        "problem": problem,
        "key": request.POST.get("_key") or uuid.uuid4(),
        "back": reverse("jobs") + (f"?{_search(order)}" if order.query else ""),
    }
    return render(request, "bulk.html", context, status=422 if problem else 200)


def _order(given: QueryDict) -> Order:
    whole = bool(given.get("all"))
    query = (given.get("q", "").strip() or EVERY) if whole else ""
    ids = [] if whole else [_id(each) for each in given.getlist("job")[: IDS + 1]]
    if not whole and not ids:
        raise InvalidRequest("expected some jobs to be ticked, or all of a search, got none")
    action = given.get("action", "")
    priority = _number("priority", given.get("priority") or str(PRIORITY)) if action == Action.REPRIORITISE else None
    expected = _number("expected", told) if (told := given.get("expected", "")) else None
    return Order.of(
        {
            "action": action, "query": query, "ids": ids, "as_of": _moment(given.get("as_of", "")),
            "priority": priority, "expected": expected,
        }
    )  # fmt: skip


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidRequest(f"expected the ids of jobs, got {text[:40]!r}") from None


def _number(name: str, text: str) -> int:
    if not text.lstrip("-").isdecimal() or len(text) > 9:
        raise InvalidRequest(f"expected a whole number as {name}, got {text[:40]!r}")
    return int(text)


def _moment(text: str) -> datetime | None:
    try:
        return parse_datetime(text) if text else None
    except ValueError:
        raise InvalidRequest(f"expected a time as as_of, got {text[:40]!r}") from None


def _search(order: Order) -> str:
    made = QueryDict(mutable=True)
    made["q"] = order.query
    return made.urlencode()


def _title(found: Preview) -> str:
    return f"{_verb(found.plan.order)} {_jobs(found.plan.counted, found.plan.count_words)}?"


def _verb(order: Order) -> str:
    return order.action.words


def _jobs(number: int, words: str) -> str:
    return f"{words} job" if number == 1 else f"{words} jobs"
