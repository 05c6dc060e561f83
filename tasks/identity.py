"""Who this worker is: made once in its first process, and known to each child by the fork."""

from __future__ import annotations

import os
import socket
import time
import uuid
from datetime import datetime, timedelta
from pathlib import Path

from jobs_app import conf
from jobs_app.core.presence import Condition, Origin

RUN = uuid.uuid4()
MAIN_PID = os.getpid()
BEGAN = time.monotonic()
"""When this module was imported, by a clock that all processes of a machine share."""

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def origin(now: datetime) -> Origin:
    """Which worker this process belongs to. ``now`` is the ledger's time, by which the beginning is told."""
    began_at = now - timedelta(seconds=time.monotonic() - BEGAN)
    return Origin(RUN, socket.gethostname()[:255], MAIN_PID, conf.current().release, began_at)


def condition(*, draining: bool) -> Condition:
    """How this process is now."""
    return Condition(resident(os.getpid()), resident(MAIN_PID), draining)


def resident(process: int) -> int | None:
    """Bytes that a process holds in memory, its part of what it shares with others included; None where not known.

    Linux tells it in /proc; elsewhere only the most there ever was can be had, which says something else.
    """
    try:
        pages = Path(f"/proc/{process}/statm").read_text("ascii").split()[1]
    except (OSError, IndexError):
        return None
    return int(pages) * PAGE_BYTES
