"""How the database goes about what the code asks: each statement is explained just before it is executed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

BIG = ("jobs_app_job", "jobs_app_attempt", "jobs_app_event", "jobs_app_term", "jobs_app_logline")
"""The tables that grow with the jobs there are."""

EXPLAINED = ("SELECT", "UPDATE", "DELETE", "INSERT", "WITH", "--")


@dataclass
class Plans:
    """What was explained: a statement and its plan each. ``rows``: of the big tables, that they read (PostgreSQL)."""

    seen: list[tuple[str, str]] = field(default_factory=list)
    rows: int = 0

    @property
    def text(self) -> str:
        """All of it, to be read when a test fails."""
        return "\n\n".join(f"{statement[:2000]}\n{plan}" for statement, plan in self.seen)

    @property
    def indexes(self) -> set[str]:
        """The indexes that are used."""
        if connection.vendor == "postgresql":
            return set(re.findall(r"Index (?:Only )?Scan(?: Backward)? (?:using|on) (\w+)", self.text))
        return set(re.findall(r"(?:SEARCH|SCAN) \w+ USING (?:COVERING )?INDEX (\w+)", self.text))

    @property
    def scans(self) -> list[str]:
        """The lines of plans by which a big table is read from one end to the other."""
        found = "Seq Scan on" if connection.vendor == "postgresql" else "SCAN"
        every = re.compile(rf"{found} (?:{'|'.join(BIG)}|U\d+|T\d+)\b(?!.*USING)")
        return [line for _, plan in self.seen for line in plan.splitlines() if every.search(line)]


@contextmanager
def explained() -> Iterator[Plans]:
    """Explain what this connection executes in the block, and count the rows that it reads."""
    plans = Plans()

    def explain(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        # Django looks at a table's columns by reading one row of it.
        introspection = sql.startswith("SELECT * FROM") and sql.endswith("LIMIT 1")
        if sql.startswith(EXPLAINED) and not many and not introspection and any(table in sql for table in BIG):
            word = "EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN "
            execute(word + sql, params, many, context)
            plans.seen.append((sql, "\n".join(str(row[-1]) for row in context["cursor"].fetchall())))
        return execute(sql, params, many, context)

    before = _rows_read()
    with connection.execute_wrapper(explain):
        yield plans
    plans.rows = _rows_read() - before


def _rows_read() -> int:
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0) FROM pg_stat_xact_user_tables"
            " WHERE relname = ANY(%s)",
            [list(BIG)],
        )
        return int(cursor.fetchone()[0])
