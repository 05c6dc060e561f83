"""Writing files into one folder and nowhere else; each appears whole, with the right hash, or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jobs_app.errors import Conflict, InvalidRequest, StorageFull, WeirError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EOPNOTSUPP}


@dataclass(frozen=True)
class Saved:
    """A file that was written. ``size`` in bytes."""

    name: str
    path: str
    size: int
    sha256: str


class Folder:
    """The folder that files are saved in."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self, names: Sequence[str], *, force: bool) -> None:
        """Make the folder, and look ahead: raises Conflict if a file exists, InvalidRequest for a name with a path."""
        for name in names:
            if name in ("", ".", "..") or Path(name).name != name or "\0" in name:
                raise InvalidRequest(f"expected a plain file name, got {name[:100]!r}; nothing was saved")
        with _in_words(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        for name in names:
            if not force:
                self._refuse_existing(name)

    def save(self, name: str, chunks: Iterable[bytes], *, sha256: str, force: bool) -> Saved:
        """Write one file. Raises Conflict, StorageFull, and WeirError if its content is not what the ledger says."""
        target = self.path / name
        part = self.path / f".weir-{secrets.token_hex(8)}.part"
        digest, size = hashlib.sha256(), 0
        with _in_words(target):
            try:
                with part.open("xb") as file:
                    for chunk in chunks:
                        digest.update(chunk)
                        size += file.write(chunk)
                if sha256 and digest.hexdigest() != sha256:
                    raise WeirError(
                        f"{name}: expected content with SHA-256 {sha256}, got {digest.hexdigest()}; the stored file is "
                        "damaged, and it was not saved"
                    )
                self._give_name(part, target, force)
            finally:
                part.unlink(missing_ok=True)
        return Saved(name, str(target), size, digest.hexdigest())

    def _give_name(self, part: Path, target: Path, force: bool) -> None:
        if force:
            # Replaces a link by the file, and never writes through it.
            part.replace(target)
            return
        try:
            os.link(part, target, follow_symlinks=False)
        except FileExistsError:
            self._refuse_existing(target.name)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            self._refuse_existing(target.name)
            part.replace(target)

    def _refuse_existing(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self.path / name).lstat()
            raise Conflict(f"expected {self.path / name} not to exist; --force replaces it, --output saves elsewhere")


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull(f"expected room on the disk for {path}, and there is none") from None
        raise InvalidRequest(f"expected to be able to write {path}, got: {error.strerror or error}") from None
