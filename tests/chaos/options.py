"""What one run is to be, and the settings that its processes run by."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

WINDOW = 60
SHORT_TIMES = {"HEARTBEAT_SECONDS": "0.5", "LEASE_SECONDS": "5", "CANCEL_GRACE_SECONDS": "1"}


@dataclass(frozen=True)
class Options:
    """What one run is to be. ``patience``: seconds from the last fault until every job must be final.

    ``max_kills``: MAX_KILLS. So many that none is met: how a job ends must not depend on the killer's luck.
    ``late``: fail if no late write was refused; such a run has shown nothing about them.
    """

    seed: int
    seconds: float
    jobs: int
    database: str
    broker: str
    production_times: bool = False
    max_kills: int = 100
    late: bool = False
    patience: float = 180.0
    keep: bool = False
    say: Callable[[str], None] = lambda words: print(words, file=sys.stderr, flush=True)


def environment(options: Options, directory: Path, database: str, broker: str) -> dict[str, str]:
    """The variables of every process of a run. ``database`` and ``broker`` are URLs."""
    (directory / "data").mkdir()
    return {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "SECRET_KEY": secrets.token_hex(32),
        "HTTPS": "false",
        "DATA_DIR": str(directory / "data"),
        "DATABASE_URL": database,
        "BROKER_URL": broker,
        "KIND_MODULES": "tests.chaos.kinds",
        "WEIR_CHAOS_RECORD": str(directory / "record"),
        "ALLOWED_HOSTS": "127.0.0.1",
        "LOG_LEVEL": "WARNING",
        "WINDOW": str(WINDOW),
        # One token brings every order, as fast as the machine lets it: what was held up comes all at once.
        "TOKEN_RATE": "0",
        "MAX_KILLS": str(options.max_kills),
        "PYTHONFAULTHANDLER": "1",
        **({} if options.production_times else SHORT_TIMES),
    }
