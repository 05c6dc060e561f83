"""Reading kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs_app import registry
from jobs_app.core import access
from jobs_app.reads.views import KindView

if TYPE_CHECKING:
    from jobs_app.reads.jobs import Reader


def kinds() -> list[KindView]:
    """Every kind, by name."""
    return [KindView.of(kind) for kind in registry.all_kinds()]


def offered(user: Reader) -> list[KindView]:
    """The kinds that this user may submit, by name."""
    return [KindView.of(kind) for kind in registry.all_kinds() if access.may_submit(user, kind.name)]


def kind(name: str) -> KindView:
    """One kind, whoever may submit it: its jobs are seen by others too. Raises UnknownKind."""
    return KindView.of(registry.get(name))
