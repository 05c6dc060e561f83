"""`datasets.profile`: what a dataset holds, column by column."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from jobs_app.authoring import Artifact, ArtifactLink, Backoff, JobContext, Table, job
from tasks.kinds.datasets.sources import TEXT, Column, Source, opened
from tasks.kinds.datasets.values import EXACT, missing, number, shown

BATCH = 40
"""Columns looked at in one pass over the file: each takes memory while the pass lasts."""

EXAMPLE_ROWS = 100
EXAMPLES = 3

COLUMNS = ["column", "type", "missing", "distinct (approximate)", "minimum", "maximum", "mean", "examples"]

FINDINGS = {
    "rows": "count(*)",
    "filled": "count(*) FILTER ({filled})",
    "lacking": "count(*) FILTER ({lacking})",
    "numbers": "count({number})",
    "whole": "bool_and({number} = trunc({number}))",
    "smallest": "min({number})",
    "largest": "max({number})",
    "mean": "favg({number})",
    "distinct": "approx_count_distinct({value}) FILTER ({filled})",
    "first": "min({value}) FILTER ({filled})",
    "last": "max({value}) FILTER ({filled})",
    "moments": "count(TRY_CAST(if({number} IS NULL, {value}, NULL) AS TIMESTAMP)) FILTER ({filled})",
    "truths": "count(*) FILTER (lower({value}) IN ('true', 'false'))",
}
"""SQL for each thing found out about a column. ``value`` is the column as text; ``lacking`` counts words such as NA."""


class Profile(BaseModel):
    """A row for each column; also as a CSV file."""

    model_config = ConfigDict(frozen=True)

    format: str
    bytes: int
    rows: int
    table: Table
    csv: ArtifactLink


@job("datasets.profile", timeout=timedelta(minutes=30), retry=Backoff(max_attempts=3))
def profile(
    dataset: Annotated[Artifact, Field(description="A CSV, TSV, JSON lines or Parquet file.")],
    *,
    context: JobContext,
) -> Profile:
    """Describe each column of a CSV, TSV, JSON lines or Parquet file: type, missing and distinct values, range, mean.

    The number of distinct values is an estimate, usually within a few per cent; everything else is exact. The examples
    are from the beginning of the file.
    """
    with opened(dataset, context) as source:
        rows, total = _rows(source)
        table = Table(title=source.name, columns=COLUMNS, rows=rows, total_rows=len(rows))
        path = context.workspace / "profile.csv"
        _write(path, rows)
        context.save_artifact(path.name, path, "text/csv; charset=utf-8")
    context.progress(1, 1, f"{total:,} rows, {len(rows):,} columns")
    return Profile(format=source.format, bytes=source.size, rows=total, table=table, csv=ArtifactLink(name=path.name))


def _rows(source: Source) -> tuple[list[list[Any]], int]:
    rows: list[list[Any]] = []
    total = 0
    texts = ", ".join(f"CAST({column.sql} AS VARCHAR)" for column in source.columns)
    head = source.query(f"SELECT {texts} FROM {{source}} LIMIT {EXAMPLE_ROWS}")  # noqa: S608 - names are ours
    for begin in range(0, len(source.columns), BATCH):
        batch = source.columns[begin : begin + BATCH]
        width = 0.9 / len(source.columns)
        (found,) = source.query(
            f"SELECT {', '.join(map(_findings, batch))} FROM {{source}}",  # noqa: S608 - names are ours: c0, c1, …
            message=f"columns {begin + 1} to {begin + len(batch)} of {len(source.columns)}",
            start=0.1 + width * begin,
            end=0.1 + width * (begin + len(batch)),
        )
        for index, column in enumerate(batch):
            examples = dict.fromkeys(row[begin + index] for row in head if row[begin + index])
            rows.append(_row(column, found[index], list(examples)[:EXAMPLES]))
        total = found[0]["rows"]
    return rows, total


def _findings(column: Column) -> str:
    value = f"CAST({column.sql} AS VARCHAR)"
    parts = ", ".join(f'"{name}" := {formula}' for name, formula in FINDINGS.items())
    filled = f"coalesce(trim({value}), '') <> ''"
    amount = number(column) if column.numeric or column.type == TEXT else "CAST(NULL AS DOUBLE)"
    return f"struct_pack({parts})".format(value=value, number=amount, lacking=missing(column), filled=filled)


def _row(column: Column, found: dict[str, Any], examples: list[str]) -> list[Any]:
    """One row of the table. A text column whose every value is a number, or a word for none, is one of numbers."""
    numeric = found["numbers"] > 0 and found["numbers"] == found["rows"] - found["lacking"]
    low, high = ("smallest", "largest") if numeric else ("first", "last")
    return [
        column.name,
        _type(column, found, numeric),
        found["lacking"] if numeric else found["rows"] - found["filled"],
        min(found["distinct"], found["filled"]),
        _bare(found[low], numeric and found["whole"]),
        _bare(found[high], numeric and found["whole"]),
        found["mean"] if numeric else None,
        ", ".join(shown(each) for each in examples),
    ]


def _type(column: Column, found: dict[str, Any], numeric: bool) -> str:
    if column.type != TEXT:
        return column.type.lower()
    if numeric:
        return "whole number" if found["whole"] else "number"
    if not found["filled"]:
        return "empty"
    if found["truths"] == found["filled"]:
        return "true or false"
    return "date or time" if found["moments"] == found["filled"] else "text"


def _bare(value: Any, whole: bool) -> Any:
    return int(value) if whole and abs(value) < EXACT else shown(value)


def _write(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
