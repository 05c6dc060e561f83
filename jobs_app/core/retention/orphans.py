"""Orphans: files without a row, and rows without their file.

A file is written before its row and deleted after it, so a crash in between leaves a file. A row without its file means
that somebody else deleted the file; such rows are told, and never deleted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from uuid import UUID

from jobs_app import conf
from jobs_app.core import artifacts
from jobs_app.models import Artifact

YOUNG = timedelta(days=1)
"""Younger files may be about to get their row."""

CHUNK = 500
OURS = re.compile(r"[0-9a-f]{32}|incoming-\w+")
"""The names of files that Weir wrote. Whatever else lies there is nobody's business here."""


@dataclass(frozen=True)
class Orphan:
    """A file that no row knows. ``size`` in bytes."""

    path: Path
    size: int


def files(*, now: datetime) -> Iterator[Orphan]:
    """Files of the artifact directory that no row knows, older than a day."""
    found = _old_files(now)
    while chunk := list(islice(found, CHUNK)):
        ids = {path: UUID(path.name) for path, _ in chunk if len(path.name) == 32 and "-" not in path.name}
        known = set(Artifact.objects.filter(id__in=ids.values()).values_list("id", flat=True))
        for path, size in chunk:
            number = ids.get(path)
            if number is None or number not in known or artifacts.path_of(number) != path:
                yield Orphan(path, size)


def sweep(*, now: datetime) -> int:
    """Delete the files that no row knows. Returns how many."""
    count = 0
    for orphan in files(now=now):
        orphan.path.unlink(missing_ok=True)
        count += 1
    return count


def rows() -> Iterator[Artifact]:
    """Artifacts whose file is not there."""
    last: UUID | None = None
    while True:
        everything = Artifact.objects.order_by("id")
        chunk = list((everything if last is None else everything.filter(id__gt=last))[:CHUNK])
        yield from (each for each in chunk if not artifacts.path_of(each.id).is_file())
        if len(chunk) < CHUNK:
            return
        last = chunk[-1].id


def _old_files(now: datetime) -> Iterator[tuple[Path, int]]:
    top, before = conf.current().artifact_dir, (now - YOUNG).timestamp()
    for folder, _, names in os.walk(top):
        for name in names:
            path = Path(folder) / name
            if not OURS.fullmatch(name) or len(path.relative_to(top).parts) != 3:
                continue
            try:
                there = path.lstat()
            except FileNotFoundError:
                continue
            if there.st_mtime < before and not path.is_symlink():
                yield path, there.st_size
