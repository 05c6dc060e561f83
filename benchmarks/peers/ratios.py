"""Of rounds: medians, ratios with their spread, and what the goals say of them. Pure.

A ratio is made within a round, of two runs that stood beside each other; its spread is that of the rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.figures import Check, spread

Rounds = Sequence[float]


@dataclass(frozen=True)
class Goal:
    """``ours`` is to be at least, or at most, so many times ``theirs``."""

    measure: str
    ours: str
    theirs: str
    times: float
    at_least: bool = True


def of(ours: Rounds, theirs: Rounds) -> dict[str, float]:
    """The ratio: median, least and greatest of the rounds that both have."""
    pairs = [(mine, its) for mine, its in zip(ours, theirs, strict=False) if its]
    if not pairs:
        raise ValueError("expected a round that both have")
    return spread([mine / its for mine, its in pairs], 2)


def best(rates: Mapping[str, Rounds], names: Sequence[str]) -> str | None:
    """The name with the greatest median, of those that were measured."""
    found = {name: spread(rates[name])["median"] for name in names if rates.get(name)}
    return max(found, key=lambda name: found[name]) if found else None


def judged(goal: Goal, rates: Mapping[str, Rounds]) -> Check | None:
    """What the rounds say of a goal; None where one of the two was not measured."""
    if not rates.get(goal.ours) or not rates.get(goal.theirs):
        return None
    found = of(rates[goal.ours], rates[goal.theirs])
    holds = found["median"] >= goal.times if goal.at_least else found["median"] <= goal.times
    return Check(
        f"{goal.measure}: {goal.ours} / {goal.theirs}",
        f"{found['median']:g} ({found['least']:g} to {found['greatest']:g})",
        f"{'at least' if goal.at_least else 'at most'} {goal.times:g}",
        holds,
    )
