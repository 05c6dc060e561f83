"""What a handler leaves behind: results, files, and nothing of its secrets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs_app.core import artifacts
from jobs_app.models import Artifact
from jobs_app.parameters import MASK
from jobs_app.reads import jobs as reads
from tests.support.ledger import run

pytestmark = pytest.mark.usefixtures("quiet", "nudged")


@pytest.mark.parametrize(
    ("kind", "parameters", "words"),
    [
        ("probe.unserialisable", {}, "expected the handler to return JSON-ready data .*, got object"),
        ("probe.returns", {"what": "bytes"}, "expected the handler to return JSON-ready data .*, got bytes"),
        ("probe.returns", {"what": "deep"}, "expected the handler to return JSON-ready data .*, got list"),
        ("probe.returns", {"what": "surrogate"}, "expected the handler to return JSON-ready data .*, got str"),
    ],
)
def test_a_result_that_cannot_be_kept_fails_in_words(kind: str, parameters: dict[str, Any], words: str) -> None:
    job = run(kind, parameters)
    assert job.state == "failed"
    assert pytest.RaisesExc(ValueError, match=words).matches(ValueError(job.error))


@pytest.mark.parametrize(("what", "kept"), [("nul", "a\ufffdb"), ("infinite", [None, None]), ("secret", MASK)])
def test_a_result_that_a_database_would_refuse_is_made_fit(what: str, kept: Any) -> None:
    job = run("probe.returns", {"what": what})
    assert (job.state, job.result) == ("succeeded", kept)


def test_a_large_result_is_kept_as_a_file(configured: Callable[..., None]) -> None:
    configured(result_inline_bytes=1000)
    small, large = (run("probe.large", {"size": size}) for size in (998, 999))
    assert (small.result, small.artifacts.count()) == ("x" * 998, 0)
    assert (large.state, large.result, large.result_bytes) == ("succeeded", None, 1001)
    artifact = large.artifacts.get()
    assert (artifact.name, artifact.content_type, artifact.attempt) == ("result.json", "application/json", 1)
    assert reads.result(None, large.id) == "x" * 999


def test_a_result_beyond_the_limit_fails_in_words(configured: Callable[..., None]) -> None:
    configured(result_bytes=2000)
    job = run("probe.large", {"size": 5000})
    assert (job.state, job.artifacts.count()) == ("failed", 0)
    assert job.error == (
        "expected a result of at most 2,000 bytes as JSON, got 5,002; "
        "save large output with context.save_artifact() and return a summary"
    )


def test_secrets_are_starred_wherever_they_might_show() -> None:
    job = run("probe.secretive", {"token": "hunter2hunter2"})
    assert job.error == f"the server refused {MASK}"
    assert job.progress_message == f"with {MASK}"
    assert job.log_lines.get().text == f"the token is {MASK} (Secret('{MASK}'))"
    attempt = job.attempts.get()
    shown = [job.error, attempt.error, attempt.traceback, *job.events.values_list("reason", flat=True)]
    assert not [text for text in shown if "hunter2" in text]
    assert MASK in attempt.traceback


def test_files_are_saved_as_outputs(now: Any) -> None:
    job = run("probe.makes_files", {"names": ["a.txt", "b.txt", "a.txt"], "fail": True})
    assert job.state == "failed"
    assert sorted(job.artifacts.values_list("name", "attempt")) == [("a.txt", 1), ("b.txt", 1)]
    path = artifacts.path_of(job.artifacts.get(name="a.txt").id)
    assert path.read_bytes() == b"a.txt: content"


def test_a_bad_file_name_fails_in_words() -> None:
    job = run("probe.makes_files", {"names": ["../evil"]})
    assert (job.state, job.error) == ("failed", "name: expected a file name without a path, got '../evil'")
    assert not Artifact.objects.exists()


def test_a_full_disk_fails_in_words_and_leaves_nothing() -> None:
    job = run("probe.writes_too_much")
    assert (job.state, job.error_type) == ("failed", "StorageFull")
    assert job.error.startswith("expected room on the disk for this file, and there is none")
    assert not Artifact.objects.exists()


def test_the_workspace_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for kind in ("probe.nothing", "probe.fails"):
        run(kind)
    assert list(tmp_path.iterdir()) == []
