"""What needs attention: each rule by itself as a table, then what is read for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import DjangoAssertNumQueries

from jobs_app.core import control, estimates, transport
from jobs_app.core.rollups import rolling
from jobs_app.lifecycle import Reason, State
from jobs_app.models import Gate, Queue, Refusal, RollupCursor, Schedule
from jobs_app.models.guard import writing
from jobs_app.reads import attention, attention_facts, failures
from jobs_app.reads.attention_views import Burst, Engine, Facts, Lane, Named, Own, Rule, Severity
from tests.support.ledger import altered, claimed, reaching, submitted
from tests.support.measures import flowed, listening
from tests.support.schedules import run, scheduled

MINUTE = 60.0
WELL = Engine(measured=2.0, counted=9.0)
QUERIES = 16
"""Of an operator, with any number of idle queues."""


def lane(**changes: Any) -> Lane:
    return Lane(**{"name": "default", "limit": 1000, "low_water": 900, "slots": 4, "running": 4, "depth": 0, **changes})


def site(*lanes: Lane, **changes: Any) -> Facts:
    return Facts(**{"sees_all": True, "lanes": lanes, "engine": WELL, **changes})


def said(facts: Facts) -> list[tuple[str, str, str]]:
    return [(each.rule.value, each.severity.word, each.sentence) for each in attention.notices(facts)]


def test_a_site_where_all_is_well_says_what_was_looked_at() -> None:
    facts = site(lane(depth=30, oldest=59.0), schedules=12, reports=1)
    assert said(facts) == []
    assert attention.checked(facts) == [
        "room, age and workers of 1 queue", "the broker, beat and upkeep", "12 schedules",
        "failures that come in bursts", "1 report",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"depth": 1000, "oldest": 5 * MINUTE, "refused": 312, "drain_rate": 12.0},
            ("full", "now", "default is full: 1,000 of 1,000 jobs wait, and 312 submissions were refused in the last "
             "10 min; it takes jobs again when 900 wait; 12 leave a second."),
        ),
        (
            {"depth": 950, "closed": 30.0},
            ("full", "now", "default is full: 950 of 1,000 jobs wait; it takes jobs again when 900 wait."),
        ),
        (
            {"depth": 800, "arrival_rate": 5.0, "drain_rate": 3.0},
            ("nearly-full", "soon", "default is 80 % full: 800 of 1,000 jobs wait; "
             "as it grows now it is full in 100 s."),
        ),
        (
            {"depth": 999, "arrival_rate": 1.0, "drain_rate": 3.0},
            ("nearly-full", "soon", "default is 99 % full: 999 of 1,000 jobs wait; 3 leave a second."),
        ),
        ({"depth": 799}, None),
        (
            {"depth": 3, "refused": 1},
            ("refused", "note", "1 submission to default was refused in the last 10 min."),
        ),
        (
            {"depth": 3, "oldest": 10 * MINUTE, "drain_rate": 0.1},
            ("old", "soon", "The oldest of 3 jobs in default has waited 10 min; all 4 slots are busy; "
             "one leaves every 10 s."),
        ),
        (
            {"depth": 3, "oldest": 60 * MINUTE, "running": 1},
            ("old", "now", "The oldest of 3 jobs in default has waited 60 min; 1 running."),
        ),
        ({"depth": 3, "oldest": 10 * MINUTE - 1}, None),
        (
            {"depth": 1, "oldest": 5 * MINUTE, "slots": 0, "running": 0, "heard": 3 * MINUTE},
            ("no-worker", "now", "No worker listens to default, and 1 job waits, the oldest for 5 min; "
             "the last one was heard of 3 min ago."),
        ),
        (
            {"slots": 0, "running": 0},
            ("no-worker", "soon", "No worker listens to default: a job that comes would wait."),
        ),
        (
            {"depth": 5, "oldest": 90 * MINUTE, "paused": 12 * MINUTE},
            ("paused", "soon", "default was paused 12 min ago, and 5 jobs wait in it, the oldest for 90 min."),
        ),
        ({"paused": 12 * MINUTE}, ("paused", "note", "default was paused 12 min ago; nothing waits in it.")),
        (
            {"depth": 5, "oldest": 30.0, "running": 1, "stalled": True},
            ("stalled", "now", "No message of default reaches a worker: 3 slots are free, yet 5 jobs wait, the oldest "
             "for 30 s."),
        ),
    ],
)  # fmt: skip
def test_a_queue(given: dict[str, Any], expected: tuple[str, str, str] | None) -> None:
    assert said(site(lane(**given))) == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"failing": True, "measured": 3 * MINUTE},
            ("broker", "now", "The broker takes no messages; upkeep, which it calls, has measured nothing for 3 min. "
             "Jobs are accepted and wait in the ledger until it is back."),
        ),
        (
            {"failing": True},
            ("broker", "now", "The broker takes no messages. "
             "Jobs are accepted and wait in the ledger until it is back."),
        ),
        (
            {"late": 2, "overdue": 4 * MINUTE},
            ("beat", "now", "Beat seems to be away: 2 schedules are overdue, by 4 min at most."),
        ),
        (
            {"late": 1, "overdue": 40.0, "measured": 50.0},
            ("beat", "now", "Beat seems to be away: 1 schedule is overdue, by 40 s at most, and upkeep, "
             "which it calls, has measured nothing for 50 s."),
        ),
        (
            {"measured": 15.5},
            ("upkeep", "now", "Upkeep has measured nothing for 15 s: its worker, beat or the broker is away."),
        ),
        (
            {"measured": None},
            ("upkeep", "now", "Upkeep has measured nothing in the last hour: its worker, beat or the broker is away."),
        ),
        (
            {"counted": 20 * MINUTE},
            ("behind", "note", "Statistics are counted up to 20 min ago only; a large backlog takes a while."),
        ),
        ({"measured": 15.0}, None),
    ],
)  # fmt: skip
def test_what_moves_everything(given: dict[str, Any], expected: tuple[str, str, str] | None) -> None:
    assert said(site(engine=Engine(**{"measured": 2.0, "counted": 9.0, **given}))) == ([expected] if expected else [])


def test_schedules_and_reports() -> None:
    some = [Named(str(number), name, "The latest run failed.") for number, name in enumerate("abcde")]
    assert said(site(broken=(some[:1], 1), put_off=(some[:2], 2), stale=(some, 5))) == [
        ("broken-schedules", "soon", "1 schedule is broken and makes no jobs: a."),
        ("put-off", "soon", "2 schedules wait for room for the next job: a, b."),
        ("stale-reports", "soon", "5 reports are stale: a, b, c and 2 more."),
    ]
    (one,) = attention.notices(site(stale=(some[:1], 1)))
    assert (one.sentence, one.about) == ("The report a is stale: the latest run failed.", "0")


def test_failures_that_come_in_bursts() -> None:
    bursts = [Burst("f1", "reports.render", "KeyError", 120, 2.5), Burst("f2", "system.echo", "ValueError", 10, 0.0)]
    assert said(site(bursts=bursts)) == [
        ("failures", "now", "reports.render failed 120 times in 10 min with KeyError; usually 2.5."),
        (
            "failures",
            "now",
            "system.echo failed 10 times in 10 min with ValueError; it was not seen in the day before.",
        ),
    ]


def test_the_most_urgent_comes_first_and_a_cause_is_told_once() -> None:
    stuck = {"depth": 1000, "oldest": 90 * MINUTE, "slots": 0, "running": 0}
    facts = site(lane(name="a", paused=5.0), lane(name="b", **stuck), lane(name="c", slots=0), own=Own(failed=2))
    found = attention.notices(facts)
    assert [(each.rule, each.about) for each in found] == [
        (Rule.NO_WORKER, "b"), (Rule.FULL, "b"), (Rule.NO_WORKER, "c"), (Rule.OWN_FAILED, ""), (Rule.PAUSED, "a"),
    ]  # fmt: skip
    assert [each.severity for each in found] == sorted(each.severity for each in found)
    assert len({each.key for each in found}) == len(found)
    stalled = lane(depth=5, oldest=30.0, stalled=True, running=0)
    assert [rule for rule, *_ in said(site(stalled, engine=Engine(counted=20 * MINUTE)))] == ["upkeep"]
    assert [rule for rule, *_ in said(site(stalled, engine=Engine(failing=True, measured=1.0)))] == ["broker"]


def test_who_only_submits_is_told_what_concerns_them() -> None:
    hers = lane(name="hers", depth=5, paused=12 * MINUTE, mine=2)
    facts = site(
        hers, lane(name="others", slots=0, depth=9), sees_all=False, engine=Engine(failing=True), broken=([], 3),
        own=Own(failed=1, refused=[("hers", "you hold your share of it", 7)]), schedules=9,
    )  # fmt: skip
    assert said(facts) == [
        ("own-refused", "soon", "7 submissions of yours to hers were refused in the last 10 min: "
         "you hold your share of it."),
        ("paused", "soon", "hers was paused 12 min ago, and 5 jobs wait in it. 2 of them are yours."),
        ("own-failed", "note", "1 job of yours failed in the last 24 h."),
    ]  # fmt: skip
    assert attention.checked(facts)[0] == "1 queue with jobs of yours"
    assert not any("schedule" in each or "broker" in each for each in attention.checked(facts))


def test_severities_are_in_order() -> None:
    assert [each.word for each in sorted(Severity)] == ["now", "soon", "note"]


@pytest.fixture
def well(now: datetime) -> None:
    """Upkeep works, a worker listens."""
    listening("default", now)
    flowed("default", now, 3)
    with writing():
        RollupCursor.objects.update_or_create(id=1, defaults={"caught_up_at": now})


def told(user: User, now: datetime) -> list[tuple[Rule, str]]:
    facts, _ = attention_facts.read(user, now=now)
    return [(each.rule, each.about) for each in attention.notices(facts)]


def test_a_new_site_lacks_workers_and_upkeep(carol: User, now: datetime) -> None:
    assert told(carol, now) == [(Rule.UPKEEP, ""), (Rule.NO_WORKER, "default")]


@pytest.mark.usefixtures("well")
def test_an_operators_site_is_read(
    carol: User, alice: User, now: datetime, configured: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told(carol, now) == []
    configured(queues=("default", "lane"))
    for _ in range(3):
        submitted(owner=alice, now=now - timedelta(minutes=11))
    with writing():
        Queue.objects.create(name="default", limit=3)
        Queue.objects.create(name="lane", paused_at=now - timedelta(minutes=5))
        Refusal.objects.create(queue="default", owner=alice, reason=Reason.FULL, at=now, count=4)
        Refusal.objects.create(queue="default", owner=alice, reason=Reason.FULL, at=now - timedelta(hours=1), count=9)
    flowed("default", now, 1, depth=3)
    flowed("lane", now, 1)
    broken = scheduled("broken", now=now, every=60)
    held = scheduled("held", now=now, every=60)
    late = scheduled("late", now=now, every=60)
    paused = scheduled("paused", now=now, every=60, enabled=False)
    with writing():
        Schedule.objects.filter(pk=broken.pk).update(broken="no such kind")
        Schedule.objects.filter(pk=held.pk).update(held_up="no room")
        Schedule.objects.filter(pk=late.pk).update(next_due_at=now - timedelta(seconds=16))
        Schedule.objects.filter(pk=paused.pk).update(broken="never mind")
    estimates.forget()
    facts, standing = attention_facts.read(carol, now=now)
    assert [(each.rule, each.about) for each in attention.notices(facts)] == [
        (Rule.FULL, "default"), (Rule.BEAT, ""), (Rule.OLD, "default"), (Rule.BROKEN_SCHEDULES, str(broken.pk)),
        (Rule.PUT_OFF, str(held.pk)), (Rule.PAUSED, "lane"),
    ]  # fmt: skip
    assert (standing.waiting, standing.slots, standing.processes, facts.schedules) == (3, 2, 1, 3)
    assert facts.lanes[0].refused == 4
    circuit = transport.Circuit()
    monkeypatch.setattr(transport, "circuit", circuit)
    circuit.trip()
    assert (Rule.BROKER, "") in told(carol, now)
    circuit.mend()
    assert (Rule.BROKER, "") not in told(carol, now)


@pytest.mark.usefixtures("well")
def test_a_closed_gate_and_a_worker_that_is_gone(carol: User, now: datetime) -> None:
    with writing():
        Gate.objects.update_or_create(queue="default", defaults={"closed_at": now - timedelta(seconds=9)})
    assert told(carol, now) == [(Rule.FULL, "default")]
    with writing():
        Gate.objects.all().delete()
    later = now + timedelta(minutes=3)
    flowed("default", later, 1)
    facts, _ = attention_facts.read(carol, now=later)
    assert attention.notices(facts)[0].sentence == (
        "No worker listens to default: a job that comes would wait; the last one was heard of 3 min ago."
    )


@pytest.mark.usefixtures("well")
def test_a_report_whose_run_failed_is_stale(carol: User, alice: User, now: datetime) -> None:
    row = scheduled("nightly", now=now, every=60)
    later = now + timedelta(seconds=61)
    run(later)
    job = row.ticks.get().job
    assert job is not None
    control.cancel(job.id, actor=None, now=later)
    flowed("default", later, 1)
    listening("default", later)
    assert told(carol, later) == [(Rule.STALE_REPORTS, str(row.pk))]
    assert told(alice, later) == [], "she reads no report"


@pytest.mark.usefixtures("well")
def test_failures_that_burst_are_told_to_those_they_concern(carol: User, alice: User, bob: User, now: datetime) -> None:
    for _ in range(failures.BURST_LEAST):
        reaching(State.FAILED, owner=alice, now=now - timedelta(minutes=1))
    rolling.roll(now=now)
    (burst,) = failures.bursts(carol, now)
    for user in (carol, alice):
        facts, _ = attention_facts.read(user, now=now)
        notice = attention.notices(facts)[0]
        assert (notice.rule, notice.about) == (Rule.FAILURES, burst.fingerprint)
        assert notice.sentence.startswith("probe.nothing failed 10 times in 10 min with broken; it was not seen")
    assert told(bob, now) == []


@pytest.mark.usefixtures("well")
def test_a_submitters_own_jobs_and_refusals(alice: User, bob: User, now: datetime) -> None:
    reaching(State.FAILED, owner=alice, now=now)
    old = reaching(State.FAILED, owner=alice, now=now)
    altered(old, finished_at=now - timedelta(hours=25))
    reaching(State.FAILED, owner=bob, now=now)
    claimed(submitted(owner=alice, now=now), now=now)
    with writing():
        Refusal.objects.create(queue="default", owner=alice, reason=Reason.USER_SHARE, at=now, count=4)
        Refusal.objects.create(queue="default", owner=bob, reason=Reason.FULL, at=now, count=400)
        Queue.objects.create(name="default", paused_at=now)
    assert told(alice, now) == [(Rule.OWN_REFUSED, "default"), (Rule.OWN_FAILED, "")]
    submitted(owner=alice, now=now)
    estimates.forget()
    facts, standing = attention_facts.read(alice, now=now)
    assert [each.rule for each in attention.notices(facts)] == [Rule.OWN_REFUSED, Rule.PAUSED, Rule.OWN_FAILED]
    assert facts.own.failed == 1
    assert facts.lanes[0].refused == 0, "what happens to others is not for her"
    assert (standing.own["running"], standing.own["queued"], standing.own_failed) == (1, 1, 1)
    assert facts.schedules == 0


@pytest.mark.usefixtures("well", "unhurried")
def test_idle_queues_cost_no_query_of_their_own(
    carol: User,
    now: datetime,
    configured: Callable[..., None],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    def read() -> None:
        attention_facts.read(User.objects.get(pk=carol.pk), now=now)

    with django_assert_num_queries(QUERIES):
        read()
    names = [f"lane{number}" for number in range(30)]
    configured(queues=("default", *names))
    for name in names:
        flowed(name, now, 1)
        listening(name, now)
    listening("default", now)
    with django_assert_num_queries(QUERIES + 1):  # and who spoke last, for one process has one name
        read()
