"""The two kinds that every peer has, as Weir's kinds. Loaded by ``KIND_MODULES=benchmarks.peers.kinds``."""

from __future__ import annotations

from benchmarks.peers.apps import counting
from jobs_app.authoring import job


@job("peers.noop")
def noop() -> None:
    """Do nothing but be counted."""
    counting.count()


@job("peers.compute")
def compute() -> None:
    """Compute for 10 ms."""
    counting.compute()
