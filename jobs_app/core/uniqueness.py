"""Uniqueness: at most one job at a time of a kind and chosen parameters (``policies.Unique``).

A key's row names the job that holds it. Two submissions at once meet on the row's primary key, so the database decides
between them; whether a holder still holds is judged by whoever asks next, so that moving a job costs nothing for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils.crypto import salted_hmac

from jobs_app.core import queries
from jobs_app.models import Job, UniqueKey
from jobs_app.models.guard import writing
from jobs_app.registry import Kind

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TRIES = 3


class Taken(Exception):
    """Another job holds the key."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"job {job.id} stands in the way")
        self.job = job


def key_of(kind: Kind, parameters: Mapping[str, Any], owner: User | None) -> str:
    """What makes jobs of a unique kind alike. Keyed with SECRET_KEY, since parameters may hold secrets."""
    rule = kind.unique
    if rule is None:
        raise ValueError(f"expected a unique kind, got {kind.name}")
    chosen = {name: parameters[name] for name in rule.by} if rule.by else dict(parameters)
    whose = (owner.pk if owner else None) if rule.per_owner else "anyone"
    text = json.dumps([kind.name, whose, chosen], sort_keys=True)
    return salted_hmac("weir.uniqueness", text, algorithm="sha256").hexdigest()


def take(key: str, job: Job, kind: Kind, *, now: datetime) -> None:
    """Make ``job`` the holder of the key, in the caller's transaction. Raises Taken when another still holds it."""
    rule = kind.unique
    until = now + rule.period if rule and rule.period else None
    for _ in range(TRIES):
        with writing():
            # On PostgreSQL this waits for a submission of the same key that has not committed yet.
            UniqueKey.objects.bulk_create([UniqueKey(key=key, job=job, until=until)], ignore_conflicts=True)
        row = queries.locked(UniqueKey.objects.filter(key=key)).first()
        if row is None:
            continue  # pruned with its job this moment
        if row.job_id == job.id:
            return
        _check_free(row, kind, now)
        with writing():
            UniqueKey.objects.filter(key=key).update(job=job, until=until)
        return
    raise RuntimeError(f"the unique key of job {job.id} kept vanishing")


def _check_free(row: UniqueKey, kind: Kind, now: datetime) -> None:
    """Raise Taken while the holder is in one of the kind's states and its period lasts."""
    if row.until is not None and row.until <= now:
        return
    holder = Job.objects.whole().get(id=row.job_id)
    if kind.unique is not None and holder.status in kind.unique.states:
        raise Taken(holder)
