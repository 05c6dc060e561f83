"""The audit: who did what, on what, what it was before and after, and from where. Entries are added, never changed.

``record`` writes an entry in the caller's transaction, beside the change it tells of: both are kept, or neither is.
``refusals`` does so for what was refused, when the refused change has been rolled back. From where somebody acts is
told once, by the surface, with ``origin``: a middleware and the commands do.

Triggers in the database refuse UPDATE and DELETE, whoever asks. ``prune`` alone deletes: it names, in its transaction
and in a table that is empty otherwise, the time before which entries may go. That keeps out a slip, a shell and an
admin; it does not keep out somebody who owns the database, and could drop the triggers as well.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import connection
from pydantic_core import to_jsonable_python

from jobs_app import conf
from jobs_app.core import queries
from jobs_app.core.turns import Turns
from jobs_app.errors import NotAllowed, NotFound
from jobs_app.lifecycle import Via
from jobs_app.models import AuditEntry
from jobs_app.models.guard import writing
from jobs_app.scopes import Scope

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

TEXT, ITEMS, DEPTH, BYTES = 500, 50, 4, 8_000
"""Bounds of ``before`` and ``after``: characters of a text, entries of a list or object, levels, bytes as JSON."""

REFUSALS_A_MINUTE = 30
"""Refused entries of one actor that a process writes in a minute: whoever knocks on doors must not fill the table."""

STRANGER = "(not logged in)"
"""Stands for the name of somebody who has none: no user may be called so."""

ACTORS = 1_000
"""Actors whose refusals a process counts apart."""

ROWS = 2_000
"""Entries that are pruned in one transaction."""


@dataclass
class Origin:
    """From where somebody acts. ``held_back`` are refusals to be written when this origin ends.

    token, grants: the API token that it came with, and its scopes. refused: whether one was recorded.
    """

    surface: Via = Via.PYTHON
    address: str = ""
    token: int | None = None
    grants: frozenset[Scope] | None = None
    refused: bool = False
    held_back: list[AuditEntry] = field(default_factory=list)


_origin: ContextVar[Origin | None] = ContextVar("origin", default=None)


@contextmanager
def origin(surface: Via, *, address: str = "", token: int | None = None) -> Iterator[Origin]:
    """Say from where everything in this block is done. What is learned later (the token) is set on the object."""
    here = Origin(surface, address[:100], token)
    before = _origin.set(here)
    try:
        yield here
    finally:
        _origin.reset(before)
        if here.held_back:
            with writing():
                AuditEntry.objects.bulk_create(here.held_back)


def came_with(token: int, grants: frozenset[Scope]) -> None:
    """Note the API token that the request under way came with, and what it is for."""
    origin = _origin.get()
    if origin is not None:
        origin.token, origin.grants = token, grants


def here() -> Origin | None:
    """From where it is acted; None where no surface has said it."""
    return _origin.get()


def token() -> tuple[int | None, frozenset[Scope] | None]:
    """The API token that the request under way came with, and its scopes; None where it came without one."""
    origin = _origin.get()
    return (origin.token, origin.grants) if origin is not None else (None, None)


def record(
    actor: User | AnonymousUser | None,
    action: str,
    subject: str,
    *,
    now: datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    refused: str = "",
    counted: bool = False,
) -> None:
    """Write down an action, in the caller's transaction.

    actor: None is the system; who is not logged in stands as ``STRANGER``. action: a dotted slug, such as
    ``queue.pause``. subject: a noun and a name, such as ``queue default``. before, after: what changed, small, and
    never a secret; what is too large is cut. refused: why it was not done; such an entry is written when the
    transaction under way has been rolled back (``origin`` does), and only so many of one actor are, unless the caller
    has counted them.
    """
    if refused and not counted and not knocks.admit(actor.pk if actor is not None else None):
        return
    here = _origin.get() or Origin()
    here.refused = here.refused or bool(refused)
    entry = AuditEntry(
        at=now,
        actor_key=actor.pk if actor is not None else None,
        actor=_text(_name(actor), 150),
        action=_text(action, 60),
        subject=_text(subject, 200),
        before=_small(before),
        after=_small(after),
        refused=_text(refused, 300),
        surface=here.surface,
        address=here.address,
        token_key=here.token,
    )
    if refused and connection.in_atomic_block and _origin.get() is not None:
        here.held_back.append(entry)
        return
    with writing():
        entry.save(force_insert=True)


@contextmanager
def refusals(
    actor: User | None,
    action: str,
    subject: str,
    *,
    now: datetime,
    exists: Callable[[], bool] = lambda: False,
    after: Mapping[str, Any] | None = None,
) -> Iterator[None]:
    """Record it when the block raises NotAllowed; or NotFound for what ``exists``, but is not this actor's.

    Put it around the transaction, not into it. ``after`` is what was asked for.
    """
    try:
        yield
    except NotAllowed as error:
        record(actor, action, subject, now=now, after=after, refused=str(error))
        raise
    except NotFound as error:
        if actor is not None and exists():
            record(actor, action, subject, now=now, after=after, refused=f"not theirs: {error}")
        raise


def prune(*, now: datetime, turns: Turns) -> int:
    """Delete entries that are older than they are kept (KEEP_AUDIT_DAYS), the oldest first. Returns how many."""
    kept = conf.span(conf.current().keep_audit_days)
    deleted = 0
    while kept is not None and turns.take():
        rows = AuditEntry.objects.filter(at__lt=now - kept).order_by("at")
        ids = list(rows.values_list("id", flat=True)[:ROWS])
        if not ids:
            break
        with queries.brief(), writing(), connection.cursor() as cursor:
            cursor.execute("INSERT INTO jobs_app_audit_pruning (before) VALUES (%s)", [queries.bind_time(now - kept)])
            deleted += AuditEntry.objects.filter(id__in=ids).delete()[0]
            cursor.execute("DELETE FROM jobs_app_audit_pruning")
        if len(ids) < ROWS:
            break
    return deleted


class Knocks:
    """How often each actor was refused in the minute under way, as far as this process knows."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._minute, self._counts = 0, dict[int | None, int]()

    def admit(self, actor: int | None) -> bool:
        """Count one; whether it is to be written. Two threads at once may miscount by one: it is a bound on size."""
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._minute, self._counts = minute, {}
        if actor not in self._counts and len(self._counts) >= ACTORS:
            return False
        self._counts[actor] = self._counts.get(actor, 0) + 1
        return self._counts[actor] <= REFUSALS_A_MINUTE


knocks = Knocks()


def _name(actor: User | AnonymousUser | None) -> str:
    if actor is None:
        return ""
    return actor.get_username() if actor.is_authenticated else STRANGER


def _text(value: str, most: int) -> str:
    """Fit for a column: without what PostgreSQL refuses, cut where it is too long."""
    clean = value.replace("\0", "\ufffd").encode(errors="replace").decode()
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def _small(value: Mapping[str, Any] | None) -> Any:
    if value is None:
        return None
    cut = _cut(to_jsonable_python(dict(value), fallback=str, inf_nan_mode="null"), DEPTH)
    return cut if len(json.dumps(cut).encode()) <= BYTES else {"…": "too large to be kept here"}


def _cut(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _text(value, TEXT)
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        return "…"
    if isinstance(value, list):
        return [_cut(each, depth - 1) for each in value[:ITEMS]] + (["…"] if len(value) > ITEMS else [])
    kept = {_text(str(name), 100): _cut(item, depth - 1) for name, item in list(value.items())[:ITEMS]}
    return {**kept, **({"…": "…"} if len(value) > ITEMS else {})}
