"""The route that takes many submissions: JSON lines in, a verdict for each line out. Neither is held in memory.

The verdicts are kept in a file until the last line has been read. Most clients read no answer before they have sent
all: an answer of a million lines that nobody reads would keep the server from reading on, and both would wait for ever.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import IO, Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from ninja import Router
from ninja.params import functions
from pydantic_core import to_json

from jobs_app import conf
from jobs_app.api import problems
from jobs_app.api.bodies import content_length
from jobs_app.api.jobs import KEY
from jobs_app.api.refusals import HttpRefusal, WrongMediaType
from jobs_app.api.security import needs, token_of, user_of
from jobs_app.core.batches.lines import Line, Verdict
from jobs_app.core.batches.submitting import BATCH, Bulk
from jobs_app.errors import Refused, TooLarge, WeirError
from jobs_app.forms.lines import BulkLine, Reader
from jobs_app.lifecycle import Via
from jobs_app.scopes import Scope

router = Router(tags=["jobs"], auth=needs(Scope.SUBMIT))

MEDIA_TYPE = "application/x-ndjson"
TYPES = frozenset({MEDIA_TYPE, "application/ndjson", "application/jsonl", "application/json-lines"})
BLOCK = 1 << 16
HELD_BYTES = 1 << 20
"""So much of the verdicts is held in memory; more goes to a file."""

REST_BYTES = 16 << 20
"""So much of a body that is not wanted any more is read and dropped, so that its sender gets to read the answer."""

KEY_WORDS = "The same key with the same lines gives the same jobs, and makes those that are missing."
RATHER_SOON = 1
DESCRIPTION = {
    "requestBody": {
        "required": True,
        "content": {MEDIA_TYPE: {"schema": BulkLine.model_json_schema(ref_template="#/components/schemas/{model}")}},
    },
    "responses": {
        200: {
            "description": "A verdict a line, in order, and at the end a summary.",
            "content": {MEDIA_TYPE: {"schema": {"type": "object"}}},
        }
    },
}


@router.post("/bulk", url_name="bulk_submission", openapi_extra=DESCRIPTION)
def submit_many(
    request: HttpRequest,
    idempotency_key: str | None = functions.Header(None, alias=KEY, description=KEY_WORDS),
) -> StreamingHttpResponse:
    """Submit many jobs: JSON lines, each the body of one submission, with an ``idempotency_key`` of its own if it
    likes. Answers 200 with JSON lines: ``{"line": 1, "id": …, "status": "accepted"}`` (or ``replayed``), ``{"line": 2,
    "status": "refused", "problem": {…}}``, and a summary at the end. 503 or 429 if there is no room for any of it."""
    body = Body(request)
    user, token = user_of(request), token_of(request)
    bulk = Bulk(owner=user, key=idempotency_key, token=token)
    report = Report()
    try:
        for verdict in bulk.verdicts(body.lines(Reader(Via.API, token))):
            report.add(verdict)
    except Exception as error:
        if not report.made:
            report.close()
            raise
        report.stop(error)
    return report.answer(complete=body.complete)


class Body:
    """The body of a request, as lines: bounded in their number, in bytes and in time."""

    def __init__(self, request: HttpRequest) -> None:
        kind = (request.content_type or "").lower()
        if kind not in TYPES:
            words = f"expected Content-Type: {MEDIA_TYPE}, got {kind[:80] or 'none'}"
            raise WrongMediaType(words, {"Accept-Post": MEDIA_TYPE})
        self._limit = conf.current().upload_bytes
        chunked = "chunked" in request.headers.get("Transfer-Encoding", "").lower()
        self._length = None if chunked else content_length(request)
        if self._length is not None and self._length > self._limit:
            raise TooLarge(f"expected a body of at most {self._limit:,} bytes, got {self._length:,}")
        # Django reads no body whose length is not stated.
        self._source: Any = request.environ["wsgi.input"] if chunked and isinstance(request, WSGIRequest) else request
        self._ends_at = time.monotonic() + conf.current().bulk_seconds
        self.complete = True
        """Whether every line was read."""

    def lines(self, reader: Reader) -> Iterator[Line | WeirError]:
        """The lines. Where a bound is met, the last one is what says so."""
        most = conf.current().bulk_lines
        for number, line in enumerate(reader.read(self._blocks()), 1):
            if number > most:
                yield self._end(TooLarge(f"expected at most {most:,} lines in one request; from here on none was read"))
                return
            if time.monotonic() > self._ends_at:
                words = f"expected lines for {conf.current().bulk_seconds:g} s at most; from here on none was read"
                yield self._end(Refused(words, retry_after=RATHER_SOON))
                return
            yield line

    def _blocks(self) -> Iterator[bytes]:
        read = 0
        while block := self._source.read(BLOCK):
            read += len(block)
            if read > self._limit:
                raise TooLarge(f"expected a body of at most {self._limit:,} bytes, got more")
            yield block
        if self._length is not None and read != self._length:
            raise HttpRefusal(f"expected {self._length:,} bytes as Content-Length says, got {read:,}")

    def _end(self, error: WeirError) -> WeirError:
        self.complete, left = False, REST_BYTES
        while left > 0 and (block := self._source.read(BLOCK)):
            left -= len(block)
        return error


class Report:
    """The verdicts, as the answer will have them."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - it is read after this
            HELD_BYTES, dir=str(settings.FILE_UPLOAD_TEMP_DIR)
        )
        self._counts = {"accepted": 0, "replayed": 0, "refused": 0}
        self._retry_after = 0
        self._first: Refused | None = None
        self._crowded = 0
        self._stopped: problems.Problem | None = None
        self._text_of = lru_cache(16)(lambda error: problems.problem_of(error).text)

    @property
    def made(self) -> bool:
        """Whether any line has its job."""
        return bool(self._counts["accepted"] or self._counts["replayed"])

    def add(self, verdict: Verdict) -> None:
        """Note a verdict. Raises the refusal itself, if there was no room for any of the first thousand."""
        error = verdict.error
        status = "refused" if error is not None else "replayed" if verdict.replayed else "accepted"
        self._counts[status] += 1
        if error is None:
            self._write(f'{{"line":{verdict.number},"id":"{verdict.job_id}","status":"{status}"}}\n'.encode())
            return
        if isinstance(error, Refused):
            self._retry_after, self._crowded = max(self._retry_after, error.retry_after), self._crowded + 1
            self._first = self._first or error
            if self._crowded == BATCH == verdict.number:
                raise error
        self._write(f'{{"line":{verdict.number},"status":"refused","problem":'.encode() + self._text_of(error) + b"}\n")

    def stop(self, error: Exception) -> None:
        """It could not go on: what was told so far holds."""
        self._stopped = problems.problem_of(error)

    def answer(self, *, complete: bool) -> StreamingHttpResponse:
        """The response. Raises the refusal itself, if there was no room for any line."""
        lines = sum(self._counts.values())
        if self._first is not None and self._crowded == lines and self._stopped is None:
            self.close()
            raise self._first
        summary: dict[str, Any] = {"lines": lines, **self._counts, "complete": complete and self._stopped is None}
        if self._retry_after:
            summary["retry_after"] = self._retry_after
        if self._stopped is not None:
            summary["problem"] = self._stopped.model_dump(exclude_none=True)
        self._write(to_json({"summary": summary}) + b"\n")
        size = self._file.tell()
        self._file.seek(0)
        response = StreamingHttpResponse(_read(self._file), content_type=MEDIA_TYPE)
        response.headers["Content-Length"] = str(size)
        return response

    def close(self) -> None:
        """There is no answer: give the file up."""
        self._file.close()

    def _write(self, text: bytes) -> None:
        self._file.write(text)


def _read(file: IO[bytes]) -> Iterable[bytes]:
    with file:
        while block := file.read(BLOCK):
            yield block
