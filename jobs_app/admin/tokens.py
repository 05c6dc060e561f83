"""API tokens in the admin: who has which, making one, revoking."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.decorators import display

from jobs_app import conf
from jobs_app.admin import acting, presentation
from jobs_app.admin.base import LedgerAdmin, user_of
from jobs_app.admin.filters import ValidFilter
from jobs_app.admin.submission import dress
from jobs_app.core import audit, tokens
from jobs_app.core.clock import database_now
from jobs_app.errors import InvalidRequest, NotAllowed
from jobs_app.models import Token
from jobs_app.models.job import ACT_ON_ALL
from jobs_app.scopes import USUAL, Scope


class TokenForm(forms.Form):
    """What a new token needs. Only a superuser chooses the owner: a token acts as its owner."""

    name = forms.CharField(max_length=100, label="What it is for", help_text="Such as “nightly import”.")
    days = forms.IntegerField(min_value=1, max_value=3650, label="Days until it expires")
    scopes = forms.MultipleChoiceField(
        choices=[(each.value, f"{each}: {each.meaning}") for each in Scope], label="What it may be used for",
        widget=forms.CheckboxSelectMultiple, initial=[each.value for each in Scope if each in USUAL],
    )  # fmt: skip
    owner = forms.ModelChoiceField(
        get_user_model().objects.none(), to_field_name="username", label="Owner's user name", widget=forms.TextInput
    )

    def __init__(self, *args: Any, user: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["days"].initial = conf.current().token_days
        if user.is_superuser:
            field = self.fields["owner"]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = get_user_model().objects.filter(is_active=True)
            field.initial = user.get_username()
            field.error_messages["invalid_choice"] = "expected the user name of an active user"
        else:
            del self.fields["owner"]
        for each in self.fields.values():
            dress(each.widget)


@admin.register(Token)
class TokenAdmin(LedgerAdmin):
    """Tokens, newest first: one's own, and with the permission to see all jobs everybody's."""

    list_display = ("name", "prefix_shown", "owner", "validity", "created", "expires", "last_used")
    list_filter = (ValidFilter,)
    list_select_related = ("owner",)
    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("name", "prefix", "owner__username")
    actions = ("revoke_selected",)
    fields = readonly_fields = (
        "name", "prefix_shown", "owner", "scopes", "validity_in_words", "created", "expires", "last_used", "revoked",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Token]:
        """With the database's word on whether each is past its time."""
        rows: QuerySet[Token] = super().get_queryset(request)
        return rows.select_related("owner").annotate(
            unexpired=ExpressionWrapper(Q(expires_at__gt=Now()), output_field=BooleanField())
        )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """By Django's permission to add tokens."""
        return bool(request.user.has_perm("jobs_app.add_token"))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """The form; then the token, on a page of its own that is neither stored nor linked."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = TokenForm(request.POST or None, user=request.user)
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            try:
                row, text = tokens.issue(
                    given.get("owner", user_of(request)), given["name"], now=database_now(), days=given["days"],
                    grants=given["scopes"], actor=user_of(request),
                )  # fmt: skip
            except InvalidRequest as error:
                form.add_error(None, str(error))
            else:
                self.log_addition(request, row, [{"added": {}}])
                return self._page(request, "admin/jobs_app/token/shown.html", "New token", token=row, text=text)
        return self._page(request, "admin/jobs_app/token/add.html", "Make a token", form=form)

    @admin.action(description="Revoke")
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[Token]) -> None:
        """End the selected tokens at once."""
        now = database_now()

        def revoke(token: Token) -> None:
            user = user_of(request)
            if token.owner_id != user.pk and not user.has_perm(ACT_ON_ALL):
                with audit.refusals(user, "token.revoke", f"token {token.pk} ({token.prefix}…)", now=now):
                    raise NotAllowed("expected a token of yours; you may not act for other users")
            if tokens.revoke(token, now=now, actor=user):
                self.log_change(request, token, "Revoked.")

        acting.act(request, acting.selected(request, queryset), revoke, noun="token", done="revoked")

    @display(description="Begins with")
    def prefix_shown(self, token: Token) -> str:
        """Its first characters, to tell tokens apart."""
        return f"{token.prefix}…"

    @display(description="Validity", label={"valid": "success", "revoked": "danger"})
    def validity(self, token: Token) -> str:
        """Whether it opens anything."""
        if token.revoked_at:
            return "revoked"
        return "valid" if getattr(token, "unexpired", False) else "expired"

    @display(description="Validity")
    def validity_in_words(self, token: Token) -> str:
        """Whether it opens anything, on its page."""
        return str(self.validity(token))

    @display(description="Created")
    def created(self, token: Token) -> str:
        """When it was made."""
        return presentation.moment(token.created_at)

    @display(description="Expires")
    def expires(self, token: Token) -> str:
        """When it ends by itself."""
        return presentation.moment(token.expires_at)

    @display(description="Last used")
    def last_used(self, token: Token) -> str:
        """To the minute."""
        return presentation.moment(token.last_used_at)

    @display(description="Revoked")
    def revoked(self, token: Token) -> str:
        """When it was ended."""
        return presentation.moment(token.revoked_at)

    def _page(self, request: HttpRequest, template: str, title: str, **values: Any) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": title, **values}
        response = TemplateResponse(request, template, context)
        response["Cache-Control"] = "no-store"
        return response
