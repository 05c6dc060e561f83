"""API tokens: shown once, stored as a digest."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from jobs_app import conf
from jobs_app.errors import InvalidRequest, NotAuthenticated
from jobs_app.models import Token
from jobs_app.models.guard import writing

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PREFIX = "weir_"
USED_RESOLUTION = timedelta(minutes=1)
"""``last_used_at`` is written at most this often, so that a read stays a read."""


def issue(owner: User, name: str, *, now: datetime, days: int | None = None) -> tuple[Token, str]:
    """Make a token; returns its row and the token itself, which is not kept anywhere."""
    lifetime = conf.current().token_days if days is None else days
    if not 1 <= lifetime <= 3650:
        raise InvalidRequest(f"expected a token's life of 1 to 3650 days, got {lifetime}")
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise InvalidRequest("expected a name for the token of 1 to 100 printable characters")
    text = PREFIX + secrets.token_urlsafe(32)
    with writing():
        row = Token.objects.create(
            owner=owner, name=name.strip(), digest=_digest(text), prefix=text[:12], created_at=now,
            expires_at=now + timedelta(days=lifetime),
        )  # fmt: skip
    return row, text


def authenticate(text: str, *, now: datetime) -> Token:
    """The token's row, with the owner it speaks for.

    Raises NotAuthenticated, saying whether it is unknown, expired or revoked.
    """
    row = Token.objects.select_related("owner").filter(digest=_digest(text[:200])).first()
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
    return row


def revoke(token: Token, *, now: datetime) -> bool:
    """End a token; returns False if it had ended before."""
    with writing():
        return bool(Token.objects.filter(id=token.id, revoked_at=None).update(revoked_at=now))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
