"""Files are saved whole or not at all, and a download that broke off goes on where it was."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs_app.client import ClientError, NotFound, Unreachable
from tests.client.support import JOB, Answer, Scripted

Connect = Callable[..., Any]
CONTENT = bytes(range(256)) * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
ETAG = {"ETag": f'"{DIGEST}"'}


def rest(start: int, drop: int | None = None) -> Answer:
    headers = {**ETAG, "Content-Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"}
    return Answer(206, CONTENT[start:], headers, drop=drop)


def test_a_file_is_saved_and_replaces_what_was_there(connect: Connect, scripted: Scripted, tmp_path: Path) -> None:
    scripted.answers = [Answer(200, CONTENT, ETAG)]
    (tmp_path / "a.bin").write_bytes(b"old")
    assert connect(scripted.url).download(JOB, "a.bin", tmp_path / "a.bin") == tmp_path / "a.bin"
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert len(list(tmp_path.iterdir())) == 1


def test_a_download_that_broke_off_goes_on(connect: Connect, scripted: Scripted, tmp_path: Path) -> None:
    scripted.answers = [Answer(200, CONTENT, ETAG, drop=100_000), rest(100_000, drop=50_000), rest(150_000)]
    connect(scripted.url).download(JOB, "a.bin", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert [each.headers.get("range") for each in scripted.seen] == [None, "bytes=100000-", "bytes=150000-"]
    assert scripted.seen[1].headers["if-range"] == ETAG["ETag"]


def test_a_file_that_changed_meanwhile_begins_anew(connect: Connect, scripted: Scripted, tmp_path: Path) -> None:
    older = Answer(200, b"old" * 50_000, {"ETag": '"' + "0" * 64 + '"'}, drop=70_000)
    scripted.answers = [older, Answer(200, CONTENT, ETAG)]
    connect(scripted.url).download(JOB, "a.bin", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("answers", "kind", "options"),
    [
        ([Answer(200, CONTENT[:-1] + b"x", ETAG)], ClientError, {}),
        ([Answer(200, CONTENT, ETAG)], ClientError, {"limit": len(CONTENT) - 1}),
        ([Answer(200, CONTENT, ETAG, drop=5)], Unreachable, {}),
        ([Answer(404)], NotFound, {}),
        ([Answer(503, b"", {"Retry-After": "90"})], ClientError, {}),
    ],
)
def test_nothing_is_left_of_a_download_that_failed(
    connect: Connect, scripted: Scripted, tmp_path: Path, answers: list[Answer], kind: type[ClientError],
    options: dict[str, int],
) -> None:  # fmt: skip
    scripted.answers = answers
    (tmp_path / "a.bin").write_bytes(b"old")
    with pytest.raises(kind):
        connect(scripted.url, patience=0).download(JOB, "a.bin", tmp_path / "a.bin", **options)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"old"]


def test_patience_counts_from_the_last_bytes_that_came(connect: Connect, scripted: Scripted, tmp_path: Path) -> None:
    content = b"abc" * 20
    scripted.answers = [Answer(200, content, trickle=0.05)]
    connect(scripted.url, patience=1).download(JOB, "a.bin", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == content
