"""What people do to groups of failures: resolve, ignore, open again. Page, API and command line all call these."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction

from jobs_app.core import audit, queries
from jobs_app.errors import InvalidRequest, NotAllowed, NotFound
from jobs_app.fingerprints import LENGTH, Status
from jobs_app.models import FailureGroup, FailureSight
from jobs_app.models.guard import writing
from jobs_app.models.job import ACT_ON_ALL, SEE_ALL

if TYPE_CHECKING:
    from django.contrib.auth.models import User

NOTE_LENGTH = 1000
LONGEST = timedelta(days=366)


def resolve(fingerprint: str, *, actor: User | None, now: datetime, note: str = "") -> FailureGroup:
    """Say that a group is mended; seen again after that, it is open once more. Twice is no error.

    Raises NotFound, NotAllowed, InvalidRequest (a note that is too long).
    """
    return _say("resolve", fingerprint, Status.RESOLVED, actor, now, note)


def ignore(
    fingerprint: str, *, actor: User | None, now: datetime, until: datetime | None = None, note: str = ""
) -> FailureGroup:
    """Say that nobody is to be told of a group, for good or until a time, however often it is seen.

    Raises NotFound, NotAllowed, InvalidRequest (the time too, if it is not within a year from now).
    """
    if until is not None and not now < until <= now + LONGEST:
        raise InvalidRequest(f"expected a time within a year from now, got {until.isoformat()}")
    return _say("ignore", fingerprint, Status.IGNORED, actor, now, note, until)


def reopen(fingerprint: str, *, actor: User | None, now: datetime, note: str = "") -> FailureGroup:
    """Take back that a group is resolved or ignored. Twice is no error. Raises NotFound, NotAllowed, InvalidRequest."""
    return _say("reopen", fingerprint, Status.OPEN, actor, now, note)


def may_act(actor: User | None) -> bool:
    """Whether this user (None: the system) may resolve groups and the like."""
    return actor is None or actor.has_perm(ACT_ON_ALL)


def _say(
    verb: str,
    fingerprint: str,
    status: Status,
    actor: User | None,
    now: datetime,
    note: str,
    until: datetime | None = None,
) -> FailureGroup:
    note = note.strip().replace("\0", "\N{REPLACEMENT CHARACTER}")
    if len(note) > NOTE_LENGTH:
        raise InvalidRequest(f"expected a note of at most {NOTE_LENGTH:,} characters, got {len(note):,}")
    action, subject = f"failure.{verb}", f"failure {fingerprint}"
    with audit.refusals(actor, action, subject, now=now, exists=lambda: _there(fingerprint)):
        _check(fingerprint, actor)
    with transaction.atomic(), writing():
        group = queries.locked(FailureGroup.objects.filter(pk=fingerprint)).get()
        before = _facts(group)
        if (group.status, group.ignored_until) == (status, until) and note in {"", group.note}:
            return group
        group.status, group.ignored_until, group.note = status, until, note
        group.status_at, group.status_by = now, actor
        group.save(update_fields=["status", "ignored_until", "note", "status_at", "status_by"])
        audit.record(actor, action, subject, now=now, before=before, after=_facts(group))
    return group


def _facts(group: FailureGroup) -> dict[str, object]:
    """What the audit is told of a group."""
    return {"kind": group.kind, "status": group.status, "until": group.ignored_until, "note": group.note}


def _there(fingerprint: str) -> bool:
    """Whether there is such a group, whoever asks."""
    fits = len(fingerprint) == LENGTH and fingerprint.isalnum()
    return fits and FailureGroup.objects.filter(pk=fingerprint).exists()


def _sees(actor: User | None, fingerprint: str) -> bool:
    if actor is None or actor.has_perm(SEE_ALL):
        return True
    return FailureSight.objects.filter(group=fingerprint, owner=actor.pk).exists()


def _check(fingerprint: str, actor: User | None) -> None:
    """Who may not see a group is told the same as if there were none."""
    if not _there(fingerprint) or not _sees(actor, fingerprint):
        raise NotFound(f"expected the fingerprint of a failure of yours, got {fingerprint[:40]!r}")
    if not may_act(actor):
        raise NotAllowed("expected the permission to act on all jobs: ask somebody who may give it to you")
