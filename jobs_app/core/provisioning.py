"""First content, after a migration: queues, groups, a sample dataset, and the one schedule that ships.

Running it again changes nothing that is there, whatever people have made of it since; only what is missing is made.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import transaction
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from jobs_app import conf, wire
from jobs_app.core import artifacts, queries, roles
from jobs_app.core.schedules import changes, work
from jobs_app.core.schedules.changes import Choices
from jobs_app.core.schedules.work import Work
from jobs_app.models import Artifact, Queue
from jobs_app.models.guard import writing

SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "river_gauges.csv"
SCHEDULE = "nightly profile of the sample dataset"
KIND = "datasets.profile"


@dataclass(frozen=True)
class Provided:
    """One thing that is there now, and whether it was made just now."""

    what: str
    made: bool


def provide(*, now: datetime) -> list[Provided]:
    """Make what is missing, in one transaction; two at once wait for each other.

    Raises Conflict if the tables or permissions are not there yet.
    """
    with transaction.atomic():
        found = [_queue(name) for name in conf.current().queues]
        # The first queue's row serves as the lock: nothing below has a name that the database keeps unique.
        queries.locked(Queue.objects.filter(name=conf.current().queues[0])).get()
        found += [Provided(f"group {name}", made) for name, made in roles.keep().items()]
        sample, made = _sample(now)
        found.append(Provided(f"sample dataset {sample.name} ({sample.id})", made))
        found.append(_schedule(sample, now))
    return found


def _queue(name: str) -> Provided:
    with writing():
        _, made = Queue.objects.get_or_create(name=name)
    return Provided(f"queue {name}", made)


def _sample(now: datetime) -> tuple[Artifact, bool]:
    """The shipped file as an artifact of the system's; stored again if its content changed or its file is gone."""
    content = SAMPLE.read_bytes()
    stored = Artifact.objects.filter(
        owner=None, job=None, name=SAMPLE.name, sha256=hashlib.sha256(content).hexdigest()
    ).order_by("id")
    for row in stored:
        if artifacts.path_of(row.id).is_file():
            return row, False
    return artifacts.take_upload(SAMPLE.name, [content], owner=None, content_type="text/csv", now=now), True


def _schedule(sample: Artifact, now: datetime) -> Provided:
    what = f"schedule “{SCHEDULE}” (disabled until somebody enables it)"
    work.check(Work(KIND, {"dataset": str(sample.id)}))
    known = PeriodicTask.objects.filter(name=SCHEDULE).first()
    if known is None:
        every_day = {"day_of_week": "*", "day_of_month": "*", "month_of_year": "*"}
        crontab, _ = CrontabSchedule.objects.get_or_create(
            minute="15", hour="3", timezone=conf.current().time_zone, **every_day
        )
        made = PeriodicTask.objects.create(
            name=SCHEDULE, task=wire.SUBMIT, crontab=crontab, enabled=False, kwargs=_arguments(sample),
            description="Shows how a schedule looks. It describes the sample dataset that ships with Weir.",
        )  # fmt: skip
        changes.choose(made, Choices(), now=now)
        return Provided(what, True)
    return Provided(f"schedule “{SCHEDULE}”", _repaired(known, sample))


def _repaired(schedule: PeriodicTask, sample: Artifact) -> bool:
    """Point the schedule to the present sample if it is as it was shipped with a former one; else leave it alone."""
    former = Artifact.objects.filter(owner=None, job=None, name=SAMPLE.name).exclude(id=sample.id)
    if schedule.kwargs not in {_arguments(row) for row in former}:
        return False
    schedule.kwargs = _arguments(sample)
    schedule.save(update_fields=["kwargs", "date_changed"])
    return True


def _arguments(sample: Artifact) -> str:
    parameters = {"dataset": str(sample.id)}
    return json.dumps({"schedule": SCHEDULE, "kind": KIND, "parameters": parameters})
