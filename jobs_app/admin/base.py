"""What the admin's pages of the ledger share: they show, and change nothing by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.paginator import InfinitePaginator as EndlessPaginator

from jobs_app.models.job import SEE_ALL

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PER_PAGE = 50
DEEPEST_ROW = 10_000


def user_of(request: HttpRequest) -> User:
    """Who asks: never anonymous, since every page of the admin wants a login."""
    return cast("User", request.user)


class InfinitePaginator(EndlessPaginator):
    """Pages without a count, so that a list of millions of rows costs one index scan.

    It keeps its parent's name, by which the package's templates know that there is no count to show. Rows deeper than
    the 10,000th are not listed: OFFSET would scan for minutes; filters and search lead there.
    """

    count = DEEPEST_ROW


class ReadOnly:
    """No adding, changing or deleting, whatever permissions a user has: the ledger is written by its core alone."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never."""
        return False


class LedgerAdmin(ReadOnly, ModelAdmin):
    """A read-only list and page of one table, cheap at any size, showing each user their own rows only."""

    paginator = InfinitePaginator
    show_full_result_count = False
    list_per_page = PER_PAGE
    list_max_show_all = 0
    list_disable_select_all = True
    list_filter_submit = True
    list_fullwidth = True
    actions_on_bottom = False
    show_facets = False
    compressed_fields = False
    owner_field = "owner"
    """The path from a row to the user it belongs to; empty if rows belong to nobody."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows that this user may see."""
        rows: QuerySet[Any] = super().get_queryset(request).whole()
        if not self.owner_field or request.user.has_perm(SEE_ALL):
            return rows
        return rows.filter(**{self.owner_field: request.user.pk})


class LedgerInline(ReadOnly, TabularInline):
    """Rows that hang on a job, by pages."""

    extra = 0
    per_page = 25
    can_delete = False
    show_change_link = False
    hide_title = True
