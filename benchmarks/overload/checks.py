"""What must hold under overload: each with the figure found and the bound. Pure functions of a part's result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import figures
from benchmarks.figures import Check

OVERSHOOT = 1.01
WAIT = 1.3
THROUGHPUT = 0.1
OFFERED = 0.9
"""Part of the intended load that must have been offered: else the figures say nothing."""
FULL_PART = 0.5
"""Part of the load's time in which the queue must have been full: likewise."""
PEAK = 3.0
ADMITTED = 0.9
REFUSED_AT_ONCE = 0.95
WITHIN = 0.8
TOLD = 0.9
WIDTH = 2.0
"""A range that is wider than so many times the wait tells nobody anything, however often it is right."""


def answers(load: Mapping[str, Any], *statuses: int) -> list[float]:
    """Milliseconds of the answers with these statuses."""
    return [milliseconds for _, milliseconds, status in load["sent"] if status in statuses]


def full_since(load: Mapping[str, Any]) -> float:
    """When the first job was refused because the queue was full (seconds since 1970); the load's end if never."""
    return min((at for at, _, status in load["sent"] if status == 503), default=load["end"])


def waits_when_full(load: Mapping[str, Any]) -> list[float]:
    """Seconds that jobs waited which were accepted once the queue was full."""
    since = full_since(load)
    return [wait for created, wait in load["jobs"] if created >= since]


def of_load(load: Mapping[str, Any]) -> list[Check]:
    """Of the flood against a bounded queue."""
    return [*_of_the_load_itself(load), *_of_the_queue(load), *_of_the_answers(load), *_of_the_ledger(load)]


def _of_the_load_itself(load: Mapping[str, Any]) -> list[Check]:
    offered, wanted = len(load["sent"]) / load["seconds"], load["rate"]
    full = (load["end"] - full_since(load)) / load["seconds"]
    return [
        Check("offered, jobs/s", f"{offered:.1f}", f">= {OFFERED:g} x {wanted:.1f}", offered >= OFFERED * wanted),
        Check("part of the time since it was full", f"{full:.2f}", f">= {FULL_PART:g}", full >= FULL_PART),
    ]


def _of_the_queue(load: Mapping[str, Any]) -> list[Check]:
    limit, alone, rate = load["limit"], load["baseline"], load["under_load"]
    deepest = max(waiting for _, waiting, _ in load["samples"])
    bound = WAIT * limit / alone
    waits = waits_when_full(load) or [float("inf")]
    found = {"p50": figures.percentile(waits, 0.5), "p95": figures.percentile(waits, 0.95), "max": max(waits)}
    return [
        Check(f"depth, in {len(load['samples'])} samples", str(deepest), f"<= {OVERSHOOT:g} x {limit}",
              deepest <= OVERSHOOT * limit),
        *(Check(f"wait when full, {name}, s", f"{wait:.1f}", f"<= {WAIT:g} x {limit} / {alone:.1f} = {bound:.1f}",
                wait <= bound) for name, wait in found.items()),
        Check("worker's jobs/s under load", f"{rate:.1f}", f">= {1 - THROUGHPUT:g} x {alone:.1f} alone",
              rate >= (1 - THROUGHPUT) * alone),
    ]  # fmt: skip


def _of_the_answers(load: Mapping[str, Any]) -> list[Check]:
    accepted, refused = answers(load, 202), answers(load, 503)
    other = {status: count for status, count in load["statuses"].items() if int(status) not in (202, 503)}
    slow, quick = (figures.percentile(each, 0.99) if each else float("nan") for each in (accepted, refused))
    return [
        Check("refusals, p99, ms", f"{quick:.1f}", f"< {slow:.1f} of acceptances", quick < slow),
        Check("other answers than 202 and 503", str({**other, **load["errors"]} or "none"), "none", not other),
    ]


def _of_the_ledger(load: Mapping[str, Any]) -> list[Check]:
    accepted, once = load["accepted"], load["succeeded_once"]
    wrong = load["missing"] + load["refused_but_there"] + load["there_but_unknown"]
    return [
        Check("accepted jobs that succeeded exactly once", str(once), f"= {accepted}", once == accepted > 0),
        Check("refused jobs that exist, or jobs nobody was told of", str(wrong), "= 0", wrong == 0),
    ]


def of_herd(herd: Mapping[str, Any]) -> list[Check]:
    """Of clients that obey Retry-After, all refused at once."""
    arrivals = herd["retries"]
    peak, mean = peak_of(arrivals), mean_of(arrivals)
    part, next_try = herd["refused"] / herd["clients"], herd["second"] / max(herd["refused"], 1)
    return [
        Check("refused at once", f"{part:.2f}", f">= {REFUSED_AT_ONCE:g}", part >= REFUSED_AT_ONCE),
        Check("greatest arrivals in any second", str(peak), f"<= {PEAK:g} x mean {mean:.1f}", 0 < peak <= PEAK * mean),
        Check("admitted on the next try", f"{next_try:.2f}", f">= {ADMITTED:g}", next_try >= ADMITTED),
        Check("admitted in the end", str(herd["admitted"]), f"= {herd['clients']}",
              herd["admitted"] == herd["jobs"] == herd["clients"]),
    ]  # fmt: skip


def peak_of(arrivals: Sequence[float]) -> int:
    """The most arrivals in any second, wherever it begins. ``arrivals`` in seconds."""
    ordered, greatest, first = sorted(arrivals), 0, 0
    for last, at in enumerate(ordered):
        while ordered[first] <= at - 1:
            first += 1
        greatest = max(greatest, last - first + 1)
    return greatest


def mean_of(arrivals: Sequence[float]) -> float:
    """Arrivals a second, from the refusal (0) until the last came."""
    return len(arrivals) / max([1.0, *arrivals])


def of_estimates(estimates: Mapping[str, Any]) -> list[Check]:
    """Of the start that was told when a job was accepted."""
    told, within = estimates["told"], estimates["within"]
    part, width = within / max(told, 1), estimates.get("median width / median wait", float("inf"))
    return [
        Check(
            "jobs with an estimate", str(told), f">= {TOLD:g} x {estimates['jobs']}", told >= TOLD * estimates["jobs"]
        ),
        Check("starts within the range told", f"{part:.2f}", f">= {WITHIN:g}", part >= WITHIN),
        Check("median width of the range / median wait", f"{width:.2f}", f"<= {WIDTH:g}", width <= WIDTH),
    ]
