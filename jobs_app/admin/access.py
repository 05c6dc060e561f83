"""Who may submit which kinds and see their parameters, by the core; and the audit, to read."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectMultipleWidget, UnfoldAdminSelectWidget

from jobs_app import registry
from jobs_app.admin import presentation
from jobs_app.admin.base import LedgerAdmin, ReadOnly, user_of
from jobs_app.core import access
from jobs_app.core.clock import database_now
from jobs_app.models import AuditEntry, KindAccess

SUBMITTERS = "Members of these groups submit it. With none chosen, nobody but superusers and the system does."
READERS = (
    "Members of these groups see the parameters of others' jobs of it; owners always see their own. With none chosen, "
    "only superusers do."
)


def _groups(label: str, words: str) -> forms.ModelMultipleChoiceField[Group]:
    return forms.ModelMultipleChoiceField(
        Group.objects.order_by("name"), label=label, required=False, widget=UnfoldAdminSelectMultipleWidget,
        help_text=words,
    )  # fmt: skip


class KindAccessForm(forms.ModelForm):  # type: ignore[type-arg]
    """A kind, and its two limits."""

    kind = forms.ChoiceField(label="Kind of job", widget=UnfoldAdminSelectWidget)
    submitters = _groups("Who may submit it", SUBMITTERS)
    readers = _groups("Who may see parameters", READERS)

    class Meta:
        model = KindAccess
        fields = ("kind", "submit_limited", "submitters", "read_limited", "readers")
        labels = {"submit_limited": "Not everybody submits it", "read_limited": "Not everybody sees its parameters"}
        help_texts = {"submit_limited": "", "read_limited": ""}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "kind" in self.fields:
            limited = set(KindAccess.objects.exclude(pk=self.instance.pk).values_list("kind", flat=True))
            names = [each.name for each in registry.all_kinds() if each.name not in limited]
            self.fields["kind"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]


@admin.register(KindAccess)
class KindAccessAdmin(ModelAdmin):
    """The kinds that are not for everybody. All others are."""

    form = KindAccessForm
    list_display = ("kind", "may_submit", "see_parameters")
    ordering = ("kind",)
    sortable_by = ()
    compressed_fields = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[KindAccess]:
        """With the groups."""
        rows: QuerySet[KindAccess] = super().get_queryset(request)
        return rows.prefetch_related("submitters", "readers")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """A rule stays that of its kind."""
        return ("kind",) if obj is not None else ()

    def has_module_permission(self, request: HttpRequest) -> bool:
        """By the permission to manage access."""
        return self.has_add_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """By the permission to manage access."""
        return self.has_add_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """By the permission to manage access."""
        return bool(request.user.has_perm(access.PERMISSION))

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """By the permission to manage access."""
        return self.has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never: without limits it says that the kind is for everybody."""
        return False

    def save_model(self, request: HttpRequest, obj: KindAccess, form: Any, change: bool) -> None:
        """By the core, which alone writes."""
        given = form.cleaned_data
        access.set_rule(
            obj.kind,
            submitters=given["submitters"] if given["submit_limited"] else None,
            readers=given["readers"] if given["read_limited"] else None,
            actor=user_of(request),
            now=database_now(),
        )
        obj.pk = KindAccess.objects.get(kind=obj.kind).pk

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The groups went with the rest."""

    @display(description="May submit")
    def may_submit(self, row: KindAccess) -> str:
        """Who."""
        return _names(row.submitters.all(), row.submit_limited)

    @display(description="See parameters")
    def see_parameters(self, row: KindAccess) -> str:
        """Who, beside owners."""
        return _names(row.readers.all(), row.read_limited)


@admin.register(AuditEntry)
class AuditAdmin(ReadOnly, ModelAdmin):
    """The audit. Nobody changes it; the console's page searches it."""

    paginator = LedgerAdmin.paginator
    show_full_result_count = False
    list_per_page = 50
    list_display = ("at_shown", "who", "action", "subject", "refused", "surface", "address")
    ordering = ("-id",)
    sortable_by = ()
    fields = readonly_fields = (
        "at_shown", "who", "action", "subject", "before_shown", "after_shown", "refused", "surface", "address",
        "token_key",
    )  # fmt: skip

    def has_module_permission(self, request: HttpRequest) -> bool:
        """By the permission to read the audit."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """By the permission to read the audit."""
        return bool(request.user.has_perm("jobs_app.view_audit"))

    @display(description="When")
    def at_shown(self, entry: AuditEntry) -> str:
        """To the second."""
        return presentation.moment(entry.at)

    @display(description="Who")
    def who(self, entry: AuditEntry) -> str:
        """The user's name then."""
        return entry.actor or "the system"

    @display(description="Before")
    def before_shown(self, entry: AuditEntry) -> str:
        """What it was."""
        return presentation.as_json(entry.before)

    @display(description="After")
    def after_shown(self, entry: AuditEntry) -> str:
        """What it is."""
        return presentation.as_json(entry.after)


def _names(groups: QuerySet[Group], limited: bool) -> str:
    if not limited:
        return "everybody"
    return ", ".join(sorted(each.name for each in groups)) or "nobody"
