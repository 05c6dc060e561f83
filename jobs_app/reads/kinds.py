"""Reading kinds."""

from __future__ import annotations

from jobs_app import registry
from jobs_app.reads.views import KindView


def kinds() -> list[KindView]:
    """Every kind, by name."""
    return [KindView.of(kind) for kind in registry.all_kinds()]


def kind(name: str) -> KindView:
    """One kind. Raises UnknownKind."""
    return KindView.of(registry.get(name))
