"""Timelines: one's own at once, the followers' in batches, each once; a deleted post leaves nothing."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.db import IntegrityError, transaction

from jobs_app.core import clock, control, execution
from jobs_app.errors import Conflict, InvalidParameters, InvalidRequest, NotFound, PreviewFailed, QueueFull
from jobs_app.models import Job
from tasks.kinds.timeline import fanning, posts
from tasks.kinds.timeline.models import Entry, Follow, Post
from tests.support.ledger import claimed, fresh, submitted
from tests.support.timelines import followers_of, owners_of


@pytest.fixture(autouse=True)
def _quiet(quiet: None, nudged: list[str]) -> None:
    """Committed rows, and nobody who runs the jobs but the test."""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of three."""
    monkeypatch.setattr(fanning, "BATCH", 3)


def run_all() -> list[str]:
    """Run what is queued until nothing is; returns the kinds in order."""
    ran = []
    while job := Job.objects.filter(state="queued").order_by("id").first():
        assert execution.run([job.id], holder="worker@test/1/message") == 1
        ran.append(job.kind)
    return ran


def posted(author: User, text: str = "hello") -> Post:
    return Post.objects.get(job=posts.write(author, text, key=None).id)


def texts(user: User) -> list[str]:
    return [each.text for each in posts.page(user).posts]


def test_a_post_is_on_its_authors_timeline_before_anything_ran(alice: User) -> None:
    told = posts.write(alice, "  hello\nworld  ", key="key")
    post = Post.objects.get()
    assert owners_of(post) == ["alice"]
    assert texts(alice) == ["hello\nworld"]
    assert told.preview == {
        "id": post.pk, "author": "alice", "text": "hello\nworld", "created_at": post.created_at.isoformat(),
    }  # fmt: skip
    again = posts.write(alice, "  hello\nworld  ", key="key")
    assert (again.replayed, again.preview) == (True, told.preview)
    assert Post.objects.count() == 1


@pytest.mark.parametrize("count", [0, 1, 3, 7])
def test_it_reaches_each_follower_once(alice: User, bob: User, small: None, count: int) -> None:
    followers_of(bob, 2)
    people = [] if not count else [User.objects.create_user(f"fan-{number}") for number in range(count)]
    Follow.objects.bulk_create(Follow(follower=each, author=alice) for each in people)
    post = posted(alice)
    batches = -(-count // 3)
    resumed = ["timeline.post"] if count else []
    assert run_all() == ["timeline.post", *["timeline.deliver"] * batches, *resumed]
    assert owners_of(post) == ["alice", *(each.username for each in people)]
    job = Job.objects.get(id=post.job)
    assert (job.state, job.result) == ("succeeded", {"post": post.pk, "reached": count})
    assert texts(bob) == []


def test_a_batch_that_is_run_twice_writes_nothing_twice(alice: User, small: None) -> None:
    people = followers_of(alice, 3)
    post = posted(alice)
    Entry.objects.create(owner=people[1], post=post)
    run_all()
    assert len(owners_of(post)) == 4
    with pytest.raises(IntegrityError), transaction.atomic():
        Entry.objects.create(owner=people[0], post=post)


def test_a_post_that_is_run_again_after_a_kill_cuts_no_batch_twice(alice: User, small: None) -> None:
    followers_of(alice, 7)
    post = posted(alice)
    children = list(fanning._cut(post))
    assert [each.key for each in children] == [each.key for each in fanning._cut(post)]
    ranges = [(each.parameters["after"], each.parameters["through"]) for each in children]
    assert [after for after, _ in ranges][1:] == [through for _, through in ranges][:-1]
    assert len(ranges) == 3


def test_many_followers_make_larger_batches(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanning, "BATCH", 1)
    monkeypatch.setattr(fanning, "BATCHES", 4)
    followers_of(alice, 10)
    assert len(list(fanning._cut(posted(alice)))) == 4


def test_who_follows_in_time_gets_it_and_who_leaves_in_time_does_not(alice: User, bob: User, carol: User) -> None:
    post = posted(alice)
    posts.follow(bob, "alice")
    posts.follow(carol, "alice")
    job = Job.objects.get(id=post.job)
    execution.run([job.id], holder="worker@test/1/message")
    late = User.objects.create_user("late")
    posts.follow(late, "alice")
    posts.unfollow(carol, "alice")
    run_all()
    assert owners_of(post) == ["alice", "bob"]
    posts.unfollow(bob, "alice")
    assert texts(bob) == ["hello"], "what has come stays"


def test_a_batch_that_fails_for_good_is_not_hidden(alice: User, small: None) -> None:
    followers_of(alice, 6)
    post = posted(alice)
    execution.run([post.job], holder="worker@test/1/message")
    first = Job.objects.filter(kind="timeline.deliver").order_by("id")[0]
    control.cancel(first.id, actor=None, now=clock.database_now())
    run_all()
    job = Job.objects.get(id=post.job)
    assert job.state == "failed"
    assert "1 of 2 batches did not reach their followers" in job.error
    assert len(owners_of(post)) == 4, "the others have it all the same"


# Deleting


def test_deleting_before_anything_ran_stops_it_and_leaves_nothing(alice: User, now: datetime) -> None:
    followers_of(alice, 5)
    post = posted(alice)
    posts.delete(alice, post.pk, now=now)
    assert texts(alice) == []
    assert fresh(Job.objects.get(id=post.job)).state == "cancelled"
    assert run_all() == ["timeline.retract"]
    assert not Entry.objects.exists()
    assert not Post.objects.exists()


def test_deleting_half_way_stops_the_rest_and_undoes_the_first_half(alice: User, small: None, now: datetime) -> None:
    people = followers_of(alice, 9)
    post = posted(alice)
    execution.run([post.job], holder="worker@test/1/message")
    batches = list(Job.objects.filter(kind="timeline.deliver").order_by("id"))
    execution.run([batches[0].id], holder="worker@test/1/message")
    assert texts(people[0]) == ["hello"]
    running = claimed(batches[1])
    posts.delete(alice, post.pk, now=now)
    assert texts(people[0]) == []
    assert [fresh(each).state for each in batches] == ["succeeded", "running", "cancelled"]
    # A batch that got round to it only now writes nothing.
    parameters = {name: running.parameters[name] for name in ("post", "after", "through")}
    assert fanning.deliver(**parameters) == 0
    assert run_all() == ["timeline.retract"]
    assert not Entry.objects.exists()


def test_deleting_after_it_reached_all_clears_all_in_steps(
    alice: User, bob: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanning, "CLEARED_AT_ONCE", 2)
    followers_of(alice, 5)
    other = posted(alice, "stays")
    post = posted(alice, "goes")
    run_all()
    posts.delete(alice, post.pk, now=now)
    run_all()
    assert set(Entry.objects.values_list("post_id", flat=True)) == {other.pk}
    assert Entry.objects.count() == 6
    assert list(Post.objects.all()) == [other]


def test_only_its_author_or_a_moderator_deletes_a_post(alice: User, bob: User, carol: User, now: datetime) -> None:
    post = posted(alice)
    for who in (bob, carol):
        with pytest.raises(NotFound):
            posts.delete(who, post.pk, now=now)
    carol.user_permissions.add(Permission.objects.get(codename="delete_post"))
    posts.delete(User.objects.get(pk=carol.pk), post.pk, now=now)
    with pytest.raises(NotFound):
        posts.delete(alice, post.pk, now=now)


def test_a_post_can_be_taken_back_though_the_queue_is_full(alice: User, now: datetime, configured: object) -> None:
    post = posted(alice)
    run_all()
    configured(queue_limit=1, queue_headroom=1, user_share=1)  # type: ignore[operator]
    submitted(now=now)
    with pytest.raises(QueueFull):
        posted(alice, "another")
    posts.delete(alice, post.pk, now=now)
    assert Job.objects.filter(kind="timeline.retract", state="queued").count() == 1


def test_a_post_that_is_not_deleted_is_not_cleared(alice: User) -> None:
    post = posted(alice)
    job = submitted("timeline.retract", {"post": post.pk}, owner=alice)
    execution.run([job.id], holder="worker@test/1/message")
    assert fresh(job).state == "failed"
    assert owners_of(post) == ["alice"]


def test_a_delivery_that_somebody_submits_themselves_reaches_followers_only(alice: User, bob: User) -> None:
    (fan,) = followers_of(alice, 1)
    post = posted(alice)
    submitted("timeline.deliver", {"post": post.pk, "after": 0, "through": posts.LARGEST_ID}, owner=bob)
    run_all()
    assert owners_of(post) == ["alice", fan.username]


# Bounds


@pytest.mark.parametrize("text", ["", "x" * 1001, "a\0b"])
def test_a_text_has_bounds(alice: User, text: str) -> None:
    with pytest.raises(InvalidParameters):
        posts.write(alice, text, key=None)
    assert not Post.objects.exists()


def test_blanks_and_the_system_post_nothing(alice: User) -> None:
    with pytest.raises(PreviewFailed, match="at least one letter"):
        posts.write(alice, " \n ", key=None)
    with pytest.raises(PreviewFailed, match="expected an author"):
        submitted("timeline.post", {"text": "hello"})
    assert not Post.objects.exists()


def test_pages_go_back_in_time(alice: User) -> None:
    made = [posted(alice, str(number)).pk for number in range(5)]
    first = posts.page(alice, limit=2)
    second = posts.page(alice, before=first.next_before, limit=2)
    third = posts.page(alice, before=second.next_before, limit=2)
    assert [each.pk for page in (first, second, third) for each in page.posts] == made[::-1]
    assert third.next_before is None
    for limit in (0, 101):
        with pytest.raises(InvalidRequest):
            posts.page(alice, limit=limit)


def test_following_has_bounds(alice: User, bob: User, carol: User, monkeypatch: pytest.MonkeyPatch) -> None:
    assert posts.follow(alice, "bob")
    assert not posts.follow(alice, "bob")
    for name in ("nobody", "", "a\0", "x" * 151):
        with pytest.raises(NotFound):
            posts.follow(alice, name)
    with pytest.raises(Conflict, match="somebody else"):
        posts.follow(alice, "alice")
    monkeypatch.setattr(posts, "FOLLOWS", 1)
    with pytest.raises(Conflict, match="at most 1 people"):
        posts.follow(alice, "carol")
    assert posts.following(alice) == ["bob"]
    assert posts.following(alice, after="bob") == []
    bob.is_active = False
    bob.save()
    with pytest.raises(NotFound):
        posts.follow(carol, "bob")


def test_a_page_of_a_timeline_is_one_query(alice: User, django_assert_num_queries: object) -> None:
    for number in range(5):
        posted(alice, str(number))
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert [each.author.username for each in posts.page(alice).posts] == ["alice"] * 5


def test_the_job_of_a_post_is_its_authors(alice: User) -> None:
    post = posted(alice)
    assert Job.objects.get(id=UUID(str(post.job))).owner == alice
