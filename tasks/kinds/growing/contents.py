"""The contents of parts: rows packed small into the part's own row, or a file that was uploaded."""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from jobs_app.authoring import Artifact, Discard, JobContext
from tasks.kinds.datasets.engine import text as quoted
from tasks.kinds.datasets.signatures import HEAD_BYTES, recognise
from tasks.kinds.datasets.sources import opened
from tasks.kinds.datasets.text import LINE_BYTES, as_utf8
from tasks.kinds.growing.rows import LABEL_LENGTH, BadRows, Layout, Row, of_objects, of_values

CHECK_EVERY = 2_000
"""Rows between two looks at whether to stop."""


def pack(rows: Iterable[Row]) -> tuple[bytes, bytes]:
    """Rows as lines of text, and the same compressed. The same rows always give the same lines."""
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, lineterminator="\n")
    for row in rows:
        numbers = ("" if value is None else str(value) for value in row.values)
        writer.writerow([row.at.isoformat(), *row.group, *numbers])
    whole = lines.getvalue().encode()
    return whole, zlib.compress(whole)


def unpack(content: bytes, layout: Layout) -> Iterator[Row]:
    """The rows that were packed."""
    lines = io.StringIO(zlib.decompress(content).decode(), newline="")
    for place, values in enumerate(csv.reader(lines)):
        yield of_values(layout, values, place)


def check_head(file: Artifact) -> None:
    """Look at the first bytes of a file. Raises Discard if it is none that rows can be read from."""
    with file.open() as content:
        recognise(content.read(HEAD_BYTES), file.name)


def of_file(file: Artifact, layout: Layout, context: JobContext) -> Iterator[Row]:
    """The rows of a CSV, TSV, JSON lines or Parquet file. Raises Discard, or BadRows, if it cannot be taken."""
    with file.open() as content:
        form = recognise(content.read(HEAD_BYTES), file.name)
    # JSON is read here, since DuckDB would make 64-bit floating point of its numbers.
    found = _json_rows(file, layout, context) if form == "json" else _table_rows(file, layout, context)
    for place, row in enumerate(found):
        if place % CHECK_EVERY == 0:
            context.check()
        yield row


def objects(lines: Iterable[bytes]) -> Iterator[Any]:
    """One JSON value a line, numbers as they are written. Raises ValueError."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield json.loads(line, parse_float=Decimal, parse_constant=no_constant)
            except (ValueError, RecursionError):
                raise ValueError(f"expected one JSON object a line, got something else in line {number:,}") from None


def _json_rows(file: Artifact, layout: Layout, context: JobContext) -> Iterator[Row]:
    with as_utf8(file.path, file.name, context).open("rb") as content:
        lines = iter(lambda: content.readline(LINE_BYTES), b"")
        try:
            for place, each in enumerate(objects(lines)):
                try:
                    (row,) = of_objects(layout, [each])
                except BadRows as error:
                    raise BadRows([type(fault)(place, fault.column, fault.message) for fault in error.faults]) from None
                yield row
        except ValueError as error:
            raise Discard(f"{file.name}: {error}") from None


def _table_rows(file: Artifact, layout: Layout, context: JobContext) -> Iterator[Row]:
    """By way of a file of the columns alone, so that memory stays flat."""
    path = context.workspace / "rows.csv"
    with opened(file, context) as source:
        columns = ", ".join(f"left(CAST({source.column(name).sql} AS VARCHAR), {LABEL_LENGTH + 1})"
                            for name in layout.names)  # fmt: skip
        source.query(
            f"COPY (SELECT {columns} FROM {{source}}) TO {quoted(path)} (FORMAT csv, HEADER false)",  # noqa: S608
            message=f"reading {source.name}",
        )
    with path.open(encoding="utf-8", newline="") as lines:
        for place, values in enumerate(csv.reader(lines)):
            yield of_values(layout, values, place)
    path.unlink()


def no_constant(name: str) -> Any:
    """For NaN and infinities, which JSON has not. Raises ValueError."""
    raise ValueError(f"{name} is no JSON number")
