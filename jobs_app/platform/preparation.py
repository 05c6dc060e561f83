"""What must be done before the processes start: ledger, static files, first content, administrator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from jobs_app.platform.faults import PlatformError, ProcessError
from jobs_app.platform.processes import tether
from jobs_app.platform.signals import Signals

PREPARATION_LOG = "preparation.log"
COMMAND_SECONDS = 300


class Management:
    """Runs ``manage.py`` commands in the platform's environment."""

    def __init__(self, root: Path, variables: Mapping[str, str], logs: Path, signals: Signals) -> None:
        self.root = root
        self.variables = variables
        self.log = logs / PREPARATION_LOG
        self._signals = signals

    def prepare(self, administrator: str) -> str | None:
        """Bring the ledger up to date, write its first content, collect static files.

        administrator: the superuser to create if there is none of that name; empty for none.
        Returns the password of the administrator if that user was created just now.
        """
        self.log.write_text("")
        answer, _ = self.run(
            ["setup", "--administrator", administrator, "--json"], ["collectstatic", "--no-input", "--verbosity", "0"]
        )
        try:
            password = json.loads(answer.splitlines()[-1])["password"]
        except (IndexError, ValueError, KeyError, TypeError):
            raise PlatformError(f"manage.py setup: expected an answer in JSON, got {answer[-200:]!r}") from None
        return None if password is None else str(password)

    def token(self, username: str) -> str:
        """A new API token for a user who is created if need be; valid for a day."""
        [printed] = self.run(["token", username, "--create-user", "--name", "demo", "--days", "1"])
        words = printed.split()
        if len(words) != 1:
            raise PlatformError(f"manage.py token: expected a token alone, got {len(words)} words")
        return words[0]

    def run(self, *commands: Sequence[str]) -> list[str]:
        """Run commands at the same time; returns what each printed.

        Raises ProcessError with the end of the log if one fails or takes more than five minutes.
        """
        with ExitStack() as stack:
            with self._signals.deferred():
                started = [self._start(command, stack) for command in commands]
            return [self._finish(command, process) for command, process in zip(commands, started, strict=True)]

    def _start(self, command: Sequence[str], stack: ExitStack) -> subprocess.Popen[str]:
        errors = stack.enter_context(self.log.open("a"))
        errors.write(f"--- {_shown(command)}\n")
        errors.flush()
        process = subprocess.Popen(
            [*tether(), sys.executable, "manage.py", *command],
            cwd=self.root,
            env=dict(self.variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # Ctrl-C reaches only us
        )
        stack.callback(_end, process)
        return process

    def _finish(self, command: Sequence[str], process: subprocess.Popen[str]) -> str:
        shown = _shown(command)
        try:
            output, _ = process.communicate(timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            raise ProcessError(f"{shown} took more than {COMMAND_SECONDS} s.", self.log) from None
        if process.returncode != 0:
            with self.log.open("a") as log:
                log.write(output)
            raise ProcessError(f"{shown} ended with exit code {process.returncode}.", self.log)
        return output


def _shown(command: Sequence[str]) -> str:
    return f"manage.py {' '.join(command)}"


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
