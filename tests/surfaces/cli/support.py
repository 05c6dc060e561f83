"""Calling the command: within this process where quick, as a real process where exit codes and terminals matter."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management import CommandError, call_command

from jobs_app.core import execution

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, str(ROOT / "manage.py"), "jobs"]


@dataclass(frozen=True)
class Ran:
    """How a call ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def records(self) -> list[Any]:
        """The lines of JSON on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


def jobs(*arguments: object) -> Ran:
    """``manage.py jobs`` in this process."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("jobs", *map(str, arguments), stdout=out, stderr=err)
    except CommandError as stopped:
        return Ran(stopped.returncode, out.getvalue(), f"{err.getvalue()}{stopped}")
    return Ran(0, out.getvalue(), err.getvalue())


def process(*arguments: object, environment: dict[str, str], typed: str = "", cwd: Path = ROOT) -> Ran:
    """``manage.py jobs`` as a process; ``typed`` is its standard input."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], env=environment, input=typed, cwd=cwd, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


def submitted(*arguments: object) -> UUID:
    """Submit a job in this process; its id."""
    ran = jobs("submit", *arguments)
    assert ran.code == 0, ran.err
    return UUID(ran.out.strip())


def run(job_id: UUID) -> None:
    """Run a job here and now, as a worker would."""
    assert execution.run([job_id], holder="here") == 1
