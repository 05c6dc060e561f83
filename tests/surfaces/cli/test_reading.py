"""Kinds, lists and single jobs, as text and as JSON."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.auth.models import User

from jobs_app.core import control
from jobs_app.errors import WeirError
from jobs_app.lifecycle import State
from jobs_app.management.cli import exits, moments
from jobs_app.management.cli.output import safe
from jobs_app.models import Job
from tests.support import ledger
from tests.surfaces.cli.support import jobs, run, submitted

pytestmark = pytest.mark.django_db


def test_kinds_are_listed_and_described() -> None:
    listed = jobs("kinds")
    assert "system.echo" in listed.out
    assert {each["name"] for each in jobs("kinds", "--json").document} >= {"system.echo", "probe.everything"}
    told = jobs("kinds", "probe.everything")
    assert "The second paragraph of the description." in told.out
    assert "--address.place.latitude" in told.out
    assert "--secret-file, --secret-env" in told.out
    assert jobs("kinds", "probe.everything", "--json").document["parameters"]["properties"]["count"]["maximum"] == 100
    assert jobs("kinds", "no.such.kind").code == 2


def test_a_list_shows_what_its_user_may_see(alice: User, bob: User, carol: User) -> None:
    ids = {owner: str(submitted("system.echo", "--text", "x", "--user", owner)) for owner in ("alice", "bob")}

    def shown(*arguments: str) -> set[str]:
        return {each["id"] for each in jobs("list", "--json", *arguments).document["jobs"]}

    assert shown("--user", "alice") == {ids["alice"]}
    assert shown("--user", "carol") == shown() == set(ids.values())
    assert shown("--user", "carol", "--mine") == set()
    assert shown("--owner", "bob") == {ids["bob"]}
    assert shown("--user", "alice", "--owner", "bob") == set()


def test_a_list_is_filtered_and_paged(alice: User) -> None:
    made = [str(submitted("system.echo", "--text", number)) for number in range(5)]
    control.cancel(UUID(made[0]), actor=None, now=Job.objects.get(id=made[0]).created_at)
    first = jobs("list", "--limit", 2, "--json").document
    assert [each["id"] for each in first["jobs"]] == made[:2:-1]
    rest = jobs("list", "--cursor", first["next_cursor"], "--json").document
    assert [each["id"] for each in rest["jobs"]] == made[2::-1]
    assert rest["next_cursor"] is None
    assert [each["id"] for each in jobs("list", "--state", "cancelled", "--json").document["jobs"]] == made[:1]
    assert len(jobs("list", "--state", "cancelled", "--state", "queued", "--json").document["jobs"]) == 5
    assert jobs("list", "--kind", "system.sleep", "--json").document["jobs"] == []
    assert jobs("list", "--queue", "other", "--json").document["jobs"] == []
    ledger.altered(Job.objects.get(id=made[1]), created_at=Job.objects.get(id=made[1]).created_at - timedelta(days=2))
    assert len(jobs("list", "--since", "1d", "--json").document["jobs"]) == 4
    plain = jobs("list", "--limit", 2)
    assert len(plain.out.splitlines()) == 3
    assert f"--cursor {made[3]}" in plain.err


def test_a_list_takes_the_search_of_the_console(alice: User) -> None:
    waiting = ledger.submitted("system.echo", {"text": "two words"}, owner=alice, tags=("a b", "nightly"))
    ended = ledger.submitted(owner=alice, tags=("nightly",))
    control.cancel(ended.id, actor=None, now=ended.created_at)

    def shown(*search: str) -> list[str]:
        return [each["id"] for each in jobs("list", *search, "--json").document["jobs"]]

    assert shown("tag:nightly") == shown("since:1h") == [str(ended.id), str(waiting.id)]
    assert shown("tag:nightly", "state:active") == shown("tag:nightly state:active") == [str(waiting.id)]
    assert shown("tag:a b") == shown('tag:"a b"') == shown("param.text:two words") == [str(waiting.id)]
    assert shown("tag:nightly", "--state", "cancelled", "--owner", "alice") == [str(ended.id)]
    assert jobs("show", str(waiting.id), "--json").document["job"]["tags"] == ["a b", "nightly"]


def test_tags_are_submitted_from_the_command_line(alice: User) -> None:
    made = submitted("system.echo", "--text", "x", "--tag", "nightly", "--tag", "a b")
    assert Job.objects.whole().get(id=made).tags == ["nightly", "a b"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("colour:red",), "expected one of the qualifiers state, kind"),
        (("kind:a", "--kind", "b"), "expected the kind in the search or beside it, got both"),
        (("owner:@me",), "expected --user NAME too"),
        (("--limit", "0"), "expected a limit from 1 to 200"),
        (("--limit", "201"), "expected a limit from 1 to 200"),
        (("--cursor", "x"), "expected a cursor from an earlier page"),
        (("--state", "lost"), "invalid choice: 'lost'"),
        (("--since", "yesterday"), "--since: expected a time"),
        (("--since", "2026-02-30"), "--since: expected a time"),
        (("--mine",), "--mine: expected --user NAME too"),
    ],
)
def test_a_bad_filter_is_refused(arguments: tuple[str, ...], words: str) -> None:
    ran = jobs("list", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err


def test_an_id_may_be_cut_short_while_it_is_unambiguous(alice: User, bob: User) -> None:
    old = ledger.altered(ledger.submitted(owner=alice), priority=1)
    short = str(old.id)[:23]
    assert jobs("show", short, "--json").document["job"]["id"] == str(old.id)
    assert jobs("show", str(old.id).upper(), "--user", "alice").code == 0
    assert jobs("show", short, "--user", "bob").code == 3
    for cut in range(30, 36):
        assert jobs("show", str(old.id)[:cut], "--json").document["job"]["id"] == str(old.id)
    assert jobs("show", UUID(int=old.id.int ^ 1)).code == 3
    assert jobs("show", "f" * 6).code == 3
    for bad in ("01a2", "not-an-id", "g" * 32, "0" * 40):
        assert jobs("show", bad).code == 2


def test_two_jobs_that_begin_alike_need_more_digits() -> None:
    one, other = ledger.submitted(), ledger.submitted()
    ran = jobs("show", one.id.hex[:6])
    assert ran.code == 2
    assert str(one.id) in ran.err
    assert str(other.id) in ran.err


@pytest.mark.django_db(transaction=True)
def test_a_job_is_shown_with_all_that_hangs_on_it(alice: User) -> None:
    job_id = submitted("probe.shapes", "--user", "alice")
    run(job_id)
    again = jobs("rerun", job_id).out.strip()
    text = jobs("show", job_id, "--user", "alice").out
    for words in ("probe.shapes", "succeeded", "queued → running", "Squares", "rows.txt", "three shapes", again):
        assert words in text
    told = jobs("show", job_id, "--json").document
    assert set(told) == {
        "job", "attempts", "log", "timeline", "inputs", "artifacts", "reruns", "result", "result_omitted",
        "children",
    }  # fmt: skip
    assert told["result"]["note"] == "three shapes"
    assert told["reruns"] == [again]
    assert [each["name"] for each in told["artifacts"]] == ["rows.txt"]


@pytest.mark.django_db(transaction=True)
def test_the_log_is_shown_from_its_end() -> None:
    job_id = submitted("probe.logs", "--lines", 730)
    run(job_id)
    lines = jobs("show", job_id, "--json").document["log"]
    assert [line["text"] for line in lines] == [f"line {number}" for number in range(710, 730)]
    assert len(jobs("show", job_id, "--log-lines", 0, "--json").document["log"]) == 0
    assert jobs("show", job_id, "--log-lines", 501).code == 2


@pytest.mark.django_db(transaction=True)
def test_a_failed_job_shows_why() -> None:
    job_id = submitted("probe.fails", "--reason", "no \x1b[31mpaint\x1b[0m\u202e left")
    run(job_id)
    text = jobs("show", job_id).out
    assert "ValueError: no \\x1b[31mpaint\\x1b[0m\\u202e left" in text
    assert "Traceback of the last attempt" in text
    assert "\x1b" not in text
    assert "\u202e" not in jobs("list").out


@pytest.mark.django_db(transaction=True)
def test_a_large_result_is_not_read_to_be_shown() -> None:
    job_id = submitted("probe.large", "--size", 2_000_000)
    run(job_id)
    shown = jobs("show", job_id)
    assert "2.0 MB of JSON; save it with:" in shown.out
    assert len(shown.out) < 4000
    told = jobs("show", job_id, "--json").document
    assert (told["result"], told["result_omitted"]) == (None, True)


@pytest.mark.parametrize("state", list(State))
def test_a_job_in_any_state_can_be_listed_and_shown(state: State) -> None:
    job = ledger.reaching(state)
    assert state.value in jobs("list").out
    assert f"{state.value} ({state.meaning})" in jobs("show", job.id).out


def test_control_characters_are_made_visible() -> None:
    assert safe("plain ünï 漢字") == "plain ünï 漢字"
    assert safe("a\x1b]0;title\x07b\x9bc\r\n\td") == "a\\x1b]0;title\\x07b\\x9bc  d"
    assert safe("two\nlines\x00", lines=True) == "two\nlines\\x00"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1.5h", 5400), ("7d", 604800), ("2w", 1209600), ("250ms", 0.25)]
)
def test_short_durations(text: str, seconds: float) -> None:
    assert moments.short_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "s", "90", "-5s", "1y", "1e9s", "999999999w", "٣s x"])
def test_what_is_no_short_duration(text: str) -> None:
    assert moments.short_duration(text) is None


def subclasses(base: type[WeirError]) -> set[type[WeirError]]:
    return {base} | {inner for each in base.__subclasses__() for inner in subclasses(each)}


def test_every_error_ends_with_a_code_that_help_explains() -> None:
    known = {int(code) for code in exits.Exit}
    assert {error.exit_code for error in subclasses(WeirError)} <= known
    assert all(f"{code.value:>3}  {code.meaning}" in exits.table() for code in exits.Exit)
