"""Kinds whose jobs have children, or show something as soon as they are submitted."""

from __future__ import annotations

import os
import signal
import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group

from jobs_app.authoring import Backoff, Child, Children, Discard, JobContext, Submitting, job
from jobs_app.errors import NotAllowed
from jobs_app.models import Job
from jobs_app.platform.waiting import until

AGAIN = Backoff(max_attempts=5, base=timedelta(0))


@job("family.child")
def child(number: int = 0, fails: bool = False) -> int:
    """Return the number, or fail."""
    if fails:
        raise ValueError(f"child {number} was told to fail")
    return number


def _spawn(context: JobContext, count: int, failing: list[int]) -> list[str]:
    return context.spawn_many(
        [Child("family.child", {"number": n, "fails": n in failing}, key=f"child-{n}") for n in range(count)]
    )


@job("family.parent", children=Children(), retry=AGAIN)
def parent(count: int, failing: list[int], *, context: JobContext) -> str:
    """Spawn children and wait for all of them."""
    return f"spawned {len(_spawn(context, count, failing))}"


@job("family.atomic", children=Children(), atomic=True, retry=AGAIN)
def atomic_parent(count: int, fails_at: int = 0, *, context: JobContext) -> int:
    """Spawn children with the settlement; the attempt ``fails_at`` fails after that."""
    spawned = _spawn(context, count, [])
    if context.attempt == fails_at:
        raise ValueError("after it has spawned")
    return len(spawned)


@job("family.patient", children=Children(then="resume", on_failure="go on"), retry=AGAIN)
def patient(count: int, failing: list[int], *, context: JobContext) -> dict[str, Any]:
    """Spawn children, and when they have ended tell how they did."""
    if not context.children.total and count:
        _spawn(context, count, failing)
        return {}
    return {"succeeded": context.children.succeeded, "failed": context.children.failed}


@job("family.detached", children=Children(then="detach"))
def detached(count: int, *, context: JobContext) -> int:
    """Spawn children and do not wait."""
    return len(_spawn(context, count, []))


@job("family.atomic_lasting", children=Children(), atomic=True)
def atomic_lasting(*, context: JobContext) -> bool:
    """Spawn a child, keep a checkpoint, and go on until the lease was extended; tell whether it was within 8 s."""
    context.spawn("family.child", key="only")
    context.save_checkpoint("spawned")
    leases = Job.objects.filter(id=context.job_id).values_list("lease_until", flat=True)
    first = leases.get()
    return until(lambda: leases.get() != first, 8)


@job("family.twice", children=Children(), retry=AGAIN)
def twice(count: int, *, context: JobContext) -> int:
    """Spawn half of the children and be killed; spawn all of them at the second attempt."""
    _spawn(context, count // 2 if context.attempt == 1 else count, [])
    if context.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return count


@job("family.cancelled_midway", children=Children(), retry=AGAIN)
def cancelled_midway(*, context: JobContext) -> str:
    """Have somebody cancel it, and spawn a child before its worker can have learned of that."""
    from jobs_app.core import clock, control

    control.cancel(UUID(context.job_id), actor=None, now=clock.database_now())
    return context.spawn("family.child", key="never")


@job("family.grandparent", children=Children())
def grandparent(*, context: JobContext) -> str:
    """Spawn a parent."""
    return context.spawn("family.parent", {"count": 2, "failing": []}, key="only")


@job("family.holding", timeout=timedelta(hours=1))
def holding(*, context: JobContext) -> None:
    """Go on until it is told to stop."""
    while True:
        context.check()
        threading.Event().wait(0.05)


@job("family.childless")
def childless(*, context: JobContext) -> str:
    """Spawn without being declared to."""
    return context.spawn("family.child", key="one")


def _group(name: str, way: str = "well", *, context: Submitting) -> dict[str, Any]:
    Group.objects.create(name=name)
    if way == "discard":
        raise Discard("expected another name")
    if way == "not allowed":
        raise NotAllowed("expected somebody else")
    if way == "error":
        raise ZeroDivisionError("a secret of the inside")
    if way == "large":
        return {"text": "x" * 20_000}
    if way == "slow":
        threading.Event().wait(2.1)
    return {"name": name, "job": context.job_id, "owner": context.owner and context.owner.username}


@job("family.preview", preview=_group)
def previewed(name: str, way: str = "well") -> str:
    """Make a group while it is submitted."""
    return name
