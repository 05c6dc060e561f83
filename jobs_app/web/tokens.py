"""API tokens: make one (shown once), see them, revoke one."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from jobs_app import conf
from jobs_app.core import clock
from jobs_app.core import tokens as core
from jobs_app.errors import InvalidRequest
from jobs_app.reads import tokens as reads
from jobs_app.scopes import USUAL, Scope
from jobs_app.web.pages import is_fragment, page, render, user_of


class TokenForm(forms.Form):
    """What a new token is for, and how long it works."""

    name = forms.CharField(max_length=100, label="What is it for?", help_text="A script, a machine.")
    days = forms.IntegerField(min_value=1, max_value=3650, label="Days until it expires")
    scopes = forms.MultipleChoiceField(
        choices=[(each.value, f"{each.meaning} ({each})") for each in Scope], label="It may",
        widget=forms.CheckboxSelectMultiple, initial=[each.value for each in Scope if each in USUAL],
    )  # fmt: skip

    name.widget.attrs["placeholder"] = "such as nightly import"


@page
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """The list, and the form for a new one. A new token is part of this one answer and of no other."""
    user, now = user_of(request), clock.database_now()
    initial = {"days": conf.current().token_days}
    form, made, text = TokenForm(initial=initial), None, ""
    if request.method == "POST":
        form = TokenForm(request.POST, initial=initial)
        if form.is_valid():
            try:
                given = form.cleaned_data
                made, text = core.issue(
                    user, given["name"], now=now, days=given["days"], grants=given["scopes"], actor=user
                )
                form = TokenForm(initial=initial)
            except InvalidRequest as error:
                form.add_error(None, str(error))
    context = {"section": "tokens", "form": form, "made": made, "text": text, "tokens": reads.tokens(user), "now": now}
    template = "tokens/main.html" if is_fragment(request) else "tokens.html"
    return render(request, template, context, status=422 if form.is_bound else 200)


@page
@require_POST
def revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    """End one of my tokens."""
    user = user_of(request)
    row = reads.own(user, token_id)
    core.revoke(row, now=clock.database_now(), actor=user)
    messages.success(request, f"The token “{row.name}” no longer works.")
    return redirect("tokens")
