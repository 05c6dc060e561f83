"""Tickets to the live stream: the API looks what someone may see, the stream only whether the API said so."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.core import signing

from jobs_app.errors import NotAllowed

LIFE = timedelta(hours=1)
"""A ticket begins streams for this long; one that has begun goes on."""

LENGTH = 200
LIST = "list of jobs:"
WHOLE = ".whole"


def issue(job_id: UUID, *, whole: bool = False) -> str:
    """A ticket to one job's stream. whole: for somebody who may see the job's parameters, and what may repeat them."""
    return _signer().sign(f"{job_id}{WHOLE}" if whole else str(job_id))


def check(ticket: str, job_id: UUID) -> bool:
    """Whether ``ticket`` opens this job's stream as a whole; else what may repeat its parameters is left out.

    Raises NotAllowed unless it was issued for this job within the last hour.
    """
    try:
        opened = _signer().unsign(ticket[:LENGTH], max_age=LIFE)
    except signing.BadSignature:
        opened = ""
    if opened.removesuffix(WHOLE) != str(job_id):
        raise NotAllowed("expected a valid ticket for this job's stream; ask /api/jobs/{id}/events for a new one")
    return opened.endswith(WHOLE)


def issue_list(owner: int | None) -> str:
    """A ticket to the stream of the list of jobs: of one user's, or of all if ``owner`` is None."""
    return _signer().sign(LIST + ("all" if owner is None else str(owner)))


def check_list(ticket: str) -> int | None:
    """Whose jobs a ticket lets somebody know of; None for all. Raises NotAllowed."""
    try:
        opened = _signer().unsign(ticket[:LENGTH], max_age=LIFE)
    except signing.BadSignature:
        opened = ""
    whose = opened.removeprefix(LIST)
    if not opened.startswith(LIST) or not (whose == "all" or whose.isdecimal()):
        raise NotAllowed("expected a valid ticket for the stream of the list; ask /api/jobs/events for a new one")
    return None if whose == "all" else int(whose)


def _signer() -> signing.TimestampSigner:
    return signing.TimestampSigner(salt="weir.stream")
