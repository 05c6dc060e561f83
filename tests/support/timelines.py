"""People and followers for tests of timelines."""

from __future__ import annotations

from django.contrib.auth.models import User

from tasks.kinds.timeline.models import Entry, Follow, Post


def followers_of(author: User, count: int) -> list[User]:
    """So many people who follow somebody."""
    names = [f"follower-{number:06}" for number in range(count)]
    people = User.objects.bulk_create([User(username=name, password="!") for name in names], batch_size=500)
    Follow.objects.bulk_create([Follow(follower=each, author=author) for each in people], batch_size=500)
    return people


def owners_of(post: Post | int) -> list[str]:
    """On whose timelines a post is, each as often as it is there."""
    return list(Entry.objects.filter(post=post).order_by("owner_id").values_list("owner__username", flat=True))
