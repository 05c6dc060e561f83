"""Reports over the API: the latest result at once, with its age; conditional requests; who may read."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils.http import http_date

from jobs_app.api import conditional
from jobs_app.api.reports import Reports
from jobs_app.core import artifacts, clock
from jobs_app.core.schedules import changes, ticks
from jobs_app.lifecycle import State
from jobs_app.models import Job
from tests.support import ledger
from tests.support.processes import Workers, eventually
from tests.support.reports import HOUR, altered, member, scheduled, ticked
from tests.surfaces.api.support import client_of, problem

pytestmark = pytest.mark.django_db

HERE = "/api/reports/hourly"
SECOND = timedelta(seconds=1)


@pytest.fixture
def schedule(alice: User, now: datetime) -> Any:
    """One that brought a result two hours ago, and is due in an hour; alice may read its report."""
    made = scheduled(now=now - 10 * HOUR, readers=[member(alice)], value="/rows")
    ticked(made, now - 3 * HOUR, {"rows": 10})
    ticked(made, now - 2 * HOUR, {"rows": 12})
    return altered(made, next_due_at=now + HOUR)


def at(moment: datetime) -> dict[str, str]:
    return {"If-Modified-Since": http_date(moment.timestamp())}


def test_a_report_is_the_latest_result_with_all_that_tells_how_old_it_is(
    api: Client, schedule: Any, now: datetime
) -> None:
    answer = api.get(HERE)
    body = answer.json()
    assert body["result"] == {"rows": 12}
    moments = [datetime.fromisoformat(body[name]) for name in ("due_at", "finished_at", "next_due_at")]
    assert moments == [now - 2 * HOUR, now - 2 * HOUR + 2 * SECOND, now + HOUR]
    assert (body["stale"], body["because"], body["why"], body["missing_since"]) == (False, None, "", None)
    assert [run["value"] for run in body["runs"]] == [12.0, 10.0]
    assert 7198 <= int(answer["Report-Age"]) <= 7300
    assert answer["Cache-Control"] == "private, no-cache"
    assert api.get(f"/api/reports/{schedule.pk}").json()["name"] == "hourly"
    assert api.get(body["links"]["self"]).json() == body
    assert api.get(body["links"]["result"]).json() == {"rows": 12}


def test_who_has_it_is_told_so_until_it_changes(api: Client, schedule: Any, now: datetime) -> None:
    first = api.get(HERE)
    etag, modified = first["ETag"], first["Last-Modified"]
    assert etag.startswith('"')
    assert modified == http_date((now - 2 * HOUR + 2 * SECOND).timestamp())
    for headers in ({"If-None-Match": etag}, {"If-None-Match": f'"x", {etag}'}, {"If-Modified-Since": modified}):
        answer = api.get(HERE, headers=headers)
        assert (answer.status_code, answer.content) == (304, b"")
        assert (answer["ETag"], answer["Last-Modified"]) == (etag, modified)
        assert int(answer["Report-Age"]) >= 7198
        assert answer["Cache-Control"] == "private, no-cache"
    for headers in (
        {"If-None-Match": '"x"'},
        at(now - 3 * HOUR),
        {"If-None-Match": '"x"', "If-Modified-Since": modified},
    ):
        assert api.get(HERE, headers=headers).status_code == 200
    head = api.head(HERE)
    assert (head.status_code, head["ETag"], head.content) == (200, etag, b"")
    ticked(schedule, now - HOUR, state=State.RUNNING)
    changed = api.get(HERE, headers={"If-None-Match": etag})
    assert (changed.status_code, changed.json()["because"]) == (200, "running")
    assert api.get(HERE, headers={"If-Modified-Since": modified}).status_code == 200
    assert changed["ETag"] != etag


def test_a_report_that_becomes_stale_by_itself_is_another(api: Client, schedule: Any, now: datetime) -> None:
    first = api.get(HERE)
    altered(schedule, next_due_at=now - 60 * SECOND)
    answer = api.get(HERE, headers={"If-None-Match": first["ETag"]})
    assert (answer.json()["stale"], answer.json()["because"]) == (True, "beat-away")
    assert api.get(HERE, headers={"If-Modified-Since": first["Last-Modified"]}).status_code == 200


@pytest.mark.parametrize(("age", "told"), [(0.0, False), (0.9, False), (1.0, True), (7200.0, True)])
def test_a_date_is_told_only_when_no_other_change_can_bear_it(rf: Any, noon: datetime, age: float, told: bool) -> None:
    body = Reports(reports=[], next_cursor=None)
    changed_at = noon + timedelta(seconds=0.4)
    answer = conditional.answer(rf.get("/"), body, now=changed_at + timedelta(seconds=age), changed_at=changed_at)
    assert answer.headers.get("Last-Modified") == (http_date(noon.timestamp()) if told else None)
    asked = rf.get("/", headers=at(noon))
    answer = conditional.answer(asked, body, now=changed_at + timedelta(seconds=age), changed_at=changed_at)
    assert answer.status_code == (304 if told else 200)


def test_a_pause_is_told_in_words(api: Client, schedule: Any, now: datetime) -> None:
    changes.pause(schedule, actor=None, now=now)
    body = api.get(HERE).json()
    assert (body["because"], body["next_due_at"]) == ("paused", None)
    assert body["why"] == "The schedule is paused: nothing newer comes until it is resumed."


def test_files_and_large_results_are_links(api: Client, alice: User, now: datetime, configured: Any) -> None:
    schedule = scheduled(now=now - 9 * HOUR, readers=[member(alice)])
    tick = ticked(schedule, now - HOUR, "x" * 500)
    artifacts.save_output(tick.job, 1, "a b.csv", b"1,2", content_type="text/csv", now=now)
    configured(result_inline_bytes=100)
    body = api.get(HERE).json()
    assert (body["inline"], body["result"], body["result_bytes"]) == (False, None, 502)
    assert api.get(body["links"]["result"]).json() == "x" * 500
    (file,) = body["artifacts"]
    assert (file["name"], file["size"]) == ("a b.csv", 3)
    answer = api.get(file["url"])
    assert b"".join(answer.streaming_content) == b"1,2"
    problem(api.get(f"{HERE}/artifacts/other.csv"), 404, "not-found")


def test_a_result_that_is_kept_as_a_file_can_be_fetched(api: Client, alice: User, now: datetime) -> None:
    schedule = scheduled(now=now - 9 * HOUR, readers=[member(alice)])
    tick = ticked(schedule, now - HOUR, None)
    ledger.altered(tick.job, result_bytes=10_000_000)
    artifacts.save_output(tick.job, 1, "result.json", b'{"rows": 1}', content_type="application/json", now=now)
    body = api.get(HERE).json()
    assert (body["result"], body["artifacts"]) == (None, [])
    assert b"".join(api.get(body["links"]["result"]).streaming_content) == b'{"rows": 1}'


def test_without_a_result_there_is_none_to_fetch(api: Client, alice: User, now: datetime) -> None:
    scheduled(now=now, readers=[member(alice)])
    answer = api.get(HERE)
    body = answer.json()
    assert (body["result"], body["stale"], body["because"], body["links"]) == (
        None, True, "never", {"self": body["links"]["self"]},
    )  # fmt: skip
    assert "Report-Age" not in answer
    problem(api.get(f"{HERE}/result"), 404, "not-found")
    problem(api.get(f"{HERE}/artifacts/x"), 404, "not-found")


def test_a_report_is_for_its_readers_and_for_those_who_see_all(
    alice: User, bob: User, carol: User, schedule: Any, now: datetime
) -> None:
    job = schedule.ticks.latest("due_at").job
    artifacts.save_output(job, 1, "a.csv", b"1", now=now)
    addresses = (HERE, f"{HERE}/result", f"{HERE}/artifacts/a.csv")
    for user, status in ((alice, 200), (carol, 200), (bob, 404)):
        client = client_of(user)
        for address in addresses:
            assert client.get(address).status_code == status, (user, address)
        assert len(client.get("/api/reports").json()["reports"]) == (status == 200)
    assert client_of(alice).get(f"/api/jobs/{job.id}").status_code == 404, "the job stays the system's"
    for address in (HERE, "/api/reports/nobody's"):
        assert "whose report you may read" in problem(client_of(bob).get(address), 404, "not-found")["detail"]


def test_the_list_tells_of_each_report_how_it_stands(api: Client, alice: User, schedule: Any, now: datetime) -> None:
    ticked(scheduled("another", now=now - 9 * HOUR, readers=[member(alice)]), now - HOUR, state=State.FAILED)
    first = api.get("/api/reports?limit=1")
    (another,) = first.json()["reports"]
    assert (another["name"], another["stale"], another["finished_at"]) == ("another", True, None)
    (hourly,) = api.get(f"/api/reports?cursor={first.json()['next_cursor']}").json()["reports"]
    assert (hourly["name"], hourly["stale"]) == ("hourly", False)
    assert api.get("/api/reports?limit=1", headers={"If-None-Match": first["ETag"]}).status_code == 304
    problem(api.get("/api/reports?limit=0"), 422)


def test_nothing_is_computed_in_the_request(
    api: Client, schedule: Any, now: datetime, unhurried: None, django_assert_max_num_queries: Any
) -> None:
    for hours in range(4, 9):
        ticked(schedule, now - hours * HOUR, {"rows": hours})
    before = Job.objects.count()
    etag = api.get(HERE)["ETag"]
    time = 2 * int(connection.vendor == "postgresql")
    # Schedule, ticks, result; job, files; once a second the token, two of rights, the rules of kinds.
    with django_assert_max_num_queries(9 + time):
        api.get(HERE)
    with django_assert_max_num_queries(9 + time):
        assert api.get(HERE, headers={"If-None-Match": etag}).status_code == 304
    assert Job.objects.count() == before


def test_a_report_is_fresh_as_soon_as_a_real_worker_has_ended_its_job(workers: Workers) -> None:
    now = clock.database_now()
    reader = User.objects.create_user("reader")
    schedule = scheduled(now=now, readers=[member(reader)])
    client = client_of(reader)
    before = client.get(HERE)  # the worker may end the job before anybody asks again
    ticks.run_now(schedule, actor=None, now=now)
    eventually(
        lambda: [each["state"] for each in client.get(HERE).json()["runs"]] == ["succeeded"], 60, what="the result"
    )
    after = client.get(HERE, headers={"If-None-Match": before["ETag"]})
    assert (after.status_code, after.json()["stale"]) == (200, False)
    assert after.json()["result"] is not None
    assert client.get(HERE, headers={"If-None-Match": after["ETag"]}).status_code == 304
