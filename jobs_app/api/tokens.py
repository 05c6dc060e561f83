"""Routes of API tokens: everyone's own."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router, Status
from ninja.decorators import decorate_view
from pydantic import BaseModel, ConfigDict, Field

from jobs_app.api.bodies import bounded
from jobs_app.api.security import SessionOnly, needs, user_of
from jobs_app.core import clock
from jobs_app.core import tokens as core
from jobs_app.reads import tokens
from jobs_app.reads.tokens import TokenView
from jobs_app.scopes import Scope

router = Router(tags=["tokens"], auth=needs(Scope.TOKENS))


class Tokens(BaseModel):
    """Someone's tokens, newest first."""

    tokens: list[TokenView]


class NewToken(BaseModel):
    """What a new token is for, and how long it lives."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="What it is for, 1 to 100 characters.")
    days: int | None = Field(None, description="Its life, 1 to 3650 days; default TOKEN_DAYS.")
    scopes: list[Scope] | None = Field(None, description="What it may be used for; default: all but admin:read.")


class MadeToken(TokenView):
    """A new token. ``token`` is shown this once and kept nowhere."""

    token: str


@router.get("", response=Tokens, url_name="tokens")
def list_tokens(request: HttpRequest) -> Tokens:
    """Your own tokens, without their secrets."""
    return Tokens(tokens=tokens.tokens(user_of(request)))


@router.post("", response={201: MadeToken}, auth=SessionOnly())
@decorate_view(bounded)
def make_token(request: HttpRequest, payload: NewToken) -> Status[MadeToken]:
    """Make a token. It is in this answer only; a session is needed, a token cannot make tokens."""
    user, now = user_of(request), clock.database_now()
    row, text = core.issue(user, payload.name, now=now, days=payload.days, grants=payload.scopes, actor=user)
    return Status(201, MadeToken(token=text, **TokenView.of(row).model_dump()))


@router.delete("/{int:token_id}", response={204: None}, url_name="token")
def revoke_token(request: HttpRequest, token_id: int) -> Status[None]:
    """End one of your tokens at once."""
    user = user_of(request)
    core.revoke(tokens.own(user, token_id), now=clock.database_now(), actor=user)
    return Status(204, None)
