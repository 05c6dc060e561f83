"""Retry decisions: tables of pure functions."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from jobs_app.lifecycle import Outcome, State
from jobs_app.policies import LONGEST, NO_RETRY, Backoff, Discard, Retry, Snooze, decide

SECOND = timedelta(seconds=1)
POLICY = Backoff(max_attempts=3, base=2 * SECOND, factor=3, maximum=60 * SECOND, discard=(KeyError,))


@pytest.mark.parametrize(
    ("error", "attempt", "state", "outcome", "wait", "uses_attempt"),
    [
        # The middle of the ceiling 2 · 3^(n - 1) seconds, since chance is one half.
        (ValueError("no"), 1, State.RETRYING, Outcome.FAILED, 1 * SECOND, True),
        (ValueError("no"), 2, State.RETRYING, Outcome.FAILED, 3 * SECOND, True),
        (ValueError("no"), 3, State.FAILED, Outcome.FAILED, None, True),
        (ValueError("no"), 4, State.FAILED, Outcome.FAILED, None, True),
        (KeyError("no"), 1, State.FAILED, Outcome.FAILED, None, True),
        (Discard("no"), 1, State.FAILED, Outcome.FAILED, None, True),
        (Retry(7 * SECOND, "no"), 1, State.RETRYING, Outcome.FAILED, 7 * SECOND, True),
        (Retry(7 * SECOND, "no"), 3, State.FAILED, Outcome.FAILED, None, True),
        (Snooze(9 * SECOND, "no"), 1, State.RETRYING, Outcome.SNOOZED, 9 * SECOND, False),
        # Putting off is no failure, so it is open to the last attempt too.
        (Snooze(9 * SECOND, "no"), 3, State.RETRYING, Outcome.SNOOZED, 9 * SECOND, False),
        (SystemExit("no"), 1, State.RETRYING, Outcome.FAILED, 1 * SECOND, True),
        (MemoryError("no"), 1, State.RETRYING, Outcome.FAILED, 1 * SECOND, True),
    ],
)
def test_what_follows_an_attempt(
    noon: datetime,
    error: BaseException,
    attempt: int,
    state: State,
    outcome: Outcome,
    wait: timedelta | None,
    uses_attempt: bool,
) -> None:
    decision = decide(POLICY, error, attempt=attempt, max_attempts=3, now=noon, chance=0.5)
    assert (decision.state, decision.outcome, decision.uses_attempt) == (state, outcome, uses_attempt)
    assert decision.due_at == (None if wait is None else noon + wait)
    assert "no" in decision.reason


def test_the_jobs_own_limit_of_attempts_counts_not_the_policys(noon: datetime) -> None:
    assert decide(POLICY, ValueError(), attempt=1, max_attempts=1, now=noon).state is State.FAILED
    assert decide(NO_RETRY, ValueError(), attempt=1, max_attempts=2, now=noon).state is State.RETRYING


def test_an_error_without_words_is_named(noon: datetime) -> None:
    assert decide(NO_RETRY, ValueError(), attempt=1, max_attempts=1, now=noon).reason == "ValueError"


def test_discarded_errors_include_those_derived_from_them(noon: datetime) -> None:
    policy = Backoff(max_attempts=3, discard=(LookupError,))
    assert decide(policy, KeyError("x"), attempt=1, max_attempts=3, now=noon).state is State.FAILED
    assert decide(policy, OSError("x"), attempt=1, max_attempts=3, now=noon).state is State.RETRYING


def test_waits_are_spread_over_the_whole_ceiling(noon: datetime) -> None:
    waits = {decide(POLICY, ValueError(), attempt=1, max_attempts=9, now=noon).due_at for _ in range(200)}
    assert len(waits) > 100
    assert noon <= min(waits) < noon + 0.4 * SECOND  # type: ignore[type-var]
    assert noon + 1.6 * SECOND < max(waits) < noon + 2 * SECOND  # type: ignore[type-var,operator]


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 2), (2, 6), (3, 18), (4, 54), (5, 60), (6, 60), (100, 60), (10**9, 60)]
)
def test_the_ceiling_grows_up_to_the_maximum(attempt: int, seconds: float) -> None:
    assert POLICY.ceiling(attempt) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_attempts": 0},
        {"max_attempts": -1},
        {"base": timedelta(seconds=-1)},
        {"base": timedelta(minutes=2), "maximum": timedelta(minutes=1)},
        {"maximum": timedelta.max},
        {"factor": 0.5},
        {"factor": float("nan")},
        {"factor": float("inf")},
    ],
)
def test_a_policy_that_cannot_work_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"expected .* got"):
        Backoff(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("verdict", [Retry, Snooze])
@pytest.mark.parametrize("after", [-SECOND, LONGEST + SECOND, timedelta.max])
def test_a_wait_that_no_calendar_has_is_refused(verdict: type[Retry | Snooze], after: timedelta) -> None:
    with pytest.raises(ValueError, match=r"expected a wait of 0 to 366 days, got"):
        verdict(after)


def test_verdicts_have_words_of_their_own() -> None:
    assert "retry" in str(Retry(SECOND))
    assert "put the job off" in str(Snooze(SECOND))
    assert str(Discard("broken file")) == "broken file"


def test_an_error_may_have_a_policy_of_its_own(noon: datetime) -> None:
    patient = Backoff(max_attempts=5, base=30 * SECOND, maximum=30 * SECOND)
    hasty = Backoff(max_attempts=1)
    policy = Backoff(max_attempts=3, base=SECOND, per_error=((ConnectionError, patient), (OSError, hasty)))

    def after(error: Exception, attempt: int, max_attempts: int = 4) -> tuple[State, timedelta | None]:
        found = decide(policy, error, attempt=attempt, max_attempts=max_attempts, now=noon, chance=0.5)
        return found.state, found.due_at and found.due_at - noon

    assert after(ConnectionResetError("gone"), 3) == (State.RETRYING, 15 * SECOND), "the first that fits decides"
    assert after(ConnectionResetError("gone"), 4) == (State.FAILED, None), "the job's own limit holds"
    assert after(ConnectionResetError("gone"), 4, max_attempts=100) == (State.RETRYING, 15 * SECOND)
    assert after(ConnectionResetError("gone"), 5, max_attempts=100) == (State.FAILED, None)
    assert after(FileNotFoundError("no"), 1) == (State.FAILED, None)
    assert after(ValueError("no"), 1) == (State.RETRYING, SECOND / 2)
