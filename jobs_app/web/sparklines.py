"""A small line of a few numbers over time, as an SVG, and the same in words for those who do not see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs_app.web import cells

# In units of the picture, which is as wide as its place allows.
WIDTH, HEIGHT, MARGIN = 600, 96, 8


@dataclass(frozen=True)
class Sparkline:
    """``path`` breaks off where there is no number; ``end`` is the place of the last number."""

    path: str
    end: tuple[float, float]
    description: str
    width: int = WIDTH
    height: int = HEIGHT


def draw(values: Sequence[float | None]) -> Sparkline | None:
    """Numbers in order of time, oldest first; None where a run has none. None if there are fewer than two numbers."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return None
    low, high = min(known), max(known)
    step = (WIDTH - 2 * MARGIN) / (len(values) - 1)
    points = [
        None if value is None else (round(MARGIN + place * step, 1), _y(value, low, high))
        for place, value in enumerate(values)
    ]
    drawn, before = [], False
    for point in points:
        if point is not None:
            # A number that stands alone is a dot: a line of no length with round ends.
            drawn.append(f"{'L' if before else 'M'}{point[0]} {point[1]}" + ("" if before else "h0"))
        before = point is not None
    end = next(point for point in reversed(points) if point is not None)
    return Sparkline("".join(drawn), end, _words(known, low, high))


def _y(value: float, low: float, high: float) -> float:
    """Higher is larger; numbers that are all the same are in the middle."""
    part = (value - low) / (high - low) if high > low else 0.5
    return round(HEIGHT - MARGIN - part * (HEIGHT - 2 * MARGIN), 1)


def _words(known: Sequence[float], low: float, high: float) -> str:
    last, lowest, highest = (cells.cell(value).text for value in (known[-1], low, high))
    return f"{len(known)} numbers: {last} last, {lowest} lowest, {highest} highest"
