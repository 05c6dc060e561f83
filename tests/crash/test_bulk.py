"""A bulk action while workers are killed under it: every job is acted on exactly once."""

from __future__ import annotations

import os
import signal
from datetime import timedelta

from django.contrib.auth.models import User

from jobs_app.core import clock
from jobs_app.core.bulk import turns
from jobs_app.lifecycle import UNFINISHED
from jobs_app.models import Event, Job
from jobs_app.platform.waiting import until
from tests.support.bulk import counts, ordered
from tests.support.ledger import submitted
from tests.support.processes import Workers, eventually, finished

KILLS = 2
"""A job that ends its worker for the third time is not tried again (MAX_KILLS)."""


def kill_under(bulk: Job) -> int:
    """Kill the process that has the bulk action, each time when it has done some more; returns how often."""
    killed = seen = 0

    def ended() -> bool:
        nonlocal killed, seen
        row = Job.objects.get(id=bulk.id)
        done = Event.objects.filter(name__in=["cancelled", "submitted"], at__gt=bulk.created_at).count()
        if row.state == "running" and killed == row.kills < KILLS and done > seen:
            os.kill(int(row.holder.split("/")[1]), signal.SIGKILL)
            killed, seen = killed + 1, done
        return row.final

    assert until(ended, 120, pause=0.002)
    return killed


def scheduled(owner: User, count: int) -> list[Job]:
    due_at = clock.database_now() + timedelta(days=1)
    return [submitted("system.echo", {"text": str(number)}, owner=owner, due_at=due_at) for number in range(count)]


def test_each_job_is_cancelled_and_then_run_again_once_whatever_is_killed(workers: Workers, alice: User) -> None:
    jobs = scheduled(alice, count := turns.PAGE * 2 + 50)
    cancelling = ordered("cancel", "state:scheduled", actor=alice, now=clock.database_now())
    assert kill_under(cancelling), "expected the worker to be killed between two pages"
    row = finished(cancelling.id)
    assert (row.state, row.error, counts(row.result)) == ("succeeded", "", {"cancelled": count})
    cancelled = Event.objects.filter(name="cancelled", job__in=jobs)
    assert (cancelled.count(), cancelled.values("job").distinct().count()) == (count, count)

    again = [job.id for job in jobs[:60]]
    retrying = ordered("retry", actor=alice, now=clock.database_now(), ids=again)
    assert kill_under(retrying), "expected the worker to be killed while it made new jobs"
    row = finished(retrying.id)
    assert (row.state, row.error, counts(row.result)) == ("succeeded", "", {"run again as a new job": 60})
    assert [job.reruns.count() for job in jobs[:61]] == [1] * 60 + [0]
    eventually(lambda: not Job.objects.filter(state__in=UNFINISHED).exists(), what="the new jobs to end")
