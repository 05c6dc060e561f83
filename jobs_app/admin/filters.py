"""Filters of the lists. Their choices come from the program, never from a DISTINCT over a big table."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter, MultipleDropdownFilter

from jobs_app import conf, registry
from jobs_app.core.clock import database_now
from jobs_app.fingerprints import Status
from jobs_app.lifecycle import Outcome, State, Via, choices

Choices = list[tuple[str, str]]


class ColumnFilter(DropdownFilter):
    """Rows with one value in the column that ``parameter_name`` names."""

    def options(self) -> Choices:
        """The values to choose from, with their labels."""
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        """As Django asks for them."""
        return self.options()

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        """The rows that are left."""
        value = self.value()
        return queryset.filter(**{self.parameter_name: value}) if value else queryset


class KindFilter(ColumnFilter):
    """By kind."""

    title = "kind"
    parameter_name = "kind"

    def options(self) -> Choices:
        """Every registered kind."""
        return _same(kind.name for kind in registry.all_kinds())


class QueueFilter(ColumnFilter):
    """By queue."""

    title = "queue"
    parameter_name = "queue"

    def options(self) -> Choices:
        """Every configured queue."""
        return _same(conf.current().queues)


class ViaFilter(ColumnFilter):
    """By the way in which the job came."""

    title = "via"
    parameter_name = "via"

    def options(self) -> Choices:
        """Every way in."""
        return choices(Via)


class OutcomeFilter(ColumnFilter):
    """By how the attempt ended."""

    title = "outcome"
    parameter_name = "outcome"

    def options(self) -> Choices:
        """Every outcome."""
        return choices(Outcome)


class StatusFilter(ColumnFilter):
    """By what is made of failures."""

    title = "status"
    parameter_name = "status"

    def options(self) -> Choices:
        """Every status."""
        return choices(Status)


class StateFilter(MultipleDropdownFilter):
    """By state; several may be chosen."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        """Every state."""
        return choices(State)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        """The rows that are left."""
        wanted = [value for value in self.value() or [] if value in set(State)]
        return queryset.filter(state__in=wanted) if wanted else queryset


class CreatedFilter(DropdownFilter):
    """By age."""

    title = "age"
    parameter_name = "created"
    SPANS = {
        "hour": ("in the last hour", timedelta(hours=1)),
        "day": ("in the last 24 hours", timedelta(days=1)),
        "week": ("in the last 7 days", timedelta(days=7)),
        "month": ("in the last 30 days", timedelta(days=30)),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        """The spans."""
        return [(value, words) for value, (words, _) in self.SPANS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        """The rows that are left."""
        span = self.SPANS.get(self.value() or "")
        return queryset.filter(created_at__gte=database_now() - span[1]) if span else queryset


class ValidFilter(DropdownFilter):
    """By whether a token opens anything."""

    title = "validity"
    parameter_name = "valid"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        """Valid or ended."""
        return [("yes", "valid"), ("no", "expired or revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows that are left."""
        valid = {"revoked_at__isnull": True, "expires_at__gt": database_now()}
        match self.value():
            case "yes":
                return queryset.filter(**valid)
            case "no":
                return queryset.exclude(**valid)
            case _:
                return queryset


def _same(values: Iterable[str]) -> Choices:
    return [(value, value) for value in values]
