"""Files on their way: read in blocks, and saved whole or not at all."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import httpx

from jobs_app.client.calls import Call, path
from jobs_app.client.errors import ClientError
from jobs_app.client.shapes import Job, id_of

BLOCK = 1 << 18
FILE_LIMIT = 10 << 30
"""Bytes of a download, where the caller gives no other limit."""

SHA256 = re.compile(r'"([0-9a-f]{64})"')


class Sending:
    """A file's content, from its start for every try."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        self._digest = hashlib.sha256()
        with self._file.open("rb") as source:
            while block := source.read(BLOCK):
                self._digest.update(block)
                yield block

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for block in self:
            yield block

    def sha256(self) -> str:
        """Of what the last try sent."""
        return self._digest.hexdigest()


class Saving:
    """A download: written beside its target, and given the target's name when it is whole and as its hash says.

    What has come is kept over tries, and only the rest is asked for. Raises OSError if the file cannot be written.
    """

    def __init__(self, job: Job | UUID | str, name: str, target: Path, limit: int) -> None:
        self.target, self._limit = target, limit
        self._path = path("jobs", id_of(job), "artifacts", name)
        self._part = target.with_name(f".weir-{secrets.token_hex(8)}.part")
        self._file: BinaryIO | None = None
        self._etag, self._length = "", -1
        self._restart()

    def __enter__(self) -> Saving:
        self._file = self._part.open("xb")
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()
        self._part.unlink(missing_ok=True)

    def call(self) -> Call:
        """What to ask for now."""
        headers = {"Accept-Encoding": "identity"}
        if self._size and self._etag:
            headers |= {"Range": f"bytes={self._size}-", "If-Range": self._etag}
        return Call("GET", self._path, headers=headers)

    def begin(self, answer: httpx.Response) -> None:
        """An answer's head has come: it is the rest of the file, or the whole."""
        if answer.status_code != 206 or not answer.headers.get("content-range", "").startswith(f"bytes {self._size}-"):
            self._restart()
            self._etag = answer.headers.get("etag", "")
        stated = answer.headers.get("content-length", "")
        self._length = self._size + int(stated) if stated.isdigit() else -1
        if self._length > self._limit:
            raise self._too_large()

    def take(self, block: bytes) -> None:
        """Some of its bytes."""
        assert self._file is not None
        self._size += len(block)
        if self._size > self._limit:
            raise self._too_large()
        self._digest.update(block)
        self._file.write(block)

    def finish(self) -> Path:
        """All has come. Raises ClientError if it is not what the server says it is."""
        assert self._file is not None
        self._file.close()
        told, got = SHA256.fullmatch(self._etag), self._digest.hexdigest()
        if (told and told[1] != got) or self._length not in (-1, self._size):
            raise ClientError(f"GET {self._path}: expected a file with ETag {self._etag}, got one with SHA-256 {got}")
        self._part.replace(self.target)
        return self.target

    def _restart(self) -> None:
        self._digest, self._size = hashlib.sha256(), 0
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()

    def _too_large(self) -> ClientError:
        return ClientError(f"GET {self._path}: expected a file of at most {self._limit:,} bytes, got a larger one")
