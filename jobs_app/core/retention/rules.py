"""What is due to be pruned, and what is spared however old it is."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django_celery_beat.models import PeriodicTask

from jobs_app import conf, desk, registry
from jobs_app.core.retention.results import latest_of_schedules
from jobs_app.errors import UnknownKind
from jobs_app.lifecycle import FINAL, State
from jobs_app.models import Artifact, Job, JobInput, Schedule, UniqueKey
from jobs_app.models.job import JobQuerySet

SCHEDULES = 20
"""About so many schedules have their ticks pruned in one run."""

TICKS_LEFT = 100
"""The latest ticks of each schedule are kept, however old."""

MENTIONED = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def mentioned_by_schedules() -> set[UUID]:
    """Every id in the parameters of a schedule: files that it takes are needed at its next tick."""
    texts = PeriodicTask.objects.exclude(kwargs="{}").values_list("kwargs", flat=True)
    return {UUID(each) for text in texts.iterator(2000) for each in MENTIONED.findall(text)}


def _jobs_of_schedules(now: datetime) -> QuerySet[Job]:
    return Job.objects.filter(artifacts__in=mentioned_by_schedules())


def _uploads_of_schedules(now: datetime) -> QuerySet[Artifact]:
    """And the system's own, such as the sample dataset."""
    return Artifact.objects.filter(Q(id__in=mentioned_by_schedules()) | Q(owner=None))


def _uploads_of_packages(now: datetime) -> QuerySet[Artifact]:
    """Those that packages of kinds have taken."""
    held = reduce(or_, (Q(id__in=ids()) for ids in desk.held_uploads), Q(id=None))
    return Artifact.objects.filter(held)


SPARED_JOBS: list[Callable[[datetime], QuerySet[Job]]] = [_jobs_of_schedules, latest_of_schedules]
"""Jobs that are not pruned, each a function of now. Add yours here."""

SPARED_UPLOADS: list[Callable[[datetime], QuerySet[Artifact]]] = [_uploads_of_schedules, _uploads_of_packages]
"""Uploads that are not pruned, though no job takes them."""


def settled() -> Iterator[tuple[State, str]]:
    """Every final state and kind of which there are jobs. Each costs one look into an index."""
    for state in sorted(FINAL):
        # In the order of all of job_settled: by the kind alone another index would do, and be read from end to end.
        rows = Job.objects.filter(state=state, finished_at__isnull=False).order_by("state", "kind", "finished_at")
        kinds = rows.values_list("kind", flat=True)
        kind = kinds.first()
        while kind is not None:
            yield state, kind
            kind = kinds.filter(kind__gt=kind).first()


def old(state: State, kind: str, *, now: datetime) -> JobQuerySet:
    """The jobs of a kind that ended in a state longer ago than they are kept; none where they are kept for ever."""
    kept = conf.current().kept_for(kind, state)
    if kept is None:
        return Job.objects.none()
    return Job.objects.filter(state=state, kind=kind, finished_at__lt=now - kept)


def due(state: State, kind: str, *, now: datetime) -> QuerySet[Job]:
    """Those of the old jobs that nothing spares, the oldest first.

    Spared are: jobs with children (these go first), jobs that made a file which another job takes, holders of a unique
    key that still holds, and what SPARED_JOBS name. An idempotency key goes with its job.
    """
    mine = OuterRef("pk")
    rows = (
        old(state, kind, now=now)
        .prunable()
        .filter(
            ~Exists(JobInput.objects.filter(artifact__job=mine).exclude(job=mine)),
            ~Exists(_holding(state, kind, now).filter(job=mine)),
            *(~Exists(spared(now).filter(pk=mine)) for spared in SPARED_JOBS),
        )
    )
    return rows.order_by("finished_at")


def ticks_kept() -> timedelta | None:
    """How long ticks are kept: as long as any job by the settings for all kinds; None is for ever."""
    settings = conf.current()
    spans = [settings.keep_succeeded_days, settings.keep_failed_days, settings.keep_cancelled_days]
    return conf.span(max(spans) if all(spans) else 0)


def schedules_in_turn(now: datetime) -> list[int]:
    """The keys of a few schedules, others each minute, so that all come up in turn."""
    rounds = math.ceil(Schedule.objects.count() / SCHEDULES) or 1
    turn = int(now.timestamp() // 60) % rounds
    rows = Schedule.objects.annotate(turn=F("pk") % rounds).filter(turn=turn)
    return list(rows.values_list("pk", flat=True))


def unused_uploads(*, now: datetime) -> QuerySet[Artifact]:
    """Uploads that no job takes, older than they are kept, the oldest first."""
    kept = conf.span(conf.current().keep_uploads_days)
    if kept is None:
        return Artifact.objects.none()
    mine = OuterRef("pk")
    rows = Artifact.objects.filter(
        ~Exists(JobInput.objects.filter(artifact=mine)),
        *(~Exists(spared(now).filter(pk=mine)) for spared in SPARED_UPLOADS),
        job=None, created_at__lt=now - kept,
    )  # fmt: skip
    return rows.order_by("created_at")


def _holding(state: State, kind: str, now: datetime) -> QuerySet[UniqueKey]:
    """Keys that ended jobs of this kind and state hold now: for a time, or for ever."""
    try:
        rule = registry.get(kind).unique
    except UnknownKind:
        rule = None
    if rule is None or state not in rule.states:
        return UniqueKey.objects.none()
    return UniqueKey.objects.exclude(until__lte=now)
