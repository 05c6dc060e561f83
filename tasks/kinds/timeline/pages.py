"""The page of a timeline. The project mounts these views as the site's own pages: for people who are logged in."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from jobs_app.authoring import Standing, desk
from jobs_app.errors import InvalidRequest, WeirError
from jobs_app.lifecycle import Via
from tasks.kinds.timeline import posts
from tasks.kinds.timeline.models import TEXT_LENGTH, Post

if TYPE_CHECKING:
    from django.contrib.auth.models import User

FOLLOWED = 50


class PostForm(forms.Form):
    """What to post. ``key`` makes a form that is sent twice one post."""

    text = forms.CharField(
        max_length=TEXT_LENGTH, label="What is new?", widget=forms.Textarea(attrs={"rows": 3, "maxlength": TEXT_LENGTH})
    )
    key = forms.UUIDField(widget=forms.HiddenInput)


class FollowForm(forms.Form):
    """Whom to follow."""

    name = forms.CharField(max_length=posts.NAME_LENGTH, label="User name")


@require_http_methods(["GET", "HEAD", "POST"])
def timeline(request: HttpRequest) -> HttpResponse:
    """The form, how my newest post does, and the posts."""
    form, status = _fresh(), 200
    if request.method == "POST":
        form, status = PostForm(request.POST), 422
        if form.is_valid():
            try:
                key = f"timeline-{form.cleaned_data['key']}"
                posts.write(_user(request), form.cleaned_data["text"], key=key, via=Via.WEB)
                return redirect("timeline")
            except WeirError as error:
                form.add_error(None, f"{error.title}: {error}")
                status = error.status
    return render(request, "timeline/timeline.html", _context(request, form), status=status)


@require_safe
def progress(request: HttpRequest) -> HttpResponse:
    """How far my newest post has come."""
    return render(request, "timeline/progress.html", _newest(_user(request)))


@require_POST
def delete(request: HttpRequest, post_id: int) -> HttpResponse:
    """Take a post back."""
    posts.delete(_user(request), post_id, now=timezone.now())
    messages.success(request, "Your post is off every timeline.")
    return redirect("timeline")


@require_POST
def follow(request: HttpRequest) -> HttpResponse:
    """Follow somebody, or no longer."""
    form = FollowForm(request.POST)
    try:
        if not form.is_valid():
            raise InvalidRequest("expected the name of a user")
        name = form.cleaned_data["name"]
        if "stop" in request.POST:
            posts.unfollow(_user(request), name)
            messages.success(request, f"You no longer follow {name}. What has come stays.")
        else:
            posts.follow(_user(request), name)
            messages.success(request, f"You follow {name}: new posts will be here.")
    except WeirError as error:
        messages.warning(request, f"{error.title}: {error}.")
    return redirect("timeline")


def _context(request: HttpRequest, form: PostForm) -> dict[str, Any]:
    user = _user(request)
    before = request.GET.get("before", "")
    if before and not (before.isascii() and before.isdigit() and len(before) < 19):
        raise InvalidRequest(f"expected the number of a post, got {before[:40]!r}")
    page = posts.page(user, before=int(before) if before else None)
    return {
        "section": "timeline",
        "form": form,
        "follow_form": FollowForm(),
        "posts": page.posts,
        "older": page.next_before,
        "first_page": not before,
        "following": posts.following(user, limit=FOLLOWED),
        **_newest(user),
    }


def _newest(user: User) -> dict[str, Any]:
    post = posts.newest_of(user)
    job = desk.look([post.job]).get(post.job) if post is not None else None
    return {"newest": post, "job": job, "percent": int(100 * job.fraction) if job else 0, "told": _told(post, job)}


def _told(post: Post | None, job: Standing | None) -> str:
    if post is None or job is None:
        return ""
    if job.state == "succeeded":
        return "Your newest post has reached all your followers."
    if job.final:
        return f"Your newest post did not reach all your followers: {job.error or 'its job was cancelled'}"
    return "Your newest post is here, and on its way to your followers."


def _fresh() -> PostForm:
    return PostForm(initial={"key": uuid.uuid4()})


def _user(request: HttpRequest) -> User:
    return cast("User", request.user)
