"""Webhooks: endpoints that are told when jobs end, what they were sent, and sending it again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from jobs_app.core import clock
from jobs_app.core.webhooks import endpoints, sending
from jobs_app.core.webhooks.endpoints import Wanted
from jobs_app.errors import Conflict, InvalidRequest, NotAllowed
from jobs_app.lifecycle import FINAL
from jobs_app.models.job import SEE_ALL
from jobs_app.reads import kinds, webhooks
from jobs_app.web.pages import page, render, user_of

STATES = [(state.value, state.value) for state in sorted(FINAL)]
SECRET = "webhook-secret"  # noqa: S105 - the key of the session, not a secret


class EndpointForm(forms.Form):
    """What an endpoint is to be."""

    name = forms.CharField(max_length=50, label="Name", help_text="By which a submission may name it.")
    url = forms.CharField(
        max_length=2000, label="URL", help_text="Such as https://example.org/hook.", widget=forms.URLInput()
    )
    states = forms.MultipleChoiceField(choices=STATES, label="When a job has", widget=forms.CheckboxSelectMultiple())
    kinds = forms.MultipleChoiceField(required=False, label="Kinds", help_text="None chosen: all of them.")
    named_only = forms.BooleanField(required=False, label="Only of jobs whose submission names it")
    everybody = forms.BooleanField(required=False, label="Of everybody's jobs")
    enabled = forms.BooleanField(required=False, label="Switched on")

    def __init__(self, *given: Any, sees_all: bool, **options: Any) -> None:
        super().__init__(*given, **options)
        listed = self.fields["kinds"]
        assert isinstance(listed, forms.MultipleChoiceField)
        listed.choices = [(each.name, each.name) for each in kinds.kinds()]
        if not sees_all:
            del self.fields["everybody"]


@page
@require_http_methods(["GET", "HEAD", "POST"])
def webhooks_page(request: HttpRequest) -> HttpResponse:
    """The list, and the form for a new one."""
    user = user_of(request)
    form = _form(request, {"states": sorted(FINAL), "enabled": True})
    if form.is_valid():
        try:
            row, secret = endpoints.make(user, Wanted(**form.cleaned_data), now=clock.database_now())
        except (InvalidRequest, Conflict, NotAllowed) as error:
            form.add_error(None, str(error))
        else:
            request.session[SECRET] = secret
            return redirect("webhook", webhook_id=row.pk)
    context = {"section": "webhooks", "form": form, "webhooks": webhooks.endpoints_of(user)}
    return render(request, "webhooks.html", context, status=422 if form.is_bound else 200)


@page
@require_http_methods(["GET", "HEAD", "POST"])
def webhook(request: HttpRequest, webhook_id: int) -> HttpResponse:
    """One: what it was sent, and the form to change it. A new secret is part of one answer and of no other."""
    user = user_of(request)
    shown = webhooks.endpoint(user, webhook_id)
    form = _form(request, shown.model_dump())
    if form.is_valid():
        try:
            endpoints.change(user, webhook_id, Wanted(**form.cleaned_data), now=clock.database_now())
        except (InvalidRequest, Conflict, NotAllowed) as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "It is changed.")
            return redirect("webhook", webhook_id=webhook_id)
    before = request.GET.get("before", "")
    log = webhooks.log(user, webhook_id, before=int(before) if before.isdecimal() and len(before) < 19 else None)
    secret = request.session.pop(SECRET, "")
    context = {"section": "webhooks", "form": form, "shown": shown, "log": log, "secret": secret, "later": bool(before)}
    return render(request, "webhook.html", context, status=422 if form.is_bound else 200)


@page
@require_POST
def renew(request: HttpRequest, webhook_id: int) -> HttpResponse:
    """Give it another secret."""
    _, request.session[SECRET] = endpoints.renew(user_of(request), webhook_id, now=clock.database_now())
    return redirect("webhook", webhook_id=webhook_id)


@page
@require_POST
def remove(request: HttpRequest, webhook_id: int) -> HttpResponse:
    """Remove it, and its log."""
    endpoints.remove(user_of(request), webhook_id, now=clock.database_now())
    messages.success(request, "The webhook is removed.")
    return redirect("webhooks")


@page
@require_POST
def replay(request: HttpRequest, delivery_id: int) -> HttpResponse:
    """Send a message once more."""
    webhook_id, _ = sending.replay(user_of(request), delivery_id, now=clock.database_now())
    messages.success(request, "It is sent once more, under the same id.")
    return redirect("webhook", webhook_id=webhook_id)


def _form(request: HttpRequest, initial: dict[str, Any]) -> EndpointForm:
    data = request.POST if request.method == "POST" else None
    return EndpointForm(data, initial=initial, sees_all=user_of(request).has_perm(SEE_ALL))
