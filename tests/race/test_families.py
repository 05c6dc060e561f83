"""Families under contention: two last children at once, room that two want, a post deleted while it is delivered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from jobs_app.authoring import Child
from jobs_app.core import clock, control, execution, families, outcomes, spawning
from jobs_app.models import Job
from tasks.kinds.timeline import fanning, posts
from tasks.kinds.timeline.models import Entry, Post
from tests.support.ledger import claimed, fresh, submitted
from tests.support.timelines import followers_of, owners_of
from tests.support.together import HELD_SECONDS, against, at_once

pytestmark = pytest.mark.usefixtures("quiet", "nudged")

ROUNDS = 8


def family_of(count: int) -> tuple[Job, list[Job]]:
    """A parent that waits, and its children, claimed."""
    parent = submitted("family.parent", {"count": count, "failing": []})
    execution.run([parent.id], holder="worker@test/1/message")
    return parent, [claimed(each) for each in Job.objects.filter(parent=parent).order_by("id")]


def succeed(job: Job) -> bool:
    return outcomes.succeed(job, 1, 1, now=clock.database_now())


def test_the_last_two_children_at_once_let_the_parent_go_on() -> None:
    for _ in range(ROUNDS):
        parent, children = family_of(2)
        assert at_once(*(partial(succeed, each) for each in children)) == [True, True]
        assert fresh(parent).state == "succeeded"
        assert [pair for pair in parent.events.values_list("source", "target") if pair[1] == "succeeded"] == [
            ("blocked", "succeeded")
        ]


def test_a_child_that_commits_later_than_the_last_one_is_waited_for() -> None:
    parent, (first, second) = family_of(2)
    with against(lambda: succeed(first)):
        assert succeed(second)
    assert fresh(parent).state == "succeeded", "by the one that committed last"


def test_a_child_that_ends_before_its_parents_wait_is_committed_is_seen() -> None:
    parent = claimed(submitted("family.parent", {"count": 0, "failing": []}))
    spawning.spawn(parent, [Child("family.child", key="one")], now=clock.database_now())
    child = claimed(Job.objects.get(parent=parent))
    with against(lambda: succeed(parent)):
        assert succeed(child)
    assert fresh(parent).state == "succeeded"


def test_a_parent_that_begins_to_wait_while_its_last_child_ends_goes_on() -> None:
    now = clock.database_now()
    for _ in range(ROUNDS):
        parent = claimed(submitted("family.parent", {"count": 0, "failing": []}))
        spawning.spawn(parent, [Child("family.child", key="one")], now=now)
        child = claimed(Job.objects.get(parent=parent))
        at_once(partial(succeed, parent), partial(succeed, child))
        assert fresh(parent).state == "succeeded"


def test_a_parent_that_is_cancelled_while_its_last_child_ends_has_one_end() -> None:
    for _ in range(ROUNDS):
        parent, (child,) = family_of(1)

        def cancel(parent: Job = parent) -> object:
            return control.cancel(parent.id, actor=None, now=clock.database_now())

        try:
            at_once(cancel, partial(succeed, child))
        except control.Conflict:
            assert fresh(parent).state == "succeeded"
        ends = [pair for pair in parent.events.values_list("source", "target") if pair[0] == "blocked"]
        assert len(ends) == 1


def test_two_who_let_children_in_at_once_fill_the_room_and_no_more(configured: Callable[..., None]) -> None:
    now = clock.database_now()
    configured(queue_limit=5, queue_headroom=0.2)
    for _ in range(4):
        parent = claimed(submitted("family.parent", {"count": 0, "failing": []}, now=now, overflow=True))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(families, "release", lambda *_, **__: 0)
            spawning.spawn(parent, [Child("family.child", key=str(n)) for n in range(12)], now=now)
        assert sum(at_once(*[partial(families.release, "default", now=now)] * 3)) == 6
        assert Job.objects.filter(state="queued").count() == 6
        control.cancel(parent.id, actor=None, now=now)
        outcomes.cancel(parent, now=now, reason="on request")
        assert not Job.objects.filter(state__in=["queued", "blocked"]).exists()


def test_who_lets_children_in_counts_after_another_who_does(configured: Callable[..., None]) -> None:
    now = clock.database_now()
    configured(queue_limit=5, queue_headroom=0.2)
    parent = claimed(submitted("family.parent", {"count": 0, "failing": []}, now=now))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(families, "release", lambda *_, **__: 0)
        spawning.spawn(parent, [Child("family.child", key=str(n)) for n in range(12)], now=now)
    with against(lambda: families.release("default", now=now)) as rival:
        assert families.release("default", now=now) == 0
    assert rival.waited >= HELD_SECONDS
    assert Job.objects.filter(state="queued").count() == 6


# Timelines


@pytest.fixture
def post(alice: User) -> Post:
    followers_of(alice, 5)
    return Post.objects.get(job=posts.write(alice, "hello", key=None).id)


def deliver(post: Post) -> int:
    with transaction.atomic():
        return fanning.deliver(post.pk, 0, posts.LARGEST_ID)


def retract(post: Post) -> None:
    (job,) = Job.objects.filter(kind="timeline.retract")
    assert execution.run([job.id], holder="worker@test/1/message") == 1
    assert fresh(job).state == "succeeded"


def test_deleting_waits_for_a_batch_of_this_moment_and_clears_it(alice: User, post: Post) -> None:
    with against(lambda: deliver(post)) as rival:
        posts.delete(alice, post.pk, now=clock.database_now())
        assert rival.committed.is_set()
    assert rival.waited >= HELD_SECONDS
    assert len(owners_of(post)) == 6
    retract(post)
    assert not Entry.objects.exists()


def test_a_batch_waits_for_a_deletion_of_this_moment_and_writes_nothing(alice: User, post: Post) -> None:
    with against(lambda: posts.delete(alice, post.pk, now=clock.database_now())) as rival:
        assert deliver(post) == 0
    assert rival.waited >= HELD_SECONDS
    retract(post)
    assert not Entry.objects.exists()


def test_two_deliveries_of_one_batch_at_once_write_each_row_once(post: Post) -> None:
    at_once(*[partial(deliver, post)] * 3)
    assert len(owners_of(post)) == len(set(owners_of(post))) == 6


def test_two_batches_of_one_post_do_not_wait_for_each_other(post: Post) -> None:
    from django.db import connection

    with against(lambda: deliver(post)) as rival:
        assert posts.hold(post.pk) is not None
        assert not rival.committed.is_set() or connection.vendor == "sqlite"


def test_two_of_the_same_form_at_once_are_one_post(alice: User) -> None:
    told = at_once(*[partial(posts.write, alice, "hello", key="same")] * 4)
    assert len({each.id for each in told}) == 1
    assert len({each.preview["id"] for each in told}) == 1
    assert Post.objects.count() == Entry.objects.count() == 1
