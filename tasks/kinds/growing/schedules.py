"""The schedules that have a dataset folded, told in words."""

from __future__ import annotations

import json
from dataclasses import dataclass

from django_celery_beat.models import PeriodicTask

from jobs_app import wire
from tasks.kinds.growing.models import Dataset

KIND = "datasets.rollup"


@dataclass(frozen=True)
class Timing:
    """A schedule, and when it ticks, in words."""

    name: str
    words: str


def of(dataset: Dataset) -> list[Timing]:
    """The enabled schedules whose jobs fold this dataset."""
    rows = PeriodicTask.objects.filter(task=wire.SUBMIT, enabled=True, kwargs__contains=KIND)
    rows = rows.select_related("interval", "crontab", "solar", "clocked").order_by("name")
    return [Timing(each.name, _words(each)) for each in rows if _names(each.kwargs, dataset)]


def _names(text: str, dataset: Dataset) -> bool:
    try:
        given = json.loads(text)
    except ValueError:
        return False
    if not isinstance(given, dict) or given.get("kind") != KIND or not isinstance(given.get("parameters"), dict):
        return False
    return str(given["parameters"].get("dataset")) == str(dataset.pk)


def _words(row: PeriodicTask) -> str:
    timing = row.scheduler
    return str(getattr(timing, "human_readable", timing) or "")
