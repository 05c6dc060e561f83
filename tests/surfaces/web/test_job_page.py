"""The page of a job: how it stands, what came out, what happened, what can be done."""

from __future__ import annotations

import itertools
import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from jobs_app.core import artifacts, claims, control, execution, outcomes
from jobs_app.lifecycle import State
from jobs_app.models import Job, LogLine
from jobs_app.models.guard import writing
from jobs_app.policies import NO_RETRY
from jobs_app.reads import waits
from jobs_app.reads.waits import Reason, ReasonView
from tests.support.ledger import HOLDER, altered, claimed, fresh, reaching, submitted
from tests.surfaces.web.conftest import logged_in

QUERIES = {"page": 17, "live": 6, "live after a change": 13, "log": 6, "estimate": 10}
"""What each answer asks the database for a user without special rights: of these, 2 are the session and the user and
2 the user's rights; then each question of ``reads`` is one query for the job and one for its rows. The estimate of a
job that runs is one; on PostgreSQL the time is another."""
TIME = int(connection.vendor == "postgresql")
HTMX = {"HX-Request": "true"}
SECOND = timedelta(seconds=1)


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


def test_why_it_waits_is_said_with_a_link_to_the_cause(alices: Client, alice: User, now: Any, configured: Any) -> None:
    asked = altered(reaching(State.RUNNING, owner=alice), cancel_requested_at=now)
    job = reaching(State.SCHEDULED, owner=alice)
    submitted(now=now)
    configured(queue_limit=1)
    assert "It waits for its time: <time" in look(alices, job)
    late = altered(job, due_at=now)
    for name in ("job", "job-estimate"):
        drawn = look(alices, late, name)
        assert "Queue default is full: 1 job waits in it, and it has room for 1 " in drawn
        assert f'href="{reverse("queue", args=["default"])}">Look at queue default</a>' in drawn
    assert "It was asked to stop" in look(alices, asked)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_link_to_its_cause_that_leads_somewhere(
    alice: User, carol: User, reason: Reason, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For who owns the job, and for an operator: who may see the workers, or control the queue, is led there."""
    job = reaching(State.RETRYING, owner=alice)
    told = ReasonView(reason=reason, sentence="It waits", queue="default")
    monkeypatch.setattr(waits, "why", lambda *_, **__: told)
    for user in (alice, carol):
        client = logged_in(user)
        drawn = look(client, job)
        (why,) = re.findall(r'<span id="job-why".*?</span>', drawn, re.DOTALL)
        (address,) = re.findall(r'href="([^"]+)"', why)
        if address.startswith("#"):
            assert f'id="{address[1:]}"' in drawn
        else:
            assert client.get(unescape(address)).status_code == 200
        assert ("/workers/" in address) is (
            user is carol and reason in {Reason.NO_WORKER, Reason.BROKER, Reason.UPKEEP}
        )


def test_the_course_is_drawn_and_told(alices: Client, alice: User, now: Any) -> None:
    late = claimed(submitted(owner=alice, now=now), now=now + 2 * SECOND)
    assert claims.give_back(late, now=now + 5 * SECOND, reason="its worker stopped answering")
    late = claimed(late, now=now + 6 * SECOND)
    assert outcomes.succeed(late, {"answer": 42}, 9, now=now + 10 * SECOND)
    drawn = look(alices, late)
    assert (
        'aria-label="How long it stood where: waited for a worker (2.0 s), attempt 1 lost (3.0 s), '
        'waited for a worker (1.0 s), attempt 2 succeeded (4.0 s)"' in drawn
    )
    assert "10.0 s in all" in drawn
    assert drawn.count("<rect x=") == 4
    assert drawn.count('class="fill-failed"') == 1, "the attempt that was lost"


def test_who_did_what_is_told(alices: Client, alice: User, carol: User) -> None:
    job = claimed(submitted(owner=alice))
    logged_in(carol).post(reverse("job-cancel", args=[job.id]))
    drawn = look(alices, job)
    for words in (
        "<strong>submitted</strong> by alice",
        "<strong>claimed</strong> by worker@test",
        "requested</strong> by carol",
    ):
        assert words in drawn


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


def test_a_long_log_shows_its_end_and_the_rest_in_pages(alices: Client, alice: User, now: Any) -> None:
    job = reaching(State.RUNNING, owner=alice)
    logged(job, *(f"line {number}." for number in range(1100)), now=now)
    shown = alices.get(reverse("job", args=[job.id]))
    drawn, first = shown.content.decode(), shown.context["log"].lines[0]
    assert drawn.count("data-line=") == 500
    assert ("line 1099." in drawn, first.text) == (True, "line 600.")
    assert f'href="?before={first.id}#log"' in drawn
    page = alices.get(reverse("job-log", args=[job.id]), {"before": first.id})
    assert [each.text for each in page.context["log"].lines] == [f"line {number}." for number in range(100, 600)]
    last = alices.get(reverse("job", args=[job.id]), {"before": page.context["log"].lines[0].id})
    assert len(last.context["log"].lines) == 100
    assert "Load earlier lines" not in last.content.decode()

    since = alices.get(reverse("job-log", args=[job.id]), {"after": first.id}).content.decode()
    assert "data-more" not in since
    since = alices.get(reverse("job-log", args=[job.id]), {"after": "0"}).content.decode()
    assert since.count("data-line=") == 500
    assert "data-more" in since


def test_the_log_of_an_attempt_and_of_a_level(alices: Client, alice: User, now: Any) -> None:
    job = altered(reaching(State.RUNNING, owner=alice), attempt=2)
    with writing():
        for attempt, level in itertools.product((1, 2), ("debug", "info", "warning", "error")):
            LogLine.objects.create(job=job, attempt=attempt, at=now, level=level, text=f"{level} of {attempt}")

    def lines(**query: Any) -> list[str]:
        return [each.text for each in alices.get(reverse("job", args=[job.id]), query).context["log"].lines]

    assert len(lines()) == 8
    assert lines(attempt=2) == ["debug of 2", "info of 2", "warning of 2", "error of 2"]
    assert lines(attempt=1, level="warning") == ["warning of 1", "error of 1"]
    assert lines(attempt=9) == lines(attempt=10**18) == []
    newest = LogLine.objects.latest("id").id
    kept = alices.get(reverse("job", args=[job.id]), {"attempt": "1"})
    assert f'data-last="{newest}"' in kept.content.decode(), "what comes live goes on from the end of all lines"
    assert '<option value="1" selected>' in kept.content.decode()
    for wrong in ({"attempt": "x"}, {"level": "loud"}, {"before": "-1"}, {"before": "9" * 40}):
        assert alices.get(reverse("job", args=[job.id]), wrong).status_code == 422


def test_each_attempt_has_its_traceback_and_leads_to_its_log(alices: Client, alice: User, now: Any) -> None:
    job = claimed(submitted(owner=alice))
    outcomes.fail(job, outcomes.Failure("gone", "OSError", "Traceback: a"), OSError("gone"), NO_RETRY, now=now)
    drawn = look(alices, job)
    assert f'href="{reverse("job", args=[job.id])}?attempt=1#log" data-log-of="1"' in drawn
    assert "its message in Flower" not in drawn


def test_a_family_is_told_up_and_down(alices: Client, alice: User, now: Any) -> None:
    parent = submitted("family.parent", {"count": 14, "failing": []}, owner=alice)
    assert execution.run([parent.id], holder=HOLDER) == 1
    children = list(Job.objects.filter(parent=parent).order_by("id"))
    altered(children[-1], state=State.FAILED, finished_at=now)
    shown = alices.get(reverse("job", args=[parent.id]))
    assert shown.context["children"][0].id == children[-1].id, "what failed comes first"
    assert len(shown.context["children"]) == 12
    drawn = shown.content.decode()
    assert f'href="{reverse("jobs")}?q=parent%3A{parent.id}">All 14 of them</a>' in drawn
    assert 'aria-label="14 jobs: 1 failed, 13 waiting"' in drawn
    below = look(alices, children[0])
    assert f'href="{reverse("job", args=[parent.id])}">family.parent</a>' in below


def test_the_chain_of_runs_is_told_both_ways(alices: Client, alice: User, bob: User, now: Any) -> None:
    runs = [reaching(State.FAILED, owner=alice)]
    for _ in range(2):
        again = control.rerun(runs[-1].id, actor=alice, now=now).job
        runs.append(altered(again, state=State.CANCELLED, finished_at=now))
    for run in runs:
        shown = alices.get(reverse("job", args=[run.id]))
        assert [step.job.id for step in shown.context["chain"]] == [each.id for each in runs]
        assert shown.content.decode().count('<li class="chain-') == 3
    altered(runs[0], owner=bob)
    chain = alices.get(reverse("job", args=[runs[1].id])).context["chain"]
    assert [step.job.id for step in chain] == [each.id for each in runs[1:]], "another's job is not told"
    assert alices.get(reverse("job", args=[submitted(owner=alice).id])).context["chain"] == []


def test_a_result_is_shown_as_json_too(alices: Client, alice: User, now: Any) -> None:
    drawn = look(alices, succeeded(alice, {"rows": [1, "<b>"]}, now))
    assert "<summary>As JSON</summary>" in drawn
    assert "&quot;&lt;b&gt;&quot;" in drawn
    assert "As JSON" not in look(alices, succeeded(alice, {"long": "x" * 30_000}, now))


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
    with django_assert_num_queries(QUERIES["estimate"] + TIME):
        alices.get(reverse("job-estimate", args=[job.id]))
    with django_assert_num_queries(QUERIES["log"]):
        alices.get(reverse("job-log", args=[job.id]))
