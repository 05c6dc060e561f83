"""The lock on the ledger: rows are written inside ``writing()`` only, which ``jobs_app.core`` alone may enter.

Admin, shell and surfaces read freely; a ``save()`` or ``update()`` of theirs is refused with a sentence that says what
to call instead. import-linter keeps the import of this module to the core.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn, Self, TypeVar

from django.db import models
from django.db.models.signals import class_prepared

from jobs_app.errors import LedgerWriteRefused

_writing: ContextVar[bool] = ContextVar("writing", default=False)


@contextmanager
def writing() -> Iterator[None]:
    """Allow writes to guarded models in this block, in this thread."""
    token = _writing.set(True)
    try:
        yield
    finally:
        _writing.reset(token)


def _check(model: type[models.Model], verb: str) -> None:
    if not _writing.get():
        _refuse(model, verb)


def _refuse(model: type[models.Model], verb: str) -> NoReturn:
    raise LedgerWriteRefused(
        f"expected {model.__name__} rows to be changed by jobs_app.core only, got a direct {verb}(); "
        "call submission.submit, control.cancel or control.rerun instead"
    )


M = TypeVar("M", bound=models.Model)


class GuardedQuerySet(models.QuerySet[M]):
    """A QuerySet whose writing verbs work inside ``writing()`` only."""

    def whole(self) -> Self:
        """With every column, also those that the release before does not have (``Lean``)."""
        return self.defer(None)

    def update(self, **values: Any) -> int:
        _check(self.model, "update")
        return super().update(**values)

    def delete(self) -> tuple[int, dict[str, int]]:
        _check(self.model, "delete")
        return super().delete()

    def bulk_create(self, *args: Any, **options: Any) -> list[M]:
        _check(self.model, "bulk_create")
        return super().bulk_create(*args, **options)

    def bulk_update(self, *args: Any, **options: Any) -> int:
        _check(self.model, "bulk_update")
        return super().bulk_update(*args, **options)


class Lean:
    """Mixed into the manager of a table that has gained columns since the last release: ``later`` names them.

    They are left out unless a query asks for the ``whole`` row, so that workers go on working on the tables of the
    release before, while an upgrade is under way.
    """

    later: tuple[str, ...] = ()

    def get_queryset(self) -> Any:
        """Rows without the later columns."""
        return super().get_queryset().defer(*self.later)  # type: ignore[misc]


class Guarded(models.Model):
    """The base of the ledger's rows."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **options: Any) -> None:
        """Refused outside the core."""
        _check(type(self), "save")
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> tuple[int, dict[str, int]]:
        """Refused outside the core."""
        _check(type(self), "delete")
        return super().delete(*args, **options)


def _guard_relations(sender: type[models.Model], **_: Any) -> None:
    """Related managers (``user.jobs.add(…)``) write through a model's base manager: make it the guarded one."""
    if issubclass(sender, Guarded):
        sender._meta.base_manager_name = "objects"


class_prepared.connect(_guard_relations)
