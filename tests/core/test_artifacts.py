"""Files: whole and on disk before their row exists, within limits, under no name a user gave."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, transaction

from jobs_app import conf
from jobs_app.core import artifacts
from jobs_app.errors import InvalidParameters, StorageFull, TooLarge
from jobs_app.models import Artifact
from tests.support.ledger import submitted

CONTENT = b"carrier,delay\nAA,5\n"


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, configured: Callable[..., None]) -> Path:
    """A data directory of the test's own."""
    configured(data_dir=tmp_path)
    return conf.current().artifact_dir


def files_in(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """A disk on which no file of this process may grow beyond ``size`` bytes."""
    earlier = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, earlier[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, earlier)
        signal.signal(signal.SIGXFSZ, ignored)


def test_an_upload_is_kept_as_it_came(alice: User, now: datetime, directory: Path) -> None:
    row = artifacts.take_upload("flights.csv", [CONTENT[:5], b"", CONTENT[5:]], owner=alice, now=now)
    assert (row.owner, row.job, row.attempt, row.name) == (alice, None, 0, "flights.csv")
    assert (row.size, row.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert (row.content_type, row.created_at) == ("text/csv", now)
    path = artifacts.path_of(row.id)
    assert path.read_bytes() == CONTENT
    assert files_in(directory) == [path]
    assert "flights" not in str(path)
    assert path.is_relative_to(directory)


def test_an_empty_file_is_a_file(alice: User, now: datetime) -> None:
    row = artifacts.take_upload("empty", [], owner=alice, now=now)
    assert (row.size, row.sha256) == (0, hashlib.sha256(b"").hexdigest())
    assert artifacts.path_of(row.id).read_bytes() == b""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "expected a file name, got none"),
        (".", "expected a file name, got none"),
        ("..", "expected a file name, got none"),
        ("../etc/passwd", r"expected a file name without a path, got '\.\./etc/passwd'"),
        ("/etc/passwd", "without a path"),
        ("a/b", "without a path"),
        ("..\\..\\boot.ini", "without a path"),
        ("x" * 201, "a file name of at most 200 characters, got 201"),
        ("a\0b", "printable characters"),
        ("a\nb", "printable characters"),
        ("\u202egpj.exe", "printable characters"),
        ("half \ud800", "printable characters"),
    ],
)
def test_a_bad_name_is_refused(alice: User, now: datetime, directory: Path, name: str, message: str) -> None:
    job = submitted(owner=alice, now=now)
    with pytest.raises(InvalidParameters, match=message):
        artifacts.take_upload(name, [CONTENT], owner=alice, now=now)
    with pytest.raises(InvalidParameters, match=message):
        artifacts.save_output(job, 1, name, CONTENT, now=now)
    assert not Artifact.objects.exists()
    assert not files_in(directory)


@pytest.mark.parametrize("name", ["a b.csv", "x" * 200, "naïve ∑.csv", "..hidden", "-rf", "con", "a.tar.gz", "'; --"])
def test_any_plain_name_is_kept(alice: User, now: datetime, name: str) -> None:
    assert artifacts.take_upload(name, [b""], owner=alice, now=now).name == name


def test_an_upload_above_the_limit_leaves_nothing(
    alice: User, now: datetime, directory: Path, configured: Callable[..., None]
) -> None:
    configured(upload_bytes=1024)
    assert artifacts.take_upload("fits", [b"x" * 512] * 2, owner=alice, now=now).size == 1024
    asked: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            asked.append(1)
            yield b"x" * 512

    with pytest.raises(TooLarge, match=r"expected a file of at most 1,024 bytes, got more"):
        artifacts.take_upload("endless", endless(), owner=alice, now=now)
    assert len(asked) == 3, "it is not read to its end"
    assert Artifact.objects.count() == len(files_in(directory)) == 1


def test_an_upload_that_breaks_off_leaves_nothing(alice: User, now: datetime, directory: Path) -> None:
    def breaking() -> Iterator[bytes]:
        yield CONTENT
        raise ConnectionResetError("the client went away")

    with pytest.raises(ConnectionResetError):
        artifacts.take_upload("half", breaking(), owner=alice, now=now)
    assert not Artifact.objects.exists()
    assert not files_in(directory)


def test_a_full_disk_is_said_in_words_and_leaves_nothing(alice: User, now: datetime, directory: Path) -> None:
    chunks = [b"x" * 100_000] * 20
    with room_for(1_000_000), pytest.raises(StorageFull, match="expected room on the disk for this file"):
        artifacts.take_upload("large", chunks, owner=alice, now=now)
    assert not Artifact.objects.exists()
    assert not files_in(directory)
    assert artifacts.take_upload("large", chunks, owner=alice, now=now).size == 2_000_000, "once there is room"


def test_a_file_whose_row_is_refused_is_removed(alice: User, now: datetime, directory: Path) -> None:
    job = submitted(owner=alice, now=now)
    with pytest.raises(DatabaseError), transaction.atomic():
        artifacts.save_output(job, -1, "a.csv", CONTENT, now=now)
    assert not files_in(directory)


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("a.csv", "", "text/csv"),
        ("a.csv", "application/octet-stream", "text/csv"),
        ("a.csv", "Text/Plain; charset=utf-8", "text/plain"),
        ("a.unknown", "", "application/octet-stream"),
        ("a.png", "text/html\r\nX: y", "image/png"),
        ("a", "x" * 200, "application/octet-stream"),
        ("a", "no slash", "application/octet-stream"),
    ],
)
def test_the_content_type_is_the_given_one_if_it_is_one(
    alice: User, now: datetime, name: str, given: str, kept: str
) -> None:
    assert artifacts.take_upload(name, [b""], owner=alice, content_type=given, now=now).content_type == kept


def test_an_output_belongs_to_the_jobs_owner_and_its_attempt(alice: User, now: datetime, tmp_path: Path) -> None:
    job = submitted(owner=alice, now=now)
    source = tmp_path / "source"
    source.write_bytes(CONTENT)
    row = artifacts.save_output(job, 3, "out.csv", source, now=now)
    assert (row.owner, row.job, row.attempt, row.size) == (alice, job, 3, len(CONTENT))
    assert source.read_bytes() == CONTENT, "the source is left"


def test_the_same_name_in_one_attempt_replaces_the_file(alice: User, now: datetime, directory: Path) -> None:
    job = submitted(owner=alice, now=now)
    for content in (b"first", b"second"):
        artifacts.save_output(job, 1, "out.csv", content, now=now)
    artifacts.save_output(job, 2, "out.csv", b"of the second attempt", now=now)
    artifacts.save_output(job, 1, "other.csv", b"other", now=now)
    rows = Artifact.objects.filter(job=job, attempt=1, name="out.csv")
    assert artifacts.path_of(rows.get().id).read_bytes() == b"second"
    assert len(files_in(directory)) == Artifact.objects.count() == 3


def test_a_replacement_for_which_there_is_no_room_leaves_the_first(alice: User, now: datetime) -> None:
    job = submitted(owner=alice, now=now)
    first = artifacts.save_output(job, 1, "out.csv", b"first", now=now)
    with room_for(1000), pytest.raises(StorageFull):
        artifacts.save_output(job, 1, "out.csv", b"x" * 100_000, now=now)
    assert artifacts.path_of(Artifact.objects.get().id).read_bytes() == b"first"
    assert Artifact.objects.get() == first


def test_discarding_takes_row_and_file(alice: User, now: datetime, directory: Path) -> None:
    row = artifacts.take_upload("a.csv", [CONTENT], owner=alice, now=now)
    artifacts.discard(row)
    assert not Artifact.objects.exists()
    assert not files_in(directory)


def test_a_file_that_is_gone_already_is_discarded_all_the_same(alice: User, now: datetime) -> None:
    row = artifacts.take_upload("a.csv", [CONTENT], owner=alice, now=now)
    os.unlink(artifacts.path_of(row.id))  # noqa: PTH108
    artifacts.discard(row)
    assert not Artifact.objects.exists()


def test_files_are_found_for_whoever_may_read_them(alice: User, bob: User, carol: User, now: datetime) -> None:
    row = artifacts.take_upload("a.csv", [CONTENT], owner=alice, now=now)
    systems = artifacts.take_upload("b.csv", [CONTENT], owner=None, now=now)
    ids = [row.id, systems.id]
    assert set(artifacts.resolve(ids, alice)) == {row.id}
    assert set(artifacts.resolve(ids, bob)) == set()
    assert set(artifacts.resolve(ids, carol)) == set(artifacts.resolve(ids, None)) == set(ids)
    found = artifacts.resolve(ids, alice)[row.id]
    assert (found.name, found.size, found.path.read_bytes()) == ("a.csv", len(CONTENT), CONTENT)


def test_a_file_that_a_job_takes_is_not_discarded(alice: User, now: datetime, directory: Path) -> None:
    row = artifacts.take_upload("a.csv", [CONTENT], owner=alice, now=now)
    submitted("probe.files", {"first": str(row.id), "others": []}, owner=alice, now=now)
    with pytest.raises(DatabaseError), transaction.atomic():
        artifacts.discard(row)
    assert len(files_in(directory)) == 1
