"""Deleting many rows, in transactions that are short."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from jobs_app.core.turns import Turns
from jobs_app.models.guard import writing

ROWS = 2_000
"""Rows of one transaction."""


def delete(rows: QuerySet[Any], turns: Turns) -> int:
    """Delete rows, in their order, as far as the turns go. Returns how many."""
    deleted = 0
    while turns.take():
        ids = list(rows.values_list("pk", flat=True)[:ROWS])
        if ids:
            with writing():
                deleted += rows.model._default_manager.filter(pk__in=ids).delete()[0]
        if len(ids) < ROWS:
            break
    return deleted
