"""Files at hand that become artifacts because a parameter names them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from django.db.models import ProtectedError

from jobs_app.core import artifacts, clock
from jobs_app.errors import FieldProblem, IdempotencyConflict, InvalidParameters
from jobs_app.management.cli.values import Gathered, LocalFile, with_uploads

if TYPE_CHECKING:
    from django.contrib.auth.models import User

CHUNK = 1 << 20
ONCE = (
    "A file given by its path is a new upload each time; with an idempotency key, give the id of the file that was "
    "uploaded first"
)


@contextmanager
def uploaded(gathered: Gathered, owner: User | None) -> Iterator[dict[str, Any]]:
    """Upload the files and give the parameters with their ids; if the block fails, they are deleted again.

    All files are opened before the first is read, so that a wrong name among them costs nothing.
    """
    made = []
    try:
        with contextlib.ExitStack() as stack:
            opened = [(file, stack.enter_context(_open(file))) for file in gathered.files]
            for file, content in opened:
                made.append(_take(file, content, owner))
        ids = {file.placeholder: str(row.id) for file, row in zip(gathered.files, made, strict=True)}
        yield with_uploads(gathered, ids)
    except BaseException as error:
        for row in made:
            # A job that was accepted a moment before the interruption keeps its files.
            with contextlib.suppress(ProtectedError):
                artifacts.discard(row)
        if made and isinstance(error, IdempotencyConflict):
            raise IdempotencyConflict(f"{error}. {ONCE}") from None
        raise


def _open(file: LocalFile) -> IO[bytes]:
    try:
        return file.path.open("rb")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidParameters(
            [FieldProblem(file.place, f"expected a file or the id of an uploaded one, got {str(file.path)!r} ({why})")]
        ) from None


def _take(file: LocalFile, content: IO[bytes], owner: User | None) -> Any:
    try:
        return artifacts.take_upload(
            file.path.name, iter(lambda: content.read(CHUNK), b""), owner=owner, now=clock.database_now()
        )
    except InvalidParameters as error:
        # The core speaks of the file's name; here it is a parameter's value.
        raise InvalidParameters([FieldProblem(file.place, each.message) for each in error.problems]) from None
