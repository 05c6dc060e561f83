"""The page of a timeline, and what the job page shows of families and previews."""

from __future__ import annotations

import re
from datetime import datetime
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from jobs_app.authoring import Child
from jobs_app.core import families, spawning
from jobs_app.models import Job
from tasks.kinds.timeline import posts
from tasks.kinds.timeline.models import Follow, Post
from tests.support.ledger import altered, claimed, submitted
from tests.surfaces.web.conftest import logged_in

URL = "/timeline/"
ADDRESSES = [URL, "/timeline/progress/", "/timeline/follow/", "/timeline/posts/1/delete/"]


@pytest.mark.parametrize("url", ADDRESSES)
def test_a_stranger_is_sent_to_log_in(db: None, url: str) -> None:
    for answer in (Client().get(url), Client().post(url)):
        assert answer.status_code == 302
        assert answer["Location"].startswith(reverse("login"))


def test_a_form_that_is_sent_twice_is_one_post(alices: Client) -> None:
    key = re.search(r'name="key" value="([^"]+)"', alices.get(URL).content.decode())[1]
    for _ in range(2):
        assert alices.post(URL, {"text": "hello <b>you</b>", "key": key})["Location"] == URL
    assert Post.objects.count() == 1
    text = alices.get(URL).content.decode()
    assert "hello &lt;b&gt;you&lt;/b&gt;" in text
    assert "on its way to your followers" in text
    assert "data-poll" in text
    assert Job.objects.get().via == "web"


@pytest.mark.parametrize("sent", [{"text": "", "key": str(uuid4())}, {"text": "x" * 1001, "key": str(uuid4())}])
def test_what_cannot_be_posted_comes_back_with_the_fault(alices: Client, sent: dict[str, str]) -> None:
    answer = alices.post(URL, sent)
    assert answer.status_code == 422
    assert "errorlist" in answer.content.decode()
    assert not Post.objects.exists()


def test_a_full_queue_keeps_the_text_in_the_form(
    transactional_db: None, nudged: list[str], alices: Client, configured: object, now: datetime
) -> None:
    configured(queue_limit=1, user_share=1)  # type: ignore[operator]
    submitted(now=now)
    answer = alices.post(URL, {"text": "kept for you", "key": str(uuid4())})
    text = answer.content.decode()
    assert answer.status_code == 503
    assert "The queue is full" in text
    assert "kept for you</textarea>" in text
    assert not Post.objects.exists()


def test_progress_is_that_of_my_newest_post_and_ends_with_it(alices: Client, alice: User) -> None:
    assert "hidden" in alices.get("/timeline/progress/").content.decode()
    job = Job.objects.get(id=posts.write(alice, "hello", key=None).id)
    altered(claimed(job), state="blocked", lease_until=None, progress=0.25, progress_message="1 of 4 jobs ended")
    text = alices.get("/timeline/progress/").content.decode()
    assert 'value="25"' in text
    assert "1 of 4 jobs ended" in text
    altered(job, state="failed", finished_at=job.created_at, error="2 of 4 batches did not reach their followers")
    text = alices.get("/timeline/progress/").content.decode()
    assert "data-poll" not in text
    assert "did not reach all your followers: 2 of 4 batches" in text


def test_deleting_and_following_on_the_page(alices: Client, alice: User, bob: User) -> None:
    posts.write(alice, "hello", key=None)
    post = Post.objects.get()
    assert logged_in(bob).post(f"/timeline/posts/{post.pk}/delete/").status_code == 404
    assert "off every timeline" in alices.post(f"/timeline/posts/{post.pk}/delete/", follow=True).content.decode()
    assert "You follow bob" in alices.post("/timeline/follow/", {"name": "bob"}, follow=True).content.decode()
    assert Follow.objects.filter(follower=alice, author=bob).exists()
    stopped = alices.post("/timeline/follow/", {"name": "bob", "stop": "yes"}, follow=True)
    assert "You no longer follow bob" in stopped.content.decode()
    assert not Follow.objects.exists()
    for name in ("nobody", "alice", ""):
        assert "message-warning" in alices.post("/timeline/follow/", {"name": name}, follow=True).content.decode()


def test_older_posts_are_a_page_away(alices: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posts.page, "__kwdefaults__", {"before": None, "limit": 2})
    for number in range(3):
        posts.write(alice, f"number {number}", key=None)
    text = alices.get(URL).content.decode()
    assert "number 2" in text
    assert "number 0" not in text
    older = re.search(r'href="(\?before=\d+)"', text)[1]
    assert "number 0" in alices.get(URL + older).content.decode()
    assert alices.get(URL + "?before=x").status_code == 422


# Jobs


def test_the_job_page_shows_the_preview_until_there_is_a_result(alices: Client, alice: User, now: datetime) -> None:
    job = submitted("family.preview", {"name": "shown at once"}, owner=alice, now=now)
    text = alices.get(f"/jobs/{job.id}/").content.decode()
    assert ">Preview<" in text
    assert "until there is a result" in text
    altered(job, state="succeeded", finished_at=now, result="done", result_bytes=6)
    text = alices.get(f"/jobs/{job.id}/").content.decode()
    assert ">Preview<" not in text
    assert ">Result<" in text


def test_the_pages_of_a_family_lead_to_each_other(alices: Client, alice: User, now: datetime) -> None:
    parent = claimed(submitted("family.parent", {"count": 0, "failing": []}, owner=alice, now=now))
    (child,) = spawning.spawn(parent, [Child("family.child", key="one")], now=now)
    text = alices.get(f"/jobs/{child}/").content.decode()
    assert "upkeep, which would queue it, seems to be away" in text
    assert f'href="/jobs/{parent.id}/">spawned by another job' in text
    families.release("default", now=now)
    altered(parent, state="blocked", lease_until=None, progress=0.5)
    text = alices.get(f"/jobs/{parent.id}/").content.decode()
    assert "It waits for the jobs that it spawned" in text
    assert "1 spawned job</a>: 1 waits, 0 run, 0 succeeded" in text
    assert 'value="50"' in text
    listed = alices.get(f"/jobs/?q=parent:{parent.id}").content.decode()
    assert f"/jobs/{child}/" in listed
    home = alices.get("/jobs/").content.decode()
    assert f"/jobs/{child}/" not in home, "a thousand of them would hide everything else"
    assert f"/jobs/{parent.id}/" in home
    assert alices.get("/jobs/?q=parent:nonsense").status_code == 422


def test_others_see_nothing_of_a_family(alice: User, bob: User, now: datetime) -> None:
    parent = claimed(submitted("family.parent", {"count": 0, "failing": []}, owner=alice, now=now))
    (child,) = spawning.spawn(parent, [Child("family.child", key="one")], now=now)
    assert str(child) not in logged_in(bob).get(f"/jobs/?q=parent:{parent.id}").content.decode()
