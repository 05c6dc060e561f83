"""What forms of the admin change, beside the core, is in the audit too: users, groups, schedules and their timings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Model
from django.forms.models import model_to_dict
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from jobs_app.admin.base import user_of
from jobs_app.core import audit
from jobs_app.core.clock import database_now

HIDDEN = frozenset({"password", "args", "kwargs"})
"""Columns of which only that they changed is written down: a hash; parameters, which are for some eyes only."""


class Audited(ModelAdmin):
    """Mixed into a screen that saves by itself. An action that the core carries out is recorded there, not here."""

    def snapshot(self, row: Any) -> dict[str, Any]:
        """The row's values by name, as text where they are no JSON."""
        fresh = type(row)._default_manager.get(pk=row.pk)
        return {name: _plain(value) for name, value in model_to_dict(fresh).items()}

    def get_object(self, request: HttpRequest, *args: Any, **options: Any) -> Any:
        """The row; what it was is kept, to compare with."""
        row = super().get_object(request, *args, **options)
        if row is not None and request.method == "POST":
            request.weir_before = self.snapshot(row)  # type: ignore[attr-defined]
        return row

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """A row was made."""
        self._record(request, obj, "add", after=_shown(self.snapshot(obj)))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """A row was changed by its form."""
        before = getattr(request, "weir_before", None)
        if before is not None:
            after = self.snapshot(obj)
            changed = [name for name in after if after[name] != before.get(name)]
            was, now = ({name: values.get(name) for name in changed} for values in (before, after))
            if changed:
                self._record(request, obj, "change", before=_shown(was), after=_shown(now, changed=True))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Iterable[Model]) -> Any:
        """Rows are about to be deleted."""
        for row in queryset:
            self._record(request, row, "delete", before=_shown(self.snapshot(row)))
        return super().log_deletions(request, queryset)

    def _record(self, request: HttpRequest, row: Any, verb: str, **values: Any) -> None:
        noun = str(self.opts.verbose_name)
        action = f"{noun.replace(' ', '-')}.{verb}"
        audit.record(user_of(request), action, f"{noun} {row}", now=database_now(), **values)


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple) or hasattr(value, "all"):
        return sorted(str(each) for each in value)
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _shown(values: dict[str, Any], *, changed: bool = False) -> dict[str, Any]:
    word = "changed" if changed else "not shown"
    return {name: word if name in HIDDEN and value else value for name, value in values.items() if value != ""}
