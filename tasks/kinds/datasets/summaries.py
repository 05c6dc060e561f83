"""The table ``summary`` in DuckDB: one row a group, made in one pass over the dataset, then checked and written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jobs_app.authoring import Discard, JobContext
from tasks.kinds.datasets.engine import identifier, text
from tasks.kinds.datasets.sources import TEXT, Column, Source
from tasks.kinds.datasets.values import EXACT, missing, number

Statistic = Literal["count", "sum", "mean", "minimum", "maximum", "median"]

FORMULAS: dict[Statistic, str] = {
    "count": "count(*)",
    "sum": "fsum(number)",
    "mean": "favg(number)",
    "minimum": "min(number)",
    "maximum": "max(number)",
    "median": "median(number)",
}
WHOLE = ("sum", "minimum", "maximum")
"""Statistics of whole numbers that are whole themselves."""


@dataclass(frozen=True)
class Totals:
    """rows: of the dataset; numbers: rows whose measure holds one; groups: rows of the summary."""

    rows: int
    numbers: int
    groups: int


class GroupSummary:
    """``measure`` of ``source`` summarised for each combination of the values of ``keys``."""

    def __init__(
        self, source: Source, keys: Sequence[Column], measure: Column, statistics: Sequence[Statistic]
    ) -> None:
        self._engine = source.engine
        self._keys = keys
        self._statistics = statistics
        self.labels = labels([key.name for key in keys], statistics, measure.name)
        self._make(source, measure)
        self._refuse_words(source, measure)
        self.totals = self._count()
        self._select = self._select_statement()

    def first(self, limit: int) -> list[tuple[Any, ...]]:
        """The first groups, in order of their keys."""
        return self._engine.run(f"{self._select} LIMIT {limit}")

    def save(self, name: str, options: str, content_type: str, context: JobContext, start: float) -> None:
        """Keep all groups as an artifact; takes a tenth of the job's progress."""
        path = context.workspace / name
        self._engine.run(
            f"COPY ({self._select}) TO {text(path)} ({options})",
            message=f"writing {name}",
            start=start,
            end=start + 0.1,
        )
        context.save_artifact(name, path, content_type)

    def _make(self, source: Source, measure: Column) -> None:
        groups = ", ".join(f"{key.sql} AS g{index}" for index, key in enumerate(self._keys))
        names = ", ".join(f"g{index}" for index in range(len(self._keys)))
        formulas = ", ".join(f"{FORMULAS[name]} AS {name}_" for name in self._statistics)
        source.query(
            f"""
            CREATE TEMP TABLE summary AS
            SELECT {names}, {formulas}, count(*) AS rows, count(number) AS numbers, any_value(word) AS word,
                   bool_and(number = trunc(number)) AS whole, greatest(max(abs(number)), abs(fsum(number))) AS largest
            FROM (SELECT {groups}, {number(measure)} AS number,
                         if({number(measure)} IS NULL AND NOT {missing(measure)}, {measure.sql}, NULL) AS word
                  FROM {{source}})
            GROUP BY {names}
            """,  # noqa: S608 - every name in it is ours: c0, g0, …
            message="reading and adding up",
            start=0.1,
            end=0.8,
        )

    def _refuse_words(self, source: Source, measure: Column) -> None:
        ((word,),) = self._engine.run("SELECT CAST(any_value(word) AS VARCHAR) FROM summary")
        if word is not None:
            hint = ". Write decimals with a point, not a comma" if "," in word else ""
            raise Discard(
                f"{source.name}: expected numbers in the column {measure.name!r}, got {word[:80]!r} among them{hint}"
            )

    def _count(self) -> Totals:
        statement = "SELECT coalesce(sum(rows), 0), coalesce(sum(numbers), 0), count(*) FROM summary"
        ((rows, numbers, groups),) = self._engine.run(statement)
        return Totals(int(rows), int(numbers), groups)

    def _select_statement(self) -> str:
        """SQL that shows the summary: in order, whole numbers as such, under the names that people gave."""
        parts = [*map(self._key_part, range(len(self._keys))), *self._statistic_parts()]
        named = ", ".join(f"{part} AS {identifier(label)}" for part, label in zip(parts, self.labels, strict=True))
        order = ", ".join(f"{position} NULLS LAST" for position in range(1, len(self._keys) + 1))
        return f"SELECT {named} FROM summary ORDER BY {order}"  # noqa: S608 - labels are quoted identifiers

    def _key_part(self, index: int) -> str:
        name = f"g{index}"
        if self._keys[index].type != TEXT:
            return name
        # '7' is a number and '007' a text: only what reads the same afterwards is converted, so that 10 follows 9.
        same = f"bool_and({name} IS NULL OR coalesce(CAST(TRY_CAST({name} AS BIGINT) AS VARCHAR) = {name}, false))"
        ((whole,),) = self._engine.run(f"SELECT {same} FROM summary")  # noqa: S608 - g0, g1, …
        return f"CAST({name} AS BIGINT)" if whole else name

    def _statistic_parts(self) -> list[str]:
        ((whole,),) = self._engine.run(f"SELECT bool_and(whole) AND max(largest) < {EXACT} FROM summary")  # noqa: S608
        return [f"CAST({name}_ AS BIGINT)" if whole and name in WHOLE else f"{name}_" for name in self._statistics]


def labels(keys: Sequence[str], statistics: Sequence[str], measure: str) -> list[str]:
    """Names for the columns of a summary: all different, even to tools that ignore case."""
    chosen: list[str] = []
    for position, name in enumerate([*keys, *statistics]):
        while name.casefold() in {each.casefold() for each in chosen}:
            name = f"{name} again" if position < len(keys) else f"{name} of {measure}"
        chosen.append(name)
    return chosen
