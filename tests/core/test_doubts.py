"""When the capacity planner says that it is not to be believed."""

from __future__ import annotations

import random

import pytest

from jobs_app.queueing import Load
from jobs_app.reads.doubts import dispersion, warnings


def told(load: Load, **measured: float | int) -> str:
    return " ".join(warnings(load, **measured))


def test_nothing_is_said_where_the_assumptions_hold() -> None:
    assert warnings(Load(2, 1, 4, 1), dispersion=1.0, samples=30) == []
    assert warnings(Load(0, 1, 1, 1)) == []


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (Load(2, 1, 2, 1), "Jobs come faster than 2 slots can do them (utilisation 100 %)"),
        (Load(2.5, 1, 1, 1), "1 slot can do them (utilisation 250 %): the queue grows without bound; at least 3 are"),
        (Load(1e6, 1, 9, 1), "even 100,000 would not do"),
        (Load(0.96, 1, 1, 1), "At a utilisation of 96 % the waits hang on a hair"),
        (Load(0.5, 1, 1, 1.3), "far more than exponential times (1)"),
        (Load(0.5, 1, 1, 0.5), "less than exponential times (1)"),
        (Load(0.5, 1, 1), "exponential times were taken"),
    ],
)
def test_what_does_not_hold_is_said(load: Load, words: str) -> None:
    assert words in told(load)


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        ({"dispersion": 1.6}, "in bursts: waits are longer"),
        ({"dispersion": 0.4}, "more evenly than by chance: waits are shorter"),
        ({"samples": 29}, "Only 29 attempts measured"),
        ({"samples": 1}, "Only 1 attempt measured"),
        ({"samples": 0}, "No attempt was measured yet"),
    ],
)
def test_what_was_measured_is_doubted(measured: dict[str, float], words: str) -> None:
    assert words in told(Load(0.5, 1, 1, 1), **measured)


def test_the_index_of_dispersion_is_1_for_chance_0_for_a_beat_and_large_for_bursts() -> None:
    dice = random.Random(4)

    def chance(seconds: float) -> int:
        """Arrivals at two a second."""
        came, at = 0, dice.expovariate(2)
        while at < seconds:
            came, at = came + 1, at + dice.expovariate(2)
        return came

    # Stretches of any length: 1 ± √(2 / 2,000), one deviation.
    lengths = [dice.uniform(1, 9) for _ in range(2_000)]
    assert dispersion([(length, chance(length)) for length in lengths]) == pytest.approx(1, abs=0.1)
    assert dispersion([(5, 10)] * 20) == 0
    assert dispersion([(5, 100), *[(5, 0)] * 9] * 2) == pytest.approx(94.7, abs=0.1)


def test_too_few_arrivals_have_no_index() -> None:
    assert dispersion([]) is None
    assert dispersion([(5, 100)] * 11) is None
    assert dispersion([(5, 1)] * 29) is None
    assert dispersion([(0, 9)] * 50) is None
