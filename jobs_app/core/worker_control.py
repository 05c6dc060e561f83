"""What people do to workers: drain one, so that it finishes what it runs and takes nothing more; let it go on.

The wish is a row that names one run of the worker (``Drain``): one that is started again by the same name knows nothing
of it. The worker's processes look for it whenever they say that they are there, so it needs no remote control.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from jobs_app.core import audit, presence
from jobs_app.errors import Conflict, NotAllowed, NotFound
from jobs_app.models import Drain, Listener
from jobs_app.models.guard import writing
from jobs_app.models.job import SEE_ALL

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

PERMISSION = "jobs_app.control_worker"


def drain(run: UUID, actor: User | None, now: datetime) -> None:
    """Have a worker take no more jobs; what it runs it finishes. Twice is no error.

    Raises NotAllowed, NotFound, and Conflict for one that is gone.
    """

    def wish(worker: str) -> bool:
        return Drain.objects.get_or_create(run=run, defaults={"worker": worker, "asked_at": now})[1]

    _change(run, "worker.drain", wish, actor, now)


def resume(run: UUID, actor: User | None, now: datetime) -> None:
    """Let a drained worker take jobs again. Twice is no error. Raises NotAllowed, NotFound, Conflict."""
    _change(run, "worker.resume", lambda _: bool(Drain.objects.filter(run=run).delete()[0]), actor, now)


def may_control(actor: User | None) -> bool:
    """Whether this user (None: the system) may drain workers and resume them: only who sees them may."""
    return actor is None or actor.has_perms((PERMISSION, SEE_ALL))


def _change(run: UUID, action: str, write: Callable[[str], bool], actor: User | None, now: datetime) -> None:
    """Write a wish, or take it back, and who did so; ``write`` gets the worker's name and says whether it is news."""
    last = Listener.objects.filter(run=run).order_by("-seen_at").first()
    subject = f"worker {last.worker if last is not None else run}"
    with audit.refusals(actor, action, subject, now=now), transaction.atomic():
        worker = _alive(run, last, actor, now)
        with writing():
            news = write(worker)
        if news:
            drained = action == "worker.drain"
            audit.record(
                actor, action, subject, now=now,
                before={"run": run, "drained": not drained}, after={"run": run, "drained": drained},
            )  # fmt: skip
            _tell(f"Worker {worker} is to {'take no more jobs' if drained else 'take jobs again'}", actor)


def _alive(run: UUID, last: Listener | None, actor: User | None, now: datetime) -> str:
    """The name of the worker that runs, of whose processes ``last`` spoke last."""
    if not may_control(actor):
        raise NotAllowed("expected the permission to control workers: ask somebody who may give it to you")
    if last is None:
        raise NotFound(f"expected the id of a worker's run, got {run}")
    if last.seen_at <= now - presence.SILENCE:
        heard = f"{last.worker} was heard of last at {last.seen_at:%Y-%m-%d %H:%M:%S} UTC"
        raise Conflict(f"expected a worker that is there; {heard}")
    return last.worker


def _tell(words: str, actor: User | None) -> None:
    who = "the system" if actor is None else f"user {actor.get_username()!r}"
    transaction.on_commit(lambda: logger.info("%s, says %s", words, who), robust=True)
