"""`datasets.aggregate`: group a dataset and summarise one column."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from jobs_app.authoring import Artifact, ArtifactLink, Backoff, Chart, Discard, JobContext, Table, job
from tasks.kinds.datasets.charts import draw
from tasks.kinds.datasets.sources import TEXT, Column, Source, opened
from tasks.kinds.datasets.summaries import GroupSummary, Statistic
from tasks.kinds.datasets.values import shown

Name = Annotated[str, Field(min_length=1, max_length=200)]
CHART_ROWS = 1000


class Facts(BaseModel):
    """What was read. ``missing`` rows have no number in the measure: they count as rows and in nothing else."""

    model_config = ConfigDict(frozen=True)

    format: str
    bytes: int
    rows: int
    groups: int
    missing: int


class Summary(BaseModel):
    """The first groups, a chart, and the files that hold all groups."""

    model_config = ConfigDict(frozen=True)

    facts: Facts
    table: Table
    chart: Chart
    parquet: ArtifactLink
    csv: ArtifactLink


@job("datasets.aggregate", timeout=timedelta(minutes=30), retry=Backoff(max_attempts=3))
def aggregate(
    dataset: Annotated[Artifact, Field(description="A CSV, TSV, JSON lines or Parquet file.")],
    group_by: Annotated[list[Name], Field(min_length=1, max_length=8, description="The columns that make the groups.")],
    measure: Annotated[Name, Field(description="The column of numbers to summarise.")],
    *,
    statistics: Annotated[
        list[Statistic],
        Field(
            default_factory=lambda: ["count", "sum", "mean", "minimum", "maximum"],
            min_length=1,
            max_length=6,
            description="What to work out for each group; count is the number of its rows.",
        ),
    ],
    limit: Annotated[int, Field(ge=1, le=1000, description="Groups in the result's table; the files hold all.")] = 100,
    context: JobContext,
) -> Summary:
    """Group a CSV, TSV, JSON lines or Parquet file and summarise one column.

    Numbers are 64-bit floating point. Empty values and words such as NA or NaN count as missing; any other text among
    the numbers fails the job.
    """
    wanted = list(dict.fromkeys(statistics))
    with opened(dataset, context) as source:
        keys = [source.column(name) for name in dict.fromkeys(group_by)]
        column = _measure(source, measure)
        summary = GroupSummary(source, keys, column, wanted)
        totals = summary.totals
        if totals.numbers == 0:
            context.log(f"{column.name} holds no number in any of the {totals.rows:,} rows", "warning")
        rows = [[shown(value) for value in row] for row in summary.first(max(limit, CHART_ROWS))]
        summary.save("summary.parquet", "FORMAT parquet", "application/vnd.apache.parquet", context, start=0.8)
        summary.save("summary.csv", "FORMAT csv, HEADER", "text/csv; charset=utf-8", context, start=0.9)
    context.progress(1, 1, f"{totals.rows:,} rows in {totals.groups:,} groups")
    title = f"{column.name} by {', '.join(key.name for key in keys)}"
    return Summary(
        facts=Facts(
            format=source.format,
            bytes=source.size,
            rows=totals.rows,
            groups=totals.groups,
            missing=totals.rows - totals.numbers,
        ),
        table=Table(title=title, columns=summary.labels, rows=rows[:limit], total_rows=totals.groups),
        chart=_chart(rows, len(keys), wanted, title),
        parquet=ArtifactLink(name="summary.parquet"),
        csv=ArtifactLink(name="summary.csv"),
    )


def _measure(source: Source, name: str) -> Column:
    column = source.column(name)
    if not column.numeric and column.type != TEXT:
        raise Discard(f"{source.name}: expected numbers in the column {name!r}, got values of type {column.type}")
    return column


def _chart(rows: Sequence[Sequence[Any]], keys: int, wanted: Sequence[Statistic], title: str) -> Chart:
    """A chart of the statistic that says most."""
    statistic = next((each for each in ("mean", "median", "sum") if each in wanted), wanted[0])
    return draw(
        rows,
        keys=keys,
        value=keys + [str(each) for each in wanted].index(statistic),
        title=f"{statistic} of {title}",
        weight=keys + wanted.index("count") if "count" in wanted else None,
    )
