"""The local platform as people start it: the project in a folder with a space, real processes, real signals."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from jobs_app import conf
from jobs_app.platform.waiting import until

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("jobs_app", "project", "tasks", "requirements", "manage.py", "Makefile", "Procfile", "requirements.txt")
UP = (sys.executable, "-m", "jobs_app.platform", "up")
DEMO = (sys.executable, "-m", "jobs_app.platform", "demo")
# `true` stands for the installation, which the tests have behind them.
MAKE = ("make", "PYTHON=true", f"VENV_PYTHON='{sys.executable}'")
START_SECONDS = 200
STOP_SECONDS = 120
IS_UP = re.compile(r"Weir is up: (http://127\.0\.0\.1:\d+)/")


def copy_project(directory: Path) -> Path:
    """Copy what runs of the project to ``directory``; the demo's data is linked."""
    directory.mkdir(parents=True)
    ignore = shutil.ignore_patterns("__pycache__")
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=ignore)
        else:
            shutil.copy2(source, directory / name)
    (directory / "var").mkdir()
    (directory / "var" / "demo-data").symlink_to(ROOT / "var" / "demo-data", target_is_directory=True)
    return directory


def plain_environment(more: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without any setting of Weir's, which the tests have many of."""
    settings = {name.upper() for name in conf.Configuration.model_fields} | {"DJANGO_SETTINGS_MODULE"}
    return {name: value for name, value in os.environ.items() if name not in settings} | dict(more)


class Started:
    """One run of ``up`` or ``demo``, in a session of its own, as a terminal would start it."""

    def __init__(self, command: Sequence[str], project: Path, output: Path, **more: str) -> None:
        self.project = project
        self.data_dir = Path(more.setdefault("DATA_DIR", str(project / "var" / "up")))
        self.output = output
        with output.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=project,
                env=plain_environment(more),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """Everything it has printed so far."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, text: str, seconds: float = START_SECONDS) -> str:
        """Wait until it has printed ``text``; returns all it printed. Fails if it ends before."""
        assert until(lambda: text in self.said or self.process.poll() is not None, seconds), f"never said {text!r}"
        assert text in self.said, f"expected {text!r}, it ended with {self.process.returncode} and said:\n{self.said}"
        return self.said

    def wait_until_up(self) -> str:
        """Wait until it says that it is up; returns the URL."""
        self.wait_for("Weir is up: ")
        assert until(lambda: IS_UP.search(self.said) is not None, 5)
        found = IS_UP.search(self.said)
        assert found is not None
        return found[1]

    def stop(self, number: signal.Signals = signal.SIGTERM, *, group: bool = False) -> int:
        """Send a signal, to its process group as Ctrl-C does or to it alone, and wait; returns the exit code."""
        (os.killpg if group else os.kill)(self.process.pid, number)
        return self.process.wait(STOP_SECONDS)

    def pids(self) -> dict[int, str]:
        """Every live process of this run, by what its environment or command says: its id and its command."""
        mark = f"DATA_DIR={self.data_dir}".encode()
        found: dict[int, str] = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                variables = (entry / "environ").read_bytes().split(b"\0")
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if state not in {"Z", "X"} and (mark in variables or str(self.data_dir) in command):
                found[int(entry.name)] = command
        return found

    def end(self) -> None:
        """End whatever is still there, by force: a failed test must leave nothing behind."""
        for pid in {self.process.pid, *self.pids()} if self.process.poll() is None else self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(STOP_SECONDS)


def listening(url: str) -> bool:
    """Whether anybody listens at a URL's port."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((host, int(port))) == 0
