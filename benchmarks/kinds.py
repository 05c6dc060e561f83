"""Kinds of known length, for loads. Loaded by ``KIND_MODULES=benchmarks.kinds``.

They wait instead of computing, so that the length does not depend on what else the machine does.
"""

from __future__ import annotations

import random
import threading

from jobs_app.authoring import job

SECONDS = {"load.short": 0.02, "load.middle": 0.1, "load.long": 0.5, "load.steady": 0.2}
"""The mean length of each. A job takes from half of it to one and a half, all equally likely."""


@job("load.short")
def short() -> None:
    """Wait for about 20 ms."""
    _wait("load.short")


@job("load.middle")
def middle() -> None:
    """Wait for about 100 ms."""
    _wait("load.middle")


@job("load.long")
def long() -> None:
    """Wait for about 500 ms."""
    _wait("load.long")


@job("load.steady")
def steady() -> None:
    """Wait for about 200 ms."""
    _wait("load.steady")


def _wait(kind: str) -> None:
    threading.Event().wait(SECONDS[kind] * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
