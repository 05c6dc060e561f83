"""The command as a real process: exit codes, signals, pipes and terminals, with real workers behind it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from jobs_app.models import Job
from tests.support import ledger
from tests.support.processes import Workers, eventually, finished
from tests.surfaces.cli.support import COMMAND, ROOT, Ran, process

Call = Callable[..., Ran]
pytestmark = pytest.mark.slow


@pytest.fixture
def call(transactional_db: None, worker_environment: dict[str, str]) -> Call:
    def ran(*arguments: object, typed: str = "", cwd: Path = ROOT, **environment: str) -> Ran:
        return process(*arguments, environment={**worker_environment, **environment}, typed=typed, cwd=cwd)

    return ran


class Started:
    """A call that goes on; ``terminal``: its output is a terminal's."""

    def __init__(self, *arguments: object, environment: dict[str, str], terminal: bool = False) -> None:
        self.reader, writer = pty.openpty() if terminal else os.pipe()
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)], cwd=ROOT, stdin=writer if terminal else subprocess.DEVNULL, stdout=writer,
            stderr=writer, env={**environment, "TERM": "xterm", "COLUMNS": "150"}, start_new_session=True,
        )  # fmt: skip
        os.close(writer)
        self.output = ""

    def until(self, words: str, seconds: float = 60) -> None:
        """Read until ``words`` were written."""
        deadline = time.monotonic() + seconds
        while words not in self.output:
            ready, _, _ = select.select([self.reader], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"expected {words!r} within {seconds} s, got {self.output!r}"
            if not self._read():
                break
        assert words in self.output, self.output

    def type(self, text: str) -> None:
        """Type into its terminal."""
        os.write(self.reader, text.encode())

    def end(self, seconds: float = 60) -> int:
        """Read the rest; the exit code."""
        while self._read():
            pass
        os.close(self.reader)
        return self.process.wait(seconds)

    def _read(self) -> bool:
        try:
            chunk = os.read(self.reader, 65536)
        except OSError:
            return False  # a terminal whose other side is closed
        self.output += chunk.decode(errors="replace")
        return bool(chunk)


def test_outcomes_are_exit_codes(workers: Workers, call: Call) -> None:
    good = call("submit", "system.echo", "--text", "hi", "--follow", "--json")
    assert (good.code, good.document["state"]) == (0, "succeeded"), good.err
    bad = call("submit", "probe.fails", "--follow")
    assert bad.code == 1
    assert "The job failed: ValueError: it was told to fail" in bad.err
    flaky = call("submit", "probe.flaky", "--succeeds-at", "2", "--follow", "--json")
    assert (flaky.code, flaky.document["attempt"]) == (0, 2)


def test_a_job_cancelled_while_it_is_followed(workers: Workers, call: Call, worker_environment: dict[str, str]) -> None:
    following = Started("submit", "probe.slow", "--seconds", "60", "--follow", environment=worker_environment)
    following.until("step 1")
    job = Job.objects.get()
    assert call("cancel", job.id).code == 0
    assert following.end() == 7
    assert "The job was cancelled." in following.output


def test_ctrl_c_leaves_the_job_running(workers: Workers, call: Call, worker_environment: dict[str, str]) -> None:
    following = Started("submit", "probe.slow", "--seconds", "60", "--follow", environment=worker_environment)
    following.until("step 1")
    following.process.send_signal(signal.SIGINT)
    assert following.end() == 130
    assert "Traceback" not in following.output
    job = Job.objects.get()
    assert f"goes on; follow it again with: manage.py jobs follow {job.id}" in following.output
    assert (job.state, job.cancel_requested_at) == ("running", None)
    assert call("cancel", job.id).code == 0
    assert finished(job.id).state == "cancelled"


def test_a_terminal_gets_a_moving_bar(workers: Workers, worker_environment: dict[str, str]) -> None:
    environment = {name: value for name, value in worker_environment.items() if name != "NO_COLOR"}
    following = Started(
        "submit", "probe.slow", "--seconds", "4", "--steps", "8", "--follow", environment=environment, terminal=True
    )
    assert following.end() == 0, following.output
    assert "━" in following.output
    assert "succeeded" in following.output
    assert len(set(re.findall(r"(\d+) %", following.output))) > 2, "the bar moved"
    assert re.search(r"step [3-8] of 8", following.output), "the last may come together with the end"


def test_a_secret_is_asked_for_at_a_terminal(transactional_db: None, worker_environment: dict[str, str]) -> None:
    asking = Started("submit", "probe.secretive", environment=worker_environment, terminal=True)
    # getpass speaks to the controlling terminal, or with a warning to the standard streams if there is none.
    asking.until("token (not shown): ")
    asking.type("open sesame\n")
    assert asking.end() == 0, asking.output
    job = Job.objects.get()
    assert job.parameters == {"token": "**********"}
    assert job.sealed


def test_parameters_and_secrets_come_from_standard_input(call: Call) -> None:
    ran = call("submit", "system.echo", "--parameters", "-", typed='{"text": "typed"}')
    assert Job.objects.get(id=UUID(ran.out.strip())).parameters == {"text": "typed"}
    assert call("submit", "probe.secretive", "--token-file", "-", typed="open sesame\n").code == 0
    both = call("submit", "probe.secretive", "--token-file", "-", "--parameters", "-", typed="{}")
    assert both.code == 2
    assert "one option at most to read standard input, got --parameters and --token-file" in both.err


def test_usage_is_told_without_a_traceback(call: Call) -> None:
    assert call().code == 2
    assert call("dance").code == 2
    assert call("submit").code == 2
    assert call("submit", "system.echo", "--volume", "3").code == 2
    told = call("submit", "system.sleep", "--help")
    assert told.code == 0
    for words in ("Do nothing for a while", "--seconds NUMBER", "0 to 3600. Default: 5.", "exit codes:"):
        assert words in told.out
    assert "VERB" in call("--help").out


def test_a_ledger_that_is_away_is_code_6(call: Call, tmp_path: Path) -> None:
    for verb in (("list",), ("submit", "system.echo", "--text", "x"), ("cancel", "0" * 32)):
        away = call(*verb, DATABASE_URL="postgres://weir:a-password@127.0.0.1:1/weir")
        assert (away.code, away.out) == (6, "")
        assert "The job ledger cannot be reached at the moment" in away.err
        assert "a-password" not in away.err
    empty = call("list", DATABASE_URL=f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    assert (empty.code, "run `manage.py migrate` first" in empty.err) == (6, True)


def test_submitting_works_while_the_broker_is_away(call: Call) -> None:
    began = time.monotonic()
    ran = call("submit", "system.echo", "--text", "x", BROKER_URL="redis://127.0.0.1:1/0")
    assert ran.code == 0
    assert Job.objects.get(id=UUID(ran.out.strip())).state == "queued"
    assert time.monotonic() - began < 60


def test_a_reader_that_leaves_is_no_error(call: Call, worker_environment: dict[str, str]) -> None:
    for _ in range(200):
        ledger.submitted("system.echo", {"text": "x" * 200})
    # Unbuffered, Python drops what a pipe did not take at once, and notices nothing.
    environment = {name: value for name, value in worker_environment.items() if name != "PYTHONUNBUFFERED"}
    script = '"$@" list --limit 200 --json | head -c 10; echo " ${PIPESTATUS[0]}"'
    done = subprocess.run(
        ["bash", "-c", script, "-", *COMMAND],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.stdout.split()[-1] == "141", done


def test_any_locale_will_do(call: Call) -> None:
    ledger.submitted("system.echo", {"text": "漢字"})
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    ran = call("show", Job.objects.get().id, **plain)
    assert ran.code == 0, ran.err
    assert "\\u6f22" in ran.out


def test_the_job_that_json_names_can_be_fetched(workers: Workers, call: Call, tmp_path: Path) -> None:
    made = call("submit", "probe.makes_files", "--names", "a.txt", "--json").document["id"]
    eventually(lambda: Job.objects.get(id=made).final, what="the job to end")
    assert call("fetch", made, "--output", "out", cwd=tmp_path).out.splitlines() == ["out/a.txt", "out/result.json"]
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == 1
