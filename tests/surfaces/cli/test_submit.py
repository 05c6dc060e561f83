"""Submitting and running again, through the same core as every surface."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest
from django.contrib.auth.models import User

from jobs_app import conf
from jobs_app.models import Artifact, Job
from tests.surfaces.cli.support import jobs, run, submitted

ECHO = ("submit", "system.echo", "--text", "hi")
pytestmark = pytest.mark.django_db


def files_on_disk() -> list[Path]:
    return [path for path in conf.current().artifact_dir.rglob("*") if path.is_file()]


def test_stdout_has_the_id_alone_and_stderr_the_words() -> None:
    ran = jobs(*ECHO)
    row = Job.objects.get(id=UUID(ran.out.strip()))
    assert (row.kind, row.parameters, row.owner, row.via, row.state) == (
        "system.echo", {"text": "hi"}, None, "cli", "queued",
    )  # fmt: skip
    assert "follow" in ran.err


def test_json_is_the_job() -> None:
    ran = jobs(*ECHO, "--json")
    assert ran.document["id"] == str(Job.objects.get().id)
    assert ran.document["parameters"] == {"text": "hi"}
    assert ran.err == ""


def test_a_user_owns_what_is_submitted_for_them(alice: User) -> None:
    for arguments in ((*ECHO, "--user", "alice"), ("submit", "--user", "alice", *ECHO[1:])):
        assert Job.objects.get(id=UUID(jobs(*arguments).out.strip())).owner == alice


def test_options_stand_before_and_after_the_kind() -> None:
    jobs("submit", "--priority", "7", "system.echo", "--text", "hi", "--due-at", "2h", "--max-attempts", "3")
    row = Job.objects.get()
    assert (row.priority, row.max_attempts, row.state) == (7, 3, "scheduled")
    assert 7190 < (row.due_at - row.created_at).total_seconds() < 7210


def test_a_time_without_an_offset_is_in_the_configured_zone(settings: object, now: datetime) -> None:
    settings.TIME_ZONE = "Europe/Oslo"  # type: ignore[attr-defined]
    year = now.year + 1
    assert jobs(*ECHO, "--due-at", f"{year}-07-01T09:00", "--expires-at", f"{year}-07-02").code == 0
    row = Job.objects.get()
    assert row.due_at.isoformat() == f"{year}-07-01T07:00:00+00:00"
    assert row.expires_at is not None
    assert row.expires_at.isoformat() == f"{year}-07-01T22:00:00+00:00"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("no.such.kind",), 2, "expected one of the registered kinds, got 'no.such.kind'"),
        (("system.echo",), 2, "--text: expected a value, got none"),
        (("system.sleep", "--seconds", "soon"), 2, "--seconds: "),
        (("system.sleep", "--seconds", "-1"), 2, "--seconds: expected greater than or equal to 0"),
        (("system.echo", "--text", "a", "--volume", "3"), 2, "unrecognized arguments: --volume 3"),
        (("system.echo", "--text"), 2, "expected one argument"),
        (("system.echo", "--tex", "a"), 2, "unrecognized arguments: --tex a"),
        (("system.echo", "--text", "a", "--parameters", '{"extra": 1}'), 2, "extra: there is no such parameter"),
        (("system.echo", "--text", "x" * 300_000), 2, "expected parameters of at most 262,144 bytes"),
        ((*ECHO[1:], "--queue", "nowhere"), 2, "expected one of the queues"),
        ((*ECHO[1:], "--priority", "1000"), 2, "expected a priority from -100 to 100"),
        ((*ECHO[1:], "--priority", "high"), 2, "invalid int value"),
        ((*ECHO[1:], "--due-at", "tomorrow"), 2, "--due-at: expected a time such as"),
        ((*ECHO[1:], "--due-at", "2h", "--expires-at", "1h"), 2, "expected expires_at after the job is due"),
        ((*ECHO[1:], "--user", "nobody"), 3, "expected the name of a user, got 'nobody'"),
        (("probe.files", "--first", "/no", "--others", "/no"), 2, "--first: expected a file or the id of an uploaded"),
        (("probe.secretive", "--token", "open sesame"), 2, "a secret is not taken from the command line"),
        (("probe.secretive",), 2, "--token-file or --token-env: expected a value, got none"),
    ],
)
def test_a_refusal_is_a_sentence_and_a_code_and_writes_nothing(
    arguments: tuple[str, ...], code: int, words: str
) -> None:
    ran = jobs("submit", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err
    assert "open sesame" not in ran.err
    assert not Job.objects.exists()


def test_an_inactive_user_may_not_act(bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(is_active=False)
    ran = jobs(*ECHO, "--user", "bob")
    assert (ran.code, ran.out) == (4, "")
    assert "not active" in ran.err


def test_the_same_key_gives_the_same_job_and_another_request_is_refused() -> None:
    first = jobs(*ECHO, "--idempotency-key", "k")
    again = jobs(*ECHO, "--idempotency-key", "k")
    assert again.out == first.out
    assert "nothing new was submitted" in again.err
    other = jobs("submit", "system.echo", "--text", "other", "--idempotency-key", "k")
    assert (other.code, other.out) == (5, "")
    assert Job.objects.count() == 1


def test_a_file_is_uploaded_for_its_owner(alice: User, tmp_path: Path) -> None:
    content = b"x" * 3_000_000
    (tmp_path / "é 1.csv").write_bytes(content)
    job = Job.objects.get(id=submitted("probe.files", "--first", tmp_path / "é 1.csv", "--user", "alice"
                                       , "--parameters", '{"others": []}'))  # fmt: skip
    row = Artifact.objects.get()
    assert (row.owner, row.name, row.content_type) == (alice, "é 1.csv", "text/csv")
    assert (row.size, row.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert job.parameters["first"] == str(row.id)


def test_an_uploaded_file_may_be_given_by_its_id(alice: User, bob: User, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    submitted("probe.files", "--first", tmp_path / "a", "--others", tmp_path / "a", "--user", "alice")
    known = str(Artifact.objects.first().id)  # type: ignore[union-attr]
    assert submitted("probe.files", "--first", known, "--others", known, "--user", "alice")
    ran = jobs("submit", "probe.files", "--first", known, "--others", known, "--user", "bob")
    assert ran.code == 2
    assert "--first: there is no uploaded file with this id, or it is not yours" in ran.err


def test_a_submission_that_is_refused_leaves_no_file_behind(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    before = files_on_disk()
    faults = [
        ("--first", tmp_path / "a", "--others", tmp_path / "nowhere"),
        ("--first", tmp_path / "a", "--others", tmp_path),
        ("--first", tmp_path / "a"),
        ("--first", tmp_path / "a", "--others", tmp_path / "a", "--priority", "1000"),
        ("--first", tmp_path / "a", "--others", "01a20836-ffba-77f5-b286-7bd5db9c2a02"),
    ]
    for arguments in faults:
        assert jobs("submit", "probe.files", *arguments).code == 2
    assert not Artifact.objects.exists()
    assert files_on_disk() == before


def test_an_idempotency_key_with_a_new_upload_says_how_to_do_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    arguments = ("submit", "probe.files", "--first", tmp_path / "a", "--parameters", '{"others": []}')
    assert jobs(*arguments, "--idempotency-key", "k").code == 0
    again = jobs(*arguments, "--idempotency-key", "k")
    assert again.code == 5
    assert "give the id of the file that was uploaded first" in again.err
    assert Artifact.objects.count() == 1


def test_a_secret_is_sealed_and_shown_nowhere(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("open sesame\n")
    ran = jobs("submit", "probe.secretive", "--token-file", tmp_path / "token", "--json")
    row = Job.objects.get()
    assert row.parameters == {"token": "**********"}
    assert "open sesame" not in json.dumps(ran.document) + ran.err


def test_run_again_makes_a_linked_job_with_the_changes(alice: User) -> None:
    old = submitted("probe.everything", "--text", "a", "--count", 1, "--colour", "red", "--address.city", "Rome",
                    "--user", "alice")  # fmt: skip
    ran = jobs("rerun", old, "--count", 2, "--address.street", "x", "--user", "alice", "--json")
    assert ran.code == 0, ran.err
    new = Job.objects.get(id=ran.document["id"])
    assert (new.rerun_of_id, new.owner, new.via) == (old, alice, "cli")
    assert (new.parameters["text"], new.parameters["count"]) == ("a", 2)
    assert new.parameters["address"] == {"city": "Rome", "street": "x", "verified": False, "place": None}
    assert Job.objects.get(id=old).parameters["count"] == 1


def test_run_again_as_the_system_keeps_owner_and_secret(alice: User, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text("open sesame")
    old = submitted("probe.secretive", "--token-file", tmp_path / "a", "--user", "alice")
    again = Job.objects.get(id=UUID(jobs("rerun", old).out.strip()))
    assert (again.owner, again.request_digest) == (alice, Job.objects.get(id=old).request_digest)

    files = submitted("probe.files", "--first", tmp_path / "a", "--others", tmp_path / "a", "--user", "alice")
    assert jobs("rerun", files, "--first", tmp_path / "b").code == 0
    assert Artifact.objects.get(name="b").owner == alice


def test_run_again_with_what_does_not_fit_is_refused(alice: User) -> None:
    old = submitted("system.sleep", "--user", "alice")
    assert jobs("rerun", old, "--seconds", "long").code == 2
    assert "--seconds" in jobs("rerun", old, "--parameters", '{"seconds": "long"}').err
    assert jobs("rerun", "01a20836-ffba-77f5-b286-7bd5db9c2a02").code == 3
    assert Job.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_every_type_arrives_at_the_handler(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "secret").write_text("12345\n")
    job_id = submitted(
        "probe.everything", "--text", "hi", "--count", 3, "--colour", "dark blue", "--word", "abc", "--ratio", ".25",
        "--price", "3.50", "--flag", "--no-enabled", "--no-maybe-flag", "--day", "2026-02-01", "--at-time", "10:11",
        "--moment", "2026-01-01T00:00:00+02:00", "--wait", "90s", "--identity", "01a20836-ffba-77f5-b286-7bd5db9c2a02",
        "--grade", "2", "--size", "large", "--factor", "4", "--optional", "-5", "--address.city", "Rome",
        "--address.place.latitude", "3.5", "--tags", "a", "--tags", "b", "--numbers", "1", "--flags", "true",
        "--colours", "red", "--addresses", '{"city": "Pa"}', "--document", tmp_path / "a.txt", "--documents",
        tmp_path / "a.txt", "--secret-file", tmp_path / "secret",
    )  # fmt: skip
    run(job_id)
    row = Job.objects.get(id=job_id)
    assert row.state == "succeeded", row.error
    assert row.result | {"home": None} == {
        "text": "hi", "count": 3, "colour": "dark blue", "word": "abc", "ratio": 0.25, "price": "3.50", "flag": True,
        "enabled": False, "maybe_flag": False, "day": "2026-02-01", "at_time": "10:11:00",
        "moment": "2026-01-01T00:00:00+02:00", "wait": "PT1M30S", "identity": "01a20836-ffba-77f5-b286-7bd5db9c2a02",
        "grade": 2, "size": "large", "factor": 4, "optional": -5, "optional_with_default": "given",
        "address": {"city": "Rome", "street": "Main Street", "verified": False,
                    "place": {"latitude": 3.5, "longitude": 0.0}},
        "home": None, "tags": ["a", "b"], "numbers": [1], "flags": [True], "colours": ["red"],
        "addresses": [{"city": "Pa", "street": "Main Street", "verified": False, "place": None}],
        "document": {"name": "a.txt", "size": 5}, "documents": 1, "documents.0": {"name": "a.txt", "size": 5},
        "secret": 5,
    }  # fmt: skip
