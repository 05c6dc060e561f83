"""Tickets to the live stream: the API looks whether someone may see a job, the stream only whether the API said so."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.core import signing

from jobs_app.errors import NotAllowed

LIFE = timedelta(hours=1)
"""A ticket begins streams for this long; one that has begun goes on."""

LENGTH = 200


def issue(job_id: UUID) -> str:
    """A ticket to one job's stream."""
    return _signer().sign(str(job_id))


def check(ticket: str, job_id: UUID) -> None:
    """Raise NotAllowed unless ``ticket`` was issued for this job within the last hour."""
    try:
        opened = _signer().unsign(ticket[:LENGTH], max_age=LIFE)
    except signing.BadSignature:
        opened = ""
    if opened != str(job_id):
        raise NotAllowed("expected a valid ticket for this job's stream; ask /api/jobs/{id}/events for a new one")


def _signer() -> signing.TimestampSigner:
    return signing.TimestampSigner(salt="weir.stream")
