"""``Prefer: wait`` (RFC 7240 §4.3): a caller who would rather wait a moment for the result than ask again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import InterfaceError, OperationalError, connection

from jobs_app import registry
from jobs_app.core import admission, inline, submission
from jobs_app.lifecycle import State
from jobs_app.models import Job
from jobs_app.reads.awaiting import awaiter

if TYPE_CHECKING:
    from django.contrib.auth.models import User

WAIT = re.compile(r"(?:^|[,;\s])wait(?:\s*=\s*\"?(\d{1,9})\"?)?\s*(?=$|[,;])", re.IGNORECASE)
LONGEST_SECONDS = 30
SHORT_SECONDS = 5.0
"""How long ``wait`` without a number waits for a kind that is not run in the request."""


@dataclass(frozen=True)
class Wait:
    """That the caller would wait for so many seconds; None: as long as fits the kind."""

    seconds: float | None


def read(header: str | None) -> Wait | None:
    """What a Prefer header says of waiting, at most 30 s; None if nothing, or nothing that makes sense."""
    found = WAIT.search(header or "")
    if found is None:
        return None
    return Wait(float(min(int(found[1]), LONGEST_SECONDS)) if found[1] else None)


def submit(
    kind: str, parameters: Mapping[str, Any], *, owner: User, options: submission.Options, wait: Wait, now: datetime
) -> submission.Accepted:
    """Accept a job and wait for its end: run here if its kind is quick enough, else by a worker.

    Raises what ``submission.accept`` raises. Returns the job as it stands then, ended or not.
    """
    definition = registry.get(kind)
    queue = options.queue or definition.queue
    admission.check_queue(queue)  # before anything is read, and remembered, of a queue of that name
    place = inline.runner.place(definition, queue, now=now)
    if place is None:
        accepted = submission.accept(kind, parameters, owner=owner, options=options, now=now)
    else:
        accepted = _accept_here(place, kind, parameters, owner, options, now)
    if accepted.job.final:
        return accepted
    quick = definition.inline.total_seconds() if place and definition.inline else SHORT_SECONDS
    seconds = quick if wait.seconds is None else wait.seconds
    if place is None or not place.taken:
        awaiter.wait(accepted.job.id, seconds)
    else:
        if not connection.in_atomic_block:
            connection.close()
        place.wait(seconds)
    with suppress(OperationalError, InterfaceError):  # the ledger is away, and yet the job was accepted
        row = Job.objects.whole().select_related("owner").get(id=accepted.job.id)
        accepted = replace(accepted, job=row)
    return accepted


def _accept_here(
    place: inline.Place, kind: str, parameters: Mapping[str, Any], owner: User, options: submission.Options,
    now: datetime,
) -> submission.Accepted:  # fmt: skip
    try:
        accepted = submission.accept(kind, parameters, owner=owner, options=replace(options, message=False), now=now)
    except BaseException:
        place.give_up()
        raise
    if accepted.replayed or accepted.job.status is not State.QUEUED:
        place.give_up()
    else:
        place.run(accepted.job.id)
    return accepted
