"""Reading the audit: by pages, filtered, and as a whole for an export."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Q, QuerySet
from pydantic import Field

from jobs_app.errors import InvalidRequest, NotAllowed
from jobs_app.models import AuditEntry
from jobs_app.reads.views import View

if TYPE_CHECKING:
    from jobs_app.reads.jobs import Reader

PERMISSION = "jobs_app.view_audit"
PAGE, PAGE_LIMIT = 50, 200
BATCH = 1_000
"""Entries that an export reads at once."""

SYSTEM = "system"
"""How a filter names the system, which has no user's name."""

NOUNS = ("job", "kind", "queue", "schedule", "token", "user", "group", "worker", "audit", "view", "webhook")
"""What the name in a subject may follow: "default" finds "queue default"."""


class EntryView(View):
    """An action: who, what, on what, what it was before and after, from where; why it was refused, if it was."""

    id: int
    at: datetime
    actor: str | None = Field(description="The user's name then; null for the system, (not logged in) for nobody.")
    action: str
    subject: str
    before: Any
    after: Any
    refused: str = Field(description="Why it was refused; empty if it was done.")
    surface: str
    address: str
    token: int | None = Field(description="The id of the API token it came with.")

    @classmethod
    def of(cls, entry: AuditEntry) -> EntryView:
        """From a row."""
        return cls(
            id=entry.pk, at=entry.at, actor=entry.actor or None, action=entry.action, subject=entry.subject,
            before=entry.before, after=entry.after, refused=entry.refused, surface=entry.surface,
            address=entry.address, token=entry.token_key,
        )  # fmt: skip


@dataclass(frozen=True)
class AuditFilter:
    """Which entries; an empty field does not filter. action, subject: how they begin. since, until: from, before."""

    actor: str = ""
    action: str = ""
    subject: str = ""
    address: str = ""
    refused: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class AuditPage:
    """One page, newest first, and the cursor of the next (None at the end)."""

    entries: list[EntryView]
    next_cursor: str | None


def page(user: Reader, wanted: AuditFilter, *, cursor: str = "", limit: int = PAGE) -> AuditPage:
    """A page of the audit. The cursor is the last id seen. Raises NotAllowed, InvalidRequest."""
    if not 1 <= limit <= PAGE_LIMIT:
        raise InvalidRequest(f"expected a limit from 1 to {PAGE_LIMIT}, got {limit}")
    rows = _chosen(user, wanted)
    if cursor:
        rows = rows.filter(id__lt=_number(cursor))
    found = list(rows[: limit + 1])
    more = len(found) > limit
    return AuditPage([EntryView.of(each) for each in found[:limit]], str(found[limit - 1].pk) if more else None)


def lines(user: Reader, wanted: AuditFilter, form: str) -> Iterator[str]:
    """All that is found, newest first, as text: ``csv`` or ``ndjson``. Asked batch by batch, while it is read.

    Raises NotAllowed and InvalidRequest at once, not while it is read.
    """
    if form not in FORMS:
        raise InvalidRequest(f"expected one of the forms {', '.join(FORMS)}, got {form[:40]!r}")
    return FORMS[form](_all(_chosen(user, wanted)))


def told(wanted: AuditFilter) -> dict[str, Any]:
    """What a filter asks for, for the entry about an export."""
    return {name: value for name, value in vars(wanted).items() if value not in ("", None)}


def may_read(user: Any) -> bool:
    """Whether this user may read the audit. None is the system."""
    return user is None or user.has_perm(PERMISSION)


def _chosen(user: Reader, wanted: AuditFilter) -> QuerySet[AuditEntry]:
    if not may_read(user):
        raise NotAllowed("expected the permission to read the audit, which administrators have")
    for name in ("actor", "action", "subject", "address"):
        if not getattr(wanted, name).isprintable():
            raise InvalidRequest(f"expected {name} to be printable text")
    rows = AuditEntry.objects.order_by("-id")
    if wanted.actor:
        rows = rows.filter(actor="" if wanted.actor == SYSTEM else wanted.actor)
    if wanted.action:
        rows = rows.filter(action__startswith=wanted.action)
    if wanted.subject:
        beginnings = ("", *(f"{noun} " for noun in NOUNS))
        rows = rows.filter(Q(*(Q(subject__startswith=each + wanted.subject) for each in beginnings), _connector=Q.OR))
    if wanted.address:
        rows = rows.filter(address=wanted.address)
    if wanted.refused is not None:
        rows = rows.exclude(refused="") if wanted.refused else rows.filter(refused="")
    if wanted.since is not None:
        rows = rows.filter(at__gte=wanted.since)
    if wanted.until is not None:
        rows = rows.filter(at__lt=wanted.until)
    return rows


def _all(rows: QuerySet[AuditEntry]) -> Iterator[EntryView]:
    """By keys, since PgBouncer keeps no cursor between two statements."""
    after: int | None = None
    while batch := list((rows if after is None else rows.filter(id__lt=after))[:BATCH]):
        yield from map(EntryView.of, batch)
        after = batch[-1].pk


class _Line:
    """What csv writes to: it gives back the line."""

    def write(self, text: str) -> str:
        return text


def _as_csv(entries: Iterator[EntryView]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(EntryView.model_fields)
    for entry in entries:
        yield writer.writerow([_cell(value) for value in entry.model_dump(mode="json").values()])


def _as_ndjson(entries: Iterator[EntryView]) -> Iterator[str]:
    for entry in entries:
        yield entry.model_dump_json() + "\n"


def _cell(value: Any) -> str:
    """As text that no spreadsheet takes for a formula: names and subjects are other people's words."""
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r", "\n"} else text


FORMS = {"csv": _as_csv, "ndjson": _as_ndjson}
TYPES = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidRequest(f"expected a cursor from an earlier page, got {text[:64]!r}")
    return int(text)
