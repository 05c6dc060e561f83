"""What people do to queues: pause, resume, change bounds. Admin, API and command line all call these.

Who did what is in the audit, and in the log; a change is in force within a second, without a restart.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from jobs_app import conf
from jobs_app.core import audit, gate, queries, transport
from jobs_app.errors import InvalidRequest, NotAllowed, NotFound
from jobs_app.models import Queue
from jobs_app.models.guard import writing

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

PERMISSION = "jobs_app.control_queue"
MOST_JOBS, MOST_MESSAGES = 100_000_000, 100_000


class Leave:
    """The type of ``LEAVE``."""

    def __repr__(self) -> str:
        return "LEAVE"


LEAVE = Leave()
"""Stands for a bound that is to stay as it is; None would put it back to the setting's."""

Jobs = int | None | Leave
Share = float | None | Leave


def pause(queue: str, actor: User | None, now: datetime) -> Queue:
    """Put no more jobs of a queue on the broker; what is there already still runs. Twice is no error.

    Raises NotAllowed, NotFound.
    """
    with _audited(actor, "queue.pause", queue, now), transaction.atomic():
        lane = _locked(queue, actor)
        if lane.paused_at is None:
            _save(lane, {"paused_at": now})
            audit.record(
                actor, "queue.pause", f"queue {queue}", now=now, before={"paused": False}, after={"paused": True}
            )
            _tell(f"Queue {queue} was paused", actor)
    return lane


def resume(queue: str, actor: User | None, now: datetime) -> Queue:
    """Let a paused queue go on, at once. Twice is no error. Raises NotAllowed, NotFound."""
    with _audited(actor, "queue.resume", queue, now), transaction.atomic():
        lane = _locked(queue, actor)
        if lane.paused_at is not None:
            seconds = (now - lane.paused_at).total_seconds()
            before = {"paused": True, "since": lane.paused_at}
            _save(lane, {"paused_at": None})
            audit.record(actor, "queue.resume", f"queue {queue}", now=now, before=before, after={"paused": False})
            _tell(f"Queue {queue} was resumed after {seconds:.0f} s", actor)
    return lane


def set_limits(
    queue: str,
    *,
    actor: User | None,
    now: datetime,
    limit: Jobs = LEAVE,
    hard_limit: Jobs = LEAVE,
    low_water: Jobs = LEAVE,
    user_share: Share = LEAVE,
    token_share: Share = LEAVE,
    window: Jobs = LEAVE,
) -> Queue:
    """Change bounds of a queue: jobs, and parts (0 to 1) of its limit. What is LEAVE stays, None is the setting's.

    Raises NotAllowed, NotFound, InvalidRequest.
    """
    given = {
        "limit": limit, "hard_limit": hard_limit, "low_water": low_water,
        "user_share": user_share, "token_share": token_share, "window": window,
    }  # fmt: skip
    wanted = {name: value for name, value in given.items() if value is not LEAVE}
    with _audited(actor, "queue.limits", queue, now, after=wanted), transaction.atomic():
        lane = _locked(queue, actor)
        changed = {name: value for name, value in wanted.items() if value != getattr(lane, name)}
        check(lane, wanted)
        if changed:
            words = ", ".join(f"{name} {_shown(getattr(lane, name))} -> {_shown(changed[name])}" for name in changed)
            before = {name: getattr(lane, name) for name in changed}
            _save(lane, changed)
            audit.record(actor, "queue.limits", f"queue {queue}", now=now, before=before, after=changed)
            _tell(f"Queue {queue}: {words}", actor)
    return lane


def check(lane: Queue, wanted: Mapping[str, Any]) -> None:
    """Raise InvalidRequest with a sentence about the first of the wanted bounds that does not fit."""
    found = fault(lane, wanted)
    if found is not None:
        raise InvalidRequest(": ".join(found))


def fault(lane: Queue, wanted: Mapping[str, Any]) -> tuple[str, str] | None:
    """The first of the wanted bounds that does not fit the lane, and why, in words; None if all do."""
    for name, value in wanted.items():
        expected = "" if value is None else RULES[name](value)
        if expected:
            return name, f"expected {expected}, got {str(value)[:40]}"
    own = {name: wanted.get(name, getattr(lane, name)) for name in ("limit", "hard_limit", "low_water")}
    limit = conf.current().queue_limit if own["limit"] is None else own["limit"]
    whose = f"{'QUEUE_LIMIT' if own['limit'] is None else 'limit'}, which is {limit:,}"
    low, hard = own["low_water"], own["hard_limit"]
    mend = "change both, or leave it to the setting"
    if low is not None and low >= limit:
        return "low_water", f"expected less than {whose}, got {low:,}; {mend}"
    if hard is not None and hard < limit:
        return "hard_limit", f"expected at least {whose}, got {hard:,}; {mend}"
    return None


def may_control(actor: User | None) -> bool:
    """Whether this user (None: the system) may pause queues and change their bounds."""
    return actor is None or actor.has_perm(PERMISSION)


def _whole(least: int, most: int, what: str) -> Callable[[Any], str]:
    words = f"a whole number of {what}, {least:,} to {most:,}"
    return lambda value: "" if type(value) is int and least <= value <= most else words


def _share(value: Any) -> str:
    fits = type(value) in (int, float) and math.isfinite(value) and 0 < value <= 1
    return "" if fits else "a part of the limit, above 0 and at most 1 (0.25 is a quarter)"


RULES: dict[str, Callable[[Any], str]] = {
    "limit": _whole(1, MOST_JOBS, "jobs"),
    "hard_limit": _whole(1, 2 * MOST_JOBS, "jobs"),
    "low_water": _whole(0, MOST_JOBS, "jobs"),
    "user_share": _share,
    "token_share": _share,
    "window": _whole(1, MOST_MESSAGES, "messages"),
}
"""For each bound what is expected, in words, of a value that does not fit; empty for one that does."""

BOUNDS = tuple(RULES)


def _audited(
    actor: User | None, action: str, queue: str, now: datetime, after: Mapping[str, Any] | None = None
) -> AbstractContextManager[None]:
    return audit.refusals(actor, action, f"queue {queue}", now=now, after=after)


def _locked(name: str, actor: User | None) -> Queue:
    """The queue's row, locked until the transaction ends; made if the queue is configured and has none yet."""
    if not may_control(actor):
        raise NotAllowed("expected the permission to control queues: ask somebody who may give it to you")
    if name not in conf.current().queues and not Queue.objects.filter(name=name).exists():
        raise NotFound(f"expected a queue, such as {', '.join(conf.current().queues)}, got {name[:100]!r}")
    with writing():
        return queries.locked_or_made(Queue.objects.whole(), name=name)


def _save(lane: Queue, changes: Mapping[str, Any]) -> None:
    """Write, and have the queue looked at: there may be room on the broker now."""
    for name, value in changes.items():
        setattr(lane, name, value)
    with writing():
        lane.save(update_fields=list(changes))
    # Not before: a submission in the caller's transaction would wait for the gate in another thread, and for ever.
    transaction.on_commit(lambda: gate.recount(lane.name), robust=True)
    transaction.on_commit(lambda: transport.publisher.nudge(lane.name), robust=True)


def _shown(value: Any) -> str:
    return "the setting's" if value is None else f"{value:,}"


def _tell(words: str, actor: User | None) -> None:
    who = "the system" if actor is None else f"user {actor.get_username()!r}"
    transaction.on_commit(lambda: logger.info("%s by %s", words, who), robust=True)
