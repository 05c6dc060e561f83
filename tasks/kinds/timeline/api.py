"""Routes of timelines, mounted at /api/timeline by the project: everything is about the one who asks."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, cast
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Router, Status
from ninja.params import functions
from pydantic import BaseModel, ConfigDict, Field

from jobs_app.authoring import Standing
from jobs_app.lifecycle import Via
from tasks.kinds.timeline import posts
from tasks.kinds.timeline.models import TEXT_LENGTH, Post

if TYPE_CHECKING:
    from django.contrib.auth.models import User

router = Router(tags=["timeline"])

KEY = "Idempotency-Key"
Name = Annotated[str, functions.Path(max_length=posts.NAME_LENGTH)]


class NewPost(BaseModel):
    """What to post."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=TEXT_LENGTH)


class PostBody(BaseModel):
    """A post on your timeline."""

    id: int
    author: str
    text: str
    created_at: datetime

    @classmethod
    def of(cls, post: Post) -> PostBody:
        """From a row, fetched with its author."""
        return cls(id=post.pk, author=post.author.get_username(), text=post.text, created_at=post.created_at)


class Posted(PostBody):
    """Your post, as it is on your own timeline now; ``job`` carries it to your followers."""

    job: UUID
    state: str
    progress: float = Field(description="How much of the way to the followers is done, from 0 to 1.")
    links: dict[str, str]

    @classmethod
    def by(cls, job: Standing) -> Posted:
        """From the job's preview."""
        links = {"job": reverse("api:job", args=[job.id])}
        return cls(**job.preview, job=job.id, state=job.state, progress=job.fraction, links=links)


class Timeline(BaseModel):
    """A page of your timeline, newest first; ``next_before`` is null on the last."""

    posts: list[PostBody]
    next_before: int | None


class Following(BaseModel):
    """Whom you follow, by name; ``next_after`` is null on the last page."""

    following: list[str]
    next_after: str | None


@router.post("/posts", response={202: Posted, 200: Posted}, url_name="timeline_posts")
def write(
    request: HttpRequest,
    response: HttpResponse,
    payload: NewPost,
    idempotency_key: str | None = functions.Header(None, alias=KEY, description="The same key gives the same post."),
) -> Status[Posted]:
    """Post. The answer is the entry on your own timeline, which is there already; followers get it in the background.

    A replay of an idempotency key answers 200.
    """
    token = getattr(request, "token_id", None)
    job = posts.write(_user(request), payload.text, key=idempotency_key, via=Via.API, token=token)
    if job.replayed:
        response["Idempotency-Replayed"] = "true"
    return Status(200 if job.replayed else 202, Posted.by(job))


@router.delete("/posts/{int:post_id}", response={204: None}, url_name="timeline_post")
def delete(request: HttpRequest, post_id: int) -> Status[None]:
    """Take your post back: at once off every timeline, even while it is on its way."""
    posts.delete(_user(request), post_id, now=timezone.now())
    return Status(204, None)


@router.get("", response=Timeline, url_name="timeline")
def read(
    request: HttpRequest,
    before: int | None = functions.Query(None, ge=1, le=posts.LARGEST_ID, description="next_before of a page."),
    limit: int = functions.Query(posts.PAGE, description="Posts a page, 1 to 100."),
) -> Timeline:
    """Your timeline: your own posts and those of the people you follow, newest first."""
    page = posts.page(_user(request), before=before, limit=limit)
    return Timeline(posts=[PostBody.of(each) for each in page.posts], next_before=page.next_before)


@router.get("/following", response=Following, url_name="timeline_following")
def list_following(
    request: HttpRequest,
    after: str = functions.Query("", max_length=posts.NAME_LENGTH, description="next_after of a page."),
    limit: int = functions.Query(posts.PAGE, description="Names a page, 1 to 100."),
) -> Following:
    """Whom you follow."""
    names = posts.following(_user(request), after=after, limit=limit)
    return Following(following=names, next_after=names[-1] if len(names) == limit else None)


@router.put("/following/{str:name}", response={204: None}, url_name="timeline_follow")
def follow(request: HttpRequest, name: Name) -> Status[None]:
    """Follow somebody. Their posts come from now on. Twice is no error."""
    posts.follow(_user(request), name)
    return Status(204, None)


@router.delete("/following/{str:name}", response={204: None}, url_name="timeline_unfollow")
def unfollow(request: HttpRequest, name: Name) -> Status[None]:
    """Follow somebody no longer. What has come stays. Twice is no error."""
    posts.unfollow(_user(request), name)
    return Status(204, None)


def _user(request: HttpRequest) -> User:
    return cast("User", request.auth)  # type: ignore[attr-defined]  # set by ninja
