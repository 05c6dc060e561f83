"""The floor: what PostgreSQL itself takes for dispatch, claim, settlement and one attempt row a job, in chunks.

Bare psycopg, prepared statements, no queue, no Celery, no events, no checks; each of the three is a commit, on the
disk. ``python app_floor.py`` works; ``PEER_CHUNK`` says how many jobs a statement.
"""

import os
import time

import control
import counting
import psycopg

SCHEMA = """
DROP TABLE IF EXISTS floor_attempt, floor_job;
CREATE TABLE floor_job (
    id uuid PRIMARY KEY DEFAULT uuidv7(), kind text NOT NULL, state text NOT NULL DEFAULT 'queued',
    attempt int NOT NULL DEFAULT 0, parameters jsonb NOT NULL DEFAULT '{}', due_at timestamptz NOT NULL DEFAULT now(),
    dispatched_at timestamptz, started_at timestamptz, finished_at timestamptz, holder text, lease_until timestamptz
);
CREATE INDEX floor_due ON floor_job (due_at, id) WHERE state = 'queued' AND dispatched_at IS NULL;
CREATE TABLE floor_attempt (
    job_id uuid NOT NULL REFERENCES floor_job, number int NOT NULL, started_at timestamptz NOT NULL,
    ended_at timestamptz, outcome text, PRIMARY KEY (job_id, number)
);
"""
DISPATCH = """
UPDATE floor_job SET dispatched_at = now() WHERE id IN (
    SELECT id FROM floor_job WHERE state = 'queued' AND dispatched_at IS NULL
    ORDER BY due_at, id LIMIT %s FOR UPDATE SKIP LOCKED)
RETURNING id
"""
CLAIM = """
WITH claimed AS (
    UPDATE floor_job SET state = 'running', attempt = attempt + 1, started_at = now(), holder = 'floor',
        lease_until = now() + interval '20 s'
    WHERE id = ANY(%s) AND state = 'queued' RETURNING id, attempt, kind),
noted AS (INSERT INTO floor_attempt (job_id, number, started_at) SELECT id, attempt, now() FROM claimed)
SELECT id, attempt, kind FROM claimed
"""
SETTLE = """
WITH settled AS (
    UPDATE floor_job SET state = 'succeeded', finished_at = now(), lease_until = NULL
    FROM unnest(%s::uuid[], %s::int[]) AS mine (job, number)
    WHERE id = job AND attempt = number AND state = 'running' RETURNING id, attempt)
UPDATE floor_attempt SET ended_at = now(), outcome = 'succeeded' FROM settled
WHERE job_id = settled.id AND number = settled.attempt
"""
KINDS = {"noop": counting.count, "compute": counting.compute}


def work(chunk):
    """Until it is ended."""
    connection = psycopg.connect(control.DATABASE, autocommit=True, prepare_threshold=0)
    while True:
        ids = [each for (each,) in connection.execute(DISPATCH, [chunk])]
        if not ids:
            time.sleep(0.01)  # noqa: TID251 - the floor has nobody who would tell it of a job
            continue
        claimed = connection.execute(CLAIM, [ids]).fetchall()
        for _, _, kind in claimed:
            KINDS[kind]()
        connection.execute(SETTLE, [[each[0] for each in claimed], [each[1] for each in claimed]])


class App(control.Base):
    """Rows."""

    def __init__(self):
        self._connection = psycopg.connect(control.DATABASE, autocommit=True)

    def prepare(self):
        """Two tables."""
        self._connection.execute(SCHEMA)

    def clear(self):
        """Forget all jobs."""
        self._connection.execute("TRUNCATE floor_job CASCADE")

    def load(self, kind, count):
        """By one statement."""
        self._connection.execute("INSERT INTO floor_job (kind) SELECT %s FROM generate_series(1, %s)", [kind, count])
        self._connection.execute("VACUUM ANALYZE")

    def submit(self, kind):
        """One INSERT."""
        self._connection.execute("INSERT INTO floor_job (kind) VALUES (%s)", [kind])

    def remaining(self):
        """Rows that are not final."""
        return self._connection.execute(
            "SELECT count(*) FROM floor_job WHERE state IN ('queued', 'running')"
        ).fetchone()[0]

    def chunk(self):
        """As it was told."""
        return float(os.environ["PEER_CHUNK"])


if __name__ == "__main__":
    work(int(os.environ["PEER_CHUNK"]))
