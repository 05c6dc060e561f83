"""The charts of a queue's last hour, as lines of an SVG: its depth, what came and left, waits, and refusals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from jobs_app.reads.queue_hours import Minute
from jobs_app.reads.queues import Moment

# In units of the picture, which is as wide as its place allows.
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 600, 180, 52, 12, 24
STEPS = (1, 2, 2.5, 5, 10)
LENGTHS = (0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 36_000.0, 360_000.0, 3_600_000.0)
"""Seconds at which a scale of waits, from milliseconds to days, has its marks."""

Curves = dict[str, tuple[str, list[float | None]]]
"""By the name of its looks: its word, its values."""

Place = Callable[[float], float]
"""Where a value is drawn, from the top."""


@dataclass(frozen=True)
class Line:
    """A curve: ``path`` breaks off where nothing was measured."""

    name: str
    looks: str
    path: str


@dataclass(frozen=True)
class Mark:
    """A line across with its value."""

    y: float
    text: str


@dataclass(frozen=True)
class Chart:
    """What the template draws; ``description`` says the same in words.

    ``open_from``: what is drawn from there on is not all counted yet. ``note``: what has to be known to read it.
    """

    title: str
    description: str
    lines: list[Line]
    marks: list[Mark]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    base: int = HEIGHT - BOTTOM
    open_from: float | None = None
    note: str = ""

    @property
    def open_width(self) -> float:
        """Of the part that is not all counted yet."""
        return round(WIDTH - self.open_from, 1) if self.open_from is not None else 0.0


def depth(moments: Sequence[Moment]) -> Chart | None:
    """The depth; None while nothing has been measured."""
    return _chart("Jobs that waited", "jobs", {"depth": ("waiting", [each.depth for each in moments])})


def rates(moments: Sequence[Moment]) -> Chart | None:
    """What arrived and what left a second; None while nothing has been measured."""
    curves: Curves = {
        "came": ("came", [each.arrival_rate for each in moments]),
        "left": ("left", [each.drain_rate for each in moments]),
    }
    return _chart("Jobs a second", "a second", curves)


def waits(minutes: Sequence[Minute]) -> Chart | None:
    """How long jobs waited that were started, beside the age of the oldest that was not; None if there were none."""
    curves: Curves = {
        "p50": ("half", [each.wait_p50 for each in minutes]),
        "p95": ("95 % within", [each.wait_p95 for each in minutes]),
        "p99": ("99 % within", [each.wait_p99 for each in minutes]),
        "age": ("the oldest still waiting", [each.oldest_age or None for each in minutes]),
    }
    known = _known(curves)
    if not known:
        return None
    scale = _lengths(known)
    place = _on_logarithm(scale[0], scale[-1])
    parts = [
        f"{word}: {_length(seen[-1])} at the end, {_length(max(seen))} at most"
        for word, values in curves.values() if (seen := _seen(values))
    ]  # fmt: skip
    drawn = Chart(
        title="Waits of jobs that were started, over the last hour",
        description="; ".join(parts),
        lines=[Line(word, f"curve-{name}", _path(values, place)) for name, (word, values) in curves.items()],
        marks=[Mark(place(value), _length(value)) for value in scale],
        note="Each mark is about ten times the one below.",
    )
    return replace(drawn, open_from=_open_from(minutes))


def refused(minutes: Sequence[Minute]) -> Chart | None:
    """What was refused for lack of room; None if nothing was."""
    if not any(each.refused for each in minutes):
        return None
    drawn = _chart("Refused a minute", "a minute", {"refused": ("refused", [float(each.refused) for each in minutes])})
    return replace(drawn, open_from=_open_from(minutes)) if drawn is not None else None


def _chart(title: str, unit: str, curves: Curves) -> Chart | None:
    known = _known(curves)
    if not known:
        return None
    top = _round_up(max(known))
    parts = [
        f"{word}: {_number(seen[-1])} {unit} at the end, {_number(max(seen))} at most"
        for word, values in curves.values() if (seen := _seen(values))
    ]  # fmt: skip

    def place(value: float) -> float:
        return round(HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP), 1)

    return Chart(
        title=f"{title}, over the last hour",
        description="; ".join(parts),
        lines=[Line(word, f"curve-{name}", _path(values, place)) for name, (word, values) in curves.items()],
        marks=[Mark(place(value), _number(value)) for value in (0, top / 2, top)],
    )


def _seen(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _known(curves: Curves) -> list[float]:
    return [value for _, values in curves.values() for value in _seen(values)]


def _lengths(known: Sequence[float]) -> list[float]:
    """The marks around these values: at least two."""
    least, most = max(min(known), LENGTHS[0]), max(*known, LENGTHS[1])
    first = max(place for place, each in enumerate(LENGTHS) if each <= least)
    last = min((place for place, each in enumerate(LENGTHS) if each >= most), default=len(LENGTHS) - 1)
    return list(LENGTHS[min(first, last - 1) : last + 1])


def _on_logarithm(bottom: float, top: float) -> Place:
    """From the bottom mark to the top one, as far apart as their ratio; what is less lies on the bottom."""
    span = math.log(top / bottom)

    def place(value: float) -> float:
        part = math.log(min(max(value, bottom), top) / bottom) / span
        return round(HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP), 1)

    return place


def _open_from(minutes: Sequence[Minute]) -> float | None:
    """Where the minutes begin that are not all counted: each is drawn at its beginning."""
    step = (WIDTH - LEFT) / max(len(minutes) - 1, 1)
    opened = next((place for place, each in enumerate(minutes) if not each.complete), None)
    return round(max(LEFT + (opened - 0.5) * step, LEFT), 1) if opened is not None else None


def _path(values: Sequence[float | None], place_of: Place) -> str:
    """Each run of measured values is a line of its own; a single one a short stroke."""
    step = (WIDTH - LEFT) / max(len(values) - 1, 1)
    drawn, before = [], False
    for place, value in enumerate(values):
        if value is not None:
            x, y = LEFT + place * step, place_of(value)
            alone = not before and (place + 1 == len(values) or values[place + 1] is None)
            drawn.append(
                f"M{max(x - step / 2, LEFT):.1f} {y}H{min(x + step / 2, WIDTH):.1f}"
                if alone
                else f"{'L' if before else 'M'}{x:.1f} {y}"
            )
        before = value is not None
    return "".join(drawn)


def _round_up(value: float) -> float:
    """The next of 1, 2, 2.5, 5, 10, 20, …: a scale that can be read."""
    size = 0.1
    while True:
        for step in STEPS:
            if value <= step * size:
                return step * size
        size *= 10


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def _length(seconds: float) -> str:
    """A length of time in one unit: ``0.1 s``, ``1 min``, ``10 h``."""
    units = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    size, unit = next((each for each in units if seconds >= each[0]), units[-1])
    value = seconds / size
    return f"{value:,.0f} {unit}" if value >= 10 else f"{value:.2g} {unit}"
