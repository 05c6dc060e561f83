"""Force: ending a job whose handler listens to nothing, and with it the process that it keeps."""

from __future__ import annotations

import logging
import os
import signal
import sys

from jobs_app import registry
from jobs_app.context import TimedOut
from jobs_app.core import claims, outcomes
from jobs_app.core.clock import database_now
from jobs_app.core.held import Held
from jobs_app.core.liveness import heart
from jobs_app.models import Job

logger = logging.getLogger(__name__)

STOPPED = "its worker was told to stop, and its grace was over"


def end(job: Job, held: Held, why: str) -> None:
    """Settle a job whose handler listens to nothing, give back its neighbours, and end this process."""
    try:
        _settle_overdue(job, why)
        by_id = {each.job_id: each for each in heart.others(held)}
        for neighbour in Job.objects.filter(id__in=by_id):
            if neighbour.attempt == by_id[neighbour.id].attempt:
                claims.give_back(
                    neighbour,
                    now=database_now(),
                    reason="a job of the same message had to be ended by force",
                    started=by_id[neighbour.id].started,
                )
    except Exception:
        logger.exception("Job %s could not be settled before its process is ended; it will be rescued", job.id)
    logger.error("Ending worker process %s: job %s %s", os.getpid(), job.id, why)
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def disown(job: Job, held: Held, why: str) -> None:
    """Settle such a job in a process that others need, a web server's: its thread is left to itself.

    What it does later is refused, since the job has ended; of an atomic kind the effects are rolled back too.
    """
    try:
        _settle_overdue(job, why)
    except Exception:
        logger.exception("Job %s could not be settled; it will be rescued", job.id)
    held.lost = True
    heart.release(held)
    logger.error("A thread of process %s is left to itself: job %s %s", os.getpid(), job.id, why)


def _settle_overdue(job: Job, why: str) -> None:
    now = database_now()
    if why == "stop":
        words = f"{STOPPED}; it did not stop by itself, so its process was ended"
        claims.give_back(job, now=now, reason=words, started=True)
        return
    if why == "cancel":
        outcomes.cancel(job, now=now, reason="on request; it did not stop by itself, so its process was ended")
        return
    limit = job.hard_timeout.total_seconds()
    cause = TimedOut(f"it ran for more than {limit:g} s and did not stop by itself, so its process was ended")
    outcomes.fail(job, outcomes.Failure(str(cause), "TimedOut"), cause, registry.get(job.kind).retry, now=now)
