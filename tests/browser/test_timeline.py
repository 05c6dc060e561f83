"""The timeline in a browser: a double click is one post, it is there at once, and its way to the followers is seen."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from jobs_app.core import execution
from jobs_app.models import Job
from tasks.kinds.timeline import fanning, posts
from tasks.kinds.timeline.models import Follow, Post
from tests.browser.conftest import Open
from tests.support.timelines import followers_of

# Jobs are run by hand here: none is to be dispatched meanwhile.
pytestmark = pytest.mark.usefixtures("nudged")

URL = "/timeline/"


def run_next() -> None:
    job = Job.objects.filter(state="queued").order_by("id").first()
    assert job is not None
    execution.run([job.id], holder="worker@test/1/message")


def test_a_double_click_is_one_post_and_it_is_there_at_once(alices: Page, alice: User) -> None:
    alices.goto(URL)
    alices.get_by_label("What is new?").fill("hello, all of you")
    alices.get_by_role("button", name="Post", exact=True).dblclick()
    expect(alices.locator(".post-text")).to_have_text(["hello, all of you"])
    expect(alices.get_by_role("status").filter(has_text="on its way")).to_be_visible()
    assert Post.objects.count() == Job.objects.count() == 1


def test_the_way_to_the_followers_is_followed_without_a_click(
    alices: Page, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanning, "BATCH", 1)
    followers_of(alice, 4)
    posts.write(alice, "hello", key=None)
    alices.goto(URL)
    for _ in range(3):
        run_next()
    expect(alices.locator("#on-its-way")).to_contain_text("jobs ended")
    for _ in range(3):
        run_next()
    expect(alices.locator("#on-its-way")).to_contain_text("has reached all your followers")
    expect(alices.locator("#on-its-way progress")).to_have_count(0)


def test_deleting_asks_first(alices: Page, alice: User) -> None:
    posts.write(alice, "hello", key=None)
    alices.goto(URL)
    alices.get_by_role("button", name=re.compile("Delete")).click()
    alices.get_by_role("button", name="No, go back").click()
    assert Post.objects.filter(deleted_at=None).exists()
    alices.get_by_role("button", name=re.compile("Delete")).click()
    alices.get_by_role("button", name="Delete", exact=True).last.click()
    expect(alices.get_by_text("Your post is off every timeline.")).to_be_visible()
    assert not Post.objects.filter(deleted_at=None).exists()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_fits_its_window(
    opened: Open, alice: User, bob: User, carol: User, width: int, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With WEIR_PICTURES=folder the page is kept as a picture, to be looked at."""
    monkeypatch.setattr(fanning, "BATCH", 20)
    followers_of(alice, 100)
    for author in (bob, carol):
        Follow.objects.create(follower=alice, author=author)
        Follow.objects.create(follower=author, author=alice)
    for author, text in ((bob, "The weir at Teddington opened two more gates this morning."), (carol, "W" * 120)):
        post = Post.objects.get(job=posts.write(author, text, key=None).id)
        fanning.deliver(post.pk, 0, posts.LARGEST_ID)
    posts.write(alice, "Hello, all of you.\nThis line is the second one.", key=None)
    while Job.objects.filter(state="queued").count() > 2:
        run_next()
    page = opened(alice, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(URL)
    expect(page.locator(".post")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    folder = os.environ.get("WEIR_PICTURES")
    if folder:
        page.screenshot(path=Path(folder) / f"timeline-{width}-{scheme}.png")
        job = Job.objects.filter(kind="timeline.post", owner=alice).get()
        page.goto(f"/jobs/{job.id}/")
        page.screenshot(path=Path(folder) / f"job-{width}-{scheme}.png")
