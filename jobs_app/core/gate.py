"""The gate of a queue: how many more jobs it may take, agreed on by every process.

Counting a deep queue for each submission would be slow, and a row that each submission changes would put them in
line. So processes take *credits* in small batches: one credit is one job that may come in. The gate's row is locked for
a batch, not for a job; and its queue is counted only when credits run out, or a second after the last time.

The bound: at a count, credits = limit - jobs that wait - what other processes still hold. Each job that comes in spends
one, also by the side door; jobs that leave only make more room. A process that is killed is taken to hold its credits
for ten seconds. What can overshoot is a transaction that stays open for longer than that.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from django.db import close_old_connections, connection
from django.db.models import Count, F, Q, Sum

from jobs_app.core import queries
from jobs_app.core.lanes import Policy
from jobs_app.core.patience import watch
from jobs_app.lifecycle import State
from jobs_app.models import Gate, Job, Turnstile
from jobs_app.models.guard import writing

HELD_FOR = timedelta(seconds=10)
"""How long a process that is not heard of is taken to hold its credits."""

HEARD_OF = timedelta(minutes=1)
"""Who was at the gate within that time shares in what becomes free."""

KEPT = timedelta(days=1)
FRESH_SECONDS = 1.0
RECOUNT_CLOSED_SECONDS = 0.1
CHEAP_SECONDS = 0.005
DUTY = 20
"""A count is repeated at the earliest after so many times what it took above a cheap one: a twentieth of a core."""

BATCH_PART = 8
"""A batch is the room, divided by this and by the processes that ask: the rest is for the others."""


_locked: WeakKeyDictionary[object, set[str]] = WeakKeyDictionary()
"""The gates that a transaction has locked, by its outermost block; forgotten with it."""


@dataclass(frozen=True)
class Standing:
    """A gate as it stands. ``age``: seconds since it was counted, None before the first time."""

    credits: int
    depth: int
    closed: bool
    age: float | None
    cost: float


@dataclass(frozen=True)
class Grant:
    """What one contact with a gate gave: credits (0: refused), how the queue stood, and how many processes share it."""

    credits: int
    room: int
    depth: int
    processes: int


def must_count(standing: Standing) -> bool:
    """Whether the queue is to be counted now."""
    if standing.age is None:
        return True
    rest = DUTY * max(standing.cost - CHEAP_SECONDS, 0.0)
    if standing.closed:
        return standing.age >= max(rest, RECOUNT_CLOSED_SECONDS)
    # Without credits it either finds room, or closes: so that is not asked often.
    return standing.credits <= 0 or standing.age >= max(rest, FRESH_SECONDS)


def counted(standing: Standing, policy: Policy, *, depth: int, held: int) -> Standing:
    """The gate after a count: ``depth`` jobs wait, and processes hold ``held`` credits.

    It closes when there is no room, and opens again at low water only: so it does not flap.
    """
    room = policy.limit - depth - held
    closed = room <= 0 or (standing.closed and depth > policy.low_water)
    return replace(standing, credits=room, depth=depth, closed=closed, age=0.0)


def batch(standing: Standing, processes: int, wanted: int = 1) -> int:
    """How many credits one process gets: 0 at a closed gate. One that wants many at once gets them, as far as its equal
    part of the room goes."""
    if standing.closed or standing.credits <= 0:
        return 0
    equal = standing.credits // max(processes, 1)
    return max(1, equal // BATCH_PART, min(wanted, equal))


def contact(queue: str, policy: Policy, *, holding: int, now: datetime, over: bool = False, wanted: int = 1) -> Grant:
    """Ask for credits, and say how many this process still holds. ``wanted``: how many there is a use for at once.
    ``over``: for just these, up to the hard limit.

    In a short transaction of its own also if the caller has one open: else the gate would be locked for as long.
    """
    if connection.in_atomic_block:
        return apart.run(lambda: _contact_apart(queue, policy, holding, now, over, wanted))
    return _contact(queue, policy, holding, now, over, wanted)


def still_closed(queue: str, policy: Policy, *, now: datetime) -> Grant | None:
    """The refusal of a gate that is closed and stays so, told from reads alone; None when it is worth a contact.

    So a full queue costs no lock, for which on SQLite its workers would have to wait.
    """
    if not Gate.objects.filter(queue=queue, closed_at__isnull=False).exists():
        return None
    depth = waiting(queue, policy.hard_limit + 1)
    if depth <= policy.low_water:
        return None
    others = Turnstile.objects.filter(queue=queue, renewed_at__gt=now - HEARD_OF)
    return Grant(0, 0, depth, others.exclude(process=name_of_process()).count() + 1)


def exclusive(queue: str) -> bool:
    """Whether the caller is in a transaction that keeps all others out already: any on SQLite; one that has locked the
    gate, for whose end a contact of its own would wait for ever."""
    if not connection.in_atomic_block:
        return False
    return connection.vendor == "sqlite" or queue in _locked.get(connection.atomic_blocks[0], ())


def look(queue: str, policy: Policy, *, now: datetime, over: bool = False, wanted: int = 1) -> Grant:
    """Count in the caller's own exclusive transaction: no credits are needed where nobody else can come in.

    What is granted is how many of those ``wanted`` there is room for.
    """
    with queries.brief(), writing():
        gate, held = hold(queue, now=now)
        standing = _count(_standing(gate, now), queue, policy, held)
        granted = _over(standing, policy, held, wanted) if over else min(batch(standing, 1, wanted), wanted)
        _keep(gate, standing, granted, now)
    return Grant(granted, max(standing.credits, 0), standing.depth, 1)


def hold(queue: str, *, now: datetime) -> tuple[Gate, int]:
    """Lock a gate until the transaction ends. Returns it, and how many credits processes hold."""
    gate = queries.locked_or_made(Gate.objects.all(), queue=queue)
    _note_lock(queue)
    told = Turnstile.objects.filter(queue=queue, renewed_at__gt=now - HELD_FOR).aggregate(held=Sum("outstanding"))
    return gate, told["held"] or 0


def spend(queue: str, count: int) -> None:
    """Take credits for jobs that came in beside the gate: it was counted before them."""
    with writing():
        Gate.objects.filter(queue=queue).update(credits=F("credits") - count)
    _note_lock(queue)


def report(queue: str, *, holding: int, now: datetime) -> None:
    """Say how many credits this process still holds, so that the others need not wait for them."""
    with writing():
        Turnstile.objects.filter(queue=queue, process=name_of_process()).update(outstanding=holding, renewed_at=now)


def recount(queue: str) -> None:
    """Have the queue counted at the next contact: the credits that are left were counted by other bounds."""
    with writing():
        Gate.objects.filter(queue=queue).update(measured_at=None)


def prune(*, now: datetime) -> int:
    """Delete what processes held that have been gone for a day. Returns of how many."""
    return queries.delete_any(Turnstile.objects.filter(renewed_at__lt=now - KEPT))


def waiting(queue: str, limit: int, **of: object) -> int:
    """How many jobs wait in a queue (of an owner, of a token), counted up to ``limit``."""
    rows = Job.objects.filter(queue=queue, state=State.QUEUED, **of)
    # In the order of an index: else the first rows of the table that fit would be looked for where they happen to lie.
    return rows.order_by("queue", "owner_id", "token_id").values("id")[:limit].count()


def name_of_process() -> str:
    """This process, as the gate's other processes know it."""
    return f"{socket.gethostname()[:80]}/{os.getpid()}"


def _note_lock(queue: str) -> None:
    if connection.in_atomic_block:
        _locked.setdefault(connection.atomic_blocks[0], set()).add(queue)


def _contact_apart(queue: str, policy: Policy, holding: int, now: datetime, over: bool, wanted: int) -> Grant:
    with watch.call():  # whoever waits for it holds a lock of this process, which others wait for
        close_old_connections()
        return _contact(queue, policy, holding, now, over, wanted)


def _contact(queue: str, policy: Policy, holding: int, now: datetime, over: bool, wanted: int) -> Grant:
    with queries.brief(), writing():
        gate = queries.locked_or_made(Gate.objects.all(), queue=queue)
        others = Turnstile.objects.filter(queue=queue, renewed_at__gt=now - HEARD_OF)
        lately = Q(renewed_at__gt=now - HELD_FOR)
        told = others.exclude(process=name_of_process()).aggregate(
            heard=Count("id"), asking=Count("id", filter=lately), held=Sum("outstanding", filter=lately)
        )
        standing, held = _standing(gate, now), holding + (told["held"] or 0)
        if over or must_count(standing):
            standing = _count(standing, queue, policy, held)
        asking = told["asking"] + 1
        granted = _over(standing, policy, held, wanted) if over else batch(standing, asking, wanted)
        _keep(gate, standing, granted, now)
        Turnstile.objects.bulk_create(
            [Turnstile(queue=queue, process=name_of_process(), outstanding=holding + granted, renewed_at=now)],
            update_conflicts=True, unique_fields=["queue", "process"], update_fields=["outstanding", "renewed_at"],
        )  # fmt: skip
    return Grant(granted, max(standing.credits, 0), standing.depth, told["heard"] + 1)


def _over(standing: Standing, policy: Policy, held: int, wanted: int) -> int:
    """For how many there is room up to the hard limit, beside the credits that are held."""
    return min(max(policy.hard_limit - standing.depth - held, 0), wanted)


def _count(standing: Standing, queue: str, policy: Policy, held: int) -> Standing:
    began = time.perf_counter()
    depth = waiting(queue, policy.hard_limit + 1)
    return replace(counted(standing, policy, depth=depth, held=held), cost=time.perf_counter() - began)


def _standing(gate: Gate, now: datetime) -> Standing:
    # A clock that was set back would make the last count look as if it were yet to come.
    age = None if gate.measured_at is None or gate.measured_at > now else (now - gate.measured_at).total_seconds()
    return Standing(gate.credits, gate.depth, gate.closed_at is not None, age, gate.cost_seconds)


def _keep(gate: Gate, standing: Standing, granted: int, now: datetime) -> None:
    gate.credits = standing.credits - granted
    gate.depth = standing.depth
    gate.cost_seconds = standing.cost
    if standing.age == 0.0:
        gate.measured_at = now
    if standing.closed != (gate.closed_at is not None):
        gate.closed_at = now if standing.closed else None
    gate.save(force_update=True)


class Apart:
    """A thread with a database connection of its own, begun when it is first needed, and anew after a fork."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="weir-gate")

    def run(self, call: Callable[[], Grant]) -> Grant:
        """Call there, and wait for it."""
        return self._threads.submit(call).result()

    def stop(self) -> None:
        """Close its connection (tests; a process that ends need not call it)."""
        self._threads.submit(lambda: connection.close()).result()  # the thread's own, not the caller's


apart = Apart()
os.register_at_fork(after_in_child=apart.forget)
