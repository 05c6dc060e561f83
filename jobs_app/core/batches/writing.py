"""Writing the rows of a batch: jobs, events, terms and inputs, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from pydantic import BaseModel

from jobs_app.core import admission, copying, submission, terms, transitions, transport
from jobs_app.core.batches.lines import Entrant
from jobs_app.core.submission import Options
from jobs_app.core.transitions import New
from jobs_app.models import Job, JobInput, Term
from jobs_app.models.guard import writing
from jobs_app.models.identity import new_id
from jobs_app.registry import Kind

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class _Nothing(BaseModel):
    """Parameters of nothing."""


UNFILLED = submission.Checked({}, None, "", frozenset(), None, _Nothing())
"""In place of the parameters, of a job that stands for many."""

TERMS = copying.Table(Term, ("term", "job_id"))
TERM = Term()


@dataclass
class Lot:
    """Jobs of a batch that are alike in kind and options. like: a job that is never inserted itself."""

    like: Job
    later: bool
    tags: set[int]
    members: list[Entrant] = field(default_factory=list)


def lot_of(kind: Kind, options: Options, owner: User | None, now: datetime) -> Lot:
    """An empty lot. Raises InvalidRequest for options that cannot be."""
    submission.check_options(options, now)
    admission.check_queue(options.queue or kind.queue)
    like = submission.row_of(kind, UNFILLED, owner, options, now)
    like.webhook = submission.webhook_of(owner, options.webhook)
    return Lot(like, like.due_at > now, terms.of_tags(options.tags))


def write(lots: Iterable[Lot], entries: Sequence[admission.Entry], *, now: datetime, owner: User | None) -> None:
    """Write every member of the lots, all or nothing. Raises IntegrityError for a key that is taken."""
    lots = list(lots)
    if not lots:
        leave(entries, now=now)
        return
    made = [(_estimated(lot, now), [_new(each) for each in lot.members]) for lot in lots]
    with transaction.atomic():
        transitions.create_many(made, now=now, actor=owner)
        _write_terms(lots)
        _write_inputs(lots)
        for queue in {lot.like.queue for lot in lots}:
            transaction.on_commit(lambda queue=queue: transport.publisher.nudge(queue), robust=True)  # type: ignore[misc]
        transaction.on_commit(lambda: leave(entries, now=now), robust=True)


def leave(entries: Iterable[admission.Entry], *, now: datetime) -> None:
    """Give back what was taken for a batch that was committed, or came to nothing."""
    for entry in entries:
        entry.leave(now=now)


def _new(entrant: Entrant) -> New:
    assert entrant.fit is not None
    entrant.job_id = new_id()
    return New(entrant.job_id, entrant.fit.parameters, entrant.fit.sealed, entrant.fit.digest, entrant.key)


def _estimated(lot: Lot, now: datetime) -> Job:
    """The job that stands for a lot, with the estimate that all of them share."""
    submission.estimate(lot.like, now, jobs=len(lot.members))
    return lot.like


def _write_terms(lots: Iterable[Lot]) -> None:
    row = TERMS.mould(TERM)
    TERMS.insert(
        [
            row((number, each.job_id))
            for lot in lots
            for each in lot.members
            if each.fit is not None
            for number in sorted(lot.tags | each.fit.terms)
        ]
    )


def _write_inputs(lots: Iterable[Lot]) -> None:
    inputs = [
        JobInput(job_id=each.job_id, artifact_id=artifact)
        for lot in lots
        for each in lot.members
        if each.fit is not None and each.job_id is not None
        for artifact in each.fit.inputs
    ]
    if inputs:
        with writing():
            JobInput.objects.bulk_create(inputs)
