"""Whether and when a request is sent again, as pure functions."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_app.client import ClientError, Conflict, Invalid, NotAllowed, NotFound, Refused, Unreachable, decisions
from jobs_app.client.decisions import Failure, decide, failure_of_answer, failure_of_error, retry_after

ASKED = "POST /api/jobs"
chances = st.floats(0, 1)
attempts = st.integers(1, 10_000)
seconds = st.floats(0, 1e6)
told = st.none() | st.floats(0, 1e6)


def failure(retry_after: float | None = None, *, passing: bool = True, status: int = 503) -> Failure:
    return Failure(ASKED, "The queue is full (503)", passing, status, retry_after)


@given(attempt=attempts, chance=chances, stated=st.floats(0.001, 1e6))
def test_a_stated_wait_is_never_cut_and_at_most_five_percent_longer(attempt: int, chance: float, stated: float) -> None:
    waited = decide(failure(stated), attempt=attempt, elapsed=0, budget=1e9, chance=chance)
    assert stated <= waited <= stated * 1.05 * (1 + 1e-9)


@given(attempt=attempts, chance=chances)
def test_an_unstated_wait_has_full_jitter_within_a_limit_that_doubles(attempt: int, chance: float) -> None:
    limit = min(0.5 * 2 ** min(attempt - 1, 60), 30)
    waited = decide(failure(), attempt=attempt, elapsed=0, budget=1e9, chance=chance)
    assert 0 <= waited <= limit
    assert waited == pytest.approx(chance * limit)


def test_a_stated_wait_of_nothing_still_backs_off() -> None:
    assert decide(failure(0.0), attempt=5, elapsed=0, budget=100, chance=1) == 8


@given(attempt=attempts, elapsed=seconds, budget=seconds, chance=chances, stated=told)
def test_no_wait_goes_past_the_budget(
    attempt: int, elapsed: float, budget: float, chance: float, stated: float | None
) -> None:
    wanted = decisions.pause(failure(stated), attempt=attempt, chance=chance)
    if elapsed + wanted <= budget:
        assert decide(failure(stated), attempt=attempt, elapsed=elapsed, budget=budget, chance=chance) == wanted
        return
    with pytest.raises(Refused, match="The queue is full") as raised:
        decide(failure(stated), attempt=attempt, elapsed=elapsed, budget=budget, chance=chance)
    assert raised.value.retry_after == stated


@given(budget=st.floats(0, 600), script=st.lists(st.tuples(told, chances, st.floats(0, 60)), min_size=1))
def test_a_whole_call_waits_within_its_budget(budget: float, script: list[tuple[float | None, float, float]]) -> None:
    """Whatever a server says, and however long its answers take, the last try begins within the budget."""
    elapsed = 0.0
    for attempt, (stated, chance, lasts) in enumerate(script, 1):
        elapsed += lasts
        try:
            elapsed += decide(failure(stated), attempt=attempt, elapsed=elapsed, budget=budget, chance=chance)
        except Refused:
            return
        assert elapsed <= budget


@given(attempt=attempts, chance=chances)
def test_what_does_not_pass_is_raised_at_once(attempt: int, chance: float) -> None:
    with pytest.raises(Invalid):
        decide(failure(passing=False, status=422), attempt=attempt, elapsed=0, budget=1e9, chance=chance)


@pytest.mark.parametrize(
    ("status", "passing", "kind"),
    [
        (400, False, Invalid), (401, False, NotAllowed), (403, False, NotAllowed), (404, False, NotFound),
        (408, False, ClientError), (409, False, Conflict), (413, False, Invalid), (415, False, Invalid),
        (422, False, Invalid), (425, False, ClientError), (429, True, Refused), (500, False, ClientError),
        (502, True, Unreachable), (503, True, Refused), (504, True, Unreachable), (507, False, ClientError),
        (301, False, ClientError), (599, False, ClientError),
    ],
)  # fmt: skip
def test_each_status_has_its_error_and_only_passing_ones_are_tried_again(
    status: int, passing: bool, kind: type[ClientError]
) -> None:
    found = failure_of_answer(ASKED, status, {}, None, repeatable=True)
    assert found.passing is passing
    error = found.error()
    assert type(error) is kind
    assert (error.status, str(status) in str(error)) == (status, True)


def test_what_may_not_be_done_twice_is_tried_again_only_where_it_surely_was_not_done() -> None:
    for status, passing in ((429, True), (503, True), (502, False), (504, False)):
        assert failure_of_answer(ASKED, status, {}, None, repeatable=False).passing is passing
    errors = {httpx.ConnectError: True, httpx.ConnectTimeout: True, httpx.ReadTimeout: False, httpx.ReadError: False}
    for error, passing in errors.items():
        assert failure_of_error(ASKED, error("x"), repeatable=False).passing is passing


def test_a_certificate_that_is_not_trusted_is_not_tried_again() -> None:
    refused = httpx.ConnectError("certificate verify failed")
    refused.__cause__ = ssl.SSLCertVerificationError("self-signed")
    assert not failure_of_error(ASKED, refused, repeatable=True).passing
    assert failure_of_error(ASKED, httpx.ConnectError("refused"), repeatable=True).passing


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0.0), ("7", 7.0), (" 120 ", 120.0), ("9" * 5000, 1e9), ("-3", None), ("1.5", None), ("soon", None),
        ("", None), ("٣", None), ("Mon, 23 Nov 2026", None),
    ],
)  # fmt: skip
def test_retry_after_in_seconds(text: str, expected: float | None) -> None:
    assert retry_after({"retry-after": text}) == expected


@given(st.text())
def test_no_retry_after_is_an_error(text: str) -> None:
    found = retry_after({"retry-after": text, "date": text})
    assert found is None or found >= 0


def test_a_date_is_compared_with_the_servers_own_clock() -> None:
    there = datetime(2031, 1, 1, tzinfo=UTC)
    headers = {
        "date": format_datetime(there, usegmt=True),
        "retry-after": format_datetime(there + timedelta(seconds=40), usegmt=True),
    }
    assert retry_after(headers) == 40
    assert retry_after({**headers, "retry-after": format_datetime(there - timedelta(days=1), usegmt=True)}) == 0


def test_a_date_without_the_servers_clock_is_compared_with_ours() -> None:
    then = datetime.now(UTC) + timedelta(seconds=100)
    assert 95 < (retry_after({"retry-after": format_datetime(then, usegmt=True)}) or 0) <= 100


def test_the_error_says_what_the_server_said() -> None:
    problem = {
        "title": "The queue is full",
        "detail": "default holds 2,000 of 2,000",
        "code": "queue-full",
        "depth": 2000,
    }
    found = failure_of_answer(ASKED, 503, {"retry-after": "60"}, problem, repeatable=True)
    with pytest.raises(Refused) as raised:
        decide(found, attempt=1, elapsed=1, budget=30, chance=0)
    error = raised.value
    assert (error.status, error.code, error.retry_after, error.problem["depth"]) == (503, "queue-full", 60, 2000)
    assert str(error) == (
        "POST /api/jobs: The queue is full: default holds 2,000 of 2,000 (503). Given up after 1 try in 1.0 s: "
        "the next one, in 60.0 s, would go past the 30 s of patience"
    )


def test_a_key_that_was_used_for_something_else_is_a_conflict() -> None:
    found = failure_of_answer(ASKED, 422, {}, {"code": "idempotency-conflict"}, repeatable=True)
    assert isinstance(found.error(), Conflict)
