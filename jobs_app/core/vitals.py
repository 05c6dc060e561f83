"""Vital signs: by when each long-running process of this machine will have said its next word, in a file of its own.

For probes that ask whether a process is to be started anew. They need neither the database nor the broker: when one of
those is away, starting workers anew mends nothing.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from jobs_app import conf


def promise(name: str, seconds: float) -> None:
    """Say that this process will speak again within so many seconds; ``inf``: it cannot tell. Never raises."""
    with suppress(OSError):
        _directory().mkdir(mode=0o700, exist_ok=True)
        file = _file(name)
        beside = file.with_suffix(f".{os.getpid()}")
        beside.write_text(f"{os.getpid()} {time.monotonic() + seconds}")
        beside.replace(file)


def leave(name: str) -> None:
    """Say that this process ends as it should. Never raises."""
    with suppress(OSError):
        _file(name).unlink()


def fault(name: str) -> str | None:
    """What is wrong with a process of this machine, in words; None if it is well."""
    try:
        pid, due_at = _file(name).read_text().split()
        os.kill(int(pid), 0)
    except (FileNotFoundError, NotADirectoryError):
        return f"expected a process {name} on this machine that has said a word, found none"
    except ProcessLookupError:
        return f"expected the process {name} to run, and it is gone"
    except (OSError, ValueError) as error:
        return f"expected a readable word of the process {name}, got: {type(error).__name__}"
    late = time.monotonic() - float(due_at)
    return f"expected a word of the process {name} {late:.0f} s ago, and none came" if late > 0 else None


def _file(name: str) -> Path:
    return _directory() / name.replace("/", "-")[:100]


def _directory() -> Path:
    """One a user and a deployment: DATA_DIR tells them apart. In memory or on a disk of this machine, never shared."""
    place = hashlib.sha256(str(conf.current().data_dir.absolute()).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"weir-vitals-{os.getuid()}-{place}"
