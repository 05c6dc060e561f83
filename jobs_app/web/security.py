"""Content-Security-Policy: what a page may load and run. Ours run nothing that is not a file of this site."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from jobs_app import conf

HEADER = "Content-Security-Policy"
COMMON = "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
# The admin's own scripts (Alpine) evaluate expressions in attributes, and its pages have inline scripts and styles.
ADMIN = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    f"img-src 'self' data:; {COMMON}"
)


class ContentSecurityPolicy:
    """Middleware. A response that brings a policy of its own keeps it; the API sets its own, page by page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, with the policy that fits the page."""
        response = self._get_response(request)
        apps = request.resolver_match.app_names if request.resolver_match else []
        # Django's pages for developers are styled inline.
        debugging = settings.DEBUG and response.status_code >= 400
        if HEADER not in response and "ninja" not in apps and not debugging:
            response[HEADER] = ADMIN if "admin" in apps else _of_pages()
        return response


def _of_pages() -> str:
    """Everything from this site; the live stream may be at an origin of its own."""
    stream = urlsplit(conf.current().stream_url)
    beside = f" {stream.scheme}://{stream.netloc}" if stream.netloc else ""
    return f"default-src 'self'; img-src 'self' data:; connect-src 'self'{beside}; {COMMON}"
