"""The jobs of timelines: carry a post to its followers in batches, and take it back.

Every batch is atomic and its rows are unique, so each follower has the post once, whatever is killed in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from pydantic import Field

from jobs_app.authoring import Backoff, Child, Children, Discard, JobContext, Submitting, job
from tasks.kinds.timeline import posts
from tasks.kinds.timeline.models import TEXT_LENGTH, Entry, Follow, Post

BATCH = 500
BATCHES = 1000
"""At most so many of one post; with more followers, batches are larger."""

CLEARED_AT_ONCE = 2000
AGAIN = Backoff(max_attempts=10, base=timedelta(seconds=1))
Number = Annotated[int, Field(ge=0, le=posts.LARGEST_ID)]


def show_own(text: str, *, context: Submitting) -> dict[str, Any]:
    """Put the post on its author's own timeline while it is submitted."""
    if context.owner is None:
        raise Discard("expected an author: the system itself has no timeline")
    post = Post.objects.create(
        author=context.owner, text=_written(text), job=UUID(context.job_id), created_at=context.now
    )
    Entry.objects.create(owner=context.owner, post=post)
    return {
        "id": post.pk,
        "author": context.owner.get_username(),
        "text": post.text,
        "created_at": context.now.isoformat(),
    }


@job(
    "timeline.post",
    atomic=True,
    retry=AGAIN,
    schedulable=False,
    preview=show_own,
    children=Children(then="resume", on_failure="go on"),
)
def post(
    text: Annotated[str, Field(min_length=1, max_length=TEXT_LENGTH, description="What you want to say.")],
    *,
    context: JobContext,
) -> dict[str, int]:
    """Post to your timeline, and to those of all who follow you.

    It is on your own timeline at once. Those who follow you when the job begins get it in batches, a job each.
    """
    written = Post.objects.filter(job=UUID(context.job_id), deleted_at=None).first()
    if written is None:
        raise Discard("the post was deleted")
    batches = context.children
    if batches.broken:
        raise Discard(f"{batches.broken} of {batches.total} batches did not reach their followers")
    if not batches.total:
        children = list(_cut(written))
        for start in range(0, len(children), BATCHES):
            context.spawn_many(children[start : start + BATCHES])
        if children:
            return {"post": written.pk}
    return {"post": written.pk, "reached": Entry.objects.filter(post=written).count() - 1}


@job("timeline.deliver", atomic=True, retry=AGAIN, schedulable=False, timeout=timedelta(minutes=2))
def deliver(post: Number, after: Number, through: Number) -> int:
    """Put a post on the timelines of one batch of followers; submitted by timeline.post."""
    written = posts.hold(post)
    if written is None:
        return 0
    # In order, so that a late worker and its successor with the same batch wait for each other, not in a circle.
    batch = Follow.objects.filter(author_id=written.author_id, id__gt=after, id__lte=through).order_by("id")
    entries = [Entry(owner_id=each, post=written) for each in batch.values_list("follower_id", flat=True)]
    Entry.objects.bulk_create(entries, ignore_conflicts=True)
    return len(entries)


@job("timeline.retract", retry=AGAIN, schedulable=False)
def retract(post: Number, *, context: JobContext) -> int:
    """Clear a deleted post off all timelines; submitted when it is deleted."""
    if Post.objects.filter(id=post, deleted_at=None).exists():
        raise Discard("expected a post that its author has deleted")
    cleared, count = 0, Entry.objects.filter(post_id=post).count()
    while ids := list(Entry.objects.filter(post_id=post).values_list("id", flat=True)[:CLEARED_AT_ONCE]):
        with transaction.atomic():
            gone, _ = Entry.objects.filter(id__in=ids).delete()
        cleared += gone
        context.progress(cleared, count, f"{cleared:,} of {count:,} timelines")
    Post.objects.filter(id=post).delete()
    return cleared


def _cut(written: Post) -> Iterator[Child]:
    """The followers of now, in batches of ids; who follows later has a higher one."""
    followers = Follow.objects.filter(author_id=written.author_id)
    size = max(BATCH, -(-followers.count() // BATCHES))
    last = followers.aggregate(last=Max("id"))["last"] or 0
    after = 0
    while after < last:
        ids = followers.filter(id__gt=after, id__lte=last).order_by("id").values_list("id", flat=True)
        through = next(iter(ids[size - 1 : size]), last)
        yield Child("timeline.deliver", {"post": written.pk, "after": after, "through": through}, key=f"after-{after}")
        after = through


def _written(text: str) -> str:
    text = text.strip()
    if not text:
        raise Discard("expected a text of at least one letter, got blanks")
    return text
