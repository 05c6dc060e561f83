"""Sending files: resumable (RFC 9110 §14), revalidated by their hash, and never run by a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import BinaryIO

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header

from jobs_app.api import refusals
from jobs_app.errors import NotFound
from jobs_app.reads.files import Content

BLOCK = 1 << 16
SAFE_INLINE = {"image/png", "image/jpeg", "image/gif", "image/webp"}
"""What a browser may show in place: pictures without scripts."""

DESCRIPTION = {
    "responses": {
        200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
        206: {"description": "The range that was asked for."},
        304: {"description": "You have it already: If-None-Match names it."},
        416: {"description": "The file has no such range."},
    }
}
"""What the OpenAPI document says of a download."""

RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,19})\s*-\s*(\d{0,19})\s*", re.IGNORECASE)


def serve(request: HttpRequest, content: Content, *, inline: bool = False) -> HttpResponseBase:
    """The file, a range of it (206), or word that the caller has it already (304).

    ``inline`` asks for it to be shown in place; only safe pictures are. Raises RangeNotSatisfiable, NotFound.
    """
    etag = f'"{content.artifact.sha256}"'
    early = get_conditional_response(request, etag=etag)
    if early is not None:
        return _described(early, content, etag, inline)
    span = _span(request, content.artifact.size, etag)
    start, length = span or (0, content.artifact.size)
    response = _body(request, content, start, length)
    if span is not None:
        response.status_code = HTTPStatus.PARTIAL_CONTENT
        response["Content-Range"] = f"bytes {start}-{start + length - 1}/{content.artifact.size}"
    response["Content-Length"] = str(length)
    response["Content-Type"] = content.artifact.content_type
    return _described(response, content, etag, inline)


class Part:
    """A stretch of an open file, in blocks; closes the file when the response is closed, however far it came."""

    def __init__(self, file: BinaryIO, start: int, length: int) -> None:
        self._file, self._left = file, length
        file.seek(start)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block = self._file.read(min(BLOCK, self._left))
        if not block:
            raise StopIteration
        self._left -= len(block)
        return block

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _body(request: HttpRequest, content: Content, start: int, length: int) -> HttpResponseBase:
    if request.method == "HEAD":
        return HttpResponse()
    try:
        file = content.path.open("rb")
    except FileNotFoundError:
        raise NotFound("the file is no longer on disk") from None
    return StreamingHttpResponse(Part(file, start, length))


def _described(response: HttpResponseBase, content: Content, etag: str, inline: bool) -> HttpResponseBase:
    artifact = content.artifact
    attached = not (inline and artifact.content_type in SAFE_INLINE)
    response["ETag"] = etag
    response["Accept-Ranges"] = "bytes"
    response["Content-Disposition"] = content_disposition_header(attached, artifact.name) or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    # A browser may keep it, but must ask each time: the right to see a file can end.
    response["Cache-Control"] = "private, no-cache"
    return response


def _span(request: HttpRequest, size: int, etag: str) -> tuple[int, int] | None:
    """Start and length of the range that is asked for; None for the whole file.

    A malformed Range, several ranges, or one for another version of the file (If-Range) count as none.
    """
    asked = RANGE.fullmatch(request.headers.get("Range", ""))
    if request.method != "GET" or asked is None or request.headers.get("If-Range", etag) != etag:
        return None
    first, last = asked.groups()
    if not first and not last:
        return None
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last), size - 1) if first and last else size - 1
    if first and last and int(last) < start:
        return None
    if start >= size:
        raise refusals.RangeNotSatisfiable(
            f"expected a range within the file's {size:,} bytes", {"Content-Range": f"bytes */{size}"}
        )
    return start, end - start + 1
