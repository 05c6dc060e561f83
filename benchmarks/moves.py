"""What a job's three moves cost PostgreSQL, in statements of 200 jobs: dispatch, claim and settlement by bare SQL, and
what each index, constraint and setting of the ledger's tables adds to that.

It is the processor time of the server's process that counts here, since the clock tells more of what else the machine
does; waiting for the disk is not in it. Every variant begins as a copy of the same database (100,000 jobs that have
ended, 20,000 that wait), is changed by its DDL, and measured; the variants take turns in each round.
"""

from __future__ import annotations

import statistics
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection

from benchmarks import figures, ground
from benchmarks.bulk import Maker
from jobs_app.core import clock

WAITING, CHUNK, ROUNDS = 20_000, 200, 3
SETTLED = 100_000
LEFT = "moves_template"
COPY = "moves_copy"

ATTEMPTS = "ALTER TABLE jobs_app_attempt ADD CONSTRAINT was_job FOREIGN KEY (job_id) REFERENCES jobs_app_job {}"
EVENTS = "ALTER TABLE jobs_app_event ADD CONSTRAINT was_job FOREIGN KEY (job_id) REFERENCES jobs_app_job {}"
DEFERRED = "DEFERRABLE INITIALLY DEFERRED"
CONSTRAINTS = (ATTEMPTS.format(DEFERRED), EVENTS.format(DEFERRED))
INDEXES = (
    "CREATE INDEX was_rerun_of ON jobs_app_job (rerun_of_id)",
    "CREATE INDEX was_job_of_attempt ON jobs_app_attempt (job_id)",
    "CREATE INDEX was_leases ON jobs_app_job (lease_until) WHERE state = 'running'",
)


def _filled(part: int) -> tuple[str, ...]:
    """Tables written anew with so much of each page filled."""
    return tuple(
        step
        for table in ("jobs_app_job", "jobs_app_attempt")
        for step in (f"ALTER TABLE {table} SET (fillfactor = {part})", f"VACUUM FULL {table}")
    )


VARIANTS: dict[str, tuple[str, ...]] = {
    "as it is": (),
    "as it was": (*CONSTRAINTS, *INDEXES, *_filled(100)),
    "with the constraints": CONSTRAINTS,
    "with the three indexes": INDEXES,
    "without job_by_kind": ("DROP INDEX job_by_kind",),
    "without job_by_queue": ("DROP INDEX job_by_queue",),
    "without job_by_state": ("DROP INDEX job_by_state",),
    "without job_waiting": ("DROP INDEX job_waiting",),
    "pages filled to 100": _filled(100),
    "pages filled to 85": _filled(85),
    "pages filled to 70": _filled(70),
    "pages filled to 50": _filled(50),
}

CHOOSE = """
    WITH chosen AS (
        SELECT id FROM jobs_app_job WHERE queue = 'default' AND state = 'queued' AND dispatched_at IS NULL
        ORDER BY priority DESC, due_at, id LIMIT %(count)s FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE jobs_app_job AS job SET dispatched_at = now() FROM chosen WHERE job.id = chosen.id RETURNING job.id
"""
CLAIM = """
    WITH taken AS (
        UPDATE jobs_app_job SET state = 'running', attempt = attempt + 1, holder = 'someone',
            lease_until = now() + interval '20 s', deadline_at = now() + hard_timeout, started_at = now()
        WHERE id = ANY(%(ids)s) AND state = 'queued' RETURNING id, attempt
    ), attempts AS (
        INSERT INTO jobs_app_attempt (job_id, number, outcome, holder, started_at, error_type, error, traceback)
        SELECT id, attempt, 'running', 'someone', now(), '', '', '' FROM taken
    )
    INSERT INTO jobs_app_event (job_id, attempt, at, name, source, target, reason)
    SELECT id, attempt, now(), 'claimed', 'queued', 'running', 'someone' FROM taken
"""
SETTLE = """
    WITH ended AS (
        UPDATE jobs_app_job SET state = 'succeeded', finished_at = now(), progress = 1, lease_until = NULL,
            deadline_at = NULL, holder = '', dispatched_at = NULL, result = 'null', result_bytes = 4
        WHERE id = ANY(%(ids)s) AND state = 'running' RETURNING id, attempt
    ), attempts AS (
        UPDATE jobs_app_attempt AS mine SET outcome = 'succeeded', finished_at = now()
        FROM ended WHERE mine.job_id = ended.id AND mine.number = ended.attempt
    )
    INSERT INTO jobs_app_event (job_id, attempt, at, name, source, target, reason)
    SELECT id, attempt, now(), 'succeeded', 'running', 'succeeded', '' FROM ended
"""


def main() -> int:
    """Measure, print, keep."""
    if ground.options.database != "postgresql":
        sys.exit("expected --database postgresql: the costs are PostgreSQL's")
    settings = ground.settings()
    there = ground.scaled(min(ground.options.jobs, SETTLED), 1_000)
    _fill(there)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    for _ in range(ROUNDS):
        for name in ground.chance.sample(sorted(VARIANTS), len(VARIANTS)):
            found[name].append(_measured(VARIANTS[name]))
    usual = [each["all, µs a job"] for each in found["as it is"]]
    rows = [_row(name, found[name], usual) for name in VARIANTS]
    figures.table(f"{WAITING:,} jobs in statements of {CHUNK}, beside {there:,} that have ended", rows)
    figures.keep("moves-postgresql", {**settings, "jobs": there, "rounds": ROUNDS}, {"rows": rows, "rounds": found})
    return 0


def _fill(settled: int) -> None:
    now, maker = clock.database_now(), Maker()
    maker.make(settled, now - timedelta(days=30), timedelta(days=30))
    maker.wait(ground.scaled(WAITING, CHUNK), now)
    maker.done()
    name = connection.settings_dict["NAME"]
    connection.close()
    with _administrator() as server:
        server.execute(f'ALTER DATABASE "{name}" RENAME TO {LEFT}')


def _measured(ddl: tuple[str, ...]) -> dict[str, float]:
    with _administrator() as server:
        server.execute(f"DROP DATABASE IF EXISTS {COPY}")
        server.execute(f"CREATE DATABASE {COPY} TEMPLATE {LEFT} STRATEGY file_copy")
    with _connected(COPY, autocommit=True) as prepared:
        for statement in ddl:
            prepared.execute(statement)
        prepared.execute("VACUUM ANALYZE")
        prepared.execute("CHECKPOINT")
    with _connected(COPY) as ledger:
        return _moved(ledger)


def _moved(ledger: psycopg.Connection[Any]) -> dict[str, float]:
    taken, wal = {"dispatch": 0, "claim": 0, "settle": 0}, _wal(ledger)
    moved = 0
    while True:
        began = _used(ledger)
        ids = [row[0] for row in ledger.execute(CHOOSE, {"count": CHUNK})]
        ledger.commit()
        taken["dispatch"] += _used(ledger) - began
        if not ids:
            break
        for move, statement in (("claim", CLAIM), ("settle", SETTLE)):
            began = _used(ledger)
            if ledger.execute(statement, {"ids": ids}).rowcount != len(ids):
                sys.exit(f"expected a {move} of {len(ids)} jobs")
            ledger.commit()
            taken[move] += _used(ledger) - began
        moved += len(ids)
    each = {f"{move}, µs a job": used / moved / 1000 for move, used in taken.items()}
    wal = _wal(ledger) - wal
    return {**each, "all, µs a job": sum(taken.values()) / moved / 1000, "WAL, bytes a job": wal / moved}


def _used(ledger: psycopg.Connection[Any]) -> int:
    """Nanoseconds that the server's process of this connection has been on a processor."""
    return int(Path(f"/proc/{ledger.info.backend_pid}/schedstat").read_text().split()[0])


def _wal(ledger: psycopg.Connection[Any]) -> int:
    row = ledger.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
    return int(row[0]) if row else 0


def _row(name: str, rounds: list[dict[str, float]], usual: list[float]) -> dict[str, Any]:
    ratios = [each["all, µs a job"] / beside for each, beside in zip(rounds, usual, strict=True)]
    spread = figures.spread(ratios, 2)
    return {
        "variant": name, **{what: round(statistics.median(each[what] for each in rounds)) for what in rounds[0]},
        "ratio": spread["median"], "from": spread["least"], "to": spread["greatest"],
    }  # fmt: skip


def _connected(database: str, **options: Any) -> psycopg.Connection[Any]:
    there = connection.settings_dict
    return psycopg.connect(
        host=there["HOST"], port=there["PORT"], user=there["USER"], password=there["PASSWORD"], dbname=database,
        **options,
    )  # fmt: skip


def _administrator() -> psycopg.Connection[Any]:
    return _connected("postgres", autocommit=True)


if __name__ == "__main__":
    sys.exit(main())
