"""Timelines over HTTP: the answer to a post is the entry on one's own timeline."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs_app.models import Job
from tasks.kinds.timeline.models import Entry, Post
from tests.surfaces.api.support import JSON, problem, token_of

pytestmark = pytest.mark.django_db


def client_of(user: User) -> Client:
    return Client(headers={"Authorization": f"Bearer {token_of(user)}"})


def post(client: Client, text: str = "hello", key: str | None = None) -> object:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post("/api/timeline/posts", {"text": text}, content_type=JSON, headers=headers)


def test_the_answer_to_a_post_is_on_ones_own_timeline(alice: User) -> None:
    client = client_of(alice)
    answer = post(client, "hello", key="key")
    assert answer.status_code == 202
    told = answer.json()
    shown = {name: told[name] for name in ("id", "author", "text", "created_at")}
    assert client.get("/api/timeline").json() == {"posts": [shown], "next_before": None}
    assert (shown["author"], shown["text"], told["state"], told["progress"]) == ("alice", "hello", "queued", 0.0)
    job = Job.objects.whole().get(id=told["job"])
    assert (job.via, job.owner, job.token.owner) == ("api", alice, alice)
    assert client.get(told["links"]["job"]).json()["preview"]["id"] == told["id"]
    again = post(client, "hello", key="key")
    assert (again.status_code, again["Idempotency-Replayed"], again.json()) == (200, "true", told)
    assert Post.objects.count() == 1
    problem(post(client, "other", key="key"), 422, "idempotency-conflict")


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": "x" * 1001}, {"text": 1}, {"text": "a", "more": 1}])
def test_what_cannot_be_posted_is_refused_at_its_place(alice: User, body: dict[str, object]) -> None:
    answer = client_of(alice).post("/api/timeline/posts", body, content_type=JSON)
    told = problem(answer, 422)
    assert told["errors"]
    assert not Job.objects.exists()


def test_blanks_are_refused_by_the_preview(alice: User) -> None:
    told = problem(post(client_of(alice), "   "), 422, "preview-failed")
    assert "at least one letter" in told["detail"]
    assert not Job.objects.exists()


def test_pages_of_a_timeline(alice: User) -> None:
    client = client_of(alice)
    made = [post(client, str(number)).json()["id"] for number in range(3)]
    first = client.get("/api/timeline?limit=2").json()
    assert [each["id"] for each in first["posts"]] == made[:0:-1]
    second = client.get(f"/api/timeline?limit=2&before={first['next_before']}").json()
    assert [each["id"] for each in second["posts"]] == made[:1]
    assert second["next_before"] is None
    for query in ("limit=0", "limit=101", "before=0", "before=x", f"before={2**63}"):
        problem(client.get(f"/api/timeline?{query}"), 422)


def test_following_over_http(alice: User, bob: User) -> None:
    client = client_of(alice)
    for _ in range(2):
        assert client.put("/api/timeline/following/bob").status_code == 204
    assert client.get("/api/timeline/following").json() == {"following": ["bob"], "next_after": None}
    assert client.get("/api/timeline/following?limit=1").json()["next_after"] == "bob"
    problem(client.put("/api/timeline/following/alice"), 409, "conflict")
    problem(client.put("/api/timeline/following/nobody"), 404, "not-found")
    problem(client.put(f"/api/timeline/following/{'x' * 200}"), 422)
    for _ in range(2):
        assert client.delete("/api/timeline/following/bob").status_code == 204
    assert client.get("/api/timeline/following").json()["following"] == []


def test_only_its_author_takes_a_post_back(alice: User, bob: User) -> None:
    made = post(client_of(alice)).json()
    problem(client_of(bob).delete(f"/api/timeline/posts/{made['id']}"), 404, "not-found")
    problem(client_of(alice).delete(f"/api/timeline/posts/{2**70}"), 404, "not-found")
    assert client_of(alice).delete(f"/api/timeline/posts/{made['id']}").status_code == 204
    assert client_of(alice).get("/api/timeline").json()["posts"] == []
    problem(client_of(alice).delete(f"/api/timeline/posts/{made['id']}"), 404)
    assert Job.objects.get(id=made["job"]).state == "cancelled"
    assert Entry.objects.count() == 1, "the row goes with the job that clears it"


def test_a_family_over_http(alice: User, bob: User) -> None:
    from jobs_app.authoring import Child
    from jobs_app.core import clock, families, spawning
    from tests.support.ledger import claimed, submitted

    parent = claimed(submitted("family.parent", {"count": 0, "failing": []}, owner=alice))
    now = clock.database_now()
    first, second = spawning.spawn(parent, [Child("family.child", key=key) for key in "ab"], now=now)
    families.release("default", now=now)
    client = client_of(alice)
    told = client.get(f"/api/jobs/{parent.id}").json()
    assert told["parent"] is None
    assert told["children"] == {
        "total": 2, "waiting": 2, "running": 0, "succeeded": 0, "failed": 0, "cancelled": 0, "fraction": 0.0,
    }  # fmt: skip
    listed = client.get(told["links"]["children"]).json()["jobs"]
    assert [each["id"] for each in listed] == [str(second), str(first)]
    child = client.get(f"/api/jobs/{first}").json()
    assert (child["parent"], child["children"], child["via"]) == (str(parent.id), None, "parent")
    assert child["links"]["parent"] == f"/api/jobs/{parent.id}"
    assert client_of(bob).get(told["links"]["children"]).json()["jobs"] == []
    problem(client.get("/api/jobs?parent=nonsense"), 422)
