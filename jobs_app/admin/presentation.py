"""How values look in the admin: labels, moments, durations, JSON, tracebacks, links."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from pygments import highlight  # type: ignore[import-untyped]  # it comes with rich
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexer import Lexer  # type: ignore[import-untyped]
from pygments.lexers import JsonLexer, PythonTracebackLexer  # type: ignore[import-untyped]

from jobs_app.lifecycle import Outcome, State

COLOURED_CHARACTERS = 20_000
"""Longer texts are shown plain: colouring them would take seconds."""

SHOWN_CHARACTERS = 200_000

COLOURS: dict[str, str] = {
    State.RUNNING: "primary",
    State.QUEUED: "info",
    State.RETRYING: "warning",
    State.SUCCEEDED: "success",
    State.FAILED: "danger",
    Outcome.SNOOZED: "info",
    Outcome.LOST: "warning",
}
"""The colour of a state or an outcome; one that is not here is grey. The text says the same."""


def label(text: str) -> SafeString:
    """A state or outcome as a coloured label."""
    return render_to_string("unfold/helpers/label.html", {"text": text, "type": COLOURS.get(text, "default")})


def moment(value: datetime | None) -> str:
    """A time in the site's time zone, to the second; a dash for none."""
    return f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S}" if value else "-"


def duration(value: timedelta | None) -> str:
    """A duration in the unit that people would choose; a dash for none."""
    if value is None:
        return "-"
    seconds = value.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def size(value: int) -> str:
    """A number of bytes."""
    return str(filesizeformat(value)).replace("\xa0", " ")


def as_json(value: Any) -> SafeString | str:
    """JSON, indented; coloured if it is not too long."""
    if value is None or value == {}:
        return "-"
    return _block(json.dumps(value, indent=2, ensure_ascii=False), JsonLexer())


def traceback(text: str) -> SafeString | str:
    """A traceback as its lines; coloured if it is not too long."""
    return _block(text, PythonTracebackLexer()) if text else "-"


def link(model: str, row_id: object, text: object) -> SafeString:
    """A link to a row's page in the admin."""
    url = reverse(f"admin:jobs_app_{model}_change", args=[row_id])
    return format_html('<a class="text-link" href="{}">{}</a>', url, text)


def _block(text: str, lexer: Lexer) -> SafeString:
    if len(text) <= COLOURED_CHARACTERS:
        light, dark = (_coloured(text, lexer, style) for style in ("friendly", "monokai"))
        both = format_html('<div class="dark:hidden">{}</div><div class="hidden dark:block">{}</div>', light, dark)
        return format_html('<div class="weir-block" tabindex="0">{}</div>', both)
    cut = text[:SHOWN_CHARACTERS]
    more = f"\n… cut here; {len(text):,} characters in all" if len(cut) < len(text) else ""
    return format_html('<pre class="weir-block" tabindex="0">{}{}</pre>', cut, more)


def _coloured(text: str, lexer: Lexer, style: str) -> SafeString:
    """The text in a style's colours; whatever it holds is escaped."""
    formatter = HtmlFormatter(style=style, noclasses=True, nobackground=True, nowrap=True)
    return mark_safe(f"<pre>{highlight(text, lexer, formatter)}</pre>")  # noqa: S308 - Pygments escapes
