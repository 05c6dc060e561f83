"""Who asks: a token, or a browser's session with CSRF protection. Every route needs one of them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.utils.datastructures import MultiValueDict
from ninja import NinjaAPI
from ninja.operation import Operation
from ninja.security import APIKeyCookie, HttpBearer
from ninja.utils import check_csrf, normalize_path

from jobs_app import scopes
from jobs_app.api import problems
from jobs_app.core import audit, clock, tokens
from jobs_app.errors import NotAllowed, NotAuthenticated
from jobs_app.scopes import Scope

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
View = Callable[..., HttpResponseBase]


class Token(HttpBearer):
    """``Authorization: Bearer weir_…``. A wrong token is refused even if there is a session.

    scope: what the token has to be for; None is any. writing: the same for requests that change something.
    """

    def __init__(self, scope: Scope | None, *, writing: Scope | None = None) -> None:
        super().__init__()
        self.scope, self.writing = scope, writing or scope

    def needed(self, method: str | None) -> Scope | None:
        """The scope that a request by this method needs."""
        return self.scope if method in SAFE_METHODS else self.writing

    def authenticate(self, request: HttpRequest, token: str) -> User:
        """The token's owner. Raises NotAuthenticated, and NotAllowed for a token that is not for this."""
        now = clock.ledger_now()
        row = tokens.authenticate(token.strip(), now=now)
        scope = self.needed(request.method)
        request.token_id = row.pk  # type: ignore[attr-defined]
        audit.came_with(row.pk, scopes.read(row.scopes))
        if scope is not None:
            tokens.demand(row, scope, now=now, where=f"{request.method} {request.path_info}")
        return row.owner


class Session(APIKeyCookie):
    """The session of someone who is logged in; what changes anything needs the X-CSRFToken header too."""

    def __call__(self, request: HttpRequest) -> User | None:
        """The session's user, None without one. Raises NotAllowed if the CSRF token is missing."""
        if not request.user.is_authenticated:
            return None
        if request.method not in SAFE_METHODS:
            with _form_unread(request):
                refused = check_csrf(request)
            if refused:
                raise NotAllowed(
                    "expected the CSRF token in the X-CSRFToken header, since this request comes with a session; "
                    "programs send an API token instead"
                )
        return request.user

    def authenticate(self, request: HttpRequest, key: str | None) -> User | None:
        """Not asked: ``__call__`` looks at the user before it looks at the CSRF token."""
        return self(request)


class SessionOnly(Session):
    """For what a token must not do, such as making more tokens."""

    def __call__(self, request: HttpRequest) -> User | None:
        """As ``Session``. Raises NotAllowed for a request with an Authorization header."""
        if "Authorization" in request.headers:
            raise NotAllowed("expected a logged-in session, got a token: a token cannot make tokens")
        return super().__call__(request)


Ways = list[Callable[[HttpRequest], "User | None"]]


def needs(scope: Scope, *, writing: Scope | None = None) -> Ways:
    """How a route, or all of a router's, are opened: by a session, or by a token with the scope.

    writing: the scope for methods that change something, where it is another. Which one a route needs is what
    ``tests/surfaces/api/test_scopes.py`` asks of every route.
    """
    return [Token(scope, writing=writing), Session()]


EITHER: Ways = [Token(None), Session()]
"""Any token: for what every member may see."""


def operations_of(api: NinjaAPI) -> Iterator[tuple[str, str, Operation]]:
    """Every route of the API: its path as the description has it, a method, and what answers."""
    for router in api._get_bound_routers():
        for path, view in router.path_operations.items():
            whole = normalize_path("/".join(("/api", *filter(None, (router.prefix, path)))))
            for operation in view.operations:
                for method in operation.methods:
                    yield re.sub(r"{[^}:]+:", "{", whole), method, operation


def scopes_of(api: NinjaAPI) -> dict[tuple[str, str], Scope | None]:
    """The scope that a token needs on each path with each method; None where no token is taken, or any is."""
    return {
        (path, method): next((way.needed(method) for way in operation.auth_callbacks if isinstance(way, Token)), None)
        for path, method, operation in operations_of(api)
    }


def user_of(request: HttpRequest) -> User:
    """Who asks, on a route that let them in."""
    return cast("User", request.auth)  # type: ignore[attr-defined]  # set by ninja


def token_of(request: HttpRequest) -> int | None:
    """The id of the token that the request came with; None for a session."""
    return getattr(request, "token_id", None)


def members_only(view: View) -> View:
    """Decorate the pages of the documentation: a browser is sent to log in, a program gets a problem."""

    @functools.wraps(view, assigned=())
    def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        try:
            if not any(way(request) for way in EITHER):
                raise NotAuthenticated("expected a session or a token, got neither")
        except Exception as error:  # noqa: BLE001 - every error is a problem, as on ninja's own routes
            page = "text/html" in request.headers.get("Accept", "") and "Authorization" not in request.headers
            if page and isinstance(error, NotAuthenticated):
                return redirect_to_login(request.get_full_path())
            return problems.answer(request, error)
        return view(request, *args, **kwargs)

    return guarded


@contextmanager
def _form_unread(request: HttpRequest) -> Iterator[None]:
    """Django looks for the CSRF token in the form first, and would read a whole upload to find one: show it none."""
    form, files = QueryDict(), MultiValueDict[str, object]()
    vars(request).update(_post=form, _files=files)
    try:
        yield
    finally:
        vars(request).pop("_post", None)
        vars(request).pop("_files", None)
