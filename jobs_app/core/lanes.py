"""Lanes: what holds for a queue now, from its row and from the settings. ``lane_control`` is what people change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import floor
from typing import TypeVar

from jobs_app import conf
from jobs_app.conf import Configuration
from jobs_app.models import Queue

T = TypeVar("T")

DIGITS = 6
"""A part of a limit is rounded to so many decimals first: 0.29 of 100 is 28.999999999999996 in binary."""


@dataclass(frozen=True)
class Policy:
    """The bounds of a queue in force, in jobs; ``window`` in messages."""

    limit: int
    """So many may wait; more are refused."""
    hard_limit: int
    """So many may wait if children of running jobs and overflow come in; never below ``limit``."""
    low_water: int
    """A queue that was full takes jobs again at this depth; always below ``limit``."""
    user_limit: int
    """So many of them one user may hold; at least one."""
    token_limit: int
    """So many of them one token may hold; at least one."""
    window: int
    """So many messages of it are on the broker at once."""
    paused_at: datetime | None
    """Since when nothing leaves it."""


def policy_of(row: Queue | None, configuration: Configuration) -> Policy:
    """What holds for a queue: its row's bounds, and the setting's where the row has none (or there is no row)."""
    row = row or Queue()
    limit = _first(row.limit, configuration.queue_limit)
    hard_limit = _first(row.hard_limit, _part(1 + configuration.queue_headroom, limit))
    low_water = _first(row.low_water, _part(configuration.queue_low_water, limit))
    return Policy(
        limit=limit,
        hard_limit=max(limit, hard_limit),
        low_water=min(low_water, limit - 1),
        user_limit=max(1, _part(_first(row.user_share, configuration.user_share), limit)),
        token_limit=max(1, _part(_first(row.token_share, configuration.token_share), limit)),
        window=_first(row.window, configuration.window),
        paused_at=row.paused_at,
    )


def policy(queue: str) -> Policy:
    """What holds for a queue now. One query by the primary key."""
    return policy_of(Queue.objects.whole().filter(name=queue).first(), conf.current())


def _first(own: T | None, setting: T) -> T:
    return setting if own is None else own


def _part(share: float, limit: int) -> int:
    return floor(round(share * limit, DIGITS))
