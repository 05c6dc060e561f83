"""The desk: what a package of kinds asks of the platform for pages and routes of its own.

It may not import the core; the application ties these functions to it at start-up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from jobs_app.parameters import Artifact


class BulkTurn(Protocol):
    """How a turn of a bulk action ended: see ``core.bulk.turns.Turn``."""

    @property
    def kept(self) -> Any: ...

    @property
    def done(self) -> int: ...

    @property
    def of(self) -> int: ...

    @property
    def words(self) -> str: ...

    @property
    def wait(self) -> timedelta | None: ...

    @property
    def why(self) -> str: ...

    @property
    def result(self) -> dict[str, Any] | None: ...


@dataclass(frozen=True)
class Standing:
    """A job as it stands: ``fraction`` from 0 to 1; ``replayed``: an earlier submission had made it."""

    id: UUID
    state: str
    final: bool
    fraction: float
    message: str
    error: str
    preview: Any
    replayed: bool = False


class Desk(Protocol):
    """Who does it: ``core.desk``."""

    def submit(self, kind: str, parameters: Mapping[str, Any], *, owner: Any, **options: Any) -> Standing: ...

    def cancel(self, job_id: UUID) -> bool: ...

    def look(self, job_ids: Iterable[UUID]) -> dict[UUID, Standing]: ...

    def take_upload(self, name: str, chunks: Iterable[bytes], *, owner: Any, content_type: str = "") -> Artifact: ...

    def upload(self, file_id: UUID, *, owner: Any) -> Artifact | None: ...

    def discard_uploads(self, file_ids: Iterable[UUID]) -> int: ...

    def announce_bulk(self, given: Mapping[str, Any], *, owner: Any, job_id: str, now: datetime) -> dict[str, Any]: ...

    def take_bulk_turn(
        self, job_id: str, given: Mapping[str, Any], kept: Any, *, keep: Callable[[Any], None],
        note: Callable[[str], None],
    ) -> BulkTurn: ...  # fmt: skip


_desk: Desk | None = None

held_uploads: list[Callable[[], Any]] = []
"""See ``hold_uploads``; retention and the share of unused uploads ask these."""


def bind(desk: Desk) -> None:
    """Name who does it. The application does this once, at start-up."""
    global _desk
    _desk = desk


def submit(kind: str, parameters: Mapping[str, Any], *, owner: Any, **options: Any) -> Standing:
    """Submit a job, in the caller's transaction if there is one. Options and errors: those of ``Job.submit_with``."""
    return _bound().submit(kind, parameters, owner=owner, **options)


def cancel(job_id: UUID) -> bool:
    """Cancel a job, and its children with it, whoever owns it. Returns whether there was anything left to cancel."""
    return _bound().cancel(job_id)


def look(job_ids: Iterable[UUID]) -> dict[UUID, Standing]:
    """How jobs stand, at most 200 of them; those that are gone are left out. Asks not who may see them."""
    return _bound().look(job_ids)


def take_upload(name: str, chunks: Iterable[bytes], *, owner: Any, content_type: str = "") -> Artifact:
    """Store a file that somebody sends. Raises InvalidParameters for its name, TooLarge, StorageFull, ShareExceeded."""
    return _bound().take_upload(name, chunks, owner=owner, content_type=content_type)


def upload(file_id: UUID, *, owner: Any) -> Artifact | None:
    """A file that this user has uploaded, or None; what jobs made is none, since it goes with its job."""
    return _bound().upload(file_id, owner=owner)


def hold_uploads(ids: Callable[[], Any]) -> None:
    """Name uploads that a package of kinds has taken: a query of one column, their ids.

    They are not pruned as unused, and count to nobody's share of unused uploads.
    """
    held_uploads.append(ids)


def discard_uploads(file_ids: Iterable[UUID]) -> int:
    """Delete uploads and their files, but those that a job takes. Returns how many."""
    return _bound().discard_uploads(file_ids)


def announce_bulk(given: Mapping[str, Any], *, owner: Any, job_id: str, now: datetime) -> dict[str, Any]:
    """Check a bulk action while it is submitted; returns what is shown of it. Raises InvalidRequest."""
    return _bound().announce_bulk(given, owner=owner, job_id=job_id, now=now)


def take_bulk_turn(
    job_id: str, given: Mapping[str, Any], kept: Any, *, keep: Callable[[Any], None], note: Callable[[str], None]
) -> BulkTurn:
    """Act on the next of the jobs that a bulk action means.

    kept: the job's checkpoint; keep: saves the next one. note: takes in words what has been done.
    """
    return _bound().take_bulk_turn(job_id, given, kept, keep=keep, note=note)


def _bound() -> Desk:
    if _desk is None:
        raise RuntimeError("expected Django to be set up first: call django.setup()")
    return _desk
