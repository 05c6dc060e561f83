"""The pictures: bars of medians with the least and the greatest round, and times of idle pickup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot

from benchmarks.figures import percentile, spread
from benchmarks.overload.picture import BLUE, GREEN, GREY, RED, STYLE
from benchmarks.peers.ratios import Rounds

COLOURS = {"weir": BLUE, "durable": GREEN, "not": RED, "floor": GREY}
WORDS = {
    "weir": "Weir", "durable": "durable: a job is a row on the disk", "not": "not durable, or not before its end",
    "floor": "bare statements on PostgreSQL",
}  # fmt: skip


def bars(title: str, unit: str, rates: Mapping[str, Rounds], durable: Mapping[str, bool], path: Path) -> None:
    """Draw rates, the greatest median first."""
    ordered = sorted((name for name in rates if rates[name]), key=lambda name: spread(rates[name])["median"])
    found = [spread(rates[name]) for name in ordered]
    with mpl.rc_context(STYLE):
        figure, axis = pyplot.subplots(figsize=(9, 0.32 * len(ordered) + 1.6), layout="constrained")
        for place, (name, each) in enumerate(zip(ordered, found, strict=True)):
            error = [[each["median"] - each["least"]], [each["greatest"] - each["median"]]]
            axis.barh(place, each["median"], color=COLOURS[group(name, durable)], height=0.7, xerr=error, capsize=2)
            axis.annotate(
                f"{each['median']:,.0f}", (each["greatest"], place), (6, 0), textcoords="offset points", va="center",
                fontsize=8,
            )  # fmt: skip
        axis.set_yticks(range(len(ordered)), ordered)
        axis.set_xlim(0, max(each["greatest"] for each in found) * 1.1)
        axis.xaxis.set_major_formatter("{x:,.0f}")
        axis.grid(visible=False, axis="y")
        axis.set_xlabel(f"{unit} (the line: least to greatest of {len(rates[ordered[-1]])} rounds)")
        axis.set_title(title, weight="bold", loc="left", pad=34)
        _legend(axis, [group(name, durable) for name in ordered])
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)


def pickups(title: str, times: Mapping[str, Sequence[float]], durable: Mapping[str, bool], path: Path) -> None:
    """Draw the times of idle pickup in ms: a dot at the median, a line to the 99th percentile."""
    ordered = sorted(times, key=lambda name: -percentile(times[name], 0.5))
    with mpl.rc_context(STYLE):
        figure, axis = pyplot.subplots(figsize=(9, 0.32 * len(ordered) + 1.6), layout="constrained")
        for place, name in enumerate(ordered):
            middle, high = (percentile(times[name], part) for part in (0.5, 0.99))
            colour = COLOURS[group(name, durable)]
            axis.plot([middle, high], [place, place], color=colour, linewidth=2, marker="|")
            axis.plot([middle], [place], color=colour, marker="o", markersize=6)
            axis.annotate(
                f"{middle:.1f}, {high:.1f}", (high, place), (8, 0), textcoords="offset points", va="center", fontsize=8
            )
        axis.set_yticks(range(len(ordered)), ordered)
        axis.set_xscale("log")
        axis.set_ylim(-0.7, len(ordered) - 0.3)
        axis.set_xlim(1, max(percentile(each, 0.99) for each in times.values()) * 3)
        axis.xaxis.set_major_formatter("{x:g}")
        axis.grid(visible=False, axis="y")
        axis.set_xlabel("ms from a submission to the start of its job: p50 (dot) to p99 (logarithmic)")
        axis.set_title(title, weight="bold", loc="left", pad=34)
        _legend(axis, [group(name, durable) for name in ordered])
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)


def group(name: str, durable: Mapping[str, bool]) -> str:
    """Which colour a peer has."""
    if name.startswith(("weir", "floor")):
        return name[:4] if name.startswith("weir") else "floor"
    return "durable" if durable[name] else "not"


def _legend(axis: pyplot.Axes, groups: Sequence[str]) -> None:
    patches = [mpl.patches.Patch(color=COLOURS[each], label=WORDS[each]) for each in COLOURS if each in groups]
    axis.legend(handles=patches, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(patches), handlelength=1.2)
