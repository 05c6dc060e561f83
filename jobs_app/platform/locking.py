"""One platform per data directory.

The lock is a flock on the directory itself: the kernel releases it with the process, and it leaves no file. Beside it,
``running.json`` says who runs and where; after a ``kill -9`` it tells the next start what to clear away.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from jobs_app.platform.faults import PlatformError
from jobs_app.platform.waiting import until

NOTE = "running.json"
RUN_PREFIX = "weir-run-"
LEFTOVER_SECONDS = 150


@dataclass(frozen=True)
class Running:
    """Who runs in a data directory: this command, its URL, and supervisord with its run directory (empty: not yet)."""

    pid: int
    url: str = ""
    supervisor: int = 0
    run: str = ""


@contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """Hold the data directory for this process.

    Raises PlatformError saying who has it if somebody else does.
    """
    descriptor = os.open(data_dir, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PlatformError(_already(data_dir)) from None
        try:
            yield
        finally:
            (data_dir / NOTE).unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _already(data_dir: Path) -> str:
    other = read(data_dir)
    if other is None or not other.url:
        return f"Weir is already starting from {data_dir}. Wait for it, or stop it."
    return (
        f"Weir is already running from {data_dir} (process {other.pid}): {other.url}/\n"
        f"Stop it with Ctrl-C where it runs, or: kill {other.pid}"
    )


def write(data_dir: Path, running: Running) -> None:
    """Note who runs; the note is replaced as a whole."""
    beside = data_dir / (NOTE + ".new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(running), file)
    beside.rename(data_dir / NOTE)


def read(data_dir: Path) -> Running | None:
    """The note, or None if there is none that can be read."""
    try:
        fields = json.loads((data_dir / NOTE).read_text())
        return Running(int(fields["pid"]), str(fields["url"]), int(fields["supervisor"]), str(fields["run"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def clear_leftovers(data_dir: Path) -> bool:
    """Finish what a killed run of this data directory left: wait for its supervisord, remove its run directory.

    Returns whether there was anything. Raises PlatformError if that supervisord does not end in 150 s.
    """
    left = read(data_dir)
    if left is None:
        return False
    run = Path(left.run)
    ours = left.run != "" and run.name.startswith(RUN_PREFIX)
    if ours and left.supervisor and _is_supervisor(left.supervisor, left.run):
        os.kill(left.supervisor, signal.SIGTERM)  # where the kernel told it already, once more does no harm
        if not until(lambda: not _is_supervisor(left.supervisor, left.run), LEFTOVER_SECONDS):
            raise PlatformError(
                f"An earlier run still holds {data_dir}: process {left.supervisor} has not ended "
                f"in {LEFTOVER_SECONDS} s. Look at its log in {data_dir / 'logs'}, or: kill -9 {left.supervisor}"
            )
    if ours and run.is_dir() and not run.is_symlink() and run.stat().st_uid == os.getuid():
        shutil.rmtree(run, ignore_errors=True)
    (data_dir / NOTE).unlink(missing_ok=True)
    return True


def _is_supervisor(pid: int, run: str) -> bool:
    """Whether ``pid`` is the live supervisord of that run directory (its name is random, so no other is)."""
    if alive(pid):
        return run in command_line(pid)
    return False


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and only waits to be collected does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return not Path("/proc/self").exists()
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


def command_line(pid: int) -> str:
    """The words of a process's command, or nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        pass
    if Path("/proc/self").exists():
        return ""
    answer = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout
