"""Bulk actions: which jobs they act on, with whose rights, once each, in few statements; and when there is no room."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs_app.core import clock, control, gate
from jobs_app.core.bulk import planning, turns
from jobs_app.core.bulk.judging import Standing, Verdict, judge
from jobs_app.core.bulk.orders import KIND, Action, Order
from jobs_app.core.turnstile import turnstile
from jobs_app.errors import InvalidRequest, NotAllowed, QueueFull, ShareExceeded
from jobs_app.lifecycle import FINAL, WAITING, State
from jobs_app.models import AuditEntry, Event, Job, Queue
from jobs_app.models.guard import writing
from tests.support.bulk import Run, counts, done, ordered, reasons
from tests.support.ledger import altered, claimed, columns_of, fresh, happened, reaching, run, submitted

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
ECHO = {"kind": "probe.nothing"}


def standing(state: State, noon: datetime, **changes: Any) -> Standing:
    given = {"kind": "probe.nothing", "state": state, "priority": 0, "due_at": noon + HOUR, "stopping": False}
    return Standing(**{**given, "may_act": True, **changes})


EXPECTED = {
    Action.CANCEL: {**dict.fromkeys(WAITING, Verdict.CANCELLED), State.RUNNING: Verdict.ASKED},
    Action.RETRY: {
        State.SCHEDULED: Verdict.MADE_DUE, State.RETRYING: Verdict.MADE_DUE,
        State.FAILED: Verdict.AGAIN, State.CANCELLED: Verdict.AGAIN,
    },
    Action.RERUN: dict.fromkeys(FINAL, Verdict.AGAIN),
    Action.REPRIORITISE: dict.fromkeys(WAITING, Verdict.REPRIORITISED),
}  # fmt: skip


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("state", list(State))
def test_what_becomes_of_a_job(noon: datetime, action: Action, state: State) -> None:
    order = Order(action, "state:failed", priority=5 if action is Action.REPRIORITISE else None)
    judged = judge(order, standing(state, noon), now=noon)
    assert judged.verdict == EXPECTED[action].get(state)
    assert bool(judged.reason) == (judged.verdict is None)
    for changes in ({"may_act": False}, {"kind": KIND}):
        assert judge(order, standing(state, noon, **changes), now=noon).verdict is None


def test_what_was_so_before_is_left_alone(noon: datetime) -> None:
    asked = standing(State.RUNNING, noon, stopping=True)
    assert judge(Order(Action.CANCEL, "x:y"), asked, now=noon).reason == "it was asked to stop before"
    due = standing(State.RETRYING, noon, due_at=noon)
    assert judge(Order(Action.RETRY, "x:y"), due, now=noon).reason == "it is due already"
    same = standing(State.QUEUED, noon, priority=7)
    order = Order(Action.REPRIORITISE, "x:y", priority=7)
    assert judge(order, same, now=noon).reason == "it has this priority already"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "expected either a search that says which jobs, or a list of ids"),
        ({"query": "state:failed", "ids": [uuid4()]}, "and not both"),
        ({"query": "colour:red"}, "expected one of the qualifiers"),
        ({"ids": [uuid4() for _ in range(1001)]}, "expected at most 1,000 ids, got 1,001"),
        ({"action": "delete", "query": "state:failed"}, "expected an action"),
        ({"query": "state:failed", "priority": 3}, "expected no priority for cancel"),
        ({"action": "reprioritise", "query": "state:queued"}, "expected the new priority"),
        ({"action": "reprioritise", "query": "state:queued", "priority": 101}, "expected a priority from -100 to 100"),
        ({"query": "state:failed", "as_of": datetime(2026, 1, 1)}, "expected as_of with a time zone"),  # noqa: DTZ001
    ],
)
def test_an_order_that_cannot_be_carried_out_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        Order.of({"action": "cancel", **given})


def test_what_is_submitted_as_any_job_is_checked_too(alice: User) -> None:
    with pytest.raises(InvalidRequest, match="expected either a search"):
        submitted(KIND, {"action": "cancel"}, owner=alice)
    assert not Job.objects.exists()


def test_cancel_ends_what_waits_and_asks_what_runs(alice: User, now: datetime) -> None:
    jobs = {state: reaching(state, owner=alice, now=now) for state in State}
    before = {state: columns_of(job) for state, job in jobs.items()}
    result = done("cancel", "kind:probe.nothing", actor=alice, now=now + SECOND)
    assert counts(result) == {"cancelled": len(WAITING), "asked to stop": 1}
    assert reasons(result) == {f"it has ended already: {state}": 1 for state in FINAL}
    assert (result["done"], result["left_alone"]) == (len(WAITING) + 1, len(FINAL))
    for state in WAITING:
        assert fresh(jobs[state]).state == "cancelled"
        event = jobs[state].events.latest("id")
        assert (event.name, event.source, event.actor, event.reason[:14]) == (
            "cancelled", state, alice, "by bulk action",
        )  # fmt: skip
    assert fresh(jobs[State.RUNNING]).cancel_requested_at == now + SECOND
    assert happened(jobs[State.RUNNING])[-1] == "cancel requested"
    for state in FINAL:
        assert columns_of(jobs[state]) == before[state]


def test_retry_makes_due_and_makes_new_ones(alice: User, now: datetime) -> None:
    jobs = {state: altered(reaching(state, owner=alice, now=now), due_at=now + HOUR) for state in State}
    bulk = ordered("retry", "kind:probe.nothing", actor=alice, now=now + SECOND)
    result = Run(bulk, now + SECOND).to_the_end()
    assert counts(result) == {"due now": 2, "run again as a new job": 2}
    for state in (State.SCHEDULED, State.RETRYING):
        row = fresh(jobs[state])
        assert (row.state, row.due_at) == (state, now + SECOND)
    for state in (State.FAILED, State.CANCELLED):
        new = Job.objects.get(rerun_of=jobs[state])
        assert (new.state, new.owner, new.via) == ("queued", alice, "python")
    made = Job.objects.whole().filter(rerun_of__isnull=False)
    assert {str(each.id) for each in made} == {row[0] for row in result["first_new_jobs"]["rows"]}
    assert {tuple(each.tags) for each in made} == {(result["find_the_new_jobs_by"].removeprefix("tag:"),)}


def test_run_again_takes_what_has_ended(alice: User, now: datetime) -> None:
    jobs = {state: reaching(state, owner=alice, now=now) for state in State}
    result = done("rerun", actor=alice, now=now + SECOND, ids=[job.id for job in jobs.values()])
    assert counts(result) == {"run again as a new job": 3}
    assert set(Job.objects.filter(rerun_of__isnull=False).values_list("rerun_of__state", flat=True)) == FINAL
    assert sum(reasons(result).values()) == len(State) - 3


def test_the_priority_of_what_waits_is_changed(alice: User, now: datetime) -> None:
    jobs = {state: reaching(state, owner=alice, now=now, priority=3) for state in State}
    result = done("reprioritise", "kind:probe.nothing", actor=alice, now=now, priority=-4)
    assert counts(result) == {"given the new priority": len(WAITING)}
    assert {state for state, job in jobs.items() if fresh(job).priority == -4} == WAITING
    assert jobs[State.QUEUED].events.latest("id").name == "reprioritised"


def test_strangers_jobs_are_as_if_not_there(alice: User, bob: User, now: datetime) -> None:
    mine, theirs = submitted(owner=alice, now=now), submitted(owner=bob, now=now)
    assert counts(done("cancel", "state:queued kind:probe.nothing", actor=alice, now=now)) == {"cancelled": 1}
    result = done("cancel", actor=alice, now=now, ids=[mine.id, theirs.id, uuid4()])
    assert reasons(result) == {"there is no such job, or it is not yours": 2, "it has ended already: cancelled": 1}
    assert fresh(theirs).state == "queued"
    plan = planning.plan(Order(Action.CANCEL, ids=(mine.id, theirs.id)), alice, now=now)
    assert plan.refused == {"it has ended already: cancelled": 1, "there is no such job, or it is not yours": 1}


def test_who_may_only_look_acts_on_none(alice: User, bob: User, now: datetime) -> None:
    job = submitted(owner=alice, now=now)
    bob.user_permissions.add(Permission.objects.get(codename="see_all_jobs"))
    viewer = User.objects.get(id=bob.id)
    result = done("cancel", "kind:probe.nothing", actor=viewer, now=now)
    assert reasons(result) == {"it is another user's, and you may only look at it": 1}
    assert planning.plan(Order(Action.CANCEL, "kind:probe.nothing"), viewer, now=now).acting == 0
    assert fresh(job).state == "queued"


def test_rights_are_those_of_the_moment_not_of_the_submission(alice: User, carol: User, now: datetime) -> None:
    jobs = [submitted(owner=alice, now=now) for _ in range(3)]
    errand = Run(ordered("cancel", "kind:probe.nothing", actor=carol, now=now), now)
    carol.user_permissions.clear()
    assert counts(errand.to_the_end()) == {}
    assert {fresh(job).state for job in jobs} == {"queued"}


def test_who_was_shut_out_meanwhile_acts_on_none(alice: User, now: datetime) -> None:
    job = submitted(owner=alice, now=now)
    errand = Run(ordered("cancel", "kind:probe.nothing", actor=alice, now=now), now)
    User.objects.filter(id=alice.id).update(is_active=False)
    with pytest.raises(NotAllowed, match="expected a user who may log in"):
        errand.turn()
    assert fresh(job).state == "queued"


def test_only_jobs_of_before_are_acted_on_and_never_its_own(alice: User, now: datetime) -> None:
    before = reaching(State.FAILED, owner=alice, now=now)
    errand = Run(ordered("rerun", "kind:probe.nothing", actor=alice, now=now + SECOND), now + SECOND)
    after = reaching(State.FAILED, owner=alice, now=now + 2 * SECOND)
    assert counts(errand.to_the_end()) == {"run again as a new job": 1}
    assert (before.reruns.count(), after.reruns.count()) == (1, 0)
    other = ordered("cancel", "state:queued", actor=alice, now=now + SECOND)
    result = done("cancel", "state:queued", actor=alice, now=now + 3 * SECOND)
    assert reasons(result) == {"it is a bulk action itself": 3}
    assert fresh(other).state == "queued"


def test_the_moment_of_the_preview_holds(alice: User, now: datetime) -> None:
    submitted(owner=alice, now=now)
    plan = planning.plan(Order(Action.CANCEL, "kind:probe.nothing"), alice, now=now)
    later = submitted(owner=alice, now=now + SECOND)
    bulk = planning.submit(plan.order, actor=alice, now=now + 2 * SECOND).job
    assert counts(Run(bulk, now + 2 * SECOND).to_the_end()) == {"cancelled": 1}
    assert fresh(later).state == "queued"


def test_a_plan_tells_what_would_be_done(alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    for state in State:
        reaching(state, owner=alice, now=now)
    before = list(Job.objects.values())
    with CaptureQueriesContext(connection) as asked:
        plan = planning.plan(Order(Action.RETRY, "kind:probe.nothing"), alice, now=now + HOUR)
    assert [each["sql"].split()[0] for each in asked if "jobs_app_job" in each["sql"]] == ["SELECT"]
    assert (plan.counted, plan.more, plan.acting, plan.left_alone) == (8, False, 2, 6)
    assert plan.states == dict.fromkeys(State, 1)
    assert plan.verdicts == {Verdict.AGAIN: 2}
    assert list(Job.objects.values()) == before
    monkeypatch.setattr(planning, "COUNTED", 3)
    plan = planning.plan(Order(Action.RETRY, "kind:probe.nothing"), alice, now=now)
    assert (plan.counted, plan.more, plan.count_words) == (3, True, "3+")


def test_pages_cost_as_many_statements_however_many_jobs_they_hold(
    alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    for count in (5, 60):
        monkeypatch.setattr(turns, "PAGE", count)
        for _ in range(count):
            submitted(owner=alice, now=now, due_at=now + HOUR)
        for action, more in (("retry", {}), ("reprioritise", {"priority": count}), ("cancel", {})):
            errand = Run(ordered(action, "state:scheduled", actor=alice, now=now, **more), now)
            with CaptureQueriesContext(connection) as queries:
                assert errand.turn().done == count
            asked.append((action, len(queries)))
    assert asked[:3] == asked[3:]
    assert max(count for _, count in asked) <= 16, asked


def test_a_page_whose_checkpoint_is_not_kept_was_not_acted_on(
    alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "PAGE", 3)
    jobs = [submitted(owner=alice, now=now) for _ in range(7)]
    errand = Run(ordered("cancel", "state:queued kind:probe.nothing", actor=alice, now=now), now)
    assert errand.turn().done == 3

    def lose(value: Any) -> None:
        raise KeyboardInterrupt

    keep, errand.keep = errand.keep, lose  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        errand.turn()
    assert [fresh(job).state for job in jobs] == ["cancelled"] * 3 + ["queued"] * 4
    errand.keep = keep  # type: ignore[method-assign]
    assert counts(errand.to_the_end()) == {"cancelled": 7}
    assert Event.objects.filter(name="cancelled").count() == 7


def test_new_jobs_are_made_once_however_often_a_turn_is_taken_again(
    alice: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "ONE_BY_ONE", 2)
    jobs = [reaching(State.FAILED, owner=alice, now=now) for _ in range(5)]
    errand = Run(ordered("retry", "state:failed", actor=alice, now=now + SECOND), now + SECOND)
    errand.turn()  # looks at the page, and leaves all of it to be taken one by one
    for _ in range(3):
        kept = errand.kept
        errand.turn()
        made = Job.objects.filter(rerun_of__isnull=False).count()
        errand.kept = kept  # as if the checkpoint had been lost with the worker
        errand.turn()
        assert Job.objects.filter(rerun_of__isnull=False).count() == made
    assert counts(errand.to_the_end()) == {"run again as a new job": 5}
    assert [job.reruns.count() for job in jobs] == [1] * 5


@pytest.mark.parametrize(
    ("action", "more", "state", "verdict"),
    [
        ("cancel", {}, State.QUEUED, "cancelled"),
        ("cancel", {}, State.RUNNING, "asked to stop"),
        ("retry", {}, State.RETRYING, "due now"),
        ("reprioritise", {"priority": 9}, State.QUEUED, "given the new priority"),
    ],
)
def test_jobs_whose_rows_others_held_are_taken_one_by_one(
    alice: User, now: datetime, action: str, more: dict[str, Any], state: State, verdict: str
) -> None:
    jobs = [altered(reaching(state, owner=alice, now=now), due_at=now + HOUR) for _ in range(2)]
    gone = reaching(State.SUCCEEDED, owner=alice, now=now)
    errand = Run(ordered(action, "kind:probe.nothing", actor=alice, now=now, **more), now)
    errand.keep(turns.Sofar(gone.id, gone.id, 3, 3, [*(job.id for job in jobs), gone.id, uuid4()]).kept())
    for _ in range(2):  # once more, as if the first time's checkpoint had been lost
        kept = errand.kept
        result = errand.to_the_end()
        assert counts(result) == {verdict: 2}
        assert sum(reasons(result).values()) == 2
        errand.kept = kept
    assert all(len(set(happened(job))) == len(happened(job)) for job in jobs)


@pytest.mark.usefixtures("quiet", "nudged")
def test_without_room_it_waits_and_goes_on(alice: User, now: datetime) -> None:
    with writing():
        Queue.objects.create(name="default", limit=2, hard_limit=20, low_water=1, user_share=1)
    gate.recount("default")  # by these bounds, and not by those of a test a moment ago
    jobs = [reaching(State.FAILED, owner=alice, now=now) for _ in range(5)]
    errand = Run(ordered("retry", "state:failed", actor=alice, now=now), now)
    claimed(errand.bulk, now=now)
    waits, turn = 0, errand.turn()
    for _ in range(20):
        if turn.result is not None:
            break
        if turn.wait is not None:
            waits += 1
            assert turn.wait >= SECOND
            assert "its limit is 2" in turn.why or "it was full" in turn.why
            for made in Job.objects.filter(rerun_of__isnull=False, state=State.QUEUED):
                claimed(made, now=errand.now)
            turnstile.forget()
            errand.now += timedelta(minutes=1)  # what this process held is forgotten everywhere by then
        turn = errand.turn()
    assert waits
    assert counts(turn.result) == {"run again as a new job": 5}
    assert [job.reruns.count() for job in jobs] == [1] * 5


@pytest.mark.usefixtures("quiet", "nudged")
def test_a_full_queue_takes_the_bulk_action_that_is_to_empty_it(alice: User, now: datetime) -> None:
    with writing():
        Queue.objects.create(name="default", limit=3, hard_limit=5, low_water=1, user_share=1)
    gate.recount("default")  # by these bounds, and not by those of a test a moment ago
    for _ in range(3):
        submitted(owner=alice, now=now)
    with pytest.raises((QueueFull, ShareExceeded)):
        submitted(owner=alice, now=now)
    bulk = ordered("cancel", "state:queued kind:probe.nothing", actor=alice, now=now)
    assert (bulk.state, bulk.priority) == ("queued", planning.FIRST)
    assert counts(Run(bulk, now).to_the_end()) == {"cancelled": 3}
    ordered("cancel", "state:failed", actor=alice, now=now)
    for _ in range(3):
        ordered("cancel", "state:failed", actor=alice, now=now)
    with pytest.raises(QueueFull, match="its limit is 3"):
        ordered("cancel", "state:failed", actor=alice, now=now)


def test_one_user_has_only_so_many_at_once(alice: User, bob: User, now: datetime) -> None:
    made = [ordered("cancel", "state:failed", actor=alice, now=now) for _ in range(planning.AT_ONCE)]
    with pytest.raises(ShareExceeded, match="expected at most 10 bulk actions of one user"):
        ordered("cancel", "state:failed", actor=alice, now=now)
    ordered("cancel", "state:failed", actor=bob, now=now)
    control.cancel(made[0].id, actor=alice, now=now)
    ordered("cancel", "state:failed", actor=alice, now=now)


def test_each_is_in_the_audit_however_it_came_in(alice: User, now: datetime) -> None:
    bulk = ordered("cancel", "state:failed", actor=alice, now=now, expected=12)
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.subject) == ("alice", "bulk.cancel", "jobs state:failed")
    assert (entry.after["jobs"], entry.after["job"]) == (12, str(bulk.id))
    submitted(KIND, {"action": "retry", "query": "state:failed"}, owner=alice)
    assert AuditEntry.objects.order_by("id").last().action == "bulk.retry"


def test_what_is_told_is_bounded() -> None:
    tally = turns.Tally()
    for number in range(40):
        tally.refuse(f"reason {number} " + "x" * 500, [uuid4() for _ in range(10)])
    for _ in range(1000):
        tally.note_made(uuid4())
    assert tally.left_alone == 400
    assert len(tally.refused) == 13
    assert len(str(tally.kept())) < 10_000


@pytest.mark.usefixtures("quiet", "nudged")
def test_families_hear_of_what_was_cancelled() -> None:
    parents = [run("family.parent", {"count": 3, "failing": []}) for _ in range(2)]
    assert {parent.state for parent in parents} == {"blocked"}
    children = Job.objects.filter(parent=parents[0])
    now = clock.database_now()
    assert counts(done("cancel", now=now, ids=list(children.values_list("id", flat=True)))) == {"cancelled": 3}
    assert fresh(parents[0]).state == "failed"
    assert happened(parents[0]).count("failed") == 1
    assert counts(done("cancel", now=now, ids=[parents[1].id])) == {"cancelled": 1}
    assert set(Job.objects.filter(parent=parents[1]).values_list("state", flat=True)) == {"cancelled"}
