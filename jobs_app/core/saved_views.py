"""Saved views: searches of the list of jobs that people keep under a name. Only its owner changes one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction

from jobs_app import searching
from jobs_app.core import audit
from jobs_app.errors import Conflict, InvalidRequest, NotAllowed, NotFound
from jobs_app.models import SavedView
from jobs_app.models.guard import writing
from jobs_app.models.job import SEE_ALL

if TYPE_CHECKING:
    from django.contrib.auth.models import User

EACH = 50
"""Views of one user."""

NAME_LENGTH = 60


def save(
    owner: User, name: str, text: str, columns: Sequence[str] = (), *, shared: bool = False, now: datetime
) -> SavedView:
    """Keep a search under a name; one of the same name is replaced.

    Raises InvalidRequest (name or search), NotAllowed (to share takes the right to see all jobs), Conflict (too many).
    """
    name = _checked(name)
    kept = searching.text_of(searching.parse(text))
    if shared and not owner.has_perm(SEE_ALL):
        with audit.refusals(owner, "view.save", f"view {name}", now=now):
            raise NotAllowed("expected somebody who may see the jobs of every user, to share a view with them")
    with transaction.atomic(), writing():
        mine = SavedView.objects.filter(owner=owner)
        former = mine.filter(name__iexact=name).first()
        if former is None and mine.count() >= EACH:
            raise Conflict(f"expected at most {EACH} saved views of a user; delete one first")
        mine.filter(name__iexact=name).delete()
        row = SavedView.objects.create(owner=owner, name=name, text=kept, columns=list(columns), shared=shared)
        before = _told(former) if former is not None else None
        audit.record(owner, "view.save", f"view {name}", now=now, before=before, after=_told(row))
    return row


def rename(owner: User, view_id: int, name: str, *, now: datetime) -> SavedView:
    """Give a view another name. Raises NotFound, InvalidRequest, and Conflict for a name that is taken."""
    row, name = _own(owner, view_id, "view.rename", now), _checked(name)
    try:
        with transaction.atomic(), writing():
            SavedView.objects.filter(id=row.pk).update(name=name)
            was, becomes = {"name": row.name}, {"name": name}
            audit.record(owner, "view.rename", f"view {row.name}", now=now, before=was, after=becomes)
    except IntegrityError:
        raise Conflict(f"expected a name that no other view of yours has, got {name!r}") from None
    row.name = name
    return row


def delete(owner: User, view_id: int, *, now: datetime) -> SavedView:
    """Delete a view; returns it as it was. Raises NotFound."""
    row = _own(owner, view_id, "view.delete", now)
    with transaction.atomic(), writing():
        SavedView.objects.filter(id=row.pk).delete()
        audit.record(owner, "view.delete", f"view {row.name}", now=now, before=_told(row))
    return row


def _checked(name: str) -> str:
    name = name.strip()
    if not (1 <= len(name) <= NAME_LENGTH and name.isprintable()):
        raise InvalidRequest(f"expected a name of 1 to {NAME_LENGTH} printable characters for the view")
    return name


def _own(owner: User, view_id: int, action: str, now: datetime) -> SavedView:
    row = SavedView.objects.filter(owner=owner, id=view_id).first()
    if row is None:
        there = SavedView.objects.filter(id=view_id)
        with audit.refusals(owner, action, f"view {view_id}", now=now, exists=there.exists):
            raise NotFound(f"expected a saved view of yours, got {view_id}")
    return row


def _told(row: SavedView) -> dict[str, Any]:
    return {"name": row.name, "search": row.text, "columns": row.columns, "shared": row.shared}
