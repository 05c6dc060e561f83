"""Depth does not matter: no statement of a job's way reads more rows for there being more that have ended, or wait.

What the code really sends is explained on a ledger in which those that have ended lie first, and those that wait last:
so whatever reads the table until it has found enough reads all of it. On PostgreSQL the rows that were read are counted
too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from pytest_django import DjangoDbBlocker

from benchmarks.bulk import Maker
from jobs_app.core import (
    claims,
    clock,
    dispatch,
    estimates,
    families,
    gate,
    liveness,
    outcomes,
    pulses,
    rescue,
    submission,
)
from jobs_app.core.retention import pruning, rules
from jobs_app.core.rollups import rolling
from jobs_app.core.submission import Options
from jobs_app.core.transitions import Success
from jobs_app.criteria import JobFilter
from jobs_app.lifecycle import State
from jobs_app.models import Attempt, Event, Job, LogLine, RollupCursor, Term
from jobs_app.models.guard import writing
from jobs_app.reads import counts, jobs
from tests.support import conveyor
from tests.support.plans import explained

ENDED, WAITING = 30_000, 4_000
RUNNING, SCHEDULED, RETRYING, CHILDREN, PUBLISHED = 40, 300, 200, 300, 60
QUEUE, KIND = "default", "system.echo"
BOUND = 400
"""Waiting jobs that are counted, of some 3,000: so that a count that goes on shows."""


@dataclass(frozen=True)
class Ledger:
    """What lies in it. ``waiting``: in their order."""

    now: datetime
    owner: User
    waiting: list[UUID]
    running: list[Job]
    parent: UUID
    ended: UUID


@pytest.fixture(scope="module")
def ledger(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Ledger]:
    """Made once, in a transaction that comes to nothing."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield _made()
        transaction.set_rollback(True)


@pytest.fixture(autouse=True)
def _bounds(monkeypatch: pytest.MonkeyPatch, configured: Callable[..., None]) -> Iterator[None]:
    monkeypatch.setattr(pulses, "COUNTED", BOUND)
    monkeypatch.setattr(counts, "BOUND", BOUND)
    configured(queue_limit=15 * BOUND)
    yield
    conveyor.purge(QUEUE)


def _made() -> Ledger:
    now, maker = clock.database_now(), Maker()
    maker.make(ENDED, now - timedelta(days=40), timedelta(days=39))
    maker.wait(WAITING, now - timedelta(minutes=9))
    maker.done()
    rest = iter(Job.objects.filter(state=State.QUEUED).order_by("id").values_list("id", flat=True))

    def take(count: int, **columns: object) -> list[UUID]:
        found = [next(rest) for _ in range(count)]
        Job.objects.filter(id__in=found).update(**columns)
        return found

    past = now - timedelta(seconds=1)
    with writing():
        (parent,) = take(1, state=State.BLOCKED, attempt=1)
        running = take(
            RUNNING, state=State.RUNNING, attempt=1, lease_until=now, started_at=now, holder="h", dispatched_at=now
        )
        take(SCHEDULED, state=State.SCHEDULED, due_at=past)
        take(RETRYING, state=State.RETRYING, due_at=past, attempt=1)
        take(CHILDREN, state=State.BLOCKED, parent_id=parent)
        take(PUBLISHED, dispatched_at=now - timedelta(minutes=5))
        waiting = list(rest)
        Attempt.objects.bulk_create(Attempt(job_id=each, number=1, holder="h", started_at=now) for each in running)
        LogLine.objects.bulk_create(
            LogLine(job_id=each, attempt=1, at=now, level="info", text="x") for each in running for _ in range(50)
        )
        Term.objects.bulk_create(Term(job_id=each, term=place % 50) for place, each in enumerate(waiting))
        ended = Job.objects.filter(state=State.SUCCEEDED).order_by("id").values_list("id", flat=True)[0]
        newest = Event.objects.order_by("-id").values_list("id", flat=True)[0]
        RollupCursor.objects.update_or_create(id=1, defaults={"events_through": newest - 200})
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE jobs_app_job, jobs_app_attempt, jobs_app_event, jobs_app_term, jobs_app_logline")
    rows = list(Job.objects.filter(id__in=running))
    return Ledger(now, User.objects.get(username="owner0"), waiting, rows, parent, ended)


def submitted(it: Ledger, **options: object) -> Job:
    return submission.accept(KIND, {"text": "y"}, owner=it.owner, options=Options(**options), now=it.now).job


@dataclass(frozen=True)
class Hot:
    """A call, the indexes that it has to use, and how many rows of the big tables it may read at the most."""

    call: Callable[[Ledger], object]
    rows: int
    indexes: set[str] = field(default_factory=set)


def needed(hot: Hot) -> set[str]:
    """The names of its indexes here: SQLite gives none of their own to those of keys and constraints."""
    unnamed = set() if connection.vendor == "postgresql" else {"attempt_once", "jobs_app_event_pkey"}
    return hot.indexes - unnamed


HOT = {
    "refill": Hot(lambda it: dispatch.refill(QUEUE, now=it.now), 2_000, {"job_to_dispatch", "job_on_broker"}),
    "promote": Hot(lambda it: dispatch.promote(now=it.now), 5 * WAITING, {"job_retrying_due", "job_scheduled_due"}),
    "find_lost": Hot(lambda it: dispatch.find_lost(QUEUE, now=it.now), 500, {"job_on_broker"}),
    "queue_names": Hot(lambda it: dispatch.queue_names(), 10, {"job_waiting"}),
    "claim": Hot(lambda it: claims.claim(it.waiting[:50], holder="h", now=it.now), 300),
    "heartbeat": Hot(lambda it: liveness.extend([(job.id, 1) for job in it.running], now=it.now), 100),
    "settlement": Hot(lambda it: outcomes.succeed(it.running[0], None, 4, now=it.now), 10, {"attempt_once"}),
    "settlement of many": Hot(
        lambda it: outcomes.succeed_many([Success(job, "null", 4, it.now, it.now) for job in it.running]), 4 * RUNNING,
        {"attempt_once"},
    ),
    "give back": Hot(lambda it: claims.give_back(it.running[0], now=it.now, reason="x"), 10, {"attempt_once"}),
    "refusal": Hot(lambda it: outcomes.record_refusal(it.running[0], State.SUCCEEDED, now=it.now), 10),
    "expired leases": Hot(lambda it: rescue.expired_leases(now=it.now + timedelta(hours=1)), 500),
    "expired waits": Hot(lambda it: rescue.expire_waiting(now=it.now), 10, {"job_expiring"}),
    "gate": Hot(lambda it: gate.waiting(QUEUE, BOUND), BOUND, {"job_waiting"}),
    "share of a user": Hot(lambda it: gate.waiting(QUEUE, BOUND, owner_id=it.owner.pk), BOUND, {"job_waiting"}),
    "share of a token": Hot(
        lambda it: gate.waiting(QUEUE, BOUND, owner_id=it.owner.pk, token_id=1), 0, {"job_waiting"}
    ),
    "before the first": Hot(lambda it: estimates.before_first(QUEUE, owner_id=it.owner.pk), 1_000),
    "ahead of the next": Hot(
        lambda it: estimates.ahead_of(Job.objects.get(id=it.waiting[0]), most=BOUND), 200,
        {"job_to_dispatch", "job_on_broker"},
    ),
    "ahead of the last": Hot(
        lambda it: estimates.ahead_of(Job.objects.get(id=it.waiting[-1]), most=BOUND), 2 * BOUND,
        {"job_to_dispatch", "job_on_broker"},
    ),
    "estimate": Hot(lambda it: estimates.of_job(Job.objects.get(id=it.waiting[-1]), now=it.now), 5 * BOUND),
    "pulse": Hot(
        lambda it: pulses.read(QUEUE, now=it.now), 4 * BOUND, {"job_waiting", "job_blocked"}
    ),
    "roll": Hot(lambda it: rolling._harvest(rolling.cursor.read(), it.now, 500), 1_500, {"jobs_app_event_pkey"}),
    "family": Hot(lambda it: families.standing(it.parent), CHILDREN, {"job_family"}),
    "kinds that have ended": Hot(lambda it: list(rules.settled()), 100, {"job_settled"}),
    "due to be pruned": Hot(
        lambda it: list(rules.due(State.SUCCEEDED, "kind1", now=it.now)[:100]), 1_000, {"job_settled"}
    ),
    "pruning": Hot(
        lambda it: pruning._prune_jobs([it.ended]), 60,
        {"attempt_once", "event_of_job", "log_line_of_job", "job_reruns"},
    ),
    "submission": Hot(lambda it: submitted(it, message=False), 20 * BOUND),
    "replay": Hot(
        lambda it: [submitted(it, message=False, idempotency_key="k") for _ in range(2)], 20 * BOUND,
        {"job_idempotency_key"},
    ),
    "list of all": Hot(lambda it: jobs.job_page(None, JobFilter()), 100),
    "list of those that wait": Hot(lambda it: jobs.job_page(None, JobFilter(states=(State.QUEUED,))), 100),
    "list of those that run": Hot(lambda it: jobs.job_page(None, JobFilter(states=(State.RUNNING,))), 100),
    "list of those that failed": Hot(
        lambda it: jobs.job_page(None, JobFilter(states=(State.FAILED,))), 100
    ),
    "list of a rare queue": Hot(lambda it: jobs.job_page(None, JobFilter(queue="rare")), 100, {"job_by_queue"}),
    "a job": Hot(
        lambda it: (jobs.job(None, it.ended), jobs.timeline(None, it.ended), jobs.attempts(None, it.ended),
                    jobs.reruns(None, it.ended), jobs.log_lines(None, it.running[0].id)), 200,
        {"attempt_once", "event_of_job", "log_line_of_job", "job_reruns"},
    ),
}  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(HOT))
def test_it_reads_what_it_needs_by_an_index(ledger: Ledger, name: str) -> None:
    hot = HOT[name]
    with explained() as plans:
        hot.call(ledger)
    assert plans.seen
    assert not plans.scans, plans.text
    assert needed(hot) <= plans.indexes, plans.text
    assert plans.rows <= hot.rows, plans.text


@pytest.mark.django_db
def test_the_jobs_of_many_messages_are_found_by_their_ids(ledger: Ledger) -> None:
    with explained() as plans:
        dispatch._mark([dispatch.Message(KIND, ledger.waiting[:1_000], ledger.now)])
    if connection.vendor == "postgresql":
        # All may be written by one pass through a small table; but to find them so is for each row all of the message.
        assert "Index Cond: (id = message.id)" in plans.text, plans.text
    else:
        assert not plans.scans, plans.text
