"""From where a request comes, for the audit: pages, API and admin alike."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from jobs_app import conf
from jobs_app.core import audit
from jobs_app.lifecycle import Via

SURFACES = {"ninja": Via.API, "admin": Via.ADMIN}


class Origin:
    """Middleware. Tells the audit by which way, and from which address, whatever the request does is done."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer within the request's origin."""
        with audit.origin(Via.WEB, address=address_of(request)) as here:
            request.origin = here  # type: ignore[attr-defined]
            return self._get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> None:
        """The route is known: whether it is a page's, the API's or the admin's."""
        apps = request.resolver_match.app_names if request.resolver_match else []
        for app in apps:
            request.origin.surface = SURFACES.get(app, Via.WEB)  # type: ignore[attr-defined]


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
