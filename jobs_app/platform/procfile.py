"""Reading a Procfile: one process a line, ``name: command``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from jobs_app.platform.faults import PlatformError

LINE = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_-]{0,30}):\s*(?P<command>\S.*)")
CELERY_WORKER = re.compile(r"\bcelery\b.*\sworker(\s|$)")
FLOWER = re.compile(r"\bcelery\b.*\sflower(\s|$)")
VARIABLE = re.compile(r"\$\{?([A-Z][A-Z0-9_]*)")


@dataclass(frozen=True)
class Process:
    """One line of the Procfile: a name and a shell command."""

    name: str
    command: str

    @property
    def is_worker(self) -> bool:
        """Whether this is a Celery worker: it is drained when it stops."""
        return CELERY_WORKER.search(self.command) is not None

    @property
    def is_flower(self) -> bool:
        """Whether this is Flower."""
        return FLOWER.search(self.command) is not None

    @property
    def variables(self) -> frozenset[str]:
        """The environment variables its command names."""
        return frozenset(VARIABLE.findall(self.command))


def parse(text: str) -> tuple[Process, ...]:
    """The processes of a Procfile, in its order. Empty lines and ``#`` comments are skipped.

    Raises PlatformError naming the line that is no ``name: command`` or repeats a name.
    """
    processes: dict[str, Process] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = LINE.fullmatch(stripped)
        if match is None:
            raise PlatformError(f"Procfile, line {number}: expected 'name: command', got {stripped[:80]!r}")
        if match["name"] in processes:
            raise PlatformError(f"Procfile, line {number}: the name {match['name']!r} is used twice")
        processes[match["name"]] = Process(match["name"], match["command"])
    if not processes:
        raise PlatformError("Procfile: expected at least one 'name: command', got none")
    return tuple(processes.values())


def read(path: Path) -> tuple[Process, ...]:
    """The processes of the Procfile at ``path``."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PlatformError(f"expected a Procfile at {path}, found none") from None
