"""Upkeep: small Celery tasks on the system queue, sent by beat. Each is one call; missing a tick harms nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from celery import shared_task

from jobs_app import wire
from jobs_app.core import clock, dispatch, families, flow, gate, presence, rescue
from jobs_app.core.failures import LEDGER_ERRORS
from jobs_app.core.patience import watch
from jobs_app.core.retention import pruning
from jobs_app.core.rollups import rolling
from jobs_app.core.webhooks import sending
from jobs_app.errors import BrokerAway

P = ParamSpec("P")
R = TypeVar("R")
logger = logging.getLogger(__name__)
vigil = rescue.Vigil()

PATIENCE_SECONDS = 30.0
"""An upkeep task whose database does not answer for this long is cut off; the next tick does its work."""

TURN_SECONDS = 1.0
"""What can wait begins no transaction after this time: the task behind it may be a rescue."""


def bounded(function: Callable[P, R]) -> Callable[P, R]:
    """The function, with a bound on what it waits for the database; an outage is noted."""

    @wraps(function)
    def call(*arguments: P.args, **named: P.kwargs) -> R:
        try:
            with watch.call(PATIENCE_SECONDS), vigil.listening():
                return function(*arguments, **named)
        except LEDGER_ERRORS:
            vigil.note_outage()
            raise

    return call


@shared_task(name=wire.REFILL, ignore_result=True)
@bounded
def refill() -> int:
    """Queue what has come due or may go on, send lost messages again, and fill every window."""
    now = clock.database_now()
    dispatch.promote(now=now, seconds=TURN_SECONDS)
    families.sweep(now=now, seconds=TURN_SECONDS)
    sent = 0
    for queue in dispatch.queue_names():
        try:
            sent += dispatch.refill(queue, now=now)
            if dispatch.find_lost(queue, now=now):
                sent += dispatch.refill(queue, now=now)
        except BrokerAway as error:
            logger.warning("Queue %s was not refilled: %s", queue, error)
    return sent


@shared_task(name=wire.RESCUE, ignore_result=True)
@bounded
def rescue_lost() -> int:
    """Rescue jobs whose worker is gone, and end those that waited past their expiry."""
    now = clock.database_now()
    return rescue.expired_leases(now=now, vigil=vigil) + rescue.expire_waiting(now=now)


@shared_task(name=wire.OBSERVE, ignore_result=True)
@bounded
def observe() -> int:
    """Measure what moves through each queue, for estimates; forget processes that are long gone."""
    now = clock.database_now()
    presence.prune(now=now)
    gate.prune(now=now)
    return flow.observe(now=now)


@shared_task(name=wire.ROLL, ignore_result=True)
@bounded
def roll() -> int:
    """Count what is new in the ledger for statistics, and send the webhooks of the jobs that have ended."""
    counted = rolling.roll(now=clock.database_now(), seconds=TURN_SECONDS)
    sending.send(now=clock.database_now(), seconds=TURN_SECONDS)
    return counted


@shared_task(name=wire.RETAIN, ignore_result=True)
@bounded
def retain() -> int:
    """Prune what was kept long enough."""
    return pruning.run(now=clock.database_now(), seconds=TURN_SECONDS).total()


@shared_task(name=wire.LOST_CHILD, ignore_result=True)
@bounded
def lost_child(ids: list[str], message: str, exit_words: str, at_work: list[str] | None = None) -> int:
    """Rescue what a dead worker process held; told by its parent."""
    reason, known = rescue.describe_exit(exit_words), None if at_work is None else wire.ids_of(at_work)
    return rescue.lost_child(wire.ids_of(ids), message, now=clock.database_now(), reason=reason, at_work=known)


@shared_task(name=wire.SUBMIT, ignore_result=True)
def submit(*_: Any, **__: Any) -> None:
    """What a beat of the release before sends still. Dropped: with a beat of this one, the ledger decides that tick."""
