"""The list of jobs: searches, pages, columns, counts, and looking again without moving a row."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from jobs_app.lifecycle import State
from jobs_app.reads import counts
from tests.support.ledger import altered, fresh, reaching, submitted
from tests.surfaces.web.conftest import logged_in

QUERIES = 6
"""Session, user, jobs, saved views, and whether the user may see all (asked once for users, once for groups)."""


def shown(client: Client, query: str = "") -> list[Any]:
    return [job.id for job in client.get(f"/jobs/{query}", follow=True).context["jobs"]]


def searched(client: Client, text: str) -> list[Any]:
    return shown(client, "?" + urlencode({"q": text}))


@pytest.mark.parametrize("path", ["/jobs/"])
def test_a_newcomer_is_told_what_to_do(alices: Client, path: str) -> None:
    assert "Your first job" in alices.get(path).content.decode()


def test_my_jobs_newest_first_and_nobody_elses(alices: Client, alice: User, bob: User) -> None:
    mine = [submitted(owner=alice), submitted(owner=alice)]
    submitted(owner=bob)
    assert shown(alices) == [mine[1].id, mine[0].id]
    assert searched(alices, "") == [mine[1].id, mine[0].id]
    assert searched(alices, "owner:bob") == []


def test_an_operator_may_look_at_everyones_jobs_and_at_one_users(alice: User, bob: User, carol: User) -> None:
    job, other = submitted(owner=alice), submitted(owner=bob)
    operator = logged_in(carol)
    assert shown(operator) == []
    assert searched(operator, "") == shown(operator, "?who=everyone") == [other.id, job.id]
    assert searched(operator, "owner:alice") == [job.id]
    page = operator.get("/jobs/?q=").content.decode()
    assert "Owner</th>" in page
    assert "Everyone" in page


@pytest.mark.parametrize("state", list(State))
def test_every_state_is_shown_in_words(alices: Client, alice: User, state: State) -> None:
    reaching(state, owner=alice)
    drawn = alices.get("/jobs/").content.decode()
    assert f"state-{state}" in drawn
    assert f"</svg>{state}</span>" in drawn


def test_searches_combine(alices: Client, alice: User) -> None:
    waiting = submitted("system.echo", {"text": "a"}, owner=alice, tags=("nightly",))
    failed = reaching(State.FAILED, owner=alice)
    assert searched(alices, "state:failed") == [failed.id]
    assert searched(alices, "state:active") == [waiting.id]
    assert searched(alices, "state:queued state:failed kind:system.echo") == [waiting.id]
    assert searched(alices, "tag:nightly param.text:a since:1h queue:default") == [waiting.id]
    assert searched(alices, "since:0s") == []
    assert "No job fits" in alices.get("/jobs/?q=state:cancelled").content.decode()


def test_a_form_or_a_link_may_give_parts_which_become_the_text(alices: Client, alice: User) -> None:
    job = submitted("system.echo", {"text": "a b"}, owner=alice, tags=("two words",))
    given = {"q": "spawned:no kind:other state:failed", "kind": "system.echo", "state": ["active"], "owner": "",
             "tag": "two words", "param": "text=a b", "since": "1d"}  # fmt: skip
    answer = alices.get("/jobs/?" + urlencode({**given, "columns": ["queue", "tags"]}, doseq=True))
    assert answer.status_code == 302
    page = alices.get(answer["Location"])
    text = page.context["at"].text
    assert text == 'spawned:no state:active kind:system.echo tag:"two words" param.text:"a b" since:1d'
    assert [each.id for each in page.context["jobs"]] == [job.id]
    assert [each.name for each in page.context["columns"]] == ["queue", "tags"]


def test_chips_are_links_to_the_search_with_and_without_them(alices: Client, alice: User) -> None:
    waiting, failed = submitted(owner=alice), reaching(State.FAILED, owner=alice)
    page = alices.get("/jobs/?q=spawned:no+state:failed+kind:probe.nothing")
    chips = {chip.label: chip for chip in page.context["state_chips"]}
    assert [label for label, chip in chips.items() if chip.current] == ["Failed"]
    assert shown(alices, chips["All"].query) == [failed.id, waiting.id]
    assert shown(alices, chips["Queued"].query) == [failed.id, waiting.id], "one more state"
    assert shown(alices, chips["Failed"].query) == [failed.id, waiting.id], "none"
    words = {chip.label: chip.query for chip in page.context["chips"]}
    assert set(words) == {"without spawned jobs", "kind probe.nothing"}
    assert "kind" not in words["kind probe.nothing"]
    active = {chip.label: chip for chip in alices.get("/jobs/?q=state:active").context["state_chips"]}
    assert active["Active"].current
    assert not active["Queued"].current
    assert shown(alices, active["Queued"].query) == [waiting.id], "narrowed"
    assert shown(alices, active["Active"].query) == [failed.id, waiting.id], "taken away"


@pytest.mark.parametrize(
    "query",
    ["?q=state:lost", "?q=colour:red", "?state=lost", "?cursor=next", "?columns=colour", "?q=tag:%00", "?parent=7"],
)
def test_a_bad_search_is_a_page_that_says_what_was_expected(alices: Client, query: str) -> None:
    answer = alices.get(f"/jobs/{query}", follow=True)
    assert answer.status_code == 422
    assert "xpected" in answer.content.decode()


def test_what_was_typed_is_kept_beside_the_problem(alices: Client) -> None:
    page = alices.get("/jobs/?" + urlencode({"q": 'state:lost "<b>'})).content.decode()
    assert 'value="state:lost &quot;&lt;b&gt;"' in page
    assert 'aria-invalid="true"' in page
    assert "<b>" not in page


def test_pages_hold_25_jobs_and_lead_on_by_key(alices: Client, alice: User) -> None:
    made = [submitted(owner=alice).id for _ in range(30)]
    first = alices.get("/jobs/?q=state:queued&columns=queue")
    assert [job.id for job in first.context["jobs"]] == made[:4:-1]
    assert "q=state%3Aqueued" in first.context["older"]
    second = alices.get("/jobs/" + first.context["older"])
    assert [job.id for job in second.context["jobs"]] == made[4::-1]
    assert [each.name for each in second.context["columns"]] == ["queue"]
    assert second.context["older"] == ""
    assert second.context["newest"] == "?q=state%3Aqueued&columns=queue"


def test_every_column_can_be_shown(alices: Client, alice: User) -> None:
    reaching(State.SUCCEEDED, owner=alice, tags=("nightly",), priority=7)
    reaching(State.FAILED, owner=alice)
    every = [each.name for each in alices.get("/jobs/").context["all_columns"]]
    page = alices.get("/jobs/?columns=" + ",".join(every)).content.decode()
    for title in ("State", "Owner", "Queue", "Tags", "Waited", "Took", "Came by", "Error"):
        assert f">{title}</th>" in page
    for text in ("nightly", ">7\n", "1 of 1", "broken"):
        assert text in page, text


def test_the_list_looks_again_less_often_when_everything_has_ended(alices: Client, alice: User) -> None:
    job = submitted(owner=alice)
    assert "every 2s" in alices.get("/jobs/").content.decode()
    reaching(State.SUCCEEDED, owner=alice)
    altered(job, state=State.CANCELLED, finished_at=job.created_at)
    assert "every 10s" in alices.get("/jobs/").content.decode()


def test_looking_again_keeps_the_rows_and_counts_what_is_newer(alices: Client, alice: User) -> None:
    old, new = submitted(owner=alice), submitted(owner=alice)
    url = alices.get("/jobs/?q=kind:probe.nothing").context["rows_url"]
    assert alices.get(url).status_code == 204

    submitted(owner=alice)
    submitted("system.echo", {"text": "a"}, owner=alice)
    altered(old, state=State.CANCELLED, finished_at=old.created_at)
    answer = alices.get(url)
    assert [job.id for job in answer.context["jobs"]] == [new.id, old.id]
    assert "Show 1 newer job<" in answer.content.decode()
    assert fresh(old).state == "cancelled"
    assert "state-cancelled" in answer.content.decode()


def test_rows_of_others_cannot_be_asked_for(alices: Client, bob: User) -> None:
    his = submitted(owner=bob)
    answer = alices.get(f"/jobs/rows/?ids={his.id.hex}&q=state:nope")
    assert answer.status_code == 422
    assert his.kind not in alices.get(f"/jobs/rows/?ids={his.id.hex}").content.decode()


def test_progress_and_reasons_stand_in_the_list(alices: Client, alice: User, now: Any) -> None:
    reaching(State.FAILED, owner=alice)
    running = altered(reaching(State.RUNNING, owner=alice), progress=0.426, progress_message="half way there")
    submitted(owner=alice, due_at=now + timedelta(hours=3, seconds=30))
    drawn = alices.get("/jobs/").content.decode()
    for part in ("broken", "half way there", 'value="42"', f'id="bar-{running.id.hex}"', "in 3 h"):
        assert part in drawn


@pytest.mark.parametrize("count", [1, 25])
def test_the_list_takes_the_same_few_queries_whatever_its_length(
    alices: Client, alice: User, count: int, django_assert_num_queries: Any
) -> None:
    for _ in range(count):
        submitted(owner=alice)
    with django_assert_num_queries(QUERIES):
        url = alices.get("/jobs/").context["rows_url"]
    with django_assert_num_queries(QUERIES):  # how many are newer, but no saved views
        alices.get(url + "x")


def test_counts_are_of_the_search_whatever_states_it_names(
    alices: Client, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("EACH", "IN_ALL"):  # the machine may be busy
        monkeypatch.setattr(counts, name, timedelta(minutes=1))
    for _ in range(3):
        reaching(State.FAILED, owner=alice)
    submitted("system.echo", {"text": "a"}, owner=alice)
    reaching(State.FAILED, owner=bob)

    def told(text: str) -> dict[str, str]:
        page = alices.get("/jobs/counts/?" + urlencode({"q": text}))
        return {
            state: f"{count.number}{'+' * count.more}"
            for state, count in page.context["counts"].items()
            if count.number
        }

    assert told("state:succeeded") == {"failed": "3", "queued": "1"}
    assert told("kind:system.echo since:1h") == {"queued": "1"}
    monkeypatch.setattr(counts, "BOUND", 2)
    assert told("")["failed"] == "2+"
    assert 'id="count-failed" hx-swap-oob="true">2+<' in alices.get("/jobs/counts/").content.decode()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite counts to its bound, however long it takes")
def test_what_takes_too_long_to_count_is_not_told(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    reaching(State.FAILED, owner=alice)
    monkeypatch.setattr(counts, "_count", lambda *_: connection.cursor().execute("SELECT pg_sleep(5)"))
    assert set(counts.by_state(alice, counts.JobFilter()).values()) == {None}


def test_ticked_jobs_are_sent_to_the_page_of_bulk_actions(alices: Client, alice: User) -> None:
    job = submitted(owner=alice)
    page = alices.get("/jobs/").content.decode()
    assert f'name="job" value="{job.id}" form="bulk"' in page
    assert 'action="/jobs/bulk/"' in page
    assert 'value="cancel"' in page
