"""A bulk action while workers are killed under it: every job is acted on exactly once."""

from __future__ import annotations

import os
import random
import signal

from django.contrib.auth.models import User

from jobs_app.core import clock
from jobs_app.core.bulk import planning, turns
from jobs_app.core.bulk.orders import Order
from jobs_app.models import Event, Job
from jobs_app.platform.waiting import until
from tests.support.bulk import counts
from tests.support.ledger import submitted
from tests.support.processes import Workers, finished

JOBS = 450
KILLS = 2
"""A job that ends its worker for the third time is not tried again (MAX_KILLS)."""

assert JOBS > 2 * turns.PAGE


def kill_under(bulk: Job, chance: random.Random) -> int:
    """Kill the process that has the bulk action, at random moments until it has ended; returns how often."""
    killed = 0

    def ended() -> bool:
        nonlocal killed
        row = Job.objects.get(id=bulk.id)
        if row.state == "running" and killed == row.kills < KILLS and _begun(bulk) and chance.random() < 0.4:
            os.kill(int(row.holder.split("/")[1]), signal.SIGKILL)
            killed += 1
        return row.final

    assert until(ended, 120, pause=0.005)
    return killed


def _begun(bulk: Job) -> bool:
    """Whether something was done since the last kill, so that there is something to be done twice."""
    return Event.objects.filter(name="cancelled").exists() or Job.objects.filter(rerun_of__isnull=False).exists()


def test_each_job_is_run_again_once_whatever_is_killed(workers: Workers, alice: User) -> None:
    old = [submitted("system.echo", {"text": str(number)}, owner=alice, due_at=FAR()) for number in range(60)]
    assert counts(_through("cancel", "state:scheduled", alice)) == {"cancelled": 60}
    bulk = planning.submit(
        Order.of({"action": "retry", "query": "state:cancelled"}), actor=alice, now=clock.database_now()
    ).job
    killed = kill_under(bulk, random.Random(3))
    row = finished(bulk.id)
    assert (row.state, row.error) == ("succeeded", "")
    assert counts(row.result) == {"run again as a new job": 60}
    assert [job.reruns.count() for job in old] == [1] * 60
    assert killed, "expected the worker to be killed while it made new jobs"


def test_each_job_is_cancelled_and_counted_once_whatever_is_killed(workers: Workers, alice: User) -> None:
    jobs = [submitted("system.echo", {"text": str(number)}, owner=alice, due_at=FAR()) for number in range(JOBS)]
    bulk = planning.submit(
        Order.of({"action": "cancel", "query": "state:scheduled"}), actor=alice, now=clock.database_now()
    ).job
    kill_under(bulk, random.Random(5))
    row = finished(bulk.id)
    assert (row.state, counts(row.result)) == ("succeeded", {"cancelled": JOBS})
    cancelled = Event.objects.filter(name="cancelled", job__in=jobs)
    assert (cancelled.count(), cancelled.values("job").distinct().count()) == (JOBS, JOBS)


def FAR():  # noqa: N802
    from datetime import timedelta

    return clock.database_now() + timedelta(days=1)


def _through(action: str, query: str, actor: User):
    job = planning.submit(Order.of({"action": action, "query": query}), actor=actor, now=clock.database_now()).job
    row = finished(job.id)
    assert row.state == "succeeded", row.error
    return row.result
