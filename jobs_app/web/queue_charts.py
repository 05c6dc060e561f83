"""The charts of a queue's last hour, as lines of an SVG: its depth, and what came and left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs_app.reads.queues import Moment

# In units of the picture, which is as wide as its place allows.
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 600, 180, 52, 12, 24
STEPS = (1, 2, 2.5, 5, 10)


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
    """What the template draws; ``description`` says the same in words."""

    title: str
    description: str
    lines: list[Line]
    marks: list[Mark]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    base: int = HEIGHT - BOTTOM


def depth(moments: Sequence[Moment]) -> Chart | None:
    """The depth; None while nothing has been measured."""
    return _chart("Jobs that waited", "jobs", {"depth": ("waiting", [each.depth for each in moments])})


def rates(moments: Sequence[Moment]) -> Chart | None:
    """What arrived and what left a second; None while nothing has been measured."""
    curves = {
        "came": ("came", [each.arrival_rate for each in moments]),
        "left": ("left", [each.drain_rate for each in moments]),
    }
    return _chart("Jobs a second", "a second", curves)


def _chart(title: str, unit: str, curves: dict[str, tuple[str, list[float | None]]]) -> Chart | None:
    known = {name: [value for value in values if value is not None] for name, (_, values) in curves.items()}
    if not any(known.values()):
        return None
    top = _round_up(max(value for values in known.values() for value in values))
    parts = [
        f"{curves[name][0]}: {_number(values[-1])} {unit} at the end, {_number(max(values))} at most"
        for name, values in known.items() if values
    ]  # fmt: skip
    return Chart(
        title=f"{title}, over the last hour",
        description="; ".join(parts),
        lines=[Line(word, f"curve-{name}", _path(values, top)) for name, (word, values) in curves.items()],
        marks=[Mark(_y(value, top), _number(value)) for value in (0, top / 2, top)],
    )


def _path(values: Sequence[float | None], top: float) -> str:
    """Each run of measured values is a line of its own; a single one a short stroke."""
    step = (WIDTH - LEFT) / max(len(values) - 1, 1)
    drawn, before = [], False
    for place, value in enumerate(values):
        if value is not None:
            x, y = LEFT + place * step, _y(value, top)
            alone = not before and (place + 1 == len(values) or values[place + 1] is None)
            drawn.append(
                f"M{x - step / 2:.1f} {y}H{min(x + step / 2, WIDTH):.1f}"
                if alone
                else f"{'L' if before else 'M'}{x:.1f} {y}"
            )
        before = value is not None
    return "".join(drawn)


def _y(value: float, top: float) -> float:
    return round(HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP), 1)


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
