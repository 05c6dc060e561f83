"""Builds ``.venv`` from the locks, or fetches the demo's data: ``python3 requirements/install.py WHAT``.

WHAT is ``runtime`` (requirements.txt), ``development`` (that and what checking takes) or ``demo`` (data files only,
into var/demo-data). It needs nothing but Python's standard library, does nothing when all is in place, and may be
interrupted at any moment: a stamp with the lock's hash is written last, and without one the next run begins anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = str(VENV / "bin" / "python")
DEMO = ROOT / "var" / "demo-data"
LOCKS = {
    "runtime": ROOT / "requirements.txt",
    "development": ROOT / "requirements" / "development.txt",
    "demo": ROOT / "requirements" / "demo.txt",
}
# The development lock holds all of the runtime lock, at the same versions.
INCLUDED = {"runtime": ["runtime"], "development": ["runtime", "development"], "demo": ["demo"]}
# Not sys.executable: that may be .venv's own, if it is activated.
PYTHON = str(getattr(sys, "_base_executable", None) or sys.executable)
PIP = ["-m", "pip", "--disable-pip-version-check", "--no-input"]
INSTALL = ["install", "--require-hashes", "--no-deps", "--root-user-action=ignore", "--progress-bar=off", "--quiet"]
# These would send packages elsewhere than into .venv.
UNWANTED = {"PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PYTHONHOME", "PYTHONPATH"}


class InstallError(Exception):
    """The installation cannot go on; the message says how to mend it."""


def main(arguments: Sequence[str]) -> int:
    """Install; returns the exit code."""
    if sys.version_info < OLDEST:
        return complain(
            f"expected Python 3.11 or newer, got {sys.version.split()[0]} ({sys.executable}).\nInstall a newer one "
            "(Debian 12, Ubuntu 24.04: apt install python3 python3-venv), or name one: make PYTHON=python3.12 demo"
        )
    if len(arguments) != 1 or arguments[0] not in LOCKS:
        return complain(f"expected one of {', '.join(LOCKS)}, got {' '.join(arguments) or 'nothing'}")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        with alone():
            install(arguments[0])
    except InstallError as error:
        return complain(str(error))
    except KeyboardInterrupt:
        return complain("interrupted; the next make begins the installation anew.", 130)
    return 0


def complain(message: str, code: int = 1) -> int:
    """Say what is wrong."""
    sys.stderr.write(f"install: {message}\n")
    return code


def say(message: str) -> None:
    """Tell what is being done."""
    sys.stdout.write(message + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keep a second make in this folder waiting. The lock is on the folder itself and ends with the process."""
    descriptor = os.open(ROOT / "requirements", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def install(what: str) -> None:
    """Install what is missing or out of date."""
    where = DEMO if what == "demo" else VENV
    wanted = {name: fingerprint(name, where) for name in INCLUDED[what]}
    if all(stamp(where, name) == text for name, text in wanted.items()):
        return
    if what == "demo":
        download(where)
    else:
        if not usable():
            create()
        for name in LOCKS:
            with contextlib.suppress(FileNotFoundError):
                stamp_path(VENV, name).unlink()
        say(f"Installing {LOCKS[what].relative_to(ROOT)} into .venv; this takes about half a minute.")
        run([VENV_PYTHON, *PIP, *INSTALL, "-r", str(LOCKS[what])], "pip could not install the packages.")
    for name, text in wanted.items():
        stamp_path(where, name).write_text(text)


def fingerprint(name: str, where: Path) -> str:
    """What the stamp must hold: the lock's hash and the place, since a moved .venv does not work."""
    return f"{hashlib.sha256(LOCKS[name].read_bytes()).hexdigest()} {where}"


def stamp_path(where: Path, name: str) -> Path:
    """The file that says that a lock is installed there."""
    return where / f".installed-{name}"


def stamp(where: Path, name: str) -> str | None:
    """A stamp's text, or None."""
    try:
        return stamp_path(where, name).read_text()
    except OSError:
        return None


def usable() -> bool:
    """Whether .venv was once finished, in this very folder, and its pip starts."""
    in_place = any((stamp(VENV, name) or "").endswith(f" {VENV}") for name in LOCKS)
    return in_place and works([VENV_PYTHON, "-m", "pip", "--version"])


def create() -> None:
    """Make an empty virtual environment with pip, by whatever means this Python has."""
    say(f"Making .venv with Python {sys.version.split()[0]}.")
    where = str(VENV)
    ways: list[list[list[str]]] = []
    if importlib.util.find_spec("ensurepip") is not None:
        ways.append([[PYTHON, "-m", "venv", where]])
    if shutil.which("virtualenv"):
        ways.append([["virtualenv", "--quiet", "--python", PYTHON, where]])
    if shutil.which("uv"):
        ways.append([["uv", "venv", "--quiet", "--seed", "--python", PYTHON, where]])
    if importlib.util.find_spec("pip") is not None:
        bare = [PYTHON, "-m", "venv", "--without-pip", where]
        ways.append([bare, [PYTHON, *PIP, "--python", VENV_PYTHON, "install", "--quiet", "pip"]])
    for commands in ways:
        shutil.rmtree(VENV, ignore_errors=True)
        if all(map(works, commands)):
            return
    shutil.rmtree(VENV, ignore_errors=True)
    raise InstallError(
        "expected a way to make a virtual environment, found none that works: Python's venv lacks ensurepip, and "
        "neither virtualenv nor uv nor pip helped.\nDebian, Ubuntu: apt install python3-venv"
    )


def download(where: Path) -> None:
    """Fetch the demo's data packages beside the virtual environment; their code is neither compiled nor run."""
    say("Fetching the demo's data: flights and pictures.")
    fresh = where.with_name(where.name + ".new")
    for directory in (where, fresh):
        shutil.rmtree(directory, ignore_errors=True)
    where.parent.mkdir(parents=True, exist_ok=True)
    command = [VENV_PYTHON, *PIP, *INSTALL, "--no-compile", "--target", str(fresh), "-r", str(LOCKS["demo"])]
    run(command, "pip could not fetch the demo's data.")
    fresh.rename(where)


def works(command: Sequence[str]) -> bool:
    """Run a command quietly; returns whether it worked."""
    try:
        return finish(command)[0] == 0
    except OSError:
        return False


def run(command: Sequence[str], complaint: str) -> None:
    """Run a command; raises InstallError with what it printed if it fails."""
    code, printed = finish(command)
    if code != 0:
        raise InstallError(f"{complaint} It said:\n{printed.strip()}")


def finish(command: Sequence[str]) -> tuple[int, str]:
    """Run a command to its end, but no longer than this process."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in UNWANTED},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
    return process.returncode, printed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
