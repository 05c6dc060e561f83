"""Kinds whose jobs are one of their like, go on where they stopped, or take long."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from jobs_app.authoring import Backoff, Cancelled, JobContext, Unique, job
from jobs_app.lifecycle import State

HOUR = timedelta(hours=1)
HALF_SECOND = timedelta(seconds=0.5)


@job("probe.unique", unique=Unique(by=("customer",)))
def export(customer: int, note: str = "") -> None:
    """One at a time for each customer."""


@job("probe.unique_each_hour", unique=Unique(states=frozenset(State), period=HOUR))
def export_hourly(customer: int) -> None:
    """One an hour for each customer, however it ended."""


@job("probe.unique_for_all", unique=Unique(per_owner=False))
def export_for_all() -> None:
    """One at a time, whoever submits it."""


@job("probe.counts_on", retry=Backoff(max_attempts=10, base=timedelta(0)))
def counts_on(to: int, fails_at: list[int], *, context: JobContext) -> dict[str, int]:
    """Count up to ``to``, keeping a checkpoint at each step; fail at some numbers when they are reached first."""
    begin: int = context.checkpoint["done"] if context.checkpoint else 0
    for done in range(begin + 1, to + 1):
        context.save_checkpoint({"done": done})
        if done in fails_at:
            raise ValueError(f"failed at {done}")
    return {"from": begin, "to": to}


@job("probe.atomic_checkpoint", atomic=True, retry=Backoff(max_attempts=2))
def atomic_checkpoint(*, context: JobContext) -> Any:
    """Keep a checkpoint, then fail."""
    context.save_checkpoint("never seen")
    raise ValueError("on purpose")


@job("probe.atomic_reporter", atomic=True)
def atomic_reporter(seconds: float = 0.0, *, context: JobContext) -> str:
    """Write a row (a group of users called "reported"), report, wait, and report again."""
    from django.contrib.auth.models import Group

    Group.objects.create(name="reported")
    context.log("begun")
    context.progress(1, 2, "half of it")
    threading.Event().wait(seconds)
    context.log("done")
    context.progress(1, 1, "all of it")
    return "reported"


@job("probe.gives_up", retry=Backoff(max_attempts=5))
def gives_up() -> None:
    """Raise what only Weir raises."""
    raise Cancelled("I give up")


@job("probe.atomic_at_first", atomic=True, timeout=HOUR)
def atomic_at_first(seconds: float, mark: str, *, context: JobContext) -> int:
    """Write a row (a group of users named for the attempt), tell so by a file, and wait in the first attempt."""
    from django.contrib.auth.models import Group

    Group.objects.create(name=f"attempt {context.attempt}")
    Path(mark).touch()
    if context.attempt == 1:
        threading.Event().wait(seconds)
    return context.attempt


@job("probe.atomic_effect", atomic=True)
def atomic_effect(*, context: JobContext) -> None:
    """Write a row (a group of users) that names the job and the attempt; a second one would be beside it."""
    from django.contrib.auth.models import Group

    Group.objects.create(name=f"{context.job_id} {context.attempt} {uuid4()}")


@job("probe.usually_quick", inline=timedelta(milliseconds=200), timeout=HOUR)
def usually_quick(until: str = "") -> str:
    """Return at once, or (as told) only when a file is there: as a kind is that was quick until now."""
    while until and not Path(until).exists():
        threading.Event().wait(0.02)
    return "done"


@job("probe.quick_with_bound", inline=timedelta(seconds=5), timeout=timedelta(seconds=0.3), hard_timeout=HALF_SECOND)
def quick_with_bound(until: str) -> str:
    """Listen to nothing until a file is there."""
    return usually_quick(until)
