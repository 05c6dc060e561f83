"""What people do with timelines: write, read, delete, follow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.db.models import Q

from jobs_app.authoring import Standing, desk
from jobs_app.errors import Conflict, InvalidRequest, NotFound
from tasks.kinds.timeline.models import Entry, Follow, Post

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PAGE = 20
PAGE_LIMIT = 100
FOLLOWS = 5000
"""So many people one may follow."""

LARGEST_ID = 2**63 - 1
DELETE = "timeline.delete_post"
NAME_LENGTH = 150


@dataclass(frozen=True)
class Page:
    """Posts, newest first; ``next_before`` is where the next page begins, None at the end."""

    posts: list[Post]
    next_before: int | None


def write(author: User, text: str, *, key: str | None, **options: Any) -> Standing:
    """Post: it is on the author's timeline when this returns. The same key again gives the same post.

    Raises InvalidParameters, IdempotencyConflict, and Refused when there is no room.
    """
    return desk.submit("timeline.post", {"text": text}, owner=author, idempotency_key=key, **options)


def page(user: User, *, before: int | None = None, limit: int = PAGE) -> Page:
    """A page of somebody's timeline: the posts before the one with id ``before``. Raises InvalidRequest."""
    if not 1 <= limit <= PAGE_LIMIT:
        raise InvalidRequest(f"expected a limit from 1 to {PAGE_LIMIT}, got {limit}")
    entries = Entry.objects.filter(owner=user, post__deleted_at=None).select_related("post__author")
    if before is not None:
        entries = entries.filter(post_id__lt=min(before, LARGEST_ID))
    found = [each.post for each in entries.order_by("-post_id")[: limit + 1]]
    return Page(found[:limit], found[limit - 1].pk if len(found) > limit else None)


def newest_of(user: User) -> Post | None:
    """The newest post that somebody wrote and has not deleted."""
    return Post.objects.filter(author=user, deleted_at=None).order_by("-id").first()


def delete(user: User, post_id: int, *, now: datetime) -> None:
    """Take a post back: at once off every timeline, its way to the followers stopped, its rows cleared by a job.

    Raises NotFound for what is not one's own, or deleted. Who has the permission to delete posts may delete others'.
    """
    mine = Q() if user.has_perm(DELETE) else Q(author=user)
    with transaction.atomic():
        rows = Post.objects.filter(mine, id=min(post_id, LARGEST_ID), deleted_at=None)
        # Waits for the batches that write rows of it now: they hold it, see ``hold``. None comes after.
        post = rows.select_for_update().first() if connection.features.has_select_for_update else rows.first()
        if post is None:
            raise NotFound(f"expected a post of yours, got {post_id}")
        Post.objects.filter(id=post.pk).update(deleted_at=now)
        desk.cancel(post.job)
        # The platform's own: to take a post back nobody needs room in a full queue.
        desk.submit("timeline.retract", {"post": post.pk}, owner=None, overflow=True)


def hold(post_id: int) -> Post | None:
    """A post that is not deleted, and is not while the caller's transaction lasts; others may hold it too."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM timeline_post WHERE id = %s FOR SHARE", [post_id])
    return Post.objects.filter(id=post_id, deleted_at=None).first()


def follow(user: User, name: str) -> bool:
    """Follow somebody: their posts come from now on. Returns whether it is new. Raises NotFound, Conflict."""
    author = _somebody(name)
    if author == user:
        raise Conflict("expected somebody else: your own posts are on your timeline anyway")
    known = Follow.objects.filter(follower=user)
    if known.filter(author=author).exists():
        return False
    if known.count() >= FOLLOWS:
        raise Conflict(f"expected you to follow at most {FOLLOWS:,} people; unfollow somebody first")
    Follow.objects.bulk_create([Follow(follower=user, author=author)], ignore_conflicts=True)
    return True


def unfollow(user: User, name: str) -> bool:
    """Follow somebody no longer; what has come stays. Returns whether they were followed. Raises NotFound."""
    gone, _ = Follow.objects.filter(follower=user, author=_somebody(name)).delete()
    return gone > 0


def following(user: User, *, after: str = "", limit: int = PAGE) -> list[str]:
    """The names of those whom somebody follows, in order, after a given one. Raises InvalidRequest."""
    if not 1 <= limit <= PAGE_LIMIT:
        raise InvalidRequest(f"expected a limit from 1 to {PAGE_LIMIT}, got {limit}")
    if not after.isprintable():
        raise InvalidRequest("expected after to be printable text")
    name = f"author__{get_user_model().USERNAME_FIELD}"
    rows = Follow.objects.filter(follower=user, **{f"{name}__gt": after[:NAME_LENGTH]})
    return list(rows.order_by(name).values_list(name, flat=True)[:limit])


def _somebody(name: str) -> User:
    users = get_user_model()
    found = users.objects.filter(**{users.USERNAME_FIELD: name}, is_active=True) if _possible(name) else None
    who = found.first() if found is not None else None
    if who is None:
        raise NotFound(f"expected the name of a user, got {name[:40]!r}")
    return who


def _possible(name: str) -> bool:
    return name.isprintable() and 0 < len(name) <= NAME_LENGTH
