"""Files: taking them in, keeping them, finding them. A row appears only when its file is whole and on disk.

Files lie under the artifact directory by id, never by the name a user gave.
"""

from __future__ import annotations

import errno
import hashlib
import mimetypes
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING
from uuid import UUID

from jobs_app import conf, desk, parameters
from jobs_app.core import access
from jobs_app.core.patience import watch
from jobs_app.core.refusals import tally
from jobs_app.errors import FieldProblem, InvalidParameters, ShareExceeded, StorageFull, TooLarge
from jobs_app.lifecycle import Reason
from jobs_app.models import Artifact, Job
from jobs_app.models.guard import writing
from jobs_app.models.identity import new_id

if TYPE_CHECKING:
    from django.contrib.auth.models import User

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
CHUNK = 1 << 20
NAME_LENGTH = 200
CONTENT_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,60}", re.IGNORECASE)
UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class Written:
    """A file that is whole and on disk, before its row exists."""

    id: UUID
    size: int
    sha256: str


def take_upload(
    name: str, chunks: Iterable[bytes], *, owner: User | None, content_type: str = "", now: datetime
) -> Artifact:
    """Store an uploaded file as it streams in; memory stays flat.

    Raises InvalidParameters for a bad name, TooLarge above UPLOAD_BYTES, StorageFull, ShareExceeded for a user with
    OPEN_UPLOADS files that no job has taken; none leaves anything behind.
    """
    checked = check_name(name)
    _check_share(owner)
    written = _write(chunks, conf.current().upload_bytes)
    return _register(written, checked, content_type, owner=owner, job=None, attempt=0, now=now)


def _check_share(owner: User | None) -> None:
    limit = conf.current().open_uploads
    unused = Artifact.objects.filter(owner=owner, job=None, uses=None).values("id")
    if owner is None or unused[:limit].count() < limit:
        return
    for held in desk.held_uploads:  # asked last: the tables of a package may be newer than ours
        unused = unused.exclude(id__in=held())
    if unused[:limit].count() < limit:
        return
    tally.count("", owner.pk, Reason.UPLOADS)
    raise ShareExceeded(
        f"expected at most {limit:,} uploads of one user that no job has taken, and you have so many; use them first",
        retry_after=conf.current().retry_after_seconds,
        facts={"reason": Reason.UPLOADS, "limit": limit},
    )


def save_output(
    job: Job, attempt: int, name: str, source: Path | bytes, *, content_type: str = "", now: datetime
) -> Artifact:
    """Keep a file that a job made. The same name again in one attempt replaces the earlier file."""
    checked = check_name(name)
    written = _write(_chunks_of(source), None)
    earlier = Artifact.objects.filter(job=job, attempt=attempt, name=checked).first()
    if earlier is not None:
        discard(earlier)
    return _register(written, checked, content_type, owner=job.owner, job=job, attempt=attempt, now=now)


def discard(artifact: Artifact) -> None:
    """Delete a row, then its file."""
    path = path_of(artifact.id)
    with writing():
        artifact.delete()
    path.unlink(missing_ok=True)


def path_of(artifact_id: UUID) -> Path:
    """Where the content of an artifact lies. Two levels of folders from the random end keep each folder small."""
    digits = artifact_id.hex
    return conf.current().artifact_dir / digits[-2:] / digits[-4:-2] / digits


def resolve(ids: Iterable[UUID], owner: User | None) -> Mapping[UUID, parameters.Artifact]:
    """The artifacts among ``ids`` that ``owner`` may read, as handlers and validators know them. One query."""
    rows = access.readable_files(owner).filter(id__in=list(ids))
    return {row.id: as_parameter(row) for row in rows}


def as_parameter(row: Artifact) -> parameters.Artifact:
    """A row as the value that a handler receives."""
    return parameters.Artifact(row.id, row.name, row.size, row.content_type, row.sha256, path_of(row.id))


def check_name(name: str) -> str:
    """The name if it is a plain file name. Raises InvalidParameters otherwise."""
    fault = ""
    if not name or name in {".", ".."}:
        fault = "expected a file name, got none"
    elif "/" in name or "\\" in name:
        fault = f"expected a file name without a path, got {name[:80]!r}"
    elif len(name) > NAME_LENGTH:
        fault = f"expected a file name of at most {NAME_LENGTH} characters, got {len(name)}"
    elif not name.isprintable():
        fault = "expected a file name of printable characters"
    if fault:
        raise InvalidParameters([FieldProblem(("name",), fault)])
    return name


def _register(
    written: Written,
    name: str,
    content_type: str,
    *,
    owner: User | None,
    job: Job | None,
    attempt: int,
    now: datetime,
) -> Artifact:
    known = content_type.partition(";")[0].strip().lower()
    if not CONTENT_TYPE.fullmatch(known) or known == UNKNOWN_TYPE:
        known = mimetypes.guess_type(name)[0] or UNKNOWN_TYPE
    try:
        with writing():
            return Artifact.objects.create(
                id=written.id, owner=owner, job=job, attempt=attempt, name=name, content_type=known,
                size=written.size, sha256=written.sha256, created_at=now,
            )  # fmt: skip
    except BaseException:
        path_of(written.id).unlink(missing_ok=True)
        raise


def _write(chunks: Iterable[bytes], limit: int | None) -> Written:
    """Write to a temporary file beside the target, flush it to the disk, then give it its name."""
    artifact_id = new_id()
    target = path_of(artifact_id)
    digest, size = hashlib.sha256(), 0
    with _no_room_is_said(), watch.rest():
        target.parent.mkdir(parents=True, exist_ok=True)
        with _temporary(target.parent) as (file, temporary):
            for chunk in chunks:
                size += len(chunk)
                if limit is not None and size > limit:
                    raise TooLarge(f"expected a file of at most {limit:,} bytes, got more")
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(target)
    return Written(artifact_id, size, digest.hexdigest())


@contextmanager
def _temporary(folder: Path) -> Iterator[tuple[IO[bytes], Path]]:
    handle, path = tempfile.mkstemp(dir=folder, prefix="incoming-")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file, Path(path)
    finally:
        Path(path).unlink(missing_ok=True)


@contextmanager
def _no_room_is_said() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull(
                "expected room on the disk for this file, and there is none; nothing of it was kept. "
                "Try a smaller file, or ask the operator to make room"
            ) from error
        raise


def _chunks_of(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with Path(source).open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
