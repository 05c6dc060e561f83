"""The audit: who did what, searched by what the address says, and taken away as a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from jobs_app.core import audit as core
from jobs_app.core import clock
from jobs_app.errors import InvalidRequest
from jobs_app.reads import audit as reads
from jobs_app.reads.audit import AuditFilter, EntryView
from jobs_app.web.pages import page, render, user_of


class AuditForm(forms.Form):
    """What to look for. The days are of the site's time zone, both included."""

    actor = forms.CharField(label="Who", max_length=150, required=False, help_text="A user's name, or system.")
    action = forms.CharField(label="Did what", max_length=60, required=False, help_text="Such as queue. or job.cancel.")
    subject = forms.CharField(label="On what", max_length=200, required=False, help_text="A name, or how it begins.")
    address = forms.CharField(label="From where", max_length=100, required=False, help_text="A whole address.")
    since = forms.DateField(label="From", required=False, widget=forms.DateInput({"type": "date"}))
    until = forms.DateField(label="To", required=False, widget=forms.DateInput({"type": "date"}))
    refused = forms.ChoiceField(
        label="Outcome", required=False, choices=[("", "any"), ("no", "done"), ("yes", "refused")]
    )


@dataclass(frozen=True)
class Row:
    """An entry as the page shows it: ``changes`` are name, what it was, what it is."""

    entry: EntryView
    changes: list[tuple[str, str, str]]


@page
@require_safe
def audit(request: HttpRequest) -> HttpResponse:
    """A page of it."""
    form, wanted = _asked(request)
    found = reads.page(user_of(request), wanted, cursor=request.GET.get("cursor", "")[:64])
    chosen = {name: value for name, value in form.data.items() if name in form.fields and value}
    context = {
        "section": "audit",
        "form": form,
        "rows": [Row(each, list(_changes(each))) for each in found.entries],
        "filtered": bool(chosen),
        "older": f"?{urlencode({**chosen, 'cursor': found.next_cursor})}" if found.next_cursor else "",
        "newest": f"?{urlencode(chosen)}" if request.GET.get("cursor") else "",
        "query": urlencode(chosen),
    }
    return render(request, "audit.html", context)


@page
@require_safe
def export(request: HttpRequest) -> HttpResponse:
    """All that is found, as a file. That it was taken away is in the audit, too."""
    user, form = user_of(request), request.GET.get("form", "csv")
    _, wanted = _asked(request)
    lines, now = reads.lines(user, wanted, form), clock.database_now()
    if request.method != "HEAD":
        core.record(user, "audit.export", f"audit as {form}", now=now, after=reads.told(wanted))
    # It is a response like any other to the decorators, but sent while it is read.
    response: Any = StreamingHttpResponse(lines, content_type=reads.TYPES[form])
    response["Content-Disposition"] = f'attachment; filename="audit-{now:%Y%m%d-%H%M%S}.{form}"'
    return response  # type: ignore[no-any-return]


def _asked(request: HttpRequest) -> tuple[AuditForm, AuditFilter]:
    form = AuditForm(request.GET)
    if not form.is_valid():
        field, words = next(iter(form.errors.items()))
        raise InvalidRequest(f"{form.fields[field].label}: {words[0]}")
    given = form.cleaned_data
    texts = {name: given[name].strip() for name in ("actor", "action", "subject", "address")}
    until = given["until"]
    return form, AuditFilter(
        **texts,
        refused={"yes": True, "no": False}.get(given["refused"]),
        since=_midnight(given["since"]),
        until=_midnight(until + timedelta(days=1)) if until else None,
    )


def _midnight(day: Any) -> datetime | None:
    return timezone.make_aware(datetime(day.year, day.month, day.day)) if day else None  # noqa: DTZ001 - made aware


def _changes(entry: EntryView) -> Iterator[tuple[str, str, str]]:
    before, after = entry.before or {}, entry.after or {}
    for name in [*before, *(each for each in after if each not in before)]:
        yield name, _text(before.get(name)), _text(after.get(name))


def _text(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
