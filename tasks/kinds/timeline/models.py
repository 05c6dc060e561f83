"""Who follows whom, what was posted, and on whose timeline it is."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

TEXT_LENGTH = 1000


class Follow(models.Model):
    """One person follows another. The ids are what a post's followers are cut into batches by."""

    follower = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="follow_once", fields=["follower", "author"]),
            models.CheckConstraint(name="follow_others", condition=~Q(follower=F("author"))),
        ]
        # fanning: the followers of one author, a range of ids at a time.
        indexes = [models.Index(fields=["author", "id"], name="followers_of")]

    def __str__(self) -> str:
        return f"{self.follower_id} follows {self.author_id}"


class Post(models.Model):
    """What somebody wrote. Deleted, it is on no timeline any more; its row stays until all of them are cleared."""

    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    text = models.TextField(max_length=TEXT_LENGTH)
    job = models.UUIDField(unique=True, help_text="The job that carries it to the followers.")
    created_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        # posts.newest_of: an author's newest post.
        indexes = [models.Index(F("author"), F("id").desc(), name="posts_of")]

    def __str__(self) -> str:
        return self.text[:40]


class Entry(models.Model):
    """A post on somebody's timeline: each post once, whatever is tried twice."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    post = models.ForeignKey(Post, on_delete=models.CASCADE, related_name="entries")

    class Meta:
        # Also what posts.page reads: one owner's timeline, newest post first.
        constraints = [models.UniqueConstraint(name="entry_once", fields=["owner", "post"])]

    def __str__(self) -> str:
        return f"post {self.post_id} on the timeline of {self.owner_id}"
