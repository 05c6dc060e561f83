"""A virtual environment for each peer below ``var/peers``, from pinned requirements; made when first needed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "var" / "peers"
REQUIREMENTS = Path(__file__).with_name("requirements")
PYTHONS = ("python3.14", "python3.13", "python3.12", "python3.11")
"""Tried in turn where a peer needs more than the Python of the project."""


class NotInstalled(Exception):
    """This peer is left out; the message says why."""


def python_of(name: str, *, needs: tuple[int, int] = (3, 11)) -> Path:
    """The Python of a peer's environment. Raises NotInstalled with a sentence."""
    lock = REQUIREMENTS / f"{name}.txt"
    folder = FOLDER / name
    python, stamp = folder / "bin" / "python", folder / "installed"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    _run([_interpreter(needs), "-m", "venv", str(folder)])
    _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "-r", str(lock)])
    stamp.write_text(wanted)
    return python


def versions(name: str) -> str:
    """What is pinned, in one line."""
    lines = (line.strip() for line in (REQUIREMENTS / f"{name}.txt").read_text().splitlines())
    return ", ".join(line.replace("==", " ") for line in lines if line and not line.startswith("#"))


def _interpreter(needs: tuple[int, int]) -> str:
    if sys.version_info[:2] >= needs:
        return str(getattr(sys, "_base_executable", None) or sys.executable)
    for each in PYTHONS:
        found = shutil.which(each)
        if found and tuple(int(part) for part in each.removeprefix("python").split(".")) >= needs:
            return found
    raise NotInstalled(f"needs Python {needs[0]}.{needs[1]}, and this machine has {sys.version.split()[0]}")


def _run(command: list[str]) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=_clean())
    if ended.returncode:
        raise NotInstalled(f"could not be installed: {(ended.stderr or ended.stdout).strip().splitlines()[-1]}")


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
