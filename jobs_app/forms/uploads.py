"""Taking in the files of a form: bounded while they arrive, so that neither memory nor the disk fills.

Listed in ``FILE_UPLOAD_HANDLERS``. A file that goes over UPLOAD_BYTES, or finds no room on the disk, is dropped as it
comes; the rest of the form is still read. Reading the file then raises the error, where it can be said at its field.
So are the files of strangers, whose requests are refused after they were read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler

from jobs_app import conf
from jobs_app.core.artifacts import FULL
from jobs_app.errors import NotAuthenticated, StorageFull, TooLarge, WeirError


class RefusedFile(UploadedFile):  # type: ignore[type-arg]  # generic in its stubs only
    """Stands for a file that was not taken in; every way of reading it raises the reason."""

    def __init__(self, name: str, content_type: str, size: int, reason: WeirError) -> None:
        super().__init__(None, name, content_type, size)
        self.reason = reason

    def read(self, *_: Any) -> NoReturn:
        raise self.reason

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Raises the reason."""
        raise self.reason

    def open(self, mode: str | None = None, *_: Any, **__: Any) -> NoReturn:
        raise self.reason


class BoundedUpload(TemporaryFileUploadHandler):
    """Django's handler for files on disk, with a limit on bytes and an ear for a full disk."""

    reason: WeirError | None = None

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        self.reason = None
        # The body is read before a view can look who sends it: the check against forged requests looks for its token.
        known = getattr(self.request, "auth", None) or getattr(self.request, "user", None)
        if not getattr(known, "is_authenticated", known):
            self.reason = NotAuthenticated("expected you to be logged in before you send files")
        try:
            super().new_file(*args, **kwargs)
        except OSError as error:
            self._refuse(error)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Write one piece, unless the file is refused already."""
        limit = conf.current().upload_bytes
        if self.reason is None and start + len(raw_data) > limit:
            self._drop(TooLarge(f"expected a file of at most {limit:,} bytes, got more"))
        if self.reason is None:
            try:
                super().receive_data_chunk(raw_data, start)
            except OSError as error:
                self._refuse(error)

    def file_complete(self, file_size: int) -> UploadedFile[Any] | None:
        """The file, or what stands for a refused one."""
        if self.reason is None:
            try:
                return super().file_complete(file_size)
            except OSError as error:
                self._refuse(error)
        assert self.reason is not None
        return RefusedFile(self.file_name or "", self.content_type or "", file_size, self.reason)

    def _refuse(self, error: OSError) -> None:
        if error.errno not in FULL:
            raise error
        self._drop(StorageFull("expected room on the disk for this file, and there is none; nothing of it was kept"))

    def _drop(self, reason: WeirError) -> None:
        self.reason = reason
        if getattr(self, "file", None) is not None:
            self.file.close()  # a temporary file: closing it removes it
