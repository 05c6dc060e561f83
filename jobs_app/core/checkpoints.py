"""Checkpoints: where an attempt got to, so that the next one goes on from there."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from jobs_app.context import Cancelled
from jobs_app.core import encoding, queries, sealing, secrecy
from jobs_app.errors import TooLarge
from jobs_app.models import Checkpoint, Job
from jobs_app.models.guard import writing

LARGEST_BYTES = 65_536
SEALED = "weir:sealed"


def save(job: Job, value: Any, *, secrets: Collection[str] = (), now: datetime) -> None:
    """Keep ``value`` (JSON-ready, at most 64 KiB) in place of what the job saved before; sealed if it tells a secret.

    Raises TooLarge; Discard for what JSON cannot hold; Cancelled when this attempt no longer has the job, so that a
    worker that was given up cannot turn back what its successor did.
    """
    encoded = encoding.encode(value)
    if len(encoded.text) > LARGEST_BYTES:
        raise TooLarge(
            f"expected a checkpoint of at most {LARGEST_BYTES:,} bytes as JSON, got {len(encoded.text):,}; "
            "save large data with context.save_artifact() and keep its name"
        )
    kept = encoded.parsed
    if secrecy.scrubbed(kept, secrets) != kept:
        # Starred out it would be of no use to the next attempt.
        kept = {SEALED: sealing.seal(kept).decode()}
    with queries.brief(), writing():
        if queries.running_here(job) is None:
            raise Cancelled("the job was taken over by another worker")
        Checkpoint.objects.update_or_create(
            job_id=job.id, defaults={"attempt": job.attempt, "value": kept, "saved_at": now}
        )


def load(job: Job) -> Any:
    """What an earlier attempt of this job saved last, or None."""
    row = Checkpoint.objects.filter(job_id=job.id).first()
    if row is None:
        return None
    sealed = row.value.get(SEALED) if isinstance(row.value, dict) and len(row.value) == 1 else None
    return sealing.unseal(sealed.encode()) if isinstance(sealed, str) else row.value
