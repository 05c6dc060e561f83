"""What people do to workers: drain one, so that it finishes what it runs and takes nothing more; let it go on.

The wish is a row that names one run of the worker (``Drain``): one that is started again by the same name knows nothing
of it. The worker's processes look for it whenever they say that they are there, so it needs no remote control.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from jobs_app.core import presence
from jobs_app.errors import Conflict, NotAllowed, NotFound
from jobs_app.models import Drain, Listener
from jobs_app.models.guard import writing

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

PERMISSION = "jobs_app.control_worker"


def drain(run: UUID, actor: User | None, now: datetime) -> None:
    """Have a worker take no more jobs; what it runs it finishes. Twice is no error.

    Raises NotAllowed, NotFound, and Conflict for one that is gone.
    """
    with transaction.atomic():
        worker = _alive(run, actor, now)
        with writing():
            _, new = Drain.objects.get_or_create(run=run, defaults={"worker": worker, "asked_at": now})
        if new:
            _tell(f"Worker {worker} is to be drained", actor)


def resume(run: UUID, actor: User | None, now: datetime) -> None:
    """Let a drained worker take jobs again. Twice is no error. Raises NotAllowed, NotFound, Conflict."""
    with transaction.atomic():
        worker = _alive(run, actor, now)
        with writing():
            gone, _ = Drain.objects.filter(run=run).delete()
        if gone:
            _tell(f"Worker {worker} is to take jobs again", actor)


def may_control(actor: User | None) -> bool:
    """Whether this user (None: the system) may drain workers and resume them."""
    return actor is None or actor.has_perm(PERMISSION)


def _alive(run: UUID, actor: User | None, now: datetime) -> str:
    """The name of the worker that runs."""
    if not may_control(actor):
        raise NotAllowed("expected the permission to control workers: ask somebody who may give it to you")
    last = Listener.objects.filter(run=run).order_by("-seen_at").first()
    if last is None:
        raise NotFound(f"expected the id of a worker's run, got {run}")
    if last.seen_at <= now - presence.SILENCE:
        heard = f"{last.worker} was heard of last at {last.seen_at:%Y-%m-%d %H:%M:%S} UTC"
        raise Conflict(f"expected a worker that is there; {heard}")
    return last.worker


def _tell(words: str, actor: User | None) -> None:
    who = "the system" if actor is None else f"user {actor.get_username()!r}"
    transaction.on_commit(lambda: logger.info("%s, says %s", words, who), robust=True)
