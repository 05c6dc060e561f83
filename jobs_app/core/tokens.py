"""API tokens: shown once, stored as a digest."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save

from jobs_app import conf, scopes
from jobs_app.core import audit
from jobs_app.errors import InvalidRequest, NotAllowed, NotAuthenticated
from jobs_app.models import Token
from jobs_app.models.guard import writing
from jobs_app.scopes import Scope

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PREFIX = "weir_"
USED_RESOLUTION = timedelta(minutes=1)
"""``last_used_at`` is written at most this often, so that a read stays a read."""

KNOWN_SECONDS = 1.0
"""For so long a process that was shown a token knows it and its owner: what is changed of either (revoked, deactivated,
groups, permissions) is in force everywhere after that, and at once in the process that changes it."""

KNOWN = 1_000


class Known:
    """The tokens that this process was shown within the last second, with their owners. ``clock`` in seconds.

    Each is one object for all requests of that second, so what Django and ``access`` note on a user (permissions,
    groups) is asked for once in it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Look each up at its next use."""
        self._rows: dict[str, tuple[float, Token]] = {}

    def find(self, digest: str) -> Token | None:
        """The row of a token."""
        rows = self._rows  # what is read now must not be put where it was forgotten meanwhile
        until, row = rows.get(digest, (0.0, None))
        if row is None or self._clock() >= until:
            until = self._clock() + KNOWN_SECONDS
            row = Token.objects.select_related("owner").filter(digest=digest).first()
            if row is not None:
                if len(rows) >= KNOWN:
                    rows.clear()
                rows[digest] = (until, row)
        return row

    def watch(self) -> None:
        """Forget when this process changes a token, a user, or what a user may do."""
        user: Any = get_user_model()
        for model in (user, Group, Token):
            for signal in (post_save, post_delete):
                signal.connect(self._changed, sender=model, dispatch_uid=f"weir.tokens.{model.__name__}")
        for through in (user.groups.through, user.user_permissions.through, Group.permissions.through):
            m2m_changed.connect(self._changed, sender=through, dispatch_uid=f"weir.tokens.{through.__name__}")

    def _changed(self, **_: object) -> None:
        self.forget()


known = Known()
os.register_at_fork(after_in_child=known.forget)


def issue(
    owner: User,
    name: str,
    *,
    now: datetime,
    days: int | None = None,
    grants: Collection[str] | None = None,
    actor: User | None = None,
) -> tuple[Token, str]:
    """Make a token; returns its row and the token itself, which is not kept anywhere.

    days: its life, 1 to 3650; default TOKEN_DAYS. grants: its scopes; default ``scopes.FORMER``. actor: who makes it;
    None is the system. Raises InvalidRequest.
    """
    lifetime = conf.current().token_days if days is None else days
    if not 1 <= lifetime <= 3650:
        raise InvalidRequest(f"expected a token's life of 1 to 3650 days, got {lifetime}")
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise InvalidRequest("expected a name for the token of 1 to 100 printable characters")
    granted = scopes.FORMER if grants is None else _scopes(grants)
    text = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        with writing():
            row = Token.objects.create(
                owner=owner, name=name.strip(), digest=_digest(text), prefix=text[:12], created_at=now,
                expires_at=now + timedelta(days=lifetime), scopes=scopes.text_of(granted),
            )  # fmt: skip
        after = {"owner": owner.get_username(), "name": row.name, "scopes": row.scopes, "expires": row.expires_at}
        audit.record(actor, "token.issue", _subject(row), now=now, after=after)
    return row, text


def authenticate(text: str, *, now: datetime) -> Token:
    """The token's row, with the owner it speaks for, as they were within the last second: see ``Known``.

    Raises NotAuthenticated, saying whether it is unknown, expired or revoked.
    """
    row = known.find(_digest(text[:200]))
    if row is None:
        raise NotAuthenticated("expected a valid token in the Authorization header, got an unknown one")
    if not row.valid(now):
        why = "was revoked" if row.revoked_at else f"expired on {row.expires_at:%Y-%m-%d}"
        raise NotAuthenticated(f"expected a valid token, and this one {why}; make a new one")
    if not row.owner.is_active:
        raise NotAuthenticated("expected the token of an active user, and this one's owner has been deactivated")
    if row.last_used_at is None or now - row.last_used_at > USED_RESOLUTION:
        with writing():
            Token.objects.filter(id=row.id).update(last_used_at=now)
        row.last_used_at = now
    return row


def demand(token: Token, scope: Scope, *, now: datetime, where: str) -> None:
    """Raise NotAllowed for a token that may not be used for this. where: the route, for the audit."""
    why = scopes.why_not(scopes.read(token.scopes), scope)
    if why:
        with audit.refusals(token.owner, "token.use", _subject(token), now=now, after={"route": where, "scope": scope}):
            raise NotAllowed(why)


def revoke(token: Token, *, now: datetime, actor: User | None = None) -> bool:
    """End a token; returns False if it had ended before. actor: who ends it; None is the system."""
    with transaction.atomic():
        with writing():
            ended = bool(Token.objects.filter(id=token.id, revoked_at=None).update(revoked_at=now))
        if ended:
            after = {"owner": token.owner.get_username(), "name": token.name}
            audit.record(actor, "token.revoke", _subject(token), now=now, after=after)
    known.forget()
    return ended


def _scopes(names: Collection[str]) -> frozenset[Scope]:
    unknown = sorted(set(names) - set(Scope))
    if unknown or not names:
        got = ", ".join(unknown)[:100] or "none"
        raise InvalidRequest(f"expected scopes among {', '.join(Scope)}, at least one, got {got}")
    return frozenset(each for each in Scope if each in names)


def _subject(token: Token) -> str:
    return f"token {token.pk} ({token.prefix}…)"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
