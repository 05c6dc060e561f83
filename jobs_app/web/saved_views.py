"""Saved views: a search of the list of jobs kept under a name; saved from the list, renamed and deleted here."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from jobs_app.core import clock
from jobs_app.core import saved_views as core
from jobs_app.errors import Conflict, InvalidRequest
from jobs_app.reads import saved_views as reads
from jobs_app.web import columns
from jobs_app.web.address import Address
from jobs_app.web.pages import page, render, user_of


@page
@require_safe
def views(request: HttpRequest) -> HttpResponse:
    """The views that this user has in their list."""
    found = reads.saved_views(user_of(request))
    kept = [(each, Address(each.text, tuple(each.columns))) for each in found]
    return render(request, "views.html", {"section": "jobs", "views": kept, "limit": core.EACH})


@page
@require_POST
def save(request: HttpRequest) -> HttpResponse:
    """Keep what the list shows under a name."""
    form = request.POST
    at = Address(form.get("q", ""), columns.chosen(form.getlist("columns")))
    try:
        row = core.save(
            user_of(request), form.get("name", ""), at.text, at.columns,
            shared=form.get("shared") == "on", now=clock.database_now(),
        )  # fmt: skip
    except (InvalidRequest, Conflict) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Saved as “{row.name}”.")
    return redirect(reverse("jobs") + at.query)


@page
@require_POST
def rename(request: HttpRequest, view_id: int) -> HttpResponse:
    """Give a view of mine another name."""
    try:
        core.rename(user_of(request), view_id, request.POST.get("name", ""), now=clock.database_now())
    except (InvalidRequest, Conflict) as error:
        messages.error(request, str(error))
    return redirect("views")


@page
@require_POST
def delete(request: HttpRequest, view_id: int) -> HttpResponse:
    """Delete a view of mine."""
    row = core.delete(user_of(request), view_id, now=clock.database_now())
    messages.success(request, f"The view “{row.name}” is gone; its jobs are not.")
    return redirect("views")
