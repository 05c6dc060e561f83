"""Actions on selected rows: capped, each row by one call of the core, refusals told as messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.contrib import messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from jobs_app.errors import WeirError

LIMIT = 100
REASONS = 5

R = TypeVar("R", bound=Model)


def selected(request: HttpRequest, rows: QuerySet[R]) -> list[R]:
    """The selected rows; none, and a message that says why, if there are more than 100."""
    found = list(rows[: LIMIT + 1])
    if len(found) > LIMIT:
        messages.error(request, f"Expected at most {LIMIT} selected rows, got more; nothing was done. Select fewer.")
        return []
    return found


def act(request: HttpRequest, rows: Sequence[R], action: Callable[[R], Any], *, noun: str, done: str) -> list[R]:
    """Call ``action`` for each row and tell how it went; returns the rows for which it did not raise a WeirError.

    noun, done: for the message, such as ``job`` and ``cancelled``.
    """
    succeeded: list[R] = []
    reasons: list[str] = []
    for row in rows:
        try:
            action(row)
        except WeirError as error:
            reasons.append(f"{row}: {error}")
        else:
            succeeded.append(row)
    if succeeded:
        messages.success(request, f"{_counted(len(succeeded), noun)} {done}.")
    for reason in reasons[:REASONS]:
        messages.warning(request, reason)
    if len(reasons) > REASONS:
        further = _counted(len(reasons) - REASONS, f"further {noun}")
        messages.warning(request, f"{further} not {done}, for such reasons.")
    return succeeded


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
