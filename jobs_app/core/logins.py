"""Logins: who with powers came and went, and who did not get in, for the audit.

The application ties these to Django's signals, so that every page with a log in is covered. Who tries again and again
is counted: of one name from one address the first try in an hour is written, the second, the fourth, the eighth and so
on, each with how many there were. So a flood leaves some twenty entries, and not one for each try.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed

from jobs_app.core import audit, roles
from jobs_app.core.clock import database_now

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SECONDS = 3600.0
"""After so long a name and an address are counted anew."""

PAIRS = 1_000
"""Names and addresses that a process counts apart in that time; all further ones are counted as one."""

OTHERS = ("(many names)", "")
REFUSED = "expected the name and the password of an active user"


def connect() -> None:
    """Hear of logins from Django. The application does this once, at start-up."""
    user_logged_in.connect(lambda user, **_: came(user, now=database_now()), weak=False, dispatch_uid="weir.came")
    user_logged_out.connect(lambda user, **_: left(user, now=database_now()), weak=False, dispatch_uid="weir.left")
    user_login_failed.connect(
        lambda credentials, **_: failed(str(credentials.get("username", "")), now=database_now()),
        weak=False, dispatch_uid="weir.failed",
    )  # fmt: skip


def came(user: User, *, now: datetime) -> None:
    """Somebody has logged in."""
    _note(user, "user.login", now)


def left(user: User | None, *, now: datetime) -> None:
    """Somebody has logged out."""
    if user is not None:
        _note(user, "user.logout", now)


def failed(name: str, *, now: datetime) -> None:
    """Somebody has tried to log in under this name, and was not let in."""
    here = audit.here()
    if here is None:
        return  # nobody's request: a program asks whether a password is right
    (told, _), times = tries.count(name[: audit.TEXT], here.address)
    if times & (times - 1) == 0:
        after = {"times within an hour": times} if times > 1 else None
        stranger = AnonymousUser()
        audit.record(stranger, "user.login", f"user {told}", now=now, after=after, refused=REFUSED, counted=True)


class Tries:
    """Failed logins of the last hour by name and address, as far as this process knows.

    Two threads at once may miscount by one: it is a bound on size.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._counts, self._since = dict[tuple[str, str], int](), 0.0

    def count(self, name: str, address: str) -> tuple[tuple[str, str], int]:
        """Count one; the pair under which it is counted, and how many of it there were, this one with them."""
        if self._clock() - self._since >= SECONDS:
            self._counts, self._since = {}, self._clock()
        pair = (name, address)
        if pair not in self._counts and len(self._counts) >= PAIRS:
            pair = OTHERS
        self._counts[pair] = self._counts.get(pair, 0) + 1
        return pair, self._counts[pair]


tries = Tries()


def _note(user: User, action: str, now: datetime) -> None:
    if audit.here() is not None and roles.has_powers(user):
        audit.record(user, action, f"user {user.get_username()}", now=now)
