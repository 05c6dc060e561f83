"""The page of a job: how it stands, what came out, what happened, what can be done."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from jobs_app.core import artifacts, claims, outcomes
from jobs_app.lifecycle import State
from jobs_app.models import Job, LogLine
from jobs_app.models.guard import writing
from jobs_app.policies import NO_RETRY
from tests.support.ledger import altered, claimed, fresh, reaching, submitted
from tests.surfaces.web.conftest import logged_in

QUERIES = {"page": 18, "live": 6, "live after a change": 12, "log": 6}
"""What each answer asks the database for a user without special rights: of these, 2 are the session and the user and
2 the user's rights; then each question of ``reads`` is one query for the job and one for its rows. The estimate of a
job that runs is one; on PostgreSQL the time is another."""
TIME = int(connection.vendor == "postgresql")
HTMX = {"HX-Request": "true"}


def look(client: Client, job: Job, name: str = "job") -> str:
    answer = client.get(reverse(name, args=[job.id]))
    assert answer.status_code == 200
    return answer.content.decode()


def succeeded(owner: User, result: Any, now: Any, kind: str = "probe.nothing", **parameters: Any) -> Job:
    job = claimed(submitted(kind, parameters, owner=owner))
    assert outcomes.succeed(job, result, 100, now=now)
    return fresh(job)


def logged(job: Job, *texts: str, now: Any) -> None:
    with writing():
        LogLine.objects.bulk_create(LogLine(job=job, attempt=1, at=now, level="info", text=text) for text in texts)


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_its_page(alices: Client, alice: User, state: State) -> None:
    job = reaching(state, owner=alice)
    drawn = look(alices, job)
    assert f"state-{state}" in drawn
    assert ("Run again" in drawn) == state.final
    assert (reverse("job-cancel", args=[job.id]) in drawn) == (not state.final)
    assert ('data-final="yes"' in drawn) == state.final


def test_tables_charts_and_facts_are_drawn(alices: Client, alice: User, now: Any) -> None:
    rows = [["AA", 1.25], ["<b>", None]]
    series = [{"name": "mean", "values": [1.25]}]
    result = {
        "rows": 336_776,
        "table": {"shape": "table", "columns": ["carrier", "mean"], "rows": rows, "total_rows": 9},
        "chart": {"shape": "chart", "title": "Delays", "labels": ["AA"], "series": series},
    }
    drawn = look(alices, succeeded(alice, result, now))
    for part in (
        "336,776", '<th scope="col" class="number">mean</th>', '<td class="number">1.25</td>', "&lt;b&gt;",
        "the first 2 of 9 rows", "data-chart-from=", '"style": "bar"', "Delays",
    ):  # fmt: skip
        assert part in drawn, part
    assert "<td><b></td>" not in drawn


def test_text_from_jobs_cannot_become_markup(alices: Client, alice: User, now: Any) -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    result = {
        "text": evil, "tree": {"deep": {evil: [evil, {"a": evil}]}},
        "chart": {"shape": "chart", "title": evil, "labels": [evil], "series": [{"name": evil, "values": [1]}]},
        "table": {"shape": "table", "title": evil, "columns": [evil], "rows": [[evil]], "total_rows": 1},
    }  # fmt: skip
    job = succeeded(alice, result, now, kind="system.echo", text=evil)
    logged(job, evil, now=now)
    altered(job, progress_message=evil[:200], error=evil)
    assert "<script>alert" not in look(alices, job)
    assert "<img src=x" not in look(alices, job)


def test_a_result_that_is_too_large_to_draw_is_offered_as_a_file(alices: Client, alice: User, now: Any) -> None:
    job = altered(succeeded(alice, None, now), result_bytes=50_000_000)
    drawn = look(alices, job)
    assert "too large to be drawn" in drawn
    assert reverse("api:job_result", args=[job.id]) in drawn


def test_files_have_sizes_and_links_and_pictures_are_shown(alices: Client, alice: User, now: Any) -> None:
    job = claimed(submitted(owner=alice))
    artifacts.save_output(job, 1, "a b&c.csv", b"12345", now=now)
    artifacts.save_output(job, 1, "preview.png", b"png", content_type="image/png", now=now)
    result = {name: {"shape": "artifact", "name": name} for name in ("preview.png", "no.csv")}
    outcomes.succeed(job, result, 9, now=now)
    drawn = look(alices, job)
    for part in (
        "a%20b&amp;c.csv",
        "5\xa0bytes",
        "preview.png?inline=1",
        'alt="preview.png"',
        "no.csv is no longer kept",
    ):
        assert part in drawn, part


def test_a_failure_is_said_in_words_with_its_traceback_folded_away(alices: Client, alice: User, now: Any) -> None:
    job = claimed(submitted(owner=alice))
    outcomes.fail(
        job, outcomes.Failure("no column 'x'", "KeyError", "Traceback: line 1"), KeyError("x"), NO_RETRY, now=now
    )
    drawn = look(alices, job)
    assert "no column &#x27;x&#x27;" in drawn
    assert "<summary>Traceback of KeyError</summary>" in drawn


def test_a_job_that_is_due_and_finds_no_room_says_so(alices: Client, alice: User, now: Any) -> None:
    job = reaching(State.SCHEDULED, owner=alice)
    assert "It waits for its time" in look(alices, job)
    assert "It waits for room in queue default, and was due" in look(alices, altered(job, due_at=now))


def test_what_a_worker_said_too_late_is_shown_as_refused(alices: Client, alice: User, now: Any) -> None:
    late = claimed(submitted(owner=alice), now=now)
    assert claims.give_back(late, now=now, reason="its worker stopped answering")
    assert outcomes.succeed(claimed(late, now=now), {"answer": 42}, 9, now=now)
    before = look(alices, late)
    assert "late write refused" not in before
    assert not outcomes.fail(late, outcomes.Failure("too late"), ValueError(), NO_RETRY, now=now)
    drawn = look(alices, late)
    assert "late write refused" in drawn
    assert "attempt 1 reported &#x27;failed&#x27; when the job was succeeded at attempt 2" in drawn
    assert "too late" not in drawn, "it changes nothing else"
    assert "state-succeeded" in drawn


def test_secrets_stay_starred(alices: Client, alice: User) -> None:
    job = submitted("probe.signs_in", {"login": {"name": "al", "password": "hunter2-secret"}}, owner=alice)
    drawn = look(alices, job)
    assert "hunter2" not in drawn
    assert "**********" in drawn


def test_the_log_is_read_from_where_one_stands(alices: Client, alice: User, now: Any) -> None:
    job = reaching(State.RUNNING, owner=alice)
    logged(job, "first", "second", now=now)
    assert "second" in look(alices, job)
    first = LogLine.objects.get(text="first")
    later = alices.get(reverse("job-log", args=[job.id]), {"after": first.id}).content.decode()
    assert "second" in later
    assert "first" not in later
    assert alices.get(reverse("job-log", args=[job.id]), {"after": "-1"}).status_code == 422


def test_a_long_log_comes_in_portions(alices: Client, alice: User, now: Any) -> None:
    job = reaching(State.RUNNING, owner=alice)
    logged(job, *(f"line {number}" for number in range(501)), now=now)
    drawn = look(alices, job)
    assert drawn.count("data-line=") == 500
    assert "data-more" in drawn


def test_live_sends_progress_alone_until_the_state_is_another(alices: Client, alice: User, now: Any) -> None:
    job = altered(reaching(State.RUNNING, owner=alice), progress=0.5, progress_message="half")
    url = reverse("job-live", args=[job.id])
    stamp = alices.get(reverse("job", args=[job.id])).context["stamp"]
    same = alices.get(url, {"stamp": stamp}).content.decode()
    assert 'value="50"' in same
    assert "hx-swap-oob" not in same

    outcomes.succeed(job, {"answer": 42}, 9, now=now)
    other = alices.get(url, {"stamp": stamp}).content.decode()
    for part in ('id="job-actions"', 'id="job-outcome"', 'id="job-attempts"', 'id="job-timeline"', "42", "<title>"):
        assert part in other
    assert 'data-final="yes"' in other


def test_cancel_ends_a_waiting_job_and_asks_a_running_one(alices: Client, alice: User) -> None:
    for state, words in ((State.QUEUED, "state-cancelled"), (State.RUNNING, "asked to stop")):
        job = reaching(state, owner=alice)
        answer = alices.post(reverse("job-cancel", args=[job.id]), follow=True)
        assert words in answer.content.decode()


def test_cancelling_what_has_ended_is_said(alices: Client, alice: User) -> None:
    job = reaching(State.FAILED, owner=alice)
    url = reverse("job-cancel", args=[job.id])
    assert "This is no longer possible" in alices.post(url, follow=True).content.decode()
    answer = alices.post(url, headers=HTMX)
    assert answer.status_code == 409
    assert "no longer possible" in answer["HX-Trigger"]
    assert alices.get(url).status_code == 405


def test_run_again_makes_one_linked_job_however_often_it_is_pressed(alices: Client, alice: User) -> None:
    job = reaching(State.FAILED, owner=alice)
    key = str(alices.get(reverse("job", args=[job.id])).context["key"])
    answers = [alices.post(reverse("job-rerun", args=[job.id]), {"_key": key}) for _ in range(2)]
    made = Job.objects.get(rerun_of=job)
    assert {answer["Location"] for answer in answers} == {reverse("job", args=[made.id])}
    assert (made.via, made.owner) == ("web", alice)


def test_other_peoples_jobs_are_not_there(alice: User, bob: User) -> None:
    job = reaching(State.RUNNING, owner=alice)
    browser = logged_in(bob)
    for name in ("job", "job-live", "job-log", "job-change"):
        assert browser.get(reverse(name, args=[job.id])).status_code == 404
    for name in ("job-cancel", "job-rerun", "job-change"):
        assert browser.post(reverse(name, args=[job.id])).status_code == 404
    assert fresh(job).cancel_requested_at is None
    assert Job.objects.count() == 1


def test_an_operator_sees_and_acts_on_every_job(alice: User, carol: User) -> None:
    job = reaching(State.RUNNING, owner=alice)
    operator = logged_in(carol)
    assert "by alice" in look(operator, job)
    operator.post(reverse("job-cancel", args=[job.id]))
    assert fresh(job).cancel_requested_at is not None


@pytest.mark.parametrize("lines", [1, 300])
def test_a_job_takes_the_same_queries_however_much_hangs_on_it(
    alices: Client, alice: User, now: Any, lines: int, django_assert_num_queries: Any
) -> None:
    job = reaching(State.RUNNING, owner=alice)
    logged(job, *("x" for _ in range(lines)), now=now)
    for number in range(lines):
        artifacts.save_output(job, 1, f"{number}.csv", b"1", now=now)
    with django_assert_num_queries(QUERIES["page"] + TIME):
        stamp = alices.get(reverse("job", args=[job.id])).context["stamp"]
    with django_assert_num_queries(QUERIES["live"] + TIME):
        alices.get(reverse("job-live", args=[job.id]), {"stamp": stamp})
    with django_assert_num_queries(QUERIES["live after a change"] + TIME):
        alices.get(reverse("job-live", args=[job.id]), {"stamp": "other"})
    with django_assert_num_queries(QUERIES["log"]):
        alices.get(reverse("job-log", args=[job.id]))
