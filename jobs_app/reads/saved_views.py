"""Reading saved views: one's own, and those that operators share with everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q

from jobs_app.models import SavedView
from jobs_app.reads.views import View

if TYPE_CHECKING:
    from jobs_app.reads.jobs import Reader

SHARED = 50


class SavedViewView(View):
    """A search under a name. ``own``: the reader may rename and delete it."""

    id: int
    name: str
    text: str
    columns: list[str]
    shared: bool
    own: bool
    owner: str


def saved_views(user: Reader) -> list[SavedViewView]:
    """This user's own views by name, then those shared by others; at most 50 of each."""
    if user is None or not user.is_authenticated:
        return []
    rows = SavedView.objects.filter(Q(owner_id=user.pk) | Q(shared=True)).select_related("owner").order_by("name", "id")
    found = [
        SavedViewView(
            id=row.pk, name=row.name, text=row.text, columns=row.columns, shared=row.shared,
            own=row.owner_id == user.pk, owner=row.owner.get_username(),
        )
        for row in rows[: 10 * SHARED]
    ]  # fmt: skip
    return [each for each in found if each.own] + [each for each in found if not each.own][:SHARED]
