"""One call of the command: who asks, what was typed, where the answer goes."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib.auth import get_user_model

from jobs_app.errors import InvalidRequest, NotAllowed, NotFound
from jobs_app.management.cli.output import Output
from jobs_app.reads import jobs

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PREFIX = 6
"""Fewest digits of an id that may stand for the whole."""


UUID_LIMIT = (1 << 128) - 1


@dataclass(frozen=True)
class Call:
    """What a verb is given. ``user`` is None for the system; ``program`` is such as ``manage.py jobs list``."""

    options: Mapping[str, Any]
    output: Output
    user: User | None
    program: str
    in_shell: bool

    def command(self, verb: str) -> str:
        """How another verb is called."""
        return f"{self.program.rpartition(' ')[0]} {verb}"


def here() -> str:
    """Who calls, for the audit: the account of the operating system, and the machine."""
    try:
        account = getpass.getuser()
    except (KeyError, OSError):  # a number without a name, in a container
        account = str(os.getuid())
    return f"{account}@{socket.gethostname()}"


def user_named(name: str | None) -> User | None:
    """The user whom ``--user`` names. Raises NotFound, and NotAllowed for one who may not log in."""
    if name is None:
        return None
    model = get_user_model()
    user: User | None = model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()
    if user is None:
        raise NotFound(f"--user: expected the name of a user, got {name[:100]!r}")
    if not user.is_active:
        raise NotAllowed(f"--user: expected an active user, and {name!r} is not active")
    return user


def job_id(user: User | None, text: str) -> UUID:
    """The id of a job, given in full or by its first digits. Raises InvalidRequest, NotFound.

    The ids are in order of time, so the jobs whose ids begin alike stand together: one short page of the list, from the
    id after the last that may begin so, tells whether there is exactly one.
    """
    digits = text.replace("-", "").lower()
    if not PREFIX <= len(digits) <= 32 or set(digits) - set("0123456789abcdef"):
        raise InvalidRequest(f"expected the id of a job, or at least its first {PREFIX} digits, got {text[:80]!r}")
    if len(digits) == 32:
        return UUID(digits)
    beyond = min(int(digits.ljust(32, "f"), 16) + 1, UUID_LIMIT)
    found = jobs.job_page(user, cursor=str(UUID(int=beyond)), limit=2).jobs
    found = [each for each in found if each.id.hex.startswith(digits)]
    if not found:
        raise NotFound(f"expected the first digits of a job's id, got {text!r}, and no job of yours begins so")
    if len(found) > 1:
        raise InvalidRequest(f"expected more digits of the id: {found[0].id} and {found[1].id} both begin with {text}")
    return found[0].id
