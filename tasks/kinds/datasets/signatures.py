"""What a file is, told by its first bytes and never by its name alone."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Literal

from jobs_app.authoring import Discard

Format = Literal["parquet", "json", "text"]

HEAD_BYTES = 65_536
"""How much of a file is enough to tell what it is."""

FOREIGN = (
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF87a", "a GIF picture"),
    (b"GIF89a", "a GIF picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"ARROW1\x00\x00", "an Arrow file"),
    (b"Obj\x01", "an Avro file"),
    (b"PARE", "an encrypted Parquet file"),
    (b"\x7fELF", "a program"),
    (b"<?xml", "an XML document"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
)
CONTROL = bytes(set(range(32)) - set(b"\t\n\r\x0b\x0c\x1b"))
ACCEPTED = "expected CSV, TSV, JSON lines or Parquet"


def recognise(head: bytes, name: str) -> Format:
    """The format of a file that begins with ``head``. Raises Discard for anything that is no dataset."""
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        raise Discard(f"{name} is empty: {ACCEPTED} with at least a line of column names")
    if head.startswith(b"PAR1"):
        return "parquet"
    for signature, kind in FOREIGN:
        if head.startswith(signature):
            raise Discard(f"{name}: {ACCEPTED}, got {kind}{_named(name)}. Export the data as CSV and send that")
    if not head.startswith((b"\xff\xfe", b"\xfe\xff")):  # a byte order mark of UTF-16, which is full of NULs
        _refuse_binary(head, name)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"[") and start[1:].lstrip().startswith(b"{"):
        raise Discard(f"{name}: {ACCEPTED}, got one JSON array. Write one object a line, without brackets and commas")
    return "json" if start.startswith(b"{") and _is_json(start, name) else "text"


def _refuse_binary(head: bytes, name: str) -> None:
    if len(head) - len(head.translate(None, CONTROL)) > max(8, len(head) // 100):
        raise Discard(f"{name}: {ACCEPTED}, got binary data of an unknown kind{_named(name)}")


def _is_json(start: bytes, name: str) -> bool:
    """Whether a file that begins with a brace is JSON: its name says so, or its first line parses."""
    if PurePosixPath(name).suffix.lower() in {".json", ".jsonl", ".ndjson"}:
        return True
    try:
        return isinstance(json.loads(start.splitlines()[0]), dict)
    except (ValueError, RecursionError):
        return start[1:].lstrip()[:1] in (b'"', b"}")


def _named(name: str) -> str:
    suffix = PurePosixPath(name).suffix[:12]
    return f" named {suffix}" if suffix else ""
