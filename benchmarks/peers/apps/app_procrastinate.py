"""Procrastinate: jobs are rows of PostgreSQL, workers learn of them by LISTEN."""

import control
import counting
import procrastinate
import psycopg

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=control.DATABASE))


@app.task(name="noop")
async def noop():
    counting.count()


@app.task(name="compute")
async def compute():
    counting.compute()


TASKS = {"noop": noop, "compute": compute}


class App(control.Base):
    """Rows of procrastinate_jobs."""

    def __init__(self):
        app.open()
        self._plain = psycopg.connect(control.DATABASE, autocommit=True)

    def prepare(self):
        """The schema."""
        app.schema_manager.apply_schema()

    def clear(self):
        """Forget all jobs and their events."""
        self._plain.execute("TRUNCATE procrastinate_jobs CASCADE")

    def load(self, kind, count):
        """In batches, as documented for many jobs."""
        for size in control.batches(count, 1000):
            TASKS[kind].batch_defer(*[{}] * size)
        self._plain.execute("VACUUM ANALYZE procrastinate_jobs")

    def submit(self, kind):
        """As an application does."""
        TASKS[kind].defer()

    def remaining(self):
        """Rows that are to be done, or being done."""
        return self._plain.execute(
            "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
        ).fetchone()[0]
