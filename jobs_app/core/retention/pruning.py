"""Pruning: deleting what is due, in transactions that are short.

A job goes only when all its events are rolled up, and in the transaction that deletes it these are added to the rollups
marked ``gone``: so rollups can be compared with the ledger at any time. Files are deleted after the rows' commit; one
that a crash leaves behind is an orphan, and found as such.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Collection
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Model, ProtectedError, QuerySet

from jobs_app import conf
from jobs_app.core import artifacts, audit, deploys, queries
from jobs_app.core.retention import batches, deliveries, groups, rules
from jobs_app.core.rollups import cursor, store
from jobs_app.core.rollups.cursor import HORIZONS, Place
from jobs_app.core.rollups.sources import EVENTS, REFUSALS, Source
from jobs_app.core.turns import Turns
from jobs_app.models import (
    Artifact,
    Attempt,
    Checkpoint,
    Event,
    Job,
    JobInput,
    LogLine,
    QueueLevel,
    Refusal,
    Resend,
    Rollup,
    Term,
    Tick,
    UniqueKey,
)
from jobs_app.models.guard import writing
from jobs_app.steps import Step
from jobs_app.ticking import TickOutcome

logger = logging.getLogger(__name__)

JOBS = 100
"""Jobs, or uploads, of one transaction."""

BATCHES = 20
"""Transactions for each kind of row in one run; what is left is the next run's."""

CHILDREN: tuple[type[Model], ...] = (JobInput, Checkpoint, Resend, UniqueKey, Term, Event, Attempt)


def run(*, now: datetime, batches: int = BATCHES, seconds: float = math.inf) -> Counter[str]:
    """Prune what is due. Returns how many rows of what were deleted.

    batches: transactions for each kind of row. seconds: none of that kind begins after so long.
    """
    done: Counter[str] = Counter()
    if cursor.read().held(now):
        return done
    for what, prune in (
        ("jobs", prune_jobs), ("uploads", prune_uploads), ("ticks", prune_ticks), ("refusals", prune_refusals),
        ("rollups", prune_rollups), ("audit entries", audit.prune),
        ("counts of failures", groups.prune), ("deliveries", deliveries.prune),
    ):  # fmt: skip
        done[what] = prune(now=now, turns=Turns(batches, seconds))
    done["deploys"] = deploys.prune(now=now)
    return +done


def prune_jobs(*, now: datetime, turns: Turns) -> int:
    """Prune settled jobs with all that is theirs."""
    deleted, stuck = 0, set[UUID]()
    for state, kind in rules.settled():
        while turns.take():
            rows = rules.due(state, kind, now=now).exclude(id__in=stuck)
            ids = list(rows.values_list("id", flat=True)[:JOBS])
            if not ids:
                break
            gone = _each_or_all(_prune_jobs, ids)
            deleted += len(gone)
            stuck |= set(ids) - gone
    return deleted


def prune_uploads(*, now: datetime, turns: Turns) -> int:
    """Prune uploads that no job takes."""
    deleted, stuck = 0, set[UUID]()
    while turns.take():
        ids = list(rules.unused_uploads(now=now).exclude(id__in=stuck).values_list("id", flat=True)[:JOBS])
        if not ids:
            break
        gone = _each_or_all(_prune_files, ids)
        deleted += len(gone)
        stuck |= set(ids) - gone
    return deleted


def prune_ticks(*, now: datetime, turns: Turns) -> int:
    """Prune ticks that are older than any job is kept, but the latest hundred of each schedule."""
    kept, deleted = rules.ticks_kept(), 0
    if kept is None:
        return 0
    for key in rules.schedules_in_turn(now):
        of = Tick.objects.filter(schedule=key)
        hundredth = of.order_by("-due_at").values_list("due_at", flat=True)[rules.TICKS_LEFT - 1 : rules.TICKS_LEFT]
        for left in hundredth:
            old = of.filter(due_at__lt=min(left, now - kept)).exclude(outcome=TickOutcome.WAITING)
            deleted += batches.delete(old, turns)
    return deleted


def prune_refusals(*, now: datetime, turns: Turns) -> int:
    """Prune single refusals that are rolled up."""
    kept = conf.span(conf.current().keep_refusals_days)
    deleted = 0
    while kept is not None and turns.take():
        place = cursor.read()
        rows = Refusal.objects.filter(at__lt=now - kept, id__lte=place.through[REFUSALS.through]).order_by("at")
        ids = [each for each in rows.values_list("id", flat=True)[: batches.ROWS] if _rolled(REFUSALS, each, place)]
        if not ids:
            break
        with transaction.atomic(), writing():
            if not cursor.advance(place):
                continue
            _keep_sums(REFUSALS, Refusal.objects.filter(id__in=ids), place)
            Refusal.objects.filter(id__in=ids).delete()
        deleted += len(ids)
    return deleted


def prune_rollups(*, now: datetime, turns: Turns) -> int:
    """Prune statistics of each step. The cursor is told first: from then on they are nobody's."""
    deleted = 0
    for step, column in HORIZONS.items():
        kept, place = conf.current().rollups_kept_for(step), cursor.read()
        begin = place.kept_from[step]
        # By the hour or day: not every run is to write the cursor.
        horizon = (Step.HOUR if step is Step.MINUTE else Step.DAY).floor(now - kept) if kept is not None else None
        if horizon is not None and (begin is None or horizon > begin):
            with transaction.atomic():
                if not cursor.advance(place, **{column: horizon}):
                    continue
            begin = horizon
        if begin is not None:
            for model in (Rollup, QueueLevel):
                deleted += batches.delete(model.objects.filter(step=step, at__lt=begin), turns)
    return deleted


def _prune_jobs(ids: list[UUID]) -> set[UUID]:
    """Delete those jobs whose events are rolled up; returns which."""
    place = cursor.read()
    events = list(Event.objects.filter(job_id__in=ids).values_list("job_id", "id"))
    ids = sorted(set(ids) - {job for job, number in events if not _rolled(EVENTS, number, place)})
    if not ids:
        return set()
    while batches.delete(LogLine.objects.filter(job_id__in=ids), Turns(BATCHES)):
        pass
    with transaction.atomic(), writing():
        if not cursor.advance(place):
            return set()
        # Attempts and events have no constraint: whoever is writing one holds this lock, or finds no job any more.
        list(queries.locked(Job.objects.filter(id__in=ids).only("id").order_by("id")))
        _keep_sums(EVENTS, Event.objects.filter(job_id__in=ids), place)
        files = list(Artifact.objects.filter(job_id__in=ids).values_list("id", flat=True))
        for model in CHILDREN:
            model._default_manager.filter(job_id__in=ids).delete()
        Artifact.objects.filter(id__in=files).delete()
        Job.objects.filter(id__in=ids).delete()
    _unlink(files)
    return set(ids)


def _prune_files(ids: list[UUID]) -> set[UUID]:
    with transaction.atomic(), writing():
        Artifact.objects.filter(id__in=ids, job=None).delete()
    _unlink(ids)
    return set(ids)


def _keep_sums(source: Source, rows: QuerySet[Event] | QuerySet[Refusal], place: Place) -> None:
    """Add what is about to be deleted to the rollups marked gone."""
    store.add(source.sums(source.rows(rows.order_by("id"))), place, gone=True)


def _rolled(source: Source, number: int, place: Place) -> bool:
    """Whether a row is counted in the rollups."""
    gaps = (gap for gap in place.gaps if gap.table == source.table)
    return number <= place.through[source.through] and not any(gap.holds(number) for gap in gaps)


def _each_or_all(prune: Callable[[list[UUID]], set[UUID]], ids: list[UUID]) -> set[UUID]:
    """Prune a batch; if something stands in the way of one of them, each by itself, so that it keeps no other back."""
    try:
        return prune(ids)
    except (ProtectedError, IntegrityError) as error:
        if len(ids) == 1:
            logger.warning("%s is not pruned, since something needs it: %s", ids[0], error)
            return set()
    return {each for one in ids for each in _each_or_all(prune, [one])}


def _unlink(ids: Collection[UUID]) -> None:
    for each in ids:
        artifacts.path_of(each).unlink(missing_ok=True)
