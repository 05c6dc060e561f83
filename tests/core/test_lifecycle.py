"""The table of states and moves."""

from __future__ import annotations

import pytest

from jobs_app import lifecycle
from jobs_app.lifecycle import FINAL, INITIAL, MOVES, WAITING, EventName, Outcome, State, Via
from jobs_app.models import Attempt, Event, Job

# Written out once more on purpose: who changes a move must change the promise too.
PROMISED = {
    "blocked": {"queued", "succeeded", "failed", "cancelled"},
    "scheduled": {"queued", "cancelled"},
    "queued": {"running", "cancelled", "failed"},
    "running": {"succeeded", "failed", "cancelled", "retrying", "queued", "blocked"},
    "retrying": {"queued", "cancelled"},
    "succeeded": set(),
    "failed": set(),
    "cancelled": set(),
}


@pytest.mark.parametrize("source", list(State))
@pytest.mark.parametrize("target", list(State))
def test_a_move_is_legal_exactly_if_it_is_promised(source: State, target: State) -> None:
    assert lifecycle.legal(source, target) == (target in PROMISED[source])


@pytest.mark.parametrize("state", list(State))
def test_every_state_says_what_it_means_and_how_it_is_left(state: State) -> None:
    assert state.meaning
    assert state.leaves_by
    assert state == str(state) == State(state.value)


@pytest.mark.parametrize("state", list(State))
def test_a_state_is_final_exactly_if_nothing_leads_out_of_it(state: State) -> None:
    assert state.final == (not MOVES[state])


def test_states_are_waiting_running_or_final() -> None:
    assert WAITING | {State.RUNNING} | FINAL == set(State)
    assert len(WAITING) + 1 + len(FINAL) == len(State)
    assert INITIAL < WAITING


@pytest.mark.parametrize("state", sorted(set(State) - FINAL))
def test_every_state_that_is_not_final_can_reach_success(state: State) -> None:
    seen, to_see = set(), {state}
    while to_see:
        seen |= to_see
        to_see = {target for source in to_see for target in MOVES[source]} - seen
    assert State.SUCCEEDED in seen


@pytest.mark.parametrize("state", sorted(set(State) - FINAL))
def test_every_job_that_has_not_ended_can_be_cancelled(state: State) -> None:
    assert State.CANCELLED in MOVES[state]


def test_states_lead_to_states_that_exist() -> None:
    assert set(MOVES) == set(State)


@pytest.mark.parametrize(
    ("words", "model", "field"),
    [
        (State, Job, "state"), (Via, Job, "via"), (Outcome, Attempt, "outcome"), (EventName, Event, "name"),
        (State, Event, "source"), (State, Event, "target"),
    ],
)  # fmt: skip
def test_every_word_fits_its_column(words: type, model: type, field: str) -> None:
    length = model._meta.get_field(field).max_length
    assert max(len(word) for word in words) <= length


def test_choices_are_the_words_themselves() -> None:
    assert lifecycle.choices(Outcome)[:2] == [("running", "running"), ("succeeded", "succeeded")]
