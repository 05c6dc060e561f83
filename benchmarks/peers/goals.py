"""What is to hold, by measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.figures import Check, percentile, spread
from benchmarks.peers import ratios
from benchmarks.peers.catalog import PEERS, WEIR, WEIR_SQLITE
from benchmarks.peers.ratios import Goal, Rounds
from benchmarks.peers.rounds import IDEAL

CELERY = "celery"
FLOOR = "floor, as weir"
"""The floor in chunks of the size that Weir had in the same round."""

DURABLE = tuple(peer.name for peer in PEERS if peer.durable)


def of_drain(rates: Mapping[str, Rounds]) -> list[Check]:
    """A backlog of jobs that do nothing."""
    peer = ratios.best(rates, DURABLE)
    goals = [Goal("drain", WEIR.name, CELERY, 15), Goal("drain", WEIR_SQLITE.name, CELERY, 10)]
    goals += [Goal("drain", WEIR.name, peer, 1.2)] if peer else []
    return _judged([*goals, Goal("drain", WEIR.name, FLOOR, 0.5)], rates)


def of_live(rates: Mapping[str, Rounds]) -> list[Check]:
    """Submitted one by one while workers run."""
    peer = ratios.best(rates, DURABLE)
    goals = [Goal("live", WEIR.name, CELERY, 1)]
    return _judged([*goals, *([Goal("live", WEIR.name, peer, 1.5)] if peer else [])], rates)


def of_compute(rates: Mapping[str, Rounds]) -> list[Check]:
    """Jobs of 10 ms of computing, against a machine that does nothing else."""
    ideal = {"ideal": [IDEAL] * len(rates.get(WEIR.name, ()))}
    return _judged([Goal("10 ms jobs", WEIR.name, "ideal", 0.97)], {**rates, **ideal})


def of_pickup(times: Mapping[str, Sequence[Sequence[float]]]) -> list[Check]:
    """Times of trials, by peer and round."""
    found = []
    for name, part in (("p50", 0.50), ("p99", 0.99)):
        values = {peer: [percentile(each, part) for each in rounds] for peer, rounds in times.items()}
        found += _judged([Goal(f"idle pickup, {name}", WEIR.name, CELERY, 1.5, at_least=False)], values)
    return found


def of_memory(what: str, found: Mapping[str, Rounds], most: float) -> list[Check]:
    """Ratios of memory, by peer and round."""
    if not found.get(WEIR.name):
        return []
    ratio = spread(found[WEIR.name])
    words = f"{ratio['median']:g} ({ratio['least']:g} to {ratio['greatest']:g})"
    return [Check(what, words, f"at most {most:g}", ratio["median"] <= most)]


def of_reach(count: int, wanted: int) -> Check:
    """Whether so many jobs were run before a worker's memory was looked at again, in the time there was."""
    return Check("jobs run before worker memory is judged", f"{count:,}", f"{wanted:,}", count >= wanted)


def _judged(goals: Sequence[Goal], rates: Mapping[str, Rounds]) -> list[Check]:
    return [check for goal in goals if (check := ratios.judged(goal, rates))]
