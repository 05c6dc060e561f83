"""PgQueuer: jobs are rows of PostgreSQL that are moved to a log when they have ended."""

import asyncio
from contextlib import asynccontextmanager

import asyncpg
import control
import counting
from pgqueuer import PgQueuer
from pgqueuer.queries import Queries


@asynccontextmanager
async def main():
    """What ``pgq run`` starts."""
    queuer = PgQueuer.from_asyncpg_connection(await asyncpg.connect(control.DATABASE))

    @queuer.entrypoint("noop")
    async def noop(job):
        counting.count()

    @queuer.entrypoint("compute")
    async def compute(job):
        counting.compute()

    yield queuer


class App(control.Base):
    """Rows of pgqueuer."""

    def __init__(self):
        self._runner = asyncio.Runner()
        self._run = self._runner.run
        self._connection = self._run(asyncpg.connect(control.DATABASE))
        self._queries = Queries.from_asyncpg_connection(self._connection)

    def prepare(self):
        """The schema, with the durability that is its default: tables are logged."""
        self._run(self._queries.install())

    def clear(self):
        """Forget all jobs, and what was logged of them."""
        self._run(self._connection.execute("TRUNCATE pgqueuer, pgqueuer_log, pgqueuer_statistics"))

    def load(self, kind, count):
        """In batches, as documented for many jobs."""
        for size in control.batches(count):
            self._run(self._queries.enqueue([kind] * size, [None] * size, [0] * size))
        self._run(self._connection.execute("VACUUM ANALYZE pgqueuer"))

    def submit(self, kind):
        """As an application does."""
        self._run(self._queries.enqueue(kind, None))

    def submit_for(self, kind, seconds):
        """In one loop, as an application of this kind has it."""
        return self._run(self._submit_for(kind, seconds))

    async def _submit_for(self, kind, seconds):
        loop, count = asyncio.get_running_loop(), 0
        end = loop.time() + seconds
        while loop.time() < end:
            await self._queries.enqueue(kind, None)
            count += 1
        return count

    def remaining(self):
        """Rows that are queued or picked."""
        return self._run(self._connection.fetchval("SELECT count(*) FROM pgqueuer"))
