"""What holds for every retry policy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from jobs_app.lifecycle import Outcome, State
from jobs_app.policies import LONGEST, Backoff, Discard, Retry, Snooze, decide

ZERO = timedelta(0)
WAITS = st.timedeltas(ZERO, LONGEST)
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@st.composite
def policies(draw: st.DrawFn) -> Backoff:
    base, maximum = sorted((draw(WAITS), draw(WAITS)))
    return Backoff(
        max_attempts=draw(st.integers(1, 100)), base=base, maximum=maximum, factor=draw(st.floats(1, 1000)),
        discard=draw(st.sampled_from([(), (KeyError,), (Exception,)])),
    )  # fmt: skip


ATTEMPTS = st.integers(1, 10**9)
ERRORS = st.one_of(
    st.sampled_from([ValueError("x"), KeyError("x"), MemoryError(), SystemExit(3), Discard("no"), OSError(28, "full")]),
    WAITS.map(Retry),
    WAITS.map(Snooze),
)


@settings(database=None, deadline=None)
@given(policies(), ATTEMPTS)
def test_the_ceiling_stays_within_its_bounds_and_never_falls(policy: Backoff, attempt: int) -> None:
    assert min(policy.base, policy.maximum) <= policy.ceiling(attempt) <= policy.maximum
    assert policy.ceiling(attempt) <= policy.ceiling(attempt + 1)


@settings(database=None, deadline=None)
@given(policies(), ERRORS, ATTEMPTS, st.integers(1, 100))
def test_every_error_has_a_decision_with_a_time_that_a_calendar_has(
    policy: Backoff, error: BaseException, attempt: int, max_attempts: int
) -> None:
    decision = decide(policy, error, attempt=attempt, max_attempts=max_attempts, now=NOW)
    assert decision.state in {State.RETRYING, State.FAILED}
    assert (decision.due_at is not None) == (decision.state is State.RETRYING)
    assert NOW <= (decision.due_at or NOW) <= NOW + LONGEST
    assert decision.reason
    assert decision.uses_attempt == (decision.outcome is Outcome.FAILED)


@settings(database=None, deadline=None)
@given(policies(), st.integers(1, 100), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_its_chance_of_the_ceiling(policy: Backoff, attempt: int, chance: float) -> None:
    error = BaseException("neither discarded nor a verdict")
    decision = decide(policy, error, attempt=attempt, max_attempts=10**9, now=NOW, chance=chance)
    assert decision.due_at == NOW + policy.ceiling(attempt) * chance


@settings(database=None, deadline=None)
@given(policies(), ERRORS, st.integers(1, 100))
def test_only_putting_off_outlasts_the_last_attempt(policy: Backoff, error: BaseException, last: int) -> None:
    decision = decide(policy, error, attempt=last, max_attempts=last, now=NOW)
    assert (decision.state is State.RETRYING) == isinstance(error, Snooze)
