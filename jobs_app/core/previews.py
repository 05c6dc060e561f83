"""Previews: what a kind shows of a job as soon as it is submitted, until there is a result.

It runs in the submitting transaction, so what it writes is there if the job is, and not otherwise.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import Error, OperationalError, connection, transaction
from pydantic import BaseModel

from jobs_app.context import Submitting
from jobs_app.core import encoding, secrecy
from jobs_app.errors import PreviewFailed, WeirError
from jobs_app.models import Job
from jobs_app.models.guard import writing
from jobs_app.policies import Discard
from jobs_app.registry import CONTEXT, Kind

logger = logging.getLogger(__name__)

SECONDS = 2.0
"""A preview that takes longer refuses the submission: somebody waits for it, and on SQLite every writer does."""

LARGEST_BYTES = 16_384


def write(job: Job, kind: Kind, model: BaseModel) -> None:
    """Call the kind's preview for a job that was just inserted, and keep what it returns on its row.

    Raises PreviewFailed, and the WeirErrors that the preview raises itself; then the caller's transaction is undone.
    """
    if kind.preview is None:
        return
    began, secrets = time.monotonic(), secrecy.secrets_in(model)
    secrecy.remember(secrets)
    try:
        with _bounded():
            encoded = encoding.encode(kind.preview(**_arguments(kind, model, job)), secrets)
    except WeirError:
        raise
    except Discard as refusal:
        raise PreviewFailed(secrecy.scrub(str(refusal), secrets)) from None
    except OperationalError as error:
        if time.monotonic() - began < SECONDS:
            raise  # the database is away
        raise PreviewFailed(_too_slow(kind)) from error
    except Exception as error:
        logger.exception("The preview of kind %s failed", kind.name)
        reason = "a fault of the database" if isinstance(error, Error) else type(error).__name__
        raise PreviewFailed(f"expected the preview of kind {kind.name} to end well, and it met {reason}") from error
    if time.monotonic() - began >= SECONDS:
        raise PreviewFailed(_too_slow(kind))
    if len(encoded.text) > LARGEST_BYTES:
        raise PreviewFailed(
            f"expected a preview of at most {LARGEST_BYTES:,} bytes as JSON of kind {kind.name}, "
            f"got {len(encoded.text):,}"
        )
    job.preview = encoded.parsed
    with writing():
        Job.objects.filter(id=job.id).update(preview=job.preview)


def _arguments(kind: Kind, model: BaseModel, job: Job) -> dict[str, Any]:
    assert kind.preview is not None
    taken = inspect.signature(kind.preview).parameters
    arguments = {name: getattr(model, name) for name in taken if name != CONTEXT}
    if CONTEXT in taken:
        arguments[CONTEXT] = Submitting(str(job.id), job.owner, job.created_at)
    return arguments


def _too_slow(kind: Kind) -> str:
    return f"expected the preview of kind {kind.name} to take less than {SECONDS:g} s, and it took longer"


@contextmanager
def _bounded() -> Iterator[None]:
    """A part of the transaction, in which PostgreSQL ends a statement that takes too long."""
    with transaction.atomic():
        if connection.vendor != "postgresql":
            yield
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{SECONDS:g}s"])
            yield
            cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
