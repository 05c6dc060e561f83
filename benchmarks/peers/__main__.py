"""Run the rounds, judge, keep, draw: ``python -m benchmarks.peers``. Ends with 1 if a goal is not met."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import figures
from benchmarks.figures import Check
from benchmarks.peers import catalog, environments, goals, picture, rounds
from benchmarks.peers.catalog import WEIR, WEIR_SQLITE, Peer
from benchmarks.peers.contestant import Contestant, Failed
from benchmarks.peers.options import options, scaled
from benchmarks.peers.servers import Servers

ROOT = Path(__file__).resolve().parents[2]
BACKLOG, TRIALS = 50_000, 40
DRAIN_SECONDS, LIVE_SECONDS, COMPUTE_SECONDS = 15, 8, 8
FEW, MANY, QUEUED = 1_000, 100_000, 1_000_000
MEMORY_SECONDS = 300

Result = dict[str, list[dict[str, Any]]]
"""What each round found, by the peer's name."""


class Field:
    """Those who take part, and why others do not."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self.out = dict(catalog.LEFT_OUT)
        self.settings = dict(each.split("=", 1) for each in options.set)
        self._there: dict[str, Contestant] = {}
        self._beside: dict[str, Contestant] = {}
        wanted = catalog.named(options.peers) if options.peers else catalog.EVERYONE
        for peer in wanted:
            self.take(peer)

    def take(self, peer: Peer) -> Contestant | None:
        """Prepare a peer; it is left out, with a word, if it cannot be."""
        figures.say(f"preparing {peer.name}")
        try:
            contestant = Contestant(peer, self.servers, self.settings)
            rounds.warm_up(contestant)
            self._there[peer.name] = contestant
        except (environments.NotInstalled, Failed) as error:
            self.out[peer.name] = str(error)
            figures.say(f"  left out: {error}")
        return self._there.get(peer.name)

    def of(self, names: Sequence[str] = ()) -> list[Contestant]:
        """Those of these names; all without names."""
        return [each for name, each in self._there.items() if not names or name in names]

    def floor(self, chunk: float) -> Contestant:
        """The floor in chunks of about this size."""
        size = max(round(chunk), 1) if chunk < 20 else 10 * round(chunk / 10)
        name = f"floor, {size}"
        if name not in self._there and name not in self._beside:
            peer = replace(catalog.FLOORS[0], name=name, variables={"PEER_CHUNK": str(size)})
            self._beside[name] = Contestant(peer, self.servers, {})
        return self._there.get(name) or self._beside[name]

    def turn(self, contestant: Contestant, work: Callable[[Contestant], dict[str, Any]]) -> dict[str, Any] | None:
        """One peer's turn in a round, with a quiet disk; None if it failed, which is told."""
        self.servers.quiet()
        try:
            return {**work(contestant), "load": round(os.getloadavg()[0], 2)}
        except Failed as error:
            figures.say(f"  {contestant.peer.name} failed: {error}")
            self.out[contestant.peer.name] = f"failed: {str(error).splitlines()[0]}"
            return None


def main() -> int:
    """Return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))
    field = Field(Servers())
    settings = {
        **field.servers.versions(), "scale": options.scale, "rounds": options.rounds,
        "load_before": round(os.getloadavg()[0], 2), **field.settings,
    }  # fmt: skip
    parts: dict[str, Callable[[Field], tuple[Result, list[Check]]]] = {
        "drain": _drain, "live": _live, "compute": _compute, "pickup": _pickup, "worker-memory": _worker_memory,
        "broker-memory": _broker_memory,
    }  # fmt: skip
    checks: list[Check] = []
    folder, images = _folders()
    for name in options.only.split(","):
        figures.say(f"\n{name}")
        found, judged = parts[name](field)
        checks += judged
        figures.keep(
            f"peers-{name}", settings,
            {"rounds": found, "checks": [each.row() for each in judged], "peers": _peers(field), "out": field.out},
            folder,
        )  # fmt: skip
        _draw(name, found, images)
    if checks:
        figures.table("Goals", [each.row() for each in checks])
    return figures.verdict(checks)


def _rounds(field: Field, names: Sequence[str], work: Callable[[Contestant], dict[str, Any]]) -> Result:
    """Each peer's turn, round after round."""
    found: Result = {}
    for number in range(options.rounds):
        for contestant in field.of(names):
            _note(found, number, contestant.peer.name, field.turn(contestant, work))
    return found


def _note(found: Result, number: int, name: str, turn: dict[str, Any] | None) -> dict[str, Any] | None:
    """Add a turn that did not fail, and say it."""
    if turn is not None:
        found.setdefault(name, []).append(turn)
        figures.say(f"  round {number + 1}: {name}: {_short(turn)}")
    return turn


def _drain(field: Field) -> tuple[Result, list[Check]]:
    backlog, seconds = scaled(BACKLOG, 2000), scaled(DRAIN_SECONDS, 4)

    def work(contestant: Contestant) -> dict[str, Any]:
        return rounds.drain(contestant, "noop", backlog, seconds)

    found: Result = {}
    for number in range(options.rounds):
        for contestant in field.of():
            turn = _note(found, number, contestant.peer.name, field.turn(contestant, work))
            if turn and contestant.peer is WEIR:
                _note(found, number, goals.FLOOR, field.turn(field.floor(turn["chunk"]), work))
    rates = _rates(found)
    _table("Jobs a second from a backlog", rates)
    return found, goals.of_drain(rates)


def _live(field: Field) -> tuple[Result, list[Check]]:
    names = [each.peer.name for each in field.of() if not each.peer.name.startswith("floor, ")]
    found = _rounds(field, names, lambda each: rounds.live(each, scaled(LIVE_SECONDS, 3)))
    rates = _rates(found)
    _table("Jobs a second, submitted one by one", rates)
    return found, goals.of_live(rates)


def _compute(field: Field) -> tuple[Result, list[Check]]:
    names = [each.peer.name for each in field.of() if not each.peer.name.startswith("floor, ")]
    found = _rounds(field, names, lambda each: rounds.compute(each, scaled(COMPUTE_SECONDS, 3)))
    rates = _rates(found)
    _table(f"Jobs of 10 ms a second; ideal {rounds.IDEAL:g}", rates)
    return found, goals.of_compute(rates)


def _pickup(field: Field) -> tuple[Result, list[Check]]:
    names = [each.peer.name for each in field.of() if not each.peer.name.startswith("floor, ")]
    found = _rounds(field, names, lambda each: rounds.pickup(each, scaled(TRIALS, 10)))
    times = {name: [each["ms"] for each in turns] for name, turns in found.items()}
    rows = [{"peer": name, **figures.summary(each, 1)} for name, each in _pooled(found).items()]
    if rows:
        figures.table("Idle pickup, ms", rows)
    return found, goals.of_pickup(times)


def _worker_memory(field: Field) -> tuple[Result, list[Check]]:
    def work(contestant: Contestant) -> dict[str, Any]:
        return rounds.worker_memory(contestant, scaled(FEW, 200), scaled(MANY, 2000), scaled(MEMORY_SECONDS, 20))

    found = _once(field, (WEIR.name, WEIR_SQLITE.name, goals.CELERY), work)
    ratio = {name: [each["ratio"] for each in turns] for name, turns in found.items()}
    reached = [goals.of_reach(turn["many"], scaled(MANY, 2000)) for turn in found.get(WEIR.name, ())]
    return found, [*reached, *goals.of_memory("worker memory after many jobs / after few", ratio, 1.1)]


def _broker_memory(field: Field) -> tuple[Result, list[Check]]:
    def work(contestant: Contestant) -> dict[str, Any]:
        many = scaled(QUEUED if contestant.peer is WEIR else QUEUED / 10, 10_000)
        return rounds.broker_memory(contestant, FEW, many, scaled(10, 3))

    found = _once(field, (WEIR.name, goals.CELERY), work)
    ratio = {name: [each["ratio"] for each in turns] for name, turns in found.items()}
    return found, goals.of_memory("broker memory with many queued / with few", ratio, 1.05)


def _once(field: Field, names: Sequence[str], work: Callable[[Contestant], dict[str, Any]]) -> Result:
    """One turn each: what is measured hardly varies."""
    found: Result = {}
    for contestant in field.of(names):
        _note(found, 0, contestant.peer.name, field.turn(contestant, work))
    return found


def _rates(found: Result) -> dict[str, list[float]]:
    return {name: [each["rate"] for each in turns] for name, turns in found.items()}


def _table(title: str, rates: dict[str, list[float]]) -> None:
    ordered = sorted(rates.items(), key=lambda item: -figures.spread(item[1])["median"])
    if ordered:
        figures.table(title, [{"peer": name, **figures.spread(each, 0)} for name, each in ordered])


def _short(turn: dict[str, Any]) -> str:
    """A turn in one line."""
    if "ms" in turn:
        return ", ".join(f"{name} {value}" for name, value in figures.summary(turn["ms"], 1).items())
    return ", ".join(f"{name} {value:,.1f}" for name, value in turn.items())


def _peers(field: Field) -> dict[str, dict[str, str]]:
    """Versions, settings and what is not promised, of those who took part."""
    return {
        each.peer.name: {
            "versions": environments.versions(each.peer.environment) if each.peer.environment else "this project",
            "durable": "yes" if each.peer.durable else "no", "fast": each.peer.fast, "lacks": each.peer.lacks,
        }
        for each in field.of()
    }  # fmt: skip


def _draw(name: str, found: Result, images: Path) -> None:
    """The picture of a measure, if it has one and anybody was measured."""
    path = images / f"peers-{name}.svg"
    durable = {peer.name: peer.durable for peer in catalog.EVERYONE}
    words = {
        "drain": "A backlog of jobs that do nothing", "live": "Submitted one by one while workers run",
        "compute": f"Jobs that compute for 10 ms; ideal {rounds.IDEAL:g}",
    }  # fmt: skip
    if found and name in words:
        picture.bars(words[name], "jobs a second", _rates(found), durable, path)
    if found and name == "pickup":
        picture.pickups("From a submission to the start, all idle before", _pooled(found), durable, path)


def _pooled(found: Result) -> dict[str, list[float]]:
    """The times of all rounds' trials, by peer."""
    return {name: [each for turn in turns for each in turn["ms"]] for name, turns in found.items()}


def _folders() -> tuple[Path, Path]:
    """Where figures and pictures go. What is not the whole measurement does not replace one that is."""
    if options.output is None and options.scale >= 1 and not options.peers:
        return figures.RESULTS, ROOT / "docs" / "images"
    folder = Path(options.output or ROOT / "var" / "peers" / "results")
    folder.mkdir(parents=True, exist_ok=True)
    return folder, folder


if __name__ == "__main__":
    sys.exit(main())
