"""Text files: which characters they are written in, what separates their values, what their columns are called."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobs_app.authoring import Discard, JobContext

CHUNK_BYTES = 1 << 20
SAMPLE_BYTES = 1 << 20
LINE_BYTES = 1 << 20
"""The longest line that is read; it bounds the memory for one value."""
READ_SHARE = 0.05
"""The part of a job's progress that one reading of the file takes."""
SAMPLE_RECORDS = 200
DELIMITERS = (",", "\t", ";", "|")
MAX_COLUMNS = 2000
DELIMITER_NAMES = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}


def chunks(path: Path, context: JobContext, message: str, start: float) -> Iterator[bytes]:
    """The file piece by piece, with progress from ``start`` (the rest of the job is DuckDB's); stops on request."""
    total = path.stat().st_size
    done = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            context.check()
            done += len(chunk)
            context.progress(start + READ_SHARE * done / total, 1, message)
            yield chunk


def as_utf8(path: Path, name: str, context: JobContext) -> Path:
    """The file itself if it is UTF-8 without a byte order mark, else a copy in the workspace that is.

    Raises Discard if it holds NUL bytes, so is no text.
    """
    with path.open("rb") as file:
        start = file.read(3)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _copy(path, "utf-16", context)
    if _is_utf8(path, name, context):
        return _copy(path, "utf-8-sig", context) if start == codecs.BOM_UTF8 else path
    context.log(f"{name} is not written in UTF-8; it was read as Windows-1252 (Latin-1)", "warning")
    return _copy(path, "cp1252", context)


def _is_utf8(path: Path, name: str, context: JobContext) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    valid = True
    before = 0
    for chunk in chunks(path, context, "looking through the file", 0):
        if (at := chunk.find(b"\0")) >= 0:
            raise Discard(f"{name}: expected text, got a NUL byte at byte {before + at + 1:,}. Export the file again")
        before += len(chunk)
        try:
            if valid:
                decoder.decode(chunk, final=False)
        except UnicodeDecodeError:
            valid = False
    try:
        decoder.decode(b"", final=valid)
    except UnicodeDecodeError:
        valid = False
    return valid


def _copy(path: Path, encoding: str, context: JobContext) -> Path:
    target = context.workspace / "dataset.utf-8"
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    with target.open("wb") as copy:
        for chunk in chunks(path, context, "rewriting the file as UTF-8", READ_SHARE):
            copy.write(decoder.decode(chunk).encode())
        copy.write(decoder.decode(b"", final=True).encode())
    return target


@dataclass(frozen=True)
class Layout:
    """What separates the values of a delimited file, and the names in its first line."""

    delimiter: str
    names: tuple[str, ...]


def layout_of(path: Path, name: str) -> Layout:
    """Find out the delimiter and the column names. Raises Discard if the first line cannot be a header."""
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
        complete = not file.read(1)
    text = sample.decode(errors="replace")
    if text[:1] in "\r\n":
        raise Discard(f"{name}: expected the names of the columns in the first line, got an empty line")
    candidates = [(delimiter, _records(text, delimiter, complete, name)) for delimiter in DELIMITERS]
    delimiter, records = max(candidates, key=lambda pair: _fit(pair[1]))
    return Layout(delimiter, _header(records[0], name))


def _records(text: str, delimiter: str, complete: bool, name: str) -> list[list[str]]:
    records = []
    try:
        for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            records.append(record)
            if len(records) > SAMPLE_RECORDS:
                break
    except csv.Error as error:
        if not records:
            raise Discard(f"{name}: expected a line of column names, got a first line that never ends") from error
    if len(records) > 1 and not complete:
        records.pop()  # the sample may have cut it short
    return [record for record in records if record] or [[]]


def _fit(records: list[list[str]]) -> tuple[bool, int]:
    """How well a delimiter suits: first that it splits every record alike, then into how many values."""
    width = len(records[0])
    even = sum(len(record) == width for record in records) >= 0.9 * len(records)
    return width > 1 and even, width


def _header(cells: list[str], name: str) -> tuple[str, ...]:
    names = tuple(cell.strip() or f"column {number}" for number, cell in enumerate(cells, start=1))
    if len(names) > MAX_COLUMNS:
        raise Discard(f"{name}: expected at most {MAX_COLUMNS:,} columns, got {len(names):,}")
    if all(looks_like_a_value(cell) for cell in cells):
        raise Discard(
            f"{name}: expected the names of the columns in the first line, got only values "
            f"({', '.join(cells[:4])[:80]}). Add a header line"
        )
    twice = sorted({each for each in names if names.count(each) > 1})
    if twice:
        raise Discard(
            f"{name}: expected a first line with a different name for each column, got {twice[0][:80]!r} more than "
            "once. Rename one; or, if the first line is data, add a header line"
        )
    return names


def looks_like_a_value(cell: str) -> bool:
    """Whether a cell of the first line is a number or empty, which names of columns seldom are."""
    try:
        float(cell or "0")
    except ValueError:
        return False
    return True


def json_names(path: Path, name: str) -> tuple[str, ...]:
    """The keys of the objects in the first lines. Raises Discard if those lines are no JSON objects."""
    names: dict[str, None] = {}
    with path.open("rb") as file:
        lines = file.read(SAMPLE_BYTES).split(b"\n")
        if file.read(1):
            lines.pop()
    if not lines:
        raise Discard(f"{name}: expected lines of at most {LINE_BYTES // 1024:,} KB, got a longer one at the beginning")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            names.update(dict.fromkeys(_object(line, number, name)))
    if len(names) > MAX_COLUMNS:
        raise Discard(f"{name}: expected at most {MAX_COLUMNS:,} different keys, got {len(names):,}")
    return tuple(names)


def _object(line: bytes, number: int, name: str) -> dict[str, object]:
    mend = "Write one complete object a line, such as {" + '"carrier": "UA", "delay": 11}'
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise Discard(f"{name}: expected one JSON object a line, got something else in line {number}. {mend}") from None
    if not isinstance(value, dict):
        raise Discard(f"{name}: expected one JSON object a line, got {type(value).__name__} in line {number}. {mend}")
    return value
