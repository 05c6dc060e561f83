"""A dataset as the kinds see it: a format, named columns, and a relation to query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs_app.authoring import Artifact, Discard, JobContext
from tasks.kinds.datasets.engine import BUFFER_BYTES, Engine, text
from tasks.kinds.datasets.signatures import HEAD_BYTES, Format, recognise
from tasks.kinds.datasets.text import (
    DELIMITER_NAMES,
    LINE_BYTES,
    MAX_COLUMNS,
    as_utf8,
    json_names,
    layout_of,
    looks_like_a_value,
)

NUMERIC = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
           "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL")  # fmt: skip
TEXT = "VARCHAR"
PARQUET_TAIL_BYTES = 8
THREAD_MEGABYTES: dict[Format, int] = {"text": 48, "parquet": 48, "json": 80}
"""What a thread needs to read a format, measured: DuckDB's buffers for JSON are 32 MB each, whatever the lines."""


@dataclass(frozen=True)
class Column:
    """A column: its name in the file, its name in the relation (``c0``, ``c1``, …) and its SQL type.

    Statements use only the second, so that no name from a file gets into them.
    """

    name: str
    sql: str
    type: str = TEXT

    @property
    def numeric(self) -> bool:
        """Whether the file itself says that the column holds numbers; text may hold them too."""
        return self.type.partition("(")[0] in NUMERIC


@dataclass(frozen=True)
class Source:
    """An open dataset. ``relation`` goes behind FROM and takes ``parameters``; ``format`` is in words."""

    name: str
    format: str
    size: int
    columns: tuple[Column, ...]
    relation: str
    parameters: tuple[str, ...]
    engine: Engine

    def query(self, statement: str, **shown: Any) -> list[tuple[Any, ...]]:
        """Run a statement in which ``{source}`` stands for the relation, once. See ``Engine.run``."""
        return self.engine.run(statement.replace("{source}", self.relation), self.parameters, **shown)

    def column(self, name: str) -> Column:
        """The column of that name. Raises Discard with the names there are."""
        for column in self.columns:
            if column.name == name:
                return column
        there = ", ".join(column.name for column in self.columns[:40])[:1000]
        more = f" and {len(self.columns) - 40} more" if len(self.columns) > 40 else ""
        hint = ""
        if self.format.startswith("text") and any(looks_like_a_value(column.name) for column in self.columns):
            hint = ". The first line looks like data: the file may lack a header line"
        raise Discard(f"{self.name}: expected one of its columns ({there}{more}), got {name[:100]!r}{hint}")


@contextmanager
def opened(dataset: Artifact, context: JobContext) -> Iterator[Source]:
    """Open a dataset for the length of a ``with``. Raises Discard if it is none, or damaged."""
    name = "".join(each if each.isprintable() else "?" for each in dataset.name)[:100] or "the file"
    with dataset.path.open("rb") as file:
        form = recognise(file.read(HEAD_BYTES), name)
    if form == "parquet":
        _check_parquet(dataset.path, name)
        path, names, relation, words = dataset.path, None, "read_parquet(?)", "Parquet"
    elif form == "json":
        path = as_utf8(dataset.path, name, context)
        names, words = json_names(path, name), "JSON lines"
        relation = _json_relation(names)
    else:
        path = as_utf8(dataset.path, name, context)
        layout = layout_of(path, name)
        names, words = layout.names, f"text separated by {DELIMITER_NAMES[layout.delimiter]}"
        relation = _text_relation(layout.delimiter, len(names))
    with Engine(path, name, context, THREAD_MEGABYTES[form]) as engine:
        columns = _parquet_columns(engine, path, name) if names is None else _text_columns(names)
        if names is None:
            relation += f" AS source({', '.join(column.sql for column in columns)})"
        yield Source(name, words, dataset.path.stat().st_size, columns, relation, (str(path),), engine)


def _text_columns(names: Sequence[str]) -> tuple[Column, ...]:
    return tuple(Column(name, f"c{index}") for index, name in enumerate(names))


def _text_relation(delimiter: str, width: int) -> str:
    # Nothing is left to guess: with every option given, a line that does not fit is an error and not a lost row.
    columns = ", ".join(f"'c{index}': '{TEXT}'" for index in range(width))
    return (
        f"read_csv(?, auto_detect = false, header = true, delim = {text(delimiter)}, quote = '\"', escape = '\"', "
        f"compression = 'none', buffer_size = {BUFFER_BYTES}, max_line_size = {LINE_BYTES}, columns = {{{columns}}})"
    )


def _json_relation(names: Sequence[str]) -> str:
    values = ", ".join(
        f"json_extract_string(json, {text('/' + name.replace('~', '~0').replace('/', '~1'))}) AS c{index}"
        for index, name in enumerate(names)
    )
    lines = (
        f"read_json_objects(?, format = 'newline_delimited', compression = 'none', maximum_object_size = {LINE_BYTES})"
    )
    fault = "error('weir: expected one JSON object a line, got another value. Write objects only')"
    return f"(SELECT {values} FROM {lines} WHERE json_type(json) = 'OBJECT' OR {fault})"  # noqa: S608 - all quoted


def _check_parquet(path: Path, name: str) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - PARQUET_TAIL_BYTES))
        tail = file.read()
    footer = int.from_bytes(tail[:4], "little")
    if size < 12 or not tail.endswith(b"PAR1") or footer + 12 > size:
        raise Discard(
            f"{name}: expected a whole Parquet file, got one that breaks off before its end. Send the file again"
        )


def _parquet_columns(engine: Engine, path: Path, name: str) -> tuple[Column, ...]:
    described = engine.run("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)])
    if len(described) > MAX_COLUMNS:
        raise Discard(f"{name}: expected at most {MAX_COLUMNS:,} columns, got {len(described):,}")
    return tuple(Column(row[0], f"c{index}", row[1]) for index, row in enumerate(described))
