"""Reading API tokens: their names and times, never the tokens themselves. Everyone sees their own only."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import Field

from jobs_app import scopes
from jobs_app.errors import NotFound
from jobs_app.models import Token
from jobs_app.reads.views import View
from jobs_app.scopes import Scope

if TYPE_CHECKING:
    from jobs_app.reads.jobs import Reader

TOKENS = 200


class TokenView(View):
    """An API token, without its secret."""

    id: int
    name: str = Field(description="What it is for.")
    prefix: str = Field(description="Its first characters, to tell tokens apart.")
    scopes: list[Scope] = Field(description="What it may be used for.")
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = Field(description="To the minute.")
    revoked_at: datetime | None

    @classmethod
    def of(cls, token: Token) -> TokenView:
        """From a row."""
        return cls(
            id=token.pk, name=token.name, prefix=token.prefix,
            scopes=sorted(scopes.read(token.scopes), key=list(Scope).index), created_at=token.created_at,
            expires_at=token.expires_at, last_used_at=token.last_used_at, revoked_at=token.revoked_at,
        )  # fmt: skip


def tokens(user: Reader) -> list[TokenView]:
    """This user's own tokens, newest first, at most 200."""
    if user is None or not user.is_authenticated:
        return []
    return [TokenView.of(row) for row in Token.objects.filter(owner_id=user.pk).order_by("-id")[:TOKENS]]


def own(user: Reader, token_id: int) -> Token:
    """The row of one of this user's own tokens, to act on. Raises NotFound."""
    mine = (
        Token.objects.filter(owner_id=user.pk) if user is not None and user.is_authenticated else Token.objects.none()
    )
    row = mine.filter(id=token_id).first()
    if row is None:
        raise NotFound(f"expected a token of yours, got {token_id}")
    return row
