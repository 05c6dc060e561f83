"""``requirements/install.py``: what ``make`` runs first. With empty locks, so that no network is asked."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from jobs_app.platform.waiting import until

SCRIPT = Path(__file__).resolve().parents[2] / "requirements" / "install.py"
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a space in its name, with the script and empty locks."""
    requirements = tmp_path / "a folder" / "requirements"
    requirements.mkdir(parents=True)
    shutil.copy(SCRIPT, requirements)
    for lock in (requirements.parent / "requirements.txt", requirements / "development.txt", requirements / "demo.txt"):
        lock.write_text("# nothing\n")
    return requirements.parent


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    """``main`` called in this process sets a handler that would outlive the test."""
    earlier = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, earlier)


def started(folder: Path, what: str = "runtime") -> subprocess.Popen[str]:
    command = [sys.executable, str(folder / "requirements" / "install.py"), what]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def install(folder: Path, what: str = "runtime") -> str:
    process = started(folder, what)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return said


def test_it_installs_once_and_again_only_for_a_new_lock(folder: Path) -> None:
    assert "Making .venv" in install(folder)
    assert (folder / ".venv" / "bin" / "python").exists()
    assert install(folder) == ""

    (folder / "requirements.txt").write_text("# another\n")
    again = install(folder)
    assert "Installing requirements.txt" in again
    assert "Making .venv" not in again

    development = install(folder, "development")
    assert "Installing requirements/development.txt" in development
    assert install(folder) == "", "the development lock holds the runtime lock"


def test_a_moved_folder_gets_a_new_venv(folder: Path) -> None:
    install(folder)
    moved = folder.rename(folder.with_name("elsewhere"))
    assert "Making .venv" in install(moved)


def test_an_interrupted_installation_leaves_no_process_and_is_begun_anew(folder: Path) -> None:
    process = started(folder)
    assert until(lambda: (folder / ".venv").exists(), 60)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    assert not (folder / ".venv" / ".installed-runtime").exists()
    assert until(lambda: not running_in(folder), 20)
    assert "Making .venv" in install(folder)


def running_in(folder: Path) -> list[str]:
    """The commands of processes that name the folder."""
    commands = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            commands.append((entry / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return [command for command in commands if str(folder) in command]


def loaded(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", folder / "requirements" / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_old_python_is_told_what_is_expected(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = loaded(folder)
    monkeypatch.setattr(module, "OLDEST", (99, 0))
    assert module.main(["runtime"]) == 1
    assert f"got {sys.version.split()[0]}" in capsys.readouterr().err
    assert not (folder / ".venv").exists()


def test_a_python_that_cannot_make_a_venv_is_told_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = loaded(folder)
    monkeypatch.setattr(module, "works", lambda command: False)
    assert module.main(["runtime"]) == 1
    assert "apt install python3-venv" in capsys.readouterr().err


def test_a_package_that_cannot_be_had_says_what_pip_said(folder: Path) -> None:
    (folder / "requirements.txt").write_text("no-such-package @ file:///nowhere --hash=sha256:" + "0" * 64 + "\n")
    process = started(folder)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "pip could not install the packages" in said
    assert "Traceback (most recent call last)" not in said.split("It said:")[0]
    assert not (folder / ".venv" / ".installed-runtime").exists()
