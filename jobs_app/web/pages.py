"""What every page has in common: who may see it, how it is rendered, and how an error becomes a sentence."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render as django_render
from django.utils.cache import add_never_cache_headers

from jobs_app.errors import LedgerAway, Refused, WeirError

logger = logging.getLogger(__name__)
P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]

RETRY_SECONDS = 5


def page(view: View[P]) -> View[P]:
    """A view for people who are logged in. Nothing of it is cached; Weir's errors are shown as pages."""

    @wraps(view)
    def shown(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            response = view(request, *args, **kwargs) if request.user.is_authenticated else _to_login(request)
        except WeirError as error:
            response = refusal(request, error)
        except (OperationalError, InterfaceError):
            logger.exception("The ledger could not be reached for %s", request.path)
            response = refusal(request, LedgerAway("nothing is lost; this page works again when the database does"))
        add_never_cache_headers(response)
        return response

    return shown


def user_of(request: HttpRequest) -> User:
    """Who asks; ``page`` has made sure there is someone."""
    assert isinstance(request.user, User)
    return request.user


def is_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of a page."""
    return bool(getattr(request, "htmx", False))


def render(request: HttpRequest, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """A page or a fragment, from ``templates/jobs_app``."""
    return django_render(request, f"jobs_app/{template}", context, status=status)


def refusal(request: HttpRequest, error: WeirError) -> HttpResponse:
    """An error as a page; to htmx, as a notice over the page that is already there."""
    away = isinstance(error, LedgerAway)
    if is_fragment(request):
        response = notice(f"{error.title}: {error}", status=error.status)
    else:
        context = {"error": error, "status": error.status}
        response = render(request, "away.html" if away else "refusal.html", context, status=error.status)
    if away or isinstance(error, Refused):
        response["Retry-After"] = str(error.retry_after if isinstance(error, Refused) else RETRY_SECONDS)
    return response


def notice(sentence: str, *, status: int) -> HttpResponse:
    """No new content, but a sentence that page.js shows and reads out."""
    return HttpResponse(
        status=status, headers={"HX-Reswap": "none", "HX-Trigger": json.dumps({"weir:notice": {"text": sentence}})}
    )


def _to_login(request: HttpRequest) -> HttpResponse:
    if is_fragment(request):  # a redirect would put the login form inside the page
        return HttpResponse(status=200, headers={"HX-Refresh": "true"})
    return redirect_to_login(request.get_full_path(), settings.LOGIN_URL)
