"""Filters to click: a link each, so that they work without a script, and what is chosen stands in the address."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jobs_app import searching
from jobs_app.criteria import JobFilter
from jobs_app.lifecycle import UNFINISHED, State
from jobs_app.searching import Word
from jobs_app.web.address import Address

ORDER = (
    State.QUEUED, State.RUNNING, State.SUCCEEDED, State.FAILED, State.CANCELLED, State.SCHEDULED, State.RETRYING,
    State.BLOCKED,
)  # fmt: skip
"""States as people ask for them."""


@dataclass(frozen=True)
class Chip:
    """A filter to click. counted: the state whose number of jobs stands beside it."""

    label: str
    query: str
    current: bool = False
    counted: str = ""


def of_states(wanted: JobFilter, at: Address) -> list[Chip]:
    """All, those that have not ended, and each state; several states may be chosen."""
    chosen = set(wanted.states)
    active = chosen >= UNFINISHED
    made = [
        Chip("All", at.search(replace(wanted, states=())), not chosen),
        Chip("Active", _states(wanted, at, chosen - UNFINISHED if active else chosen | UNFINISHED), active),
    ]
    for state in ORDER:
        current = state in chosen and not (active and state in UNFINISHED)
        others = chosen - UNFINISHED if active and state in UNFINISHED else chosen
        made.append(Chip(state.capitalize(), _states(wanted, at, others ^ {state}), current, state))
    return made


def of_owners(wanted: JobFilter, at: Address) -> list[Chip]:
    """For those who may see all jobs: their own, or everyone's."""
    others = replace(wanted, owner="")
    return [
        Chip("Mine", at.search(replace(others, mine=True)), wanted.mine),
        Chip("Everyone", at.search(replace(others, mine=False)), not wanted.mine and not wanted.owner),
    ]


def in_force(wanted: JobFilter, at: Address) -> list[Chip]:
    """Every other part of a search; a click takes it away."""
    words = searching.words_of(wanted)
    return [
        Chip(_label(word), at.search(_without(words, word))) for word in words if word.name != "state" and not word.mine
    ]


def _states(wanted: JobFilter, at: Address, states: set[State]) -> str:
    return at.search(replace(wanted, states=tuple(states)))


def _without(words: list[Word], word: Word) -> JobFilter:
    return searching.parse(" ".join(str(each) for each in words if each is not word))


def _label(word: Word) -> str:
    if word.name == "spawned":
        return "without spawned jobs"
    if word.name.startswith(searching.PARAM):
        return f"{word.name.removeprefix(searching.PARAM)} = {word.value or '(empty)'}"
    return f"{word.name} {word.value}"
