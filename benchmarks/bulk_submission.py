"""Bulk submission against bare statements: ``submit_many``, and the same rows of jobs and events by COPY alone.

COPY is psycopg's, with rows that are ready (on SQLite ``executemany``); in transactions of a thousand jobs, and in one
transaction for all. The ways take turns, in the same run and into the same tables, which grow. ``submit_many`` is given
parameters, and beside writing rows checks, admits, estimates and makes its jobs findable. The ratio is of medians. The
program ends with 1 if ``submit_many`` brings less than half of the rows a second.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection, transaction

from benchmarks import figures, ground
from benchmarks.figures import Check
from jobs_app import conf
from jobs_app.core import transport
from jobs_app.core.batches.submitting import BATCH, submit_many
from jobs_app.models import Event, Job
from jobs_app.models.identity import new_id

JOBS = 100_000
ROUNDS = 5
GOAL = 0.5
Rows = tuple[list[Any], list[tuple[Any, ...]]]
"""The columns of a table, and its rows."""


def main() -> int:
    """Measure, print, keep, judge."""
    measured = ground.settings()
    settings.WEIR = conf.current().model_copy(update={"queue_limit": 100_000_000, "user_share": 1.0})
    transport.publisher.work = lambda queue: None  # what is measured is submission
    owner, jobs = get_user_model().objects.create_user("bulk"), ground.scaled(JOBS, 2 * BATCH)
    submit_many("system.echo", texts(2 * BATCH), owner=owner)
    ways: dict[str, Callable[[Rows, Rows], object]] = {
        "submit_many": lambda *_: submit_many("system.echo", texts(jobs), owner=owner),
        "bare, a thousand a transaction": lambda made, events: bare(made, events, BATCH),
        "bare, one transaction": lambda made, events: bare(made, events, jobs),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS):
        for name in list(ways)[number % len(ways) :] + list(ways)[: number % len(ways)]:
            ready = like(jobs)
            began = time.perf_counter()
            ways[name](*ready)
            rates[name].append(jobs / (time.perf_counter() - began))
    figures.table(
        f"Bulk submission of {jobs:,} jobs, {ground.options.database}: jobs/s",
        [{"way": name, **figures.spread(found, 0)} for name, found in rates.items()],
    )
    medians = {name: statistics.median(found) for name, found in rates.items()}
    ratios = {name: round(medians["submit_many"] / each, 3) for name, each in medians.items()}
    figures.keep(
        f"bulk_submission-{ground.options.database}", measured,
        {"jobs": jobs, "rates": rates, "medians": medians, "ratios of submit_many": ratios},
    )  # fmt: skip
    return figures.verdict(
        [
            Check(f"submit_many, as a part of: {name}", f"{ratio:g}", f"at least {GOAL:g}", ratio >= GOAL)
            for name, ratio in ratios.items()
        ]
    )


def texts(count: int) -> Iterator[dict[str, Any]]:
    """Parameters of so many jobs, each different."""
    return ({"text": f"the text of number {number}"} for number in range(count))


def like(count: int) -> tuple[Rows, Rows]:
    """Rows of so many new jobs and their events, as they are in the tables already but for their ids."""
    ids = [new_id() for _ in range(count)]
    found = []
    for model, key in ((Job, "id"), (Event, "job_id")):
        names = [field.column for field in model._meta.concrete_fields if model is Job or field.attname != "id"]
        with connection.cursor() as cursor:
            picked = f"SELECT {', '.join(names)} FROM {model._meta.db_table} ORDER BY id DESC LIMIT {BATCH}"  # noqa: S608
            cursor.execute(picked)
            rows, place = cursor.fetchall(), names.index(key)
        bound = [each if connection.vendor == "postgresql" else each.hex for each in ids]
        found.append(
            (names, [(*row[:place], one, *row[place + 1 :]) for one, row in zip(bound, rows * (count // BATCH + 1))])  # noqa: B905
        )
    return found[0], found[1]


def bare(made: Rows, events: Rows, batch: int) -> None:
    """Write them, so many jobs a transaction."""
    for place in range(0, len(made[1]), batch):
        with transaction.atomic(), connection.cursor() as cursor:
            for model, (names, rows) in ((Job, made), (Event, events)):
                _insert(cursor, model._meta.db_table, names, rows[place : place + batch])


def _insert(cursor: Any, table: str, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    columns = ", ".join(names)
    if connection.vendor == "postgresql":
        with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    places = ", ".join(["%s"] * len(names))
    cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", rows)  # noqa: S608


if __name__ == "__main__":
    sys.exit(main())
