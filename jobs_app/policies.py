"""What follows when an attempt ends: retry policies and the decision, as pure functions of their arguments."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Literal

from jobs_app.lifecycle import WAITING, Outcome, State

LONGEST = timedelta(days=366)
"""No job waits longer for its next attempt."""


class Verdict(Exception):
    """What a handler itself says about how its attempt ended. Raise it or return it."""


class Retry(Verdict):
    """Try again ``after`` this time (at most 366 days); counts as a failed attempt."""

    def __init__(self, after: timedelta, reason: str = "the handler asked for a retry") -> None:
        super().__init__(reason)
        self.after = _bounded(after)


class Discard(Verdict):
    """Fail now, for good, whatever attempts are left."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


class Snooze(Verdict):
    """Put the job off for ``after`` (at most 366 days); uses up no attempt."""

    def __init__(self, after: timedelta, reason: str = "the handler put the job off") -> None:
        super().__init__(reason)
        self.after = _bounded(after)


def _bounded(after: timedelta) -> timedelta:
    if not timedelta(0) <= after <= LONGEST:
        raise ValueError(f"expected a wait of 0 to {LONGEST.days} days, got {after}")
    return after


@dataclass(frozen=True)
class Backoff:
    """Exponential backoff with full jitter.

    The wait before attempt n + 1 is uniform in [0, min(maximum, base * factor ** (n - 1))]; see Brooker, "Exponential
    Backoff And Jitter", AWS Architecture Blog, 2015.

    max_attempts: how often the job is tried in all (default 1: never again).
    base, maximum: the first and the largest ceiling of the wait.
    discard: errors for which trying again cannot help; the job fails at once.
    per_error: ``(error, Backoff)`` pairs; the first that fits the error decides instead of this one. Its max_attempts
    counts too, below the job's own.
    """

    max_attempts: int = 1
    base: timedelta = timedelta(seconds=2)
    factor: float = 2.0
    maximum: timedelta = timedelta(minutes=10)
    discard: tuple[type[BaseException], ...] = field(default=())
    per_error: tuple[tuple[type[BaseException], Backoff], ...] = field(default=())

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise ValueError(f"expected max_attempts of at least 1, got {self.max_attempts}")
        if not (timedelta(0) <= self.base <= self.maximum <= LONGEST and 1 <= self.factor <= 1000):
            raise ValueError(
                f"expected 0 <= base <= maximum <= {LONGEST.days} days and 1 <= factor <= 1000, got {self}"
            )

    def for_error(self, error: BaseException) -> Backoff:
        """The policy for this error: the first of ``per_error`` that fits, else this one."""
        return next((policy for kind, policy in self.per_error if isinstance(error, kind)), self)

    def ceiling(self, attempt: int) -> timedelta:
        """The longest wait after failed attempt ``attempt`` (from 1)."""
        # The exponent is bounded, as the factor is, so that a large attempt number cannot overflow a float.
        seconds = self.base.total_seconds() * self.factor ** min(attempt - 1, 64)
        return min(self.maximum, timedelta(seconds=min(seconds, self.maximum.total_seconds())))


NO_RETRY = Backoff()


@dataclass(frozen=True)
class Unique:
    """At most one job at a time of a kind and chosen parameters; submitting another gives back the one there is.

    by: names of the parameters that make jobs alike (default: all of them).
    states: the first job stands in the way until it enters a state outside of these (default: until it has ended).
    They must hold those in which a job begins: scheduled and queued.
    period: it stands in the way no longer than this after its submission (default: no such bound). With final states
    among ``states``: at most one job in each period, however it ended.
    per_owner: jobs of different users are never alike (default). Without it, whoever comes second is refused.
    """

    by: tuple[str, ...] = ()
    states: frozenset[State] = WAITING | {State.RUNNING}
    period: timedelta | None = None
    per_owner: bool = True

    def __post_init__(self) -> None:
        if not self.states >= {State.SCHEDULED, State.QUEUED}:
            raise ValueError(f"expected states with scheduled and queued among them, got {sorted(self.states)}")
        if self.period is not None and self.period <= timedelta(0):
            raise ValueError(f"expected a period above zero, got {self.period}")


class Turn(Enum):
    """What becomes of a parent that waits."""

    WAIT = "wait"
    SUCCEED = "succeed"
    RESUME = "resume"
    FAIL = "fail"


@dataclass(frozen=True)
class Children:
    """A kind whose handler may spawn children, and what its job then waits for.

    then: when all children have ended: ``succeed`` with what the handler returned (default), or ``resume``: the handler
    is called once more. ``detach``: the job does not wait at all.
    on_failure: when a child fails or is cancelled: ``fail`` at once, and cancel the others (default), or ``go on``.
    """

    then: Literal["succeed", "resume", "detach"] = "succeed"
    on_failure: Literal["fail", "go on"] = "fail"

    def judge(self, *, unfinished: int, broken: int) -> Turn:
        """What becomes of the parent, while ``unfinished`` children go on and ``broken`` ones did not succeed."""
        if broken and self.on_failure == "fail":
            return Turn.FAIL
        if unfinished:
            return Turn.WAIT
        return Turn.RESUME if self.then == "resume" else Turn.SUCCEED


@dataclass(frozen=True)
class Decision:
    """What becomes of a job whose attempt ended: its next state, when it is due again, and why."""

    state: State
    outcome: Outcome
    reason: str
    due_at: datetime | None = None
    uses_attempt: bool = True


def decide(
    policy: Backoff,
    error: BaseException,
    *,
    attempt: int,
    max_attempts: int,
    now: datetime,
    chance: float | None = None,
) -> Decision:
    """Decide what follows an attempt that ended with ``error``.

    ``chance`` in [0, 1) places the wait within its ceiling (default: random).
    """
    reason = str(error) or type(error).__name__
    special = policy.for_error(error)
    if special is not policy:
        policy, max_attempts = special, min(max_attempts, special.max_attempts)
    if isinstance(error, Snooze):
        return Decision(State.RETRYING, Outcome.SNOOZED, reason, now + error.after, uses_attempt=False)
    if isinstance(error, (Discard, *policy.discard)):
        return Decision(State.FAILED, Outcome.FAILED, reason)
    if attempt >= max_attempts:
        return Decision(State.FAILED, Outcome.FAILED, reason)
    if isinstance(error, Retry):
        return Decision(State.RETRYING, Outcome.FAILED, reason, now + error.after)
    wait = policy.ceiling(attempt) * (random.random() if chance is None else chance)  # noqa: S311 - jitter needs no secrecy
    return Decision(State.RETRYING, Outcome.FAILED, reason, now + wait)
