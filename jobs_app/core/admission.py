"""The gate that every way in passes: whether one more job, or many at once, may be accepted, and if not, when to come
back.

A refusal writes nothing, and is counted later. Retries and rescues are no submissions: they are never refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import connection

from jobs_app import conf
from jobs_app.core import estimates, gate, lanes
from jobs_app.core.lanes import Policy
from jobs_app.core.line import UNMEASURED_SECONDS, line
from jobs_app.core.pulses import jobs_wait
from jobs_app.core.rates import rates
from jobs_app.core.refusals import tally
from jobs_app.core.turnstile import Full, turnstile
from jobs_app.errors import InvalidRequest, NotAllowed, QueueFull, RateExceeded, Refused, ShareExceeded, TooLarge
from jobs_app.lifecycle import Reason, State
from jobs_app.models import Job

if TYPE_CHECKING:
    from django.contrib.auth.models import User

OVERFLOW = "jobs_app.overflow_queue"
POLICY_SECONDS = 1.0
"""A changed limit is in force in every process after so long."""


@dataclass(frozen=True)
class Applicant:
    """Who wants a job in. token: the id of the API token used. overflow: up to the hard limit, with a permission.
    later: due at another time, so that it does not wait in the queue yet. key: its idempotency key. headroom: up to the
    hard limit, whoever asks, and however much of it they hold: the core's own."""

    queue: str
    owner: User | None
    token: int | None = None
    overflow: bool = False
    later: bool = False
    key: str | None = None
    headroom: bool = False


@dataclass
class Entry:
    """That jobs of an applicant were let in; ``leave`` says when they are committed, or came to nothing."""

    queue: str
    count: int = 1
    """For how many jobs it is."""
    spent: int = 0
    """How many credits it holds still."""
    shares: list[tuple[tuple[object, ...], int]] = field(default_factory=list)
    """The shares in which it is kept account of still, and of how many jobs."""

    def leave(self, *, now: datetime) -> None:
        """Give the credits back to the gate's account: the jobs are rows now, or never will be. Twice is no error."""
        while self.shares:
            key, count = self.shares.pop()
            turnstile.shares.leave(key, count)
        if self.spent:
            spent, self.spent = self.spent, 0
            turnstile.leave(self.queue, now=now, count=spent)


class Policies:
    """The policies of queues, read again after a second. ``clock`` in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Read them all again."""
        self._known: dict[str, tuple[float, conf.Configuration, Policy]] = {}

    def of(self, queue: str) -> Policy:
        """What holds for a queue."""
        known, configuration = self._known.get(queue), conf.current()
        if known is None or known[0] < self._clock() - POLICY_SECONDS or known[1] is not configuration:
            known = self._known[queue] = (self._clock(), configuration, lanes.policy(queue))
        return known[2]


policies = Policies()


def largest() -> int:
    """Bytes of parameters that are accepted."""
    return conf.current().parameters_bytes


def check_size(parameters_bytes: int) -> None:
    """Raise TooLarge for parameters above PARAMETERS_BYTES."""
    limit = largest()
    if parameters_bytes > limit:
        raise TooLarge(
            f"expected parameters of at most {limit:,} bytes as JSON, got {parameters_bytes:,}; "
            "upload large data as an artifact and pass its id"
        )


def check_queue(name: str) -> None:
    """Raise InvalidRequest for a queue that no worker of this installation is configured for."""
    queues = conf.current().queues
    if name not in queues:
        raise InvalidRequest(f"expected one of the queues {', '.join(queues)}, got {name[:100]!r}")


def check_rate(
    token: int | None, queue: str, owner: User | None, *, key: str | None = None, jobs: int = 1, now: datetime
) -> None:
    """Raise RateExceeded for a token that submits faster than TOKEN_RATE. Every try counts, also one refused later.

    key: the idempotency key of the submission, which keeps its place in the line. jobs: how many jobs it is, which
    counts as one: the bound is on requests, those on jobs are the queue's and the shares'.
    """
    rate, burst = conf.current().token_rate, conf.current().token_burst
    if token is None or not rate:
        return
    taken = rates.take(token, rate=rate, burst=burst, now=now)
    if taken.credits == 0:
        words = f"expected at most {rate:g} submissions a second of this token (at once {burst}), got more"
        facts = {"reason": Reason.RATE, "limit": burst}
        longest = conf.current().retry_after_seconds
        retry_after = line.place((Reason.RATE, token), key, first=taken.wait, pace=rate, longest=longest)
        raise _counted(RateExceeded(words, retry_after=retry_after, facts=facts), queue, owner, jobs)


def enter(applicant: Applicant, *, now: datetime, wanted: int = 1) -> Entry:
    """Let a job in, or of many ``wanted`` as many as can be had in one step, at least one: ``count`` tells. Who is
    given fewer asks again for the rest.

    Raises QueueFull or ShareExceeded, each with a time to come back, and NotAllowed.
    """
    entry = Entry(applicant.queue)
    try:
        if applicant.later:
            entry.count = _check_scheduled(applicant.owner, wanted)
            return entry
        if applicant.overflow:
            _check_may_overflow(applicant.owner)
        policy = policies.of(applicant.queue)
        over = applicant.overflow or applicant.headroom
        fitting = wanted if applicant.headroom else _enter_shares(applicant, entry, policy, now, wanted)
        try:
            passed = turnstile.enter(applicant.queue, policy, now=now, over=over, wanted=fitting)
        except Full as full:
            raise _queue_full(applicant, policy, full.depth, full.processes, now) from None
        entry.count, entry.spent = passed.count, passed.spent
        _give_back(entry, passed.count)
    except BaseException as error:
        entry.leave(now=now)
        if isinstance(error, Refused):
            _counted(error, applicant.queue, applicant.owner, wanted)
        raise
    return entry


def allowances(queue: str, owner: User, token: int | None) -> list[tuple[str, int, int | None]]:
    """What is left: of the queue, of the user's share, of the token's rate. Each a name, the quota, and about what
    remains."""
    policy = policies.of(queue)
    found: list[tuple[str, int, int | None]] = [("queue", policy.limit, turnstile.room(queue))]
    if policy.user_limit < policy.limit:
        found.append(("user", policy.user_limit, turnstile.shares.room((queue, Reason.USER_SHARE, owner.pk))))
    if token is not None and conf.current().token_rate:
        found.append(("token", conf.current().token_burst, rates.left(token)))
    return found


def _check_scheduled(owner: User | None, wanted: int) -> int:
    """How many of those wanted may be due later."""
    limit = conf.current().scheduled_limit
    if owner is None:
        return wanted
    there = Job.objects.filter(owner=owner, state=State.SCHEDULED).values("id")[:limit].count()
    if there < limit:
        return min(wanted, limit - there)
    raise ShareExceeded(
        f"expected at most {limit:,} jobs of one user that are due later, and you have so many; cancel some, or wait",
        retry_after=conf.current().retry_after_seconds,
        facts={"reason": Reason.SCHEDULED, "limit": limit},
    )


def _enter_shares(applicant: Applicant, entry: Entry, policy: Policy, now: datetime, wanted: int) -> int:
    """The share of the user, then that of the token. The system's own jobs have none. Returns how many fit in both."""
    if applicant.owner is None:
        return wanted
    shares: list[tuple[Reason, str, int, dict[str, Any]]] = [
        (Reason.USER_SHARE, "you hold", policy.user_limit, {"owner_id": applicant.owner.pk})
    ]
    if applicant.token is not None:
        of = {"owner_id": applicant.owner.pk, "token_id": applicant.token}
        shares.append((Reason.TOKEN_SHARE, "this token holds", policy.token_limit, of))
    unseen = not connection.in_atomic_block
    for reason, whose, limit, of in shares:
        if limit >= policy.limit:
            continue  # the whole of it: the gate itself sees to that
        key = (applicant.queue, reason, *of.values())
        entered = turnstile.shares.enter(
            key, limit, processes=turnstile.processes(applicant.queue), unseen=unseen, wanted=wanted,
            count=partial(gate.waiting, applicant.queue, limit, **of),
            ahead=partial(estimates.before_first, applicant.queue, **of),
        )  # fmt: skip
        if entered.count:
            wanted = entered.count
            if unseen:
                entry.shares.append((key, wanted))
            continue
        words = f"expected fewer than {limit:,} waiting jobs in queue {applicant.queue}, and {whose} as many"
        depth = estimates.pulse(applicant.queue, now=now).depth
        part = limit / max(depth, limit)  # of what leaves the queue then, a part is theirs
        raise _refusal(
            ShareExceeded, applicant, words, reason, policy, depth, lane=key, ahead=entered.ahead + 1, part=part,
            now=now,
        )  # fmt: skip
    return wanted


def _give_back(entry: Entry, count: int) -> None:
    """The shares keep account of no more jobs than come in."""
    for place, (key, taken) in enumerate(entry.shares):
        if taken > count:
            turnstile.shares.leave(key, taken - count)
            turnstile.shares.give_back(key, taken - count)
            entry.shares[place] = (key, count)


def _check_may_overflow(owner: User | None) -> None:
    if owner is not None and not owner.has_perm(OVERFLOW):
        raise NotAllowed("expected the permission to submit over a queue's limit; submit without overflow instead")


def _queue_full(applicant: Applicant, policy: Policy, depth: int, processes: int, now: datetime) -> Refused:
    if depth >= policy.limit or applicant.overflow or applicant.headroom:
        words = f"{jobs_wait(depth)} in queue {applicant.queue}, and its limit is {policy.limit:,}"
    else:
        words = (
            f"{jobs_wait(depth)} in queue {applicant.queue}; it was full, and takes jobs again at {policy.low_water:,}"
        )
    # Those who were accepted and wait outside come in first; more of them than fit leave room in between.
    outside = min(estimates.pulse(applicant.queue, now=now).outside, policy.hard_limit - policy.low_water)
    ahead = depth - policy.low_water + outside + processes
    return _refusal(
        QueueFull, applicant, words, Reason.FULL, policy, depth, lane=applicant.queue, ahead=ahead, part=1 / processes,
        now=now,
    )  # fmt: skip


def _refusal(
    error: type[Refused], applicant: Applicant, words: str, reason: Reason, policy: Policy, depth: int, *,
    lane: Hashable, ahead: int, part: float, now: datetime,
) -> Refused:  # fmt: skip
    """The refusal, with when to come back: ``ahead`` jobs must leave the queue before there is room for the first of
    those who stand in line for that; of the room that is made then, this process may give away a ``part``."""
    longest = conf.current().retry_after_seconds
    pulse = estimates.pulse(applicant.queue, now=now)
    drain = estimates.drain_of(pulse)
    if policy.paused_at is not None:
        retry_after, why = longest, "it is paused"
    elif pulse.slots == 0:
        retry_after, why = longest, "no worker takes its jobs"
    elif pulse.stalled or pulse.forsaken:
        retry_after, why = longest, "nothing leaves it at the moment"
    elif not drain:
        retry_after, why = min(longest, line.somewhen(*UNMEASURED_SECONDS)), "how fast jobs leave it is not known yet"
    else:
        retry_after = line.place(
            lane, applicant.key, user=applicant.owner.pk if applicant.owner else None,
            first=ahead / drain, pace=drain * part, longest=longest,
        )  # fmt: skip
        why = f"{_rate(drain)} leave it"
    facts = {
        "queue": applicant.queue, "depth": depth, "limit": policy.limit, "low_water": policy.low_water,
        "drain_rate": drain, "reason": reason,
    }  # fmt: skip
    return error(f"{words}; {why}; try again in {retry_after} s", retry_after=retry_after, facts=facts)


def _rate(jobs_a_second: float) -> str:
    if jobs_a_second >= 1:
        return f"{jobs_a_second:.3g} jobs a second"
    return f"{jobs_a_second * 60:.3g} jobs a minute"


def _counted(refused: Refused, queue: str, owner: User | None, jobs: int) -> Refused:
    tally.count(queue, owner.pk if owner else None, Reason(refused.facts["reason"]), jobs)
    return refused
