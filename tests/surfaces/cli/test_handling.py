"""Cancelling, following and fetching."""

from __future__ import annotations

import hashlib
import json
import os
import resource
from pathlib import Path
from uuid import UUID

import pytest
from django.contrib.auth.models import User

from jobs_app.core import artifacts
from jobs_app.errors import StorageFull
from jobs_app.management.cli.saving import Folder
from jobs_app.models import Artifact, Job
from tests.support import ledger
from tests.surfaces.cli.support import jobs, run, submitted

pytestmark = pytest.mark.django_db


def test_several_jobs_are_cancelled_and_the_first_fault_gives_the_code(alice: User, bob: User) -> None:
    ours, ended = submitted("probe.nothing", "--user", "alice"), ledger.submitted(owner=alice)
    ended = ledger.claimed(ended)
    ledger.outcomes.succeed(ended, None, 4, now=ended.created_at)
    theirs = submitted("probe.nothing", "--user", "bob")
    ran = jobs("cancel", ended.id, theirs, ours, "--user", "alice", "--json")
    assert ran.code == 5
    assert [each["id"] for each in ran.document] == [str(ours)]
    assert Job.objects.get(id=ours).state == "cancelled"
    assert Job.objects.get(id=theirs).state == "queued"
    assert jobs("cancel", ours, "--user", "alice").code == 0, "cancelling twice is no error"
    assert jobs("cancel", theirs, "--user", "alice").code == 3


def test_a_running_job_is_asked_to_stop() -> None:
    job = ledger.claimed(ledger.submitted())
    assert jobs("cancel", job.id).out == f"{job.id}  asked to stop\n"


def test_following_gives_up_when_its_time_is_up_and_leaves_the_job(alice: User) -> None:
    job_id = submitted("probe.nothing", "--due-at", "1h")
    ran = jobs("follow", job_id, "--timeout", "100ms")
    assert ran.code == 124
    assert "scheduled (due later): due at" in ran.out
    assert f"goes on; follow it again with: jobs follow {job_id}" in ran.err
    assert Job.objects.get(id=job_id).state == "scheduled"
    assert jobs("follow", job_id, "--timeout", "soon").code == 2
    followed = jobs("submit", "probe.nothing", "--due-at", "1h", "--follow", "--timeout", "0", "--json")
    assert followed.code == 124
    assert followed.document["state"] == "scheduled"


@pytest.mark.django_db(transaction=True)
def test_following_ends_with_the_outcome() -> None:
    good, bad, stopped = submitted("probe.shapes"), submitted("probe.fails"), submitted("probe.nothing")
    run(good)
    run(bad)
    jobs("cancel", stopped)
    ran = jobs("follow", good)
    assert (ran.code, "Squares" in ran.out, "rows.txt" in ran.out) == (0, True, True)
    ran = jobs("follow", bad)
    assert (ran.code, "ValueError: it was told to fail" in ran.err) == (1, True)
    ran = jobs("follow", stopped)
    assert (ran.code, "cancelled" in ran.err) == (7, True)
    assert jobs("follow", "01a20836-ffba-77f5-b286-7bd5db9c2a02").code == 3


@pytest.mark.django_db(transaction=True)
def test_following_as_json_is_a_line_for_each_change() -> None:
    job_id = submitted("probe.logs", "--lines", 520)
    run(job_id)
    records = jobs("follow", job_id, "--json").records
    texts = [record["line"]["text"] for record in records if record["type"] == "log"]
    assert texts == [f"line {number}" for number in range(520)]
    assert records[-1]["job"]["state"] == "succeeded"


def made(*names: str, fail: bool = False) -> UUID:
    arguments = [part for name in names for part in ("--names", name)]
    job_id = submitted("probe.makes_files", *arguments, *(["--fail"] if fail else []))
    run(job_id)
    return job_id


@pytest.mark.django_db(transaction=True)
class TestFetching:
    def test_all_files_and_the_result_are_saved(self, tmp_path: Path) -> None:
        job_id = made("a.txt", "é ü.txt")
        ran = jobs("fetch", job_id, "--output", tmp_path / "new" / "folder", "--json")
        assert ran.code == 0, ran.err
        here = tmp_path / "new" / "folder"
        assert {path.name: path.read_text() for path in here.iterdir()} == {
            "a.txt": "a.txt: content", "é ü.txt": "é ü.txt: content", "result.json": "2\n",
        }  # fmt: skip
        saved = {each["name"]: each for each in ran.document["files"]}
        assert saved["a.txt"]["sha256"] == hashlib.sha256(b"a.txt: content").hexdigest()
        assert Path(saved["a.txt"]["path"]) == here / "a.txt"
        umask = os.umask(0)
        os.umask(umask)
        assert (here / "a.txt").stat().st_mode & 0o777 == 0o666 & ~umask

    def test_a_folder_named_after_the_job_is_the_default(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        job_id = made("a.txt")
        assert jobs("fetch", job_id, "a.txt").out == f"{job_id}/a.txt\n"
        assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")] == [f"{job_id}/a.txt"]

    def test_nothing_is_overwritten_unless_forced(self, tmp_path: Path) -> None:
        job_id = made("a.txt", "b.txt")
        outside = tmp_path / "outside"
        outside.write_text("outside")
        here = tmp_path / "here"
        here.mkdir()
        (here / "b.txt").symlink_to(outside)
        ran = jobs("fetch", job_id, "--output", here)
        assert (ran.code, ran.out) == (5, "")
        assert "--force replaces it" in ran.err
        assert [path.name for path in here.iterdir()] == ["b.txt"]
        assert jobs("fetch", job_id, "--output", here, "--force").code == 0
        assert outside.read_text() == "outside"
        assert (here / "b.txt").read_text() == "b.txt: content"
        assert not (here / "b.txt").is_symlink()

    @pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "..", "a/b"])
    def test_a_forged_name_does_not_leave_the_folder(self, name: str, tmp_path: Path) -> None:
        job_id = made("a.txt")
        with ledger.writing():
            Artifact.objects.filter(job_id=job_id).update(name=name)
        here = tmp_path / "here"
        ran = jobs("fetch", job_id, "--output", here)
        assert (ran.code, ran.out) == (2, "")
        assert not here.exists()
        assert list(tmp_path.rglob("escaped")) == []

    def test_a_damaged_file_is_not_saved(self, tmp_path: Path) -> None:
        job_id = made("a.txt")
        artifacts.path_of(Artifact.objects.get(job_id=job_id).id).write_text("tampered")
        ran = jobs("fetch", job_id, "a.txt", "--output", tmp_path)
        assert ran.code == 1
        assert "expected content with SHA-256" in ran.err
        assert list(tmp_path.iterdir()) == []

    def test_a_file_that_is_gone_is_said(self, tmp_path: Path) -> None:
        job_id = made("a.txt")
        artifacts.path_of(Artifact.objects.get(job_id=job_id).id).unlink()
        assert jobs("fetch", job_id, "a.txt", "--output", tmp_path).code == 3
        assert list(tmp_path.iterdir()) == []

    def test_what_there_is_not_cannot_be_fetched(self, tmp_path: Path, alice: User) -> None:
        job_id = made("a.txt")
        assert jobs("fetch", job_id, "b.txt", "--output", tmp_path).code == 3
        assert jobs("fetch", job_id, "--user", "alice", "--output", tmp_path).code == 3
        assert jobs("fetch", submitted("probe.nothing"), "--output", tmp_path).code == 5
        (tmp_path / "file").write_text("")
        assert jobs("fetch", job_id, "--output", tmp_path / "file").code == 2
        assert [path.name for path in tmp_path.iterdir()] == ["file"]

    def test_files_of_a_failed_job_can_be_fetched(self, tmp_path: Path) -> None:
        assert jobs("fetch", made("a.txt", fail=True), "--output", tmp_path).code == 0
        assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]

    def test_a_large_result_is_fetched_as_it_was_kept(self, tmp_path: Path) -> None:
        job_id = submitted("probe.large", "--size", 200_000)
        run(job_id)
        assert jobs("fetch", job_id, "--output", tmp_path).code == 0
        assert json.loads((tmp_path / "result.json").read_text()) == "x" * 200_000

    def test_a_handlers_own_result_json_does_not_hide_the_result(self, tmp_path: Path) -> None:
        assert jobs("fetch", made("result.json"), "--output", tmp_path).code == 0
        assert (tmp_path / "result.json").read_text() == "result.json: content"
        assert json.loads((tmp_path / "result.returned.json").read_text()) == 1

    def test_a_folder_that_cannot_be_made_is_said(self) -> None:
        ran = jobs("fetch", made("a.txt"), "--output", "/dev/null/x")
        assert ran.code == 2
        assert "expected to be able to write /dev/null/x, got: Not a directory" in ran.err


def test_a_full_disk_is_said_and_leaves_no_part(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(StorageFull, match="expected room on the disk"):
            Folder(tmp_path).save("large", [b"x" * 900] * 3, sha256="", force=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
