"""The form by which people change the bounds of a queue. What fits, the core says; this one only reads and shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from jobs_app.core import lane_control
from jobs_app.models import Queue

SEEN = "seen"
SEEN_LENGTH = 1000

LABELS = {
    "limit": "Limit",
    "low_water": "Low water",
    "hard_limit": "Hard limit",
    "user_share": "Share of a user",
    "token_share": "Share of a token",
    "window": "Window",
}
HELP = {
    "limit": "Jobs that may wait; more are refused.",
    "low_water": "A full queue takes jobs again from here on.",
    "hard_limit": "Jobs that may wait with children of running jobs and overflow.",
    "user_share": "Part of the limit that one user may hold; 0.25 is a quarter.",
    "token_share": "Part of the limit that one token may hold.",
    "window": "Messages on the broker at once.",
}


class BoundField(forms.CharField):
    """A number as text, so that whatever was typed comes back as it was typed; empty is the setting's."""

    def __init__(self, name: str) -> None:
        self.share = name.endswith("_share")
        attributes = {
            "inputmode": "decimal" if self.share else "numeric",
            "pattern": r"\s*[01]?([.,]\d*)?\s*" if self.share else r"[\s\d.,]*",
            "title": "A part such as 0.25, or nothing" if self.share else "A whole number, or nothing",
            "autocomplete": "off",
            "placeholder": "as the settings say",
        }
        widget = forms.TextInput(attrs=attributes)
        super().__init__(required=False, max_length=40, label=LABELS[name], help_text=HELP[name], widget=widget)

    def clean(self, value: Any) -> int | float | str | None:
        """The number, None for an empty field, and the text itself for what is no number: the core says what it is."""
        text = str(super().clean(value)).strip()
        if not text:
            return None
        try:
            return float(text.replace(",", ".")) if self.share else int("".join(text.replace(",", "").split()))
        except ValueError:
            return text


class BoundsForm(forms.Form):
    """Every bound of one queue, and the bounds as they were when the form was drawn."""

    def __init__(self, own: Mapping[str, Any], data: Mapping[str, Any] | None = None) -> None:
        """own: the queue's own bounds now."""
        self.own = {name: own[name] for name in LABELS}
        shown = {name: "" if value is None else f"{value:g}" if isinstance(value, float) else value
                 for name, value in self.own.items()}  # fmt: skip
        super().__init__(data, initial=shown)
        for name in LABELS:
            self.fields[name] = BoundField(name)
        self.seen = self._read_seen() if data is not None else self.own

    @property
    def seen_text(self) -> str:
        """What the form sends back, so that a change which somebody else made meanwhile is noticed."""
        return json.dumps(self.own)

    def changes(self) -> dict[str, Any]:
        """The bounds that were changed in this form; another's change of another bound meanwhile stays."""
        found = {name: self.cleaned_data[name] for name in LABELS if name in self.cleaned_data}
        return {name: value for name, value in found.items() if value != self.seen.get(name)}

    def clean(self) -> dict[str, Any]:
        """What the core would refuse is told beside its field: each by itself, then together."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        alone = [(name, lane_control.misfit(name, value)) for name, value in self.changes().items()]
        for name, words in alone:
            if words:
                self.add_error(name, ValidationError(words))
        if not self.errors and (fault := lane_control.fault(Queue(**self.own), self.changes())):
            self.add_error(*fault)
        return cleaned

    def _read_seen(self) -> dict[str, Any]:
        """From the form; one that was tampered with, or is from elsewhere, says nothing."""
        try:
            found = json.loads(str(self.data.get(SEEN, ""))[:SEEN_LENGTH])
        except ValueError:
            return self.own
        known = found if isinstance(found, dict) else {}
        numbers = {name: known[name] for name in LABELS if type(known.get(name, "")) in (int, float, type(None))}
        return {**self.own, **numbers}
