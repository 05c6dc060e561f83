"""Who may look: machines with a token, operators, and this very machine. Others learn whether all is well, no more."""

from __future__ import annotations

import hmac
import ipaddress

from django.http import HttpRequest
from django.http.request import split_domain_port

from jobs_app import conf
from jobs_app.core import clock, tokens
from jobs_app.errors import NotAllowed
from jobs_app.models.job import SEE_ALL
from jobs_app.scopes import Scope

FORWARDED = (
    "HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",
)  # fmt: skip
"""Headers by which a proxy gives itself away: then the address is the proxy's, and tells nothing."""

LOCAL_NAMES = {"localhost", "127.0.0.1", "[::1]"}


def may_look(request: HttpRequest) -> bool:
    """Whether figures and details are for whoever asks: they tell of everybody's jobs.

    Raises NotAuthenticated for a token that is wrong.
    """
    token = bearer_of(request)
    if token is not None:
        return _token_opens(token)
    return request.user.has_perm(SEE_ALL) or from_here(request)


def bearer_of(request: HttpRequest) -> str | None:
    """The token that a request comes with; None if it comes with none."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else None


def _token_opens(given: str) -> bool:
    own = conf.current().metrics_token
    if own and hmac.compare_digest(given.encode(), own.encode()):
        return True
    now = clock.database_now()
    row = tokens.authenticate(given, now=now)
    if not row.owner.has_perm(SEE_ALL):
        return False
    try:
        tokens.demand(row, Scope.READ, now=now, where="GET /metrics")
    except NotAllowed:
        return False
    return True


def from_here(request: HttpRequest) -> bool:
    """Whether a program on this machine asks, and nobody through a proxy on it: by address, and by the name it used."""
    if conf.current().behind_proxy or any(request.META.get(name) for name in FORWARDED):
        return False
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback and split_domain_port(request.get_host())[0] in LOCAL_NAMES
