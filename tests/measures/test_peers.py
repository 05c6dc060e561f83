"""What ``make bench`` makes of its figures: ratios within a round, goals that can be missed, all processes counted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.figures import Check
from benchmarks.peers import catalog, environments, goals, ratios
from benchmarks.peers.apps import counting
from benchmarks.peers.ratios import Goal

APPS = Path(counting.__file__).parent
DRAIN = {
    "weir": [15_000.0, 9_000.0, 16_000.0], "weir, SQLite": [10_000.0, 6_000.0, 10_500.0],
    "celery": [1000.0, 600.0, 1000.0],
    "pgqueuer": [7_000.0, 5_000.0, 7_000.0], "procrastinate": [300.0, 300.0, 300.0], "floor, as weir": [20_000.0] * 3,
}  # fmt: skip


def test_a_ratio_is_made_within_a_round_so_that_a_slow_moment_of_the_machine_meets_both() -> None:
    assert ratios.of([100, 10, 1], [50, 5, 1]) == {"median": 2, "least": 1, "greatest": 2}


def test_the_best_peer_is_told_by_the_median_and_who_was_not_measured_is_passed_over() -> None:
    rates = {"one": [1.0, 9.0, 1.0], "two": [2.0, 2.0, 2.0], "three": []}
    assert ratios.best(rates, ("one", "two", "three", "four")) == "two"
    assert ratios.best({}, ("one",)) is None


def test_a_goal_is_not_judged_where_one_of_the_two_was_not_measured() -> None:
    assert ratios.judged(Goal("drain", "weir", "celery", 15), {"weir": [1.0], "celery": []}) is None


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({}, None),
        ({"celery": [1010.0] * 3, "weir, SQLite": [11_000.0] * 3}, "drain: weir / celery"),
        ({"weir, SQLite": [9_000.0, 5_400.0, 9_000.0]}, "drain: weir, SQLite / celery"),
        ({"procrastinate": [15_000.0] * 3}, "drain: weir / procrastinate"),
        ({"floor, as weir": [40_000.0] * 3}, "drain: weir / floor, as weir"),
    ],
)
def test_each_goal_of_the_backlog_can_be_missed(changed: dict[str, Any], missed: str | None) -> None:
    assert _missed(goals.of_drain({**DRAIN, **changed})) == ([missed] if missed else [])


def test_goals_of_what_is_to_be_small_are_missed_by_what_is_great() -> None:
    times = {"weir": [[2.0] * 98 + [40.0] * 2], "celery": [[2.0] * 100]}
    assert _missed(goals.of_pickup(times)) == ["idle pickup, p99: weir / celery"]
    assert _missed(goals.of_memory("memory", {"weir": [1.11]}, 1.1)) == ["memory"]
    assert _missed(goals.of_memory("memory", {"weir": [1.1]}, 1.1)) == []
    assert _missed([goals.of_reach(99_999, 100_000), goals.of_reach(100_000, 100_000)]) == [
        "jobs run before worker memory is judged"
    ]
    assert _missed(goals.of_compute({"weir": [193.0]})) == ["10 ms jobs: weir / ideal"]


def test_the_tally_sums_what_every_process_and_thread_has_counted(tmp_path: Path) -> None:
    program = (
        "import counting, threading\n"
        "threads = [threading.Thread(target=lambda: [counting.count() for _ in range(500)]) for _ in range(4)]\n"
        "[each.start() for each in threads], [each.join() for each in threads]"
    )
    environment = {"PYTHONPATH": str(APPS), counting.VARIABLE: str(tmp_path)}
    started = [subprocess.Popen([sys.executable, "-c", program], env=environment) for _ in range(2)]
    assert [each.wait(60) for each in started] == [0, 0]
    count, latest, processes = counting.Tally(tmp_path).read()
    assert (count, processes) == (4000, 2)
    assert latest > 0
    counting.Tally(tmp_path).clear()
    assert counting.Tally(tmp_path).read() == (0, 0.0, 0)


def test_every_peer_has_an_app_and_pinned_requirements_and_is_told_of_on_the_page() -> None:
    page = (environments.ROOT / "docs" / "peers.md").read_text()
    for peer in catalog.EVERYONE:
        assert not peer.environment or f"| {peer.name}" in page, peer.name
        assert (APPS / f"{peer.app}.py").is_file()
        assert peer.fast
        if peer.environment:
            assert peer.lacks
            lines = (environments.REQUIREMENTS / f"{peer.environment}.txt").read_text().splitlines()
            assert all("==" in line for line in lines if not line.startswith("#"))
    assert len({peer.name for peer in catalog.EVERYONE}) == len(catalog.EVERYONE)


def _missed(checks: list[Check]) -> list[str]:
    return [each.check for each in checks if not each.holds]
