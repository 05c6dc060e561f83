"""Jobs over HTTP: submit, list, look, cancel, run again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs_app.lifecycle import State
from jobs_app.models import Job
from tests.surfaces.api.support import JSON, client_of, problem, run, submit

pytestmark = pytest.mark.django_db


def test_a_submission_is_accepted_at_once_and_says_where_the_job_is(api: Client, alice: User) -> None:
    response = submit(api, parameters={"text": "hi"}, priority=7, max_attempts=3)
    body = response.json()
    assert response.status_code == 202
    assert response.headers["Location"] == f"/api/jobs/{body['id']}" == body["links"]["self"]
    job = Job.objects.get(id=body["id"])
    assert (job.kind, job.owner, job.via, job.state) == ("system.echo", alice, "api", State.QUEUED)
    assert (job.parameters, job.priority, job.max_attempts) == ({"text": "hi"}, 7, 3)
    assert api.get(response.headers["Location"]).json() == body


def test_links_lead_only_where_the_state_allows(api: Client) -> None:
    links = submit(api).json()["links"]
    assert "cancel" in links
    assert "result" not in links
    done = run(links["self"].rsplit("/", 1)[1])
    links = api.get(links["self"]).json()["links"]
    assert "cancel" not in links
    assert api.get(links["result"]).json() == {"text": "hello"} == done.result


def test_a_replayed_key_gives_the_same_job_and_says_so(api: Client) -> None:
    first = submit(api, headers={"Idempotency-Key": "k-1"})
    again = submit(api, headers={"Idempotency-Key": "k-1"})
    assert (first.status_code, again.status_code) == (202, 200)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert Job.objects.count() == 1


def test_a_key_of_another_request_is_refused_and_a_key_of_another_user_is_not(api: Client, bob: User) -> None:
    submit(api, headers={"Idempotency-Key": "k"})
    problem(submit(api, headers={"Idempotency-Key": "k"}, parameters={"text": "2"}), 422, "idempotency-conflict")
    assert submit(client_of(bob), headers={"Idempotency-Key": "k"}).status_code == 202
    assert Job.objects.count() == 2


def test_times_arrive_in_utc_and_a_later_job_is_scheduled(api: Client, now: datetime) -> None:
    due = (now + timedelta(days=1)).replace(microsecond=0)
    body = submit(api, due_at=due.astimezone().isoformat(), expires_at=(due + timedelta(hours=1)).isoformat()).json()
    assert body["state"] == "scheduled"
    assert datetime.fromisoformat(body["due_at"]) == due


def test_a_list_takes_the_search_of_the_console(api: Client, alice: User) -> None:
    def ids(**query: str) -> list[str]:
        return [each["id"] for each in api.get(f"/api/jobs?{urlencode(query)}").json()["jobs"]]

    made = submit(api, parameters={"text": "a b"}, tags=["nightly", "two words"])
    assert made.json()["tags"] == ["nightly", "two words"]
    job = made.json()["id"]
    other = submit(api, kind="system.sleep", parameters={"seconds": 2}, tags=["nightly"]).json()["id"]
    assert ids(q="tag:nightly since:1h") == [other, job]
    assert ids(q='tag:nightly tag:"two words" state:active') == [job]
    assert ids(q="param.seconds:2") == [other]
    assert ids(q="tag:nightly", kind="system.echo") == [job]
    assert ids(q="owner:@me state:failed") == []


def test_a_list_is_paged_by_cursor_and_link(api: Client) -> None:
    made = [submit(api).json()["id"] for _ in range(5)]
    seen, url = [], "/api/jobs?limit=2&kind=system.echo"
    while url:
        response = api.get(url)
        seen += [job["id"] for job in response.json()["jobs"]]
        link = response.headers.get("Link", "")
        assert link.endswith('; rel="next"') or not link
        assert (response.json()["next_cursor"] is None) == (not link)
        url = link[1:].partition(">")[0]
        assert not url or "kind=system.echo" in urlsplit(url).query
    assert seen == made[::-1]


def test_filters(api: Client, alice: User, carol: User, now: datetime) -> None:
    queued, later = submit(api), submit(api, due_at=(now + timedelta(days=1)).isoformat())
    slept = submit(api, kind="system.sleep")
    operator = client_of(carol)
    submit(operator)

    def ids(client: Client, query: str) -> list[str]:
        response = client.get(f"/api/jobs?{query}")
        assert response.status_code == 200, response.content
        return [job["id"] for job in response.json()["jobs"]]

    assert ids(api, "state=scheduled") == [later.json()["id"]]
    assert len(ids(api, "state=scheduled&state=queued")) == 3
    assert ids(api, "kind=system.sleep") == [slept.json()["id"]]
    assert ids(api, "queue=other") == []
    assert len(ids(operator, "")) == 4
    assert len(ids(operator, "mine=true")) == 1
    assert len(ids(operator, "owner=alice")) == 3
    created = queued.json()["created_at"].replace("+", "%2B")
    assert ids(api, f"created_before={created}") == []
    assert len(ids(api, f"created_after={created}")) == 3


@pytest.mark.parametrize(
    "query",
    ["q=colour:red", "kind=b&q=kind:a", "q=" + "a" * 1001, "limit=0", "limit=201", "limit=x", "state=gone",
     "cursor=x", "created_after=yesterday", "stat=queued",
     "created_after=2026-01-01T00:00:00", "mine=perhaps", "kind=%00", "owner=%00", "cursor=%00", "created_before=%00"],
)  # fmt: skip
def test_a_wrong_filter_is_named(api: Client, query: str) -> None:
    body = problem(api.get(f"/api/jobs?{query}"), 422, "invalid-request")
    assert query.split("=")[0] in body["detail"]


def test_attempts_logs_and_artifacts_of_a_job(api: Client) -> None:
    here = submit(api, kind="probe.makes_files", parameters={"names": ["ü 1.txt", "b.txt"]}).json()["links"]
    run(UUID(here["self"].rsplit("/", 1)[1]))
    (attempt,) = api.get(here["attempts"]).json()["attempts"]
    assert (attempt["number"], attempt["outcome"]) == (1, "succeeded")
    files = api.get(here["artifacts"]).json()["artifacts"]
    assert [each["name"] for each in files] == ["b.txt", "ü 1.txt"]
    got = api.get(files[1]["url"])
    assert b"".join(got.streaming_content) == "ü 1.txt: content".encode()
    assert got.headers["Content-Disposition"] == "attachment; filename*=utf-8''%C3%BC%201.txt"
    problem(api.get(f"{here['artifacts']}/c.txt"), 404, "not-found")


def test_log_lines_are_read_on_from_the_last(api: Client) -> None:
    here = submit(api, kind="probe.logs", parameters={"lines": 7}).json()["links"]
    run(UUID(here["self"].rsplit("/", 1)[1]))
    first = api.get(f"{here['logs']}?limit=5").json()
    rest = api.get(f"{here['logs']}?after={first['next_after']}").json()
    assert [line["text"] for line in first["lines"] + rest["lines"]] == [f"line {number}" for number in range(7)]
    assert api.get(f"{here['logs']}?after={rest['next_after']}").json()["lines"] == []
    problem(api.get(f"{here['logs']}?after=-1"), 422)
    problem(api.get(f"{here['logs']}?after=1{'0' * 30}"), 422)


def test_a_failure_tells_its_reason_and_has_no_result(api: Client) -> None:
    here = submit(api, kind="probe.fails").json()["links"]
    problem(api.get(f"{here['self']}/result"), 409, "conflict")
    run(UUID(here["self"].rsplit("/", 1)[1]))
    body = api.get(here["self"]).json()
    assert (body["state"], body["error"]) == ("failed", "it was told to fail")
    assert "ValueError" in api.get(here["attempts"]).json()["attempts"][0]["traceback"]
    problem(api.get(f"{here['self']}/result"), 409, "conflict")


def test_a_large_result_is_sent_from_its_file(api: Client) -> None:
    here = submit(api, kind="probe.large", parameters={"size": 300_000}).json()["links"]
    run(UUID(here["self"].rsplit("/", 1)[1]))
    response = api.get(f"{here['self']}/result")
    assert response.streaming
    assert b"".join(response.streaming_content) == b'"' + b"x" * 300_000 + b'"'
    assert response.headers["Content-Type"] == JSON


def test_cancel_twice_is_no_error_and_a_finished_job_is_a_conflict(api: Client) -> None:
    here = submit(api).json()["links"]
    assert api.post(here["cancel"]).json()["state"] == "cancelled"
    assert api.post(here["cancel"]).status_code == 200
    done = submit(api).json()["links"]
    run(UUID(done["self"].rsplit("/", 1)[1]))
    problem(api.post(f"{done['self']}/cancel"), 409, "conflict")


def test_a_rerun_is_a_new_job_with_changes(api: Client) -> None:
    first = submit(api, parameters={"text": "one"}).json()
    plain = api.post(first["links"]["rerun"], content_type=JSON)
    changed = api.post(first["links"]["rerun"], {"parameters": {"text": "two"}}, content_type=JSON)
    assert (plain.status_code, changed.status_code) == (202, 202)
    assert plain.json()["parameters"] == {"text": "one"}
    assert changed.json()["parameters"] == {"text": "two"}
    assert plain.json()["rerun_of"] == changed.json()["rerun_of"] == first["id"]
    assert changed.headers["Location"] == changed.json()["links"]["self"]
    key = {"Idempotency-Key": "again"}
    answers = [api.post(first["links"]["rerun"], content_type=JSON, headers=key) for _ in range(2)]
    assert [each.status_code for each in answers] == [202, 200]
    wrong = api.post(first["links"]["rerun"], {"parameters": {"text": 5}}, content_type=JSON)
    assert problem(wrong, 422, "invalid-parameters")["errors"][0]["pointer"] == "#/parameters/text"


def test_a_secret_is_never_told(api: Client) -> None:
    response = submit(api, kind="probe.secretive", parameters={"token": "open sesame"})
    here = response.json()["links"]
    job = run(response.json()["id"])
    assert job.state == State.FAILED
    for url in (here["self"], here["attempts"], here["logs"], "/api/jobs"):
        assert b"sesame" not in api.get(url).content


@pytest.mark.parametrize("tail", ["", "/attempts", "/logs", "/result", "/artifacts", "/artifacts/x", "/events"])
def test_anothers_job_is_not_there(api: Client, bob: User, tail: str) -> None:
    here = submit(api).json()["links"]["self"]
    problem(client_of(bob).get(here + tail), 404, "not-found")


@pytest.mark.parametrize("verb", ["cancel", "rerun"])
def test_anothers_job_is_not_acted_on(api: Client, bob: User, carol: User, verb: str) -> None:
    here = submit(api).json()["links"]["self"]
    problem(client_of(bob).post(f"{here}/{verb}", content_type=JSON), 404, "not-found")
    assert Job.objects.get().state == State.QUEUED
    assert client_of(carol).post(f"{here}/{verb}", content_type=JSON).status_code in {200, 202}


def test_kinds_are_described(api: Client) -> None:
    kinds = {kind["name"]: kind for kind in api.get("/api/kinds").json()["kinds"]}
    assert api.get("/api/kinds/system.echo").json() == kinds["system.echo"]
    assert kinds["system.echo"]["parameters"]["required"] == ["text"]
    body = problem(api.get("/api/kinds/system.ech"), 404, "not-found")
    assert "system.echo" in body["detail"]


def test_events_lead_to_the_stream_with_a_ticket(api: Client, settings: Any) -> None:
    here = submit(api).json()
    settings.WEIR = settings.WEIR.model_copy(update={"stream_url": "https://stream.example/"})
    response = api.get(f"{here['links']['events']}?after=5")
    assert response.status_code == 307
    address = urlsplit(response.headers["Location"])
    assert (address.netloc, address.path) == ("stream.example", f"/stream/jobs/{here['id']}")
    assert address.query.startswith("ticket=")
    assert address.query.endswith("&after=5")
