"""What a handler is given: detached when it is called as a plain function, and in a worker."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from jobs_app.authoring import Cancelled, DetachedContext, Secret, TimedOut
from jobs_app.core.attempt_context import AttemptContext, scrub
from jobs_app.core.held import Held
from jobs_app.models import Job
from jobs_app.parameters import MASK
from tests.support import kinds_of_every_type as probe
from tests.support.ledger import claimed, submitted


class Login(BaseModel):
    name: str
    key: Secret
    spare: list[Secret | None] = []


@pytest.fixture
def held(now: datetime) -> Held:
    row = claimed(submitted(now=now), now=now)
    never = float("inf")
    nothing = {"on_overdue": lambda *_: None, "interrupt": lambda: None}
    return Held(row.id, row.attempt, never, never, **nothing)  # type: ignore[arg-type]


@pytest.fixture
def context(held: Held, tmp_path: Path) -> AttemptContext:
    return AttemptContext(Job.objects.get(id=held.job_id), held, lambda _: [])


def test_it_says_which_run_this_is(context: AttemptContext, held: Held) -> None:
    assert (context.job_id, context.attempt) == (str(held.job_id), 1)
    assert context.deadline == Job.objects.get(id=held.job_id).deadline_at
    assert not context.should_stop


@pytest.mark.parametrize(
    ("done", "total", "fraction"),
    [
        (1, 4, 0.25), (0, 4, 0.0), (4, 4, 1.0), (5, 4, 1.0), (-1, 4, 0.0), (1, 0, 0.0), (1, -1, 0.0),
        (float("nan"), 1, 0.0), (1, float("nan"), 0.0), (float("inf"), 1, 0.0), (float("inf"), float("inf"), 0.0),
    ],
)  # fmt: skip
def test_progress_is_a_part_of_the_whole(
    context: AttemptContext, held: Held, done: float, total: float, fraction: float
) -> None:
    context.progress(done, total, "x" * 500)
    assert held.progress == (fraction, "x" * 200)


def test_progress_and_check_tell_the_handler_to_stop_and_log_does_not(context: AttemptContext, held: Held) -> None:
    held.cancelled_at = 1.0
    assert context.should_stop
    for tell in (context.check, lambda: context.progress(1), lambda: context.save_artifact("a", b"")):
        with pytest.raises(Cancelled):
            tell()
    context.log("cleaning up")
    assert [text for _, _, text in held.lines] == ["cleaning up"]


def test_except_exception_does_not_swallow_a_cancel_but_may_handle_a_timeout() -> None:
    assert not issubclass(Cancelled, Exception)
    assert issubclass(TimedOut, Exception)


def test_what_is_logged_is_text_that_any_database_keeps(context: AttemptContext, held: Held) -> None:
    context.log("a\0b \ud800 é")
    context.log(7)  # type: ignore[arg-type]
    assert [text for _, _, text in held.lines] == ["a\ufffdb ? é", "7"]


def test_secrets_are_starred_the_longest_first(context: AttemptContext, held: Held) -> None:
    context.hide_secrets_of(Login(name="alice", key=Secret("abcd"), spare=[Secret("abcdefgh"), None, Secret("xyz")]))
    context.log("abcdefgh, abcd and alice; xyz is too short to be searched for")
    assert held.lines[0][2] == f"{MASK}, {MASK} and alice; xyz is too short to be searched for"
    assert scrub("abcdabcd", context.secrets) == MASK * 2


def test_a_kind_can_be_called_as_a_plain_function(tmp_path: Path) -> None:
    assert probe.number(3.5) == 3.5
    context = DetachedContext(tmp_path)
    assert probe.makes_files(["a.txt", "b.txt", "a.txt"], context=context) == 3
    assert {name: file.path.read_bytes() for name, file in context.artifacts.items()} == {
        "a.txt": b"a.txt: content", "b.txt": b"b.txt: content",
    }  # fmt: skip
    assert probe.slow(seconds=0.01, steps=2, context=context) == 0.01
    assert (context.fractions, context.lines) == ([0.0, 0.5], ["step 1", "step 2"])


def test_a_detached_context_can_be_stopped(tmp_path: Path) -> None:
    context = DetachedContext(tmp_path)
    context.stop = True
    assert context.should_stop
    with pytest.raises(Cancelled):
        probe.slow(context=context)


def test_a_detached_context_keeps_a_file_of_its_own(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"first")
    context = DetachedContext(tmp_path)
    saved: Any = context.save_artifact("copy", source)
    source.write_bytes(b"changed")
    assert (saved.path.read_bytes(), saved.size, saved.name) == (b"first", 5, "copy")
