"""What machines ask: is it alive (/healthz), does it do its work (/readyz), how does everything stand (/metrics)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Generic, TypeVar

from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_safe

from jobs_app.errors import InvalidRequest, NotAuthenticated
from jobs_app.reads import readiness
from jobs_app.reads.readiness import Check
from jobs_app.web import metrics as figures
from jobs_app.web.onlookers import bearer_of, may_look

METRICS_SECONDS = 5.0
READY_SECONDS = 2.0
STALE_SECONDS = 30.0
T = TypeVar("T")


class Kept(Generic[T]):
    """What was made a moment ago, for all who ask meanwhile. While it is made, others get what was there before."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.forget()

    def forget(self) -> None:
        """Make it anew the next time."""
        self._lock = threading.Lock()
        self._value: T | None = None
        self._made_at = -1e9

    def get(self, make: Callable[[], T]) -> T:
        """The value, made now if it is too old."""
        if self._value is not None and self._age() < self.seconds:
            return self._value
        if not self._lock.acquire(blocking=self._value is None or self._age() > STALE_SECONDS):
            assert self._value is not None
            return self._value
        try:
            if self._value is None or self._age() >= self.seconds:
                self._value = make()
                self._made_at = time.monotonic()
            return self._value
        finally:
            self._lock.release()

    def _age(self) -> float:
        return time.monotonic() - self._made_at


kept_metrics: Kept[bytes] = Kept(METRICS_SECONDS)
kept_checks: dict[frozenset[str], Kept[list[Check]]] = {}
"""One for each set of questions that was asked; there are seven questions."""


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Alive: the process answers. Nothing else is asked."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 if nothing failed, else 503. ``?only=ledger,tables`` asks for less. Strangers get the word alone."""
    try:
        only = readiness.named(request.GET["only"]) if "only" in request.GET else frozenset(readiness.NAMES)
    except InvalidRequest as error:
        return _bare(str(error), 400)
    found = kept_checks.setdefault(only, Kept(READY_SECONDS)).get(lambda: readiness.checks(only))
    ready = readiness.ready(found)
    answer: dict[str, object] = {"status": "ready" if ready else "not ready"}
    if _looks(request):
        answer["checks"] = [asdict(check) for check in found]
    response = JsonResponse(answer, status=200 if ready else 503)
    add_never_cache_headers(response)
    return response


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format. 401 for strangers, 404 for those who are known and may not see the jobs of others."""
    try:
        admitted = may_look(request)
    except NotAuthenticated as error:
        return _unknown(str(error))
    except Error:
        return _bare("the ledger does not answer, so no token can be looked at; use METRICS_TOKEN", 503)
    if not admitted and bearer_of(request) is None and not request.user.is_authenticated:
        return _unknown("expected a bearer token: METRICS_TOKEN, or that of a user who may see all jobs")
    if not admitted:
        return _bare("not found", 404)
    response = HttpResponse(kept_metrics.get(figures.text), content_type=figures.CONTENT_TYPE)
    add_never_cache_headers(response)
    return response


def _looks(request: HttpRequest) -> bool:
    try:
        return may_look(request)
    except (NotAuthenticated, Error):
        return False


def _unknown(words: str) -> HttpResponse:
    response = _bare(words, 401)
    response["WWW-Authenticate"] = 'Bearer realm="metrics"'
    return response


def _bare(words: str, status: int) -> HttpResponse:
    return HttpResponse(f"{words}\n", content_type="text/plain; charset=utf-8", status=status)
