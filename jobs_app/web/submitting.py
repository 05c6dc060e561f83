"""Choosing a kind, and its form: for a new job, or for one like an earlier job with changes."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from itertools import groupby
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from jobs_app import registry
from jobs_app.core import access, clock, control, submission
from jobs_app.errors import (
    IdempotencyConflict,
    InvalidParameters,
    NotAllowed,
    Refused,
    TooLarge,
    UnknownKind,
    WeirError,
)
from jobs_app.forms import KindForm, form_for
from jobs_app.lifecycle import Via
from jobs_app.reads import jobs
from jobs_app.reads import kinds as known
from jobs_app.registry import Kind
from jobs_app.web.pages import is_fragment, page, render, user_of

KEY = "_key"
"""The hidden input that makes pressing the button twice one job."""

TAGS = "_tags"
"""The input for tags, with commas between them."""

Accept = Callable[[dict[str, Any], str], submission.Accepted]


@page
@require_safe
def kinds(request: HttpRequest) -> HttpResponse:
    """Every kind that this user may submit, by family."""
    offered = known.offered(user_of(request))
    families = [(name, list(found)) for name, found in groupby(offered, key=lambda each: each.name.partition(".")[0])]
    return render(request, "kinds.html", {"section": "kinds", "families": families})


@page
@require_http_methods(["GET", "HEAD", "POST"])
def submit(request: HttpRequest, kind_name: str) -> HttpResponse:
    """The form of a kind."""
    try:
        kind = registry.get(kind_name)
    except UnknownKind as error:
        # As an address it is a page that is not there, whatever it is as a parameter.
        return render(request, "refusal.html", {"error": error, "status": 404}, status=404)

    access.check_submit(user_of(request), kind.name, now=clock.database_now())

    def accept(parameters: dict[str, Any], key: str) -> submission.Accepted:
        options = submission.Options(via=Via.WEB, idempotency_key=key, tags=_tags(request) or ())
        return submission.accept(
            kind.name, parameters, owner=user_of(request), options=options, now=clock.database_now()
        )

    return _fill_in(request, kind, accept, initial=None, context={"action": request.path})


@page
@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """The form of an earlier job, to run it again with changes."""
    earlier = jobs.job(user_of(request), job_id)
    kind = registry.get(earlier.kind)
    if earlier.parameters_hidden:
        raise NotAllowed(earlier.parameters_hidden)

    def accept(parameters: dict[str, Any], key: str) -> submission.Accepted:
        user, now = user_of(request), clock.database_now()
        return control.rerun(
            job_id, actor=user, now=now, changes=parameters, via=Via.WEB, idempotency_key=key, tags=_tags(request)
        )

    initial = form_for(kind).initial_from(earlier.parameters)
    context = {"action": request.path, "earlier": earlier, "tags": ", ".join(earlier.tags)}
    return _fill_in(request, kind, accept, initial=initial, context=context)


def _fill_in(
    request: HttpRequest, kind: Kind, accept: Accept, *, initial: dict[str, Any] | None, context: dict[str, Any]
) -> HttpResponse:
    """Show the form, or take it: on to the new job, or back to the form with every problem at its place."""
    user, made = user_of(request), form_for(kind)
    context = {"section": "kinds", **context, "kind": known.kind(kind.name)}
    if request.method != "POST":
        form = made(initial=initial, user=user)
        return render(request, "submit.html", {**context, "form": form, "key": uuid.uuid4()})
    form = made(request.POST, request.FILES, initial=initial, user=user)
    key = request.POST.get(KEY, "") or str(uuid.uuid4())
    context["tags"] = request.POST.get(TAGS, "")
    accepted = _take(form, kind, accept, key, user)
    if isinstance(accepted, Refused):
        return _answer_refused(request, accepted, {**context, "form": form, "key": key})
    if accepted is not None:
        if accepted.replayed:
            messages.info(request, "This form had been sent before: here is its job. Run it again to have it twice.")
        return _go_to(request, reverse("job", args=[accepted.job.id]))
    template = "submit/form.html" if is_fragment(request) else "submit.html"
    return render(request, template, {**context, "form": form, "key": key}, status=422)


def _take(form: KindForm, kind: Kind, accept: Accept, key: str, user: Any) -> submission.Accepted | Refused | None:
    """The accepted job; the refusal when there is no room now; None when the form says what is wrong with it."""
    try:
        if not form.is_valid():
            if (refused := form.refused()) is not None:
                return refused
            # Something could not be read. The rest is checked all the same, so that one round shows every problem.
            submission.check(kind, form.parameters(), user)
            return None
        try:
            return accept(form.parameters(), key)
        except IdempotencyConflict:  # gone back and changed: another job is meant
            return accept(form.parameters(), str(uuid.uuid4()))
    except InvalidParameters as error:
        form.take_problems(error)
    except Refused as error:
        return error
    except TooLarge as error:
        form.add_error(None, str(error))
    except WeirError as error:
        form.add_error(None, f"{error.title}: {error}")
    return None


def _tags(request: HttpRequest) -> list[str] | None:
    """What was typed; None where the form had no such input."""
    typed = request.POST.get(TAGS)
    return None if typed is None else [each.strip() for each in typed.split(",") if each.strip()]


def _answer_refused(request: HttpRequest, refused: Refused, context: dict[str, Any]) -> HttpResponse:
    """The form as it was filled in, with a sentence that counts down to when it may be sent again."""
    template = "submit/form.html" if is_fragment(request) else "submit.html"
    response = render(request, template, {**context, "refused": refused}, status=refused.status)
    response["Retry-After"] = str(refused.retry_after)
    response._has_been_logged = True  # type: ignore[attr-defined]  # it is counted: no error line for each
    if is_fragment(request):
        response["HX-Retarget"] = "#submit-form"  # page.js takes it as leave to show what came with this status
    return response


def _go_to(request: HttpRequest, url: str) -> HttpResponse:
    if is_fragment(request):
        return HttpResponse(status=200, headers={"HX-Redirect": url})
    return redirect(url)
