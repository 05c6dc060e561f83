"""Each promise of the benchmarks can fail: figures that keep it, and the same ones with one that does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks import figures, promises
from benchmarks.figures import Check

FLUSHES = [
    {"lost messages": 95, "message again": 2.1, "lost job claimed": None},
    {"lost messages": 92, "message again": 0.5, "lost job claimed": 1.5},
]
ENDED = {"greatest depth": 95, "window": 100, "succeeded at the first attempt": 400, "jobs": 400}
AWAY = [{"broker": "refused", "median p99 ratio": 0.9}, {"broker": "frozen", "median p99 ratio": 1.5}]
ROWS = [{"count": 60, "succeeded": 60, "lost": 0, "run twice": 0}] * 2
RESTARTS = {"restarts": 4, "largest added delay s": 34.0}


def flushed(**changes: Any) -> list[Check]:
    return promises.of_flush([FLUSHES[0], {**FLUSHES[1], **changes}], {**ENDED, **changes})


def restarted(**changes: Any) -> list[Check]:
    return promises.of_rolling_restart([ROWS[0], {**ROWS[1], **changes}], {**RESTARTS, **changes}, 30.0)


def away(ratio: float = 1.5, succeeded: int = 8) -> list[Check]:
    return promises.of_broker_away("alone", [AWAY[0], {**AWAY[1], "median p99 ratio": ratio}], 8, succeeded)


def rescued(child: float = 5.0, worker: float = 30.0) -> list[Check]:
    return promises.of_rescue([0.3] * 29 + [child], [20.0] * 24 + [worker])


@pytest.mark.parametrize(
    ("judged", "broken", "named"),
    [
        (rescued, {"child": 5.1}, "a worker's child killed"),
        (rescued, {"worker": 30.1}, "a whole worker killed"),
        (flushed, {"lost messages": 0}, "messages lost"),
        (flushed, {"message again": 5.1}, "a message again"),
        (flushed, {"lost job claimed": float("inf")}, "a lost job claimed"),
        (flushed, {"greatest depth": 101}, "messages on the broker"),
        (flushed, {"succeeded at the first attempt": 399}, "jobs that succeeded"),
        (away, {"ratio": 1.51}, "alone, frozen"),
        (away, {"succeeded": 7}, "alone: jobs"),
        (restarted, {"restarts": 0}, "restarts"),
        (restarted, {"succeeded": 59}, "jobs that succeeded"),
        (restarted, {"lost": 1}, "jobs lost"),
        (restarted, {"run twice": 1}, "jobs run twice"),
        (restarted, {"largest added delay s": 35.1}, "largest added delay"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_figure_beyond_its_bound_fails_the_program_and_is_named(
    judged: Callable[..., list[Check]], broken: dict[str, Any], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert figures.verdict(judged()) == 0
    assert "every check holds" in capsys.readouterr().out
    failed = [each.check for each in judged(**broken) if not each.holds]
    assert len(failed) == 1
    assert failed[0].startswith(named)
    assert figures.verdict(judged(**broken)) == 1
    assert f"1 checks do not hold: {failed[0]}" in capsys.readouterr().out
