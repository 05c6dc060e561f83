"""Routes of kinds."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel

from jobs_app.api.security import needs, user_of
from jobs_app.errors import NotFound, UnknownKind
from jobs_app.reads import kinds
from jobs_app.reads.views import KindView
from jobs_app.scopes import Scope

router = Router(tags=["kinds"], auth=needs(Scope.READ))


class Kinds(BaseModel):
    """Every kind, by name."""

    kinds: list[KindView]


@router.get("", response=Kinds, url_name="kinds")
def list_kinds(request: HttpRequest) -> Kinds:
    """Every kind of job that you may submit, with its parameters as JSON Schema."""
    return Kinds(kinds=kinds.offered(user_of(request)))


@router.get("/{str:name}", response=KindView, url_name="kind")
def show_kind(request: HttpRequest, name: str) -> KindView:
    """One kind."""
    try:
        return kinds.kind(name)
    except UnknownKind as error:
        raise NotFound(str(error)) from None
