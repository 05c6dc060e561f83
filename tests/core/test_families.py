"""Parents and children: spawned once, waited for, let in as there is room, ended together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User

from jobs_app.authoring import Child, Children, Discard
from jobs_app.context import Cancelled, Family
from jobs_app.core import claims, control, execution, families, outcomes, rescue, spawning
from jobs_app.errors import InvalidParameters, InvalidRequest, TooLarge, UnknownKind
from jobs_app.lifecycle import State
from jobs_app.models import Event, Gate, Job
from jobs_app.models.guard import writing
from jobs_app.policies import Backoff, Turn
from tests.support.ledger import altered, claimed, columns_of, fresh, happened, moves_of, submitted

LATER = timedelta(seconds=1)
FAILURE = outcomes.Failure("broken", "ValueError")


@pytest.fixture(autouse=True)
def _quiet(quiet: None, nudged: list[str]) -> None:
    """Committed rows: what follows after a commit is a part of what is shown here."""


def work(job: Job) -> Job:
    """Run one job as a worker would."""
    assert execution.run([job.id], holder="worker@test/1/message") == 1
    return fresh(job)


def parent_of(count: int, kind: str = "family.parent", *, failing: list[int] | None = None, **options: object) -> Job:
    """A parent that has spawned ``count`` children and waits."""
    parameters = {"count": count, "failing": failing or []}
    if kind == "family.detached":
        parameters.pop("failing")
    return work(submitted(kind, parameters, **options))


def children_of(parent: Job) -> list[Job]:
    return list(Job.objects.filter(parent=parent).order_by("id"))


def states_of(parent: Job) -> list[str]:
    return [each.state for each in children_of(parent)]


def test_a_parent_waits_with_its_result_and_succeeds_with_the_last_child() -> None:
    parent = parent_of(3)
    assert (parent.state, parent.result, parent.progress) == ("blocked", "spawned 3", 0.0)
    assert states_of(parent) == ["queued"] * 3
    for place, child in enumerate(children_of(parent), 1):
        assert fresh(parent).state == "blocked"
        work(child)
        assert families.standing(parent.id).succeeded == place
    ended = fresh(parent)
    assert (ended.state, ended.result, ended.progress) == ("succeeded", "spawned 3", 1.0)
    assert ended.progress_message == "3 of 3 jobs ended"
    assert moves_of(parent)[-2:] == [("running", "blocked"), ("blocked", "succeeded")]
    assert happened(parent)[-2:] == ["children awaited", "succeeded"]


def test_children_are_rows_like_any_other_and_know_their_parent(alice: User) -> None:
    parent = parent_of(2, owner=alice, priority=7)
    (first, _) = children_of(parent)
    assert (first.owner, first.via, first.priority, first.child_key) == (alice, "parent", 7, "child-0")
    assert first.parameters == {"number": 0, "fails": False}
    assert moves_of(first) == [("", "blocked"), ("blocked", "queued")]
    assert happened(first) == ["submitted", "room found"]


def test_a_parent_without_children_does_not_wait() -> None:
    assert parent_of(0).state == "succeeded"
    assert parent_of(0, "family.patient").state == "succeeded"


def test_progress_is_that_of_the_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(families, "SHOWN_EVERY", -1.0)
    parent = parent_of(4)
    first, second, *_ = children_of(parent)
    work(first)
    row = claimed(second)
    altered(row, progress=0.5)
    families.child_ended(parent.id, parent.queue, State.SUCCEEDED, now=row.created_at)
    assert fresh(parent).progress == pytest.approx(1.5 / 4)
    assert fresh(parent).progress_message == "1 of 4 jobs ended"


def test_upkeep_shows_how_far_children_are_that_take_long(now: datetime) -> None:
    parent = parent_of(4)
    for child in children_of(parent)[:2]:
        work(child)
    altered(claimed(children_of(parent)[2]), progress=0.5)
    families.sweep(now=now)
    assert fresh(parent).progress == pytest.approx(2.5 / 4)
    assert fresh(parent).progress_message == "2 of 4 jobs ended"


def test_a_child_that_fails_ends_the_family() -> None:
    parent = parent_of(3, failing=[0])
    first, second, _ = children_of(parent)
    running = claimed(second)
    work(first)
    ended = fresh(parent)
    assert (ended.state, ended.error_type) == ("failed", "ChildFailed")
    assert "1 failed" in ended.error
    assert "child 0 was told to fail" in ended.error
    assert states_of(parent) == ["failed", "running", "cancelled"]
    assert fresh(running).cancel_requested_at is not None


def test_a_child_that_failed_before_its_parent_waits_fails_it_at_once(now: datetime) -> None:
    parent = claimed(submitted("family.parent", {"count": 0, "failing": []}))
    spawning.spawn(parent, [Child("family.child", {"fails": True}, "one")], now=now)
    work(children_of(parent)[0])
    assert fresh(parent).state == "running"
    assert outcomes.succeed(parent, None, 4, now=now)
    assert fresh(parent).state == "failed"


def test_a_child_that_is_cancelled_fails_its_parent_too(now: datetime) -> None:
    parent = parent_of(2)
    control.cancel(children_of(parent)[0].id, actor=None, now=now)
    assert fresh(parent).state == "failed"
    assert "1 cancelled" in fresh(parent).error
    assert states_of(parent) == ["cancelled", "cancelled"]


def test_a_child_that_expires_fails_its_parent_too(now: datetime) -> None:
    parent = parent_of(2)
    altered(children_of(parent)[0], expires_at=now - LATER)
    assert rescue.expire_waiting(now=now) == 1
    assert fresh(parent).state == "failed"


def test_a_patient_parent_goes_on_when_all_have_ended_and_knows_how() -> None:
    parent = parent_of(3, "family.patient", failing=[1])
    for child in children_of(parent):
        assert fresh(parent).state == "blocked"
        work(child)
    assert fresh(parent).state == "queued"
    assert happened(parent)[-1] == "children ended"
    assert work(parent).result == {"succeeded": 2, "failed": 1}
    assert fresh(parent).state == "succeeded"
    assert len(children_of(parent)) == 3


def test_a_detached_parent_does_not_wait_and_leaves_its_children_alone(now: datetime) -> None:
    parent = parent_of(2, "family.detached")
    assert parent.state == "succeeded"
    families.sweep(now=now)
    assert states_of(parent) == ["queued", "queued"]


def test_a_parent_that_runs_again_spawns_no_key_twice(now: datetime) -> None:
    parent = claimed(submitted("family.parent", {"count": 4, "failing": []}))
    first = spawning.spawn(parent, [Child("family.child", {"number": n}, f"child-{n}") for n in range(2)], now=now)
    assert rescue.lost_child([parent.id], "message", now=now, reason="killed") == 1
    work(parent)
    assert [each.id for each in children_of(parent)][:2] == first
    assert len(children_of(parent)) == 4
    assert Event.objects.filter(job__parent=parent, name="submitted").count() == 4


def test_an_atomic_parent_that_fails_leaves_no_children() -> None:
    parent = submitted("family.atomic", {"count": 3, "fails_at": 1})
    assert work(parent).state == "retrying"
    assert children_of(parent) == []
    altered(parent, state="queued")
    assert work(parent).state == "blocked"
    assert states_of(parent) == ["queued"] * 3


def test_a_worker_that_was_given_up_spawns_nothing(now: datetime) -> None:
    late = claimed(submitted("family.parent", {"count": 4, "failing": []}))
    rescue.lost_child([late.id], "message", now=now, reason="killed")
    claimed(late)
    with pytest.raises(Cancelled):
        spawning.spawn(late, [Child("family.child", key="one")], now=now)
    assert children_of(late) == []


def test_a_job_that_is_to_be_cancelled_spawns_nothing(now: datetime) -> None:
    parent = claimed(submitted("family.parent", {"count": 4, "failing": []}))
    control.cancel(parent.id, actor=None, now=now)
    with pytest.raises(Cancelled):
        spawning.spawn(parent, [Child("family.child", key="one")], now=now)


@pytest.mark.parametrize(
    ("children", "error", "words"),
    [
        ([Child("family.child", key="")], InvalidRequest, "key of 1 to 100"),
        ([Child("family.child", key="a\0")], InvalidRequest, "printable"),
        ([Child("family.child", key="a")] * 2, InvalidRequest, "each key once"),
        ([Child("family.child", key="a", priority=101)], InvalidRequest, "-100 to 100"),
        ([Child("family.child", key="a", queue="none")], InvalidRequest, "expected one of the queues"),
        ([Child("no.such", key="a")], UnknownKind, "no.such"),
        ([Child("family.child", {"number": "many"}, "a")], InvalidParameters, "number"),
        ([Child("family.child", key=str(n)) for n in range(1001)], TooLarge, "1,000"),
    ],
)
def test_what_cannot_be_spawned_is_refused_whole(
    now: datetime, children: list[Child], error: type[Exception], words: str
) -> None:
    parent = claimed(submitted("family.parent", {"count": 0, "failing": []}))
    with pytest.raises(error, match=words):
        spawning.spawn(
            parent, [Child("family.child", key="good"), *children][-1000 - (len(children) > 1000) :], now=now
        )
    assert children_of(parent) == []


def test_a_family_has_a_bound(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawning, "IN_ALL", 2)
    parent = claimed(submitted("family.parent", {"count": 0, "failing": []}))
    spawning.spawn(parent, [Child("family.child", key=key) for key in "ab"], now=now)
    spawning.spawn(parent, [Child("family.child", key=key) for key in "ab"], now=now)
    with pytest.raises(TooLarge, match="at most 2 children"):
        spawning.spawn(parent, [Child("family.child", key="c")], now=now)
    assert len(children_of(parent)) == 2


def test_only_a_kind_that_says_so_spawns() -> None:
    job = work(submitted("family.childless"))
    assert job.state == "failed"
    assert "expected kind family.childless to be declared with children=Children()" in job.error


# Room


def test_children_are_let_in_up_to_the_hard_limit_and_the_rest_as_room_is_made(
    configured: Callable[..., None],
) -> None:
    configured(queue_limit=2, queue_headroom=0.5, queue_low_water=0.5)
    parent = parent_of(7)
    assert states_of(parent) == ["queued"] * 3 + ["blocked"] * 4
    done = 0
    while waiting := list(Job.objects.filter(parent=parent, state="queued").order_by("id")):
        assert Job.objects.filter(queue="default", state="queued").count() <= 3
        work(waiting[0])
        done += 1
    assert done == 7
    assert fresh(parent).state == "succeeded"


def test_a_full_queue_loses_no_child_and_upkeep_lets_them_in(configured: Callable[..., None], now: datetime) -> None:
    configured(queue_limit=2, queue_headroom=0, user_share=1)
    parent = submitted("family.parent", {"count": 3, "failing": []})
    others = [claimed(parent) and submitted(now=now) for _ in range(1)] + [submitted(now=now)]
    row = Job.objects.get(id=parent.id)
    spawning.spawn(row, [Child("family.child", key=str(n)) for n in range(3)], now=now)
    assert states_of(parent) == ["blocked"] * 3
    assert families.sweep(now=now) == 0
    for each in others:
        control.cancel(each.id, actor=None, now=now)
    assert families.sweep(now=now) == 2
    assert states_of(parent) == ["queued", "queued", "blocked"]


def test_a_release_takes_the_gates_lock_alone_and_only_if_somebody_waits(
    now: datetime, django_assert_num_queries: Callable[[int], object]
) -> None:
    with django_assert_num_queries(1):
        assert families.release("default", now=now) == 0
    assert not Gate.objects.exists()


# Ends


def test_cancelling_a_parent_that_waits_cancels_its_children(alice: User, now: datetime) -> None:
    parent = parent_of(3, owner=alice)
    first, second, _ = children_of(parent)
    work(first)
    running = claimed(second)
    control.cancel(parent.id, actor=alice, now=now)
    assert fresh(parent).state == "cancelled"
    assert states_of(parent) == ["succeeded", "running", "cancelled"]
    assert fresh(running).cancel_requested_at is not None
    event = children_of(parent)[2].events.latest("id")
    assert (event.name, event.reason, event.actor) == ("cancelled", "with its parent", alice)
    assert outcomes.cancel(running, now=now, reason="on request")
    assert fresh(parent).state == "cancelled"


def test_cancelling_a_parent_that_runs_cancels_its_children_when_it_stops(now: datetime) -> None:
    parent = claimed(submitted("family.parent", {"count": 4, "failing": []}))
    spawning.spawn(parent, [Child("family.child", key="one")], now=now)
    control.cancel(parent.id, actor=None, now=now)
    assert states_of(parent) == ["queued"]
    outcomes.cancel(parent, now=now, reason="on request")
    assert states_of(parent) == ["cancelled"]


@pytest.mark.parametrize("way", ["failed", "killed too often", "given back"])
def test_a_parent_that_ends_badly_takes_its_children_with_it(way: str, now: datetime) -> None:
    parent = claimed(submitted("family.parent", {"count": 4, "failing": []}))
    spawning.spawn(parent, [Child("family.child", key="one")], now=now)
    if way == "failed":
        outcomes.fail(parent, FAILURE, Discard("broken"), Backoff(), now=now)
    elif way == "given back":
        control.cancel(parent.id, actor=None, now=now)
        assert claims.give_back(parent, now=now, reason="not started")
    else:
        altered(parent, kills=100)
        rescue.lost_child([parent.id], "message", now=now, reason="killed")
    assert fresh(parent).final
    assert states_of(parent) == ["cancelled"]


def test_a_family_of_three_generations_ends_as_one(now: datetime) -> None:
    oldest = work(submitted("family.grandparent"))
    (middle,) = children_of(oldest)
    work(middle)
    assert (fresh(oldest).state, fresh(middle).state) == ("blocked", "blocked")
    for child in children_of(middle):
        work(child)
    assert (fresh(oldest).state, fresh(middle).state) == ("succeeded", "succeeded")

    other = work(submitted("family.grandparent"))
    (middle,) = children_of(other)
    work(middle)
    control.cancel(other.id, actor=None, now=now)
    assert fresh(middle).state == "cancelled"
    assert states_of(middle) == ["cancelled", "cancelled"]


# What a process did not live to do


def silenced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process die, as it were, between each commit and what follows it."""
    for name in ("child_ended", "end_children", "settle", "release"):
        monkeypatch.setattr(families, name, lambda *_, **__: 0)


def test_upkeep_does_what_a_dead_process_left_undone(now: datetime) -> None:
    with pytest.MonkeyPatch.context() as patch:
        silenced(patch)
        parent = parent_of(2)
        assert states_of(parent) == ["blocked"] * 2
    assert families.sweep(now=now) == 2
    with pytest.MonkeyPatch.context() as patch:
        silenced(patch)
        for child in children_of(parent):
            work(child)
        assert fresh(parent).state == "blocked"
    assert families.sweep(now=now) == 1
    assert fresh(parent).state == "succeeded"
    assert families.sweep(now=now) == 0


def test_a_sweep_that_has_had_its_time_leaves_the_rest_to_the_next(now: datetime) -> None:
    parents = [parent_of(1) for _ in range(3)]
    for child in [each for parent in parents for each in children_of(parent)]:
        altered(child, state="succeeded", finished_at=now)
    assert families.sweep(now=now, seconds=0) == 0
    assert families.sweep(now=now) == 3


def test_upkeep_ends_the_children_of_a_parent_that_ended(now: datetime) -> None:
    parent = parent_of(3)
    row = claimed(children_of(parent)[0])
    with pytest.MonkeyPatch.context() as patch:
        silenced(patch)
        control.cancel(parent.id, actor=None, now=now)
    assert states_of(parent) == ["running", "queued", "queued"]
    assert families.sweep(now=now) == 3
    assert states_of(parent) == ["running", "cancelled", "cancelled"]
    assert fresh(row).cancel_requested_at is not None
    assert families.sweep(now=now) == 0


def test_upkeep_fails_a_parent_whose_child_failed_unseen(now: datetime) -> None:
    parent = parent_of(2, failing=[0])
    with pytest.MonkeyPatch.context() as patch:
        silenced(patch)
        work(children_of(parent)[0])
    families.sweep(now=now)
    assert fresh(parent).state == "failed"
    assert states_of(parent) == ["failed", "cancelled"]


# Retention


def test_no_row_of_a_family_is_pruned_before_its_time(now: datetime) -> None:
    parent = parent_of(2)
    done, open_ = children_of(parent)
    work(done)
    assert not Job.objects.all().prunable().exists(), "a parent that goes on would spawn it again"
    work(open_)
    assert set(Job.objects.all().prunable()) == {fresh(done), fresh(open_)}
    with writing():
        Job.objects.all().prunable().delete()
        assert list(Job.objects.all().prunable()) == [fresh(parent)]


# Decisions


@pytest.mark.parametrize(
    ("policy", "unfinished", "broken", "expected"),
    [
        (Children(), 1, 0, Turn.WAIT),
        (Children(), 0, 0, Turn.SUCCEED),
        (Children(), 1, 1, Turn.FAIL),
        (Children(), 0, 1, Turn.FAIL),
        (Children(on_failure="go on"), 1, 1, Turn.WAIT),
        (Children(on_failure="go on"), 0, 1, Turn.SUCCEED),
        (Children(then="resume"), 0, 0, Turn.RESUME),
        (Children(then="resume"), 0, 1, Turn.FAIL),
        (Children(then="resume", on_failure="go on"), 0, 1, Turn.RESUME),
    ],
)
def test_what_becomes_of_a_parent(policy: Children, unfinished: int, broken: int, expected: Turn) -> None:
    assert policy.judge(unfinished=unfinished, broken=broken) is expected


def test_a_job_without_children_has_no_family(now: datetime) -> None:
    job = submitted(now=now)
    assert families.standing(job.id) == Family()
    before = columns_of(job)
    assert not families.settle(job.id, now=now)
    assert columns_of(job) == before
