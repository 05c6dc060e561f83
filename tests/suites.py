"""All that the tests show, in suites of which several run at once: ``python -m tests.suites``.

Most tests wait more than they compute. Each suite is a pytest session with a database, a broker and processes of its
own; what it prints goes to ``var/tests/NAME.log``, and to the terminal if it fails. A test that fails beside other
suites is run once more alone, when they have ended: if it passes then, that is said, and does not fail the run.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "var" / "tests"
WITHOUT_WORKERS = (
    "client", "contract", "core", "property", "race", "surfaces/admin", "surfaces/api", "surfaces/cli", "surfaces/web",
)  # fmt: skip
"""Folders whose tests need a processor rather than time."""

PLAIN = tuple(f"tests/{folder}" for folder in WITHOUT_WORKERS)
OTHERS = tuple(f"--ignore={folder}" for folder in PLAIN)
CLOSING = re.compile(r"(\d+) (passed|failed|errors?|skipped)")
AGAIN_AT_MOST = 10
"""More failures than that are no matter of chance."""

STOP_SECONDS = 60


@dataclass
class Suite:
    """One pytest session."""

    name: str
    environment: dict[str, str]
    arguments: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0

    @property
    def log(self) -> Path:
        """Where it prints."""
        return LOGS / f"{self.name}.log"

    def start(self, *more: str) -> None:
        """Begin, or begin again with more arguments."""
        cache = f"cache_dir={LOGS / self.name}"
        command = [sys.executable, "-m", "pytest", "-o", cache, *self.arguments, *more]
        environment = {**os.environ, **self.environment}
        if self.environment["WEIR_TEST_DATABASE"] == "sqlite":
            environment.pop("DATABASE_URL", None)
        if more:
            self.log.rename(LOGS / f"{self.name}-first.log")
        self.began = time.monotonic()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)

    @property
    def ended(self) -> bool:
        """Whether it has."""
        return self.process is not None and self.process.poll() is not None

    @property
    def passed(self) -> bool:
        """Whether it has ended well."""
        return self.process is not None and self.process.poll() == 0

    def counts(self) -> Counter[str]:
        """How many tests passed, failed, …: its closing line."""
        lines = self.log.read_text(errors="replace").splitlines() or [""]
        return Counter({what.rstrip("s"): int(number) for number, what in CLOSING.findall(lines[-1])})

    def failures(self) -> list[str]:
        """The tests that failed, by name."""
        found = re.findall(r"^(?:FAILED|ERROR) (\S+)", self.log.read_text(errors="replace"), re.MULTILINE)
        return sorted(set(found))

    def tell(self) -> None:
        """Print how it ended; all about it if not well."""
        spent = time.monotonic() - self.began
        words = ", ".join(f"{number} {what}" for what, number in self.counts().items())
        say(f"{'passed' if self.passed else 'FAILED'} {self.name}: {words} in {spent:.0f} s")
        if not self.passed:
            text = self.log.read_text(errors="replace")
            say(text[max(text.find("= FAILURES ="), text.find("= ERRORS ="), len(text) - 60_000, 0) :])


def suites() -> list[Suite]:
    """Every suite, those that take longest first."""
    sqlite, postgresql = ({"WEIR_TEST_DATABASE": name} for name in ("sqlite", "postgresql"))
    needed = ("-m", "not once")
    return [
        Suite("sqlite-processes", sqlite, ("tests", *OTHERS)),
        Suite("postgresql-processes", postgresql, ("tests", *OTHERS, *needed)),
        Suite("sqlite", sqlite, PLAIN),
        Suite("postgresql", postgresql, (*PLAIN, *needed)),
        Suite("rabbitmq", {**sqlite, "WEIR_TEST_BROKER": "rabbitmq"}, ("-m", "brokers")),
        Suite("sqs", {**postgresql, "WEIR_TEST_BROKER": "sqs"}, ("-m", "brokers")),
    ]


def run(chosen: Sequence[Suite], at_once: int) -> None:
    """Run suites, so many at a time, until all have ended."""
    waiting, running = list(chosen), []
    while waiting or running:
        while waiting and len(running) < at_once:
            suite = waiting.pop(0)
            suite.start()
            running.append(suite)
        await_one(running)
        for suite in [each for each in running if each.ended]:
            running.remove(suite)
            suite.tell()


def await_one(running: Sequence[Suite]) -> None:
    """Wait until one of these suites has ended. Their processes are the only children of this one."""
    if not any(suite.ended for suite in running):
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)


def run_failures_again(suite: Suite) -> list[str]:
    """Run what failed once more, alone; returns the tests that passed then."""
    failed = suite.failures()
    if suite.passed or not 0 < len(failed) <= AGAIN_AT_MOST:
        return []
    say(f"again, alone: {suite.name}: {', '.join(failed)}")
    suite.start("--last-failed", "--last-failed-no-failures", "none")
    await_one([suite])
    suite.tell()
    return failed if suite.passed else []


def interrupt(running: Sequence[Suite]) -> None:
    """End suites as Ctrl-C does: they end what they started."""
    processes = [suite.process for suite in running if suite.process is not None]
    for process in processes:
        process.send_signal(signal.SIGINT)
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)


def say(words: str) -> None:
    """Print at once, whoever reads."""
    print(words, flush=True)


def stop(number: int, _: FrameType | None) -> None:
    """End, by way of what has to be ended."""
    raise SystemExit(128 + number)


def main() -> int:
    """Run all suites, or those named; the exit code is 0 if every test passed in the end."""
    known = {suite.name: suite for suite in suites()}
    parser = argparse.ArgumentParser(prog="python -m tests.suites", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="SUITE", help=f"default: all of {', '.join(known)}")
    parser.add_argument(
        "--at-once", type=int, default=(os.cpu_count() or 1) + 1, help="suites (default: processors + 1)"
    )
    given = parser.parse_args()
    if unknown := set(given.names) - set(known):
        parser.error(f"expected suites of {', '.join(known)}, got {', '.join(sorted(unknown))}")
    chosen = [known[name] for name in given.names or known]
    signal.signal(signal.SIGTERM, stop)
    for folder in (LOGS, ROOT / ".hypothesis"):  # made now: a test looks at what appears beside the code
        folder.mkdir(parents=True, exist_ok=True)
    say(f"{len(chosen)} suites, {given.at_once} at once; what they print is in {LOGS.relative_to(ROOT)}/")
    try:
        run(chosen, max(given.at_once, 1))
        totals = sum((suite.counts() for suite in chosen), Counter[str]())
        doubtful = [name for suite in chosen for name in run_failures_again(suite)]
    finally:
        interrupt([suite for suite in chosen if suite.process is not None and not suite.ended])
    totals["failed"] = sum((suite.counts()["failed"] + suite.counts()["error"]) for suite in chosen if not suite.passed)
    totals["passed"] += len(doubtful)
    for name in doubtful:
        say(f"DOUBTFUL: failed beside other suites, passed alone: {name}")
    say(f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped")
    return 0 if all(suite.passed for suite in chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
