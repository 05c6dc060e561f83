"""The picture: a bounded queue beside one without bound, under the same load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes

BLUE, RED, GREY, GREEN = "#0072b2", "#d55e00", "#777777", "#009e73"
STYLE = {
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#e6e6e6",
    "axes.axisbelow": True, "svg.fonttype": "none", "svg.hashsalt": "weir", "font.family": "sans-serif",
    "legend.frameon": False, "legend.fontsize": 8,
}  # fmt: skip

LEGEND = {"loc": "lower left", "bbox_to_anchor": (0, 0.98), "ncols": 3, "columnspacing": 1.2, "handlelength": 1.6}
BEFORE = -0.4
"""What is shown of the time before the clients come, as a part of how long they stay."""
WORDS = ("jobs that wait", "answers a second", "wait, s, of what was\nsubmitted at that moment")

Rows = Sequence[Mapping[str, Any]]


def draw(bounded: Mapping[str, Any], unbounded: Mapping[str, Any], rows: Mapping[str, Rows], *paths: Path) -> None:
    """Draw both to files; the ending says which format. ``rows`` are those of ``series``, by the queue's name."""
    with mpl.rc_context(STYLE):
        figure, axes = pyplot.subplots(3, 2, figsize=(10, 7.5), sharex="all", sharey="row", layout="constrained")
        columns = zip(axes.T, (bounded, unbounded), ("bounded", "unbounded"), strict=True)
        for column, load, name in columns:
            _column(column, load, rows[name])
        axes[0][0].set_title(f"limit of {bounded['limit']} jobs", weight="bold", pad=22)
        axes[0][1].set_title("no limit", weight="bold", pad=22)
        for axis, words in zip(axes[:, 0], WORDS, strict=True):
            axis.set_ylabel(words)
        for axis in axes[:, 0]:
            axis.set_ylim(bottom=0)  # both columns share it; set last, so that the greater one still fits
        for axis in axes[2]:
            axis.set_xlabel("seconds since the clients came")
        figure.suptitle(
            f"{bounded['rate']:.0f} jobs/s offered for {bounded['seconds']:g} s to a worker that does "
            f"{bounded['baseline']:.0f} jobs/s"
        )
        for path in paths:
            figure.savefig(path, dpi=110, metadata={"Date": None} if path.suffix == ".svg" else None)
        pyplot.close(figure)


def _column(column: Sequence[Axes], load: Mapping[str, Any], rows: Rows) -> None:
    depth, answers, wait = column
    rows = [row for row in rows if row["second"] >= BEFORE * load["seconds"]]
    seconds = [row["second"] for row in rows]
    for axis in column:
        axis.axvspan(0, load["seconds"], color="#f4f4f4", zorder=0, label="clients at work" if axis is depth else None)
    depth.plot(seconds, [row["depth"] for row in rows], color=BLUE, label="jobs that wait")
    if load["limit"]:
        depth.axhline(load["limit"], color=RED, linestyle="--", linewidth=1, label=f"limit {load['limit']}")
    depth.legend(**LEGEND)
    accepted, refused = ([row[name] for row in rows] for name in ("accepted", "refused"))
    answers.bar(seconds, accepted, width=1, align="edge", color=BLUE, label="accepted (202)")
    answers.bar(seconds, refused, bottom=accepted, width=1, align="edge", color=RED, label="refused (503)")
    answers.axhline(load["baseline"], color=GREEN, linestyle="--", linewidth=1, label="worker alone")
    answers.legend(**LEGEND)
    waited = [row for row in rows if row["wait_p50"] != ""]
    at = [row["second"] for row in waited]
    wait.fill_between(
        at, [row["wait_least"] for row in waited], [row["wait_most"] for row in waited], color=BLUE, alpha=0.25,
        linewidth=0, label="least to greatest",
    )  # fmt: skip
    wait.plot(at, [row["wait_p50"] for row in waited], color=BLUE, label="median wait")
    if load["limit"]:
        told = load["limit"] / load["baseline"]
        wait.axhline(told, color=RED, linestyle="--", linewidth=1, label=f"limit / drain rate = {told:.0f} s")
    wait.legend(**LEGEND)
