"""From where a request comes, for the audit: pages, API and admin alike."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from jobs_app import conf
from jobs_app.core import audit, clock
from jobs_app.lifecycle import Via

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
SURFACES = {"ninja": Via.API, "admin": Via.ADMIN}


class Origin:
    """Middleware. Tells the audit by which way, and from which address, whatever the request does is done."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer within the request's origin."""
        with audit.origin(Via.WEB, address=address_of(request)) as here:
            request.origin = here  # type: ignore[attr-defined]
            response = self._get_response(request)
            if response.status_code == HTTPStatus.FORBIDDEN and request.method not in SAFE_METHODS and not here.refused:
                _record(request)
            return response

    def process_view(self, request: HttpRequest, *_: Any) -> None:
        """The route is known: whether it is a page's, the API's or the admin's."""
        apps = request.resolver_match.app_names if request.resolver_match else []
        for app in apps:
            request.origin.surface = SURFACES.get(app, Via.WEB)  # type: ignore[attr-defined]


def _record(request: HttpRequest) -> None:
    """A change that was refused before it came to the core: a page is not for this user, or CSRF is missing."""
    user = getattr(request, "auth", None) or getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        subject = f"{request.method} {request.path_info}"
        audit.record(user, "request", subject, now=clock.database_now(), refused="answered with 403")


def address_of(request: HttpRequest) -> str:
    """The network address that asked; empty if it is not known.

    Behind a proxy (BEHIND_PROXY) it is the last one in X-Forwarded-For: the proxy wrote that, the caller may have
    written those before it. Elsewhere the header says nothing.
    """
    told = request.META.get("REMOTE_ADDR", "")
    if conf.current().behind_proxy:
        told = request.META.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip() or told
    try:
        return str(ipaddress.ip_address(told))
    except ValueError:
        return ""
