"""The charts of a queue's last hour, as lines of an SVG: its depth, what came and left, waits, and refusals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from jobs_app.reads.queue_hours import Minute
from jobs_app.reads.queues import Moment
from jobs_app.web import chart_scales, words

# In units of the picture, which is as wide as its place allows.
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 600, 180, 52, 12, 24
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
    return _chart("Jobs that waited", "jobs", {"depth": ("waiting", [each.depth for each in moments])}, least=2)


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
    scale = chart_scales.log_durations(known)

    def place(value: float) -> float:
        return round(HEIGHT - BOTTOM - scale.part(value) * (HEIGHT - BOTTOM - TOP), 1)

    parts = [
        f"{word}: {words.length(seen[-1])} at the end, {words.length(max(seen))} at most"
        for word, values in curves.values() if (seen := _seen(values))
    ]  # fmt: skip
    drawn = Chart(
        title="Waits of jobs that were started, over the last hour",
        description="; ".join(parts),
        lines=[Line(word, f"curve-{name}", _path(values, place)) for name, (word, values) in curves.items()],
        marks=[Mark(place(value), text) for value, text in scale.marks],
        note="The scale is logarithmic.",
    )
    return replace(drawn, open_from=_open_from(minutes))


def refused(minutes: Sequence[Minute]) -> Chart | None:
    """What was refused for lack of room; None if nothing was."""
    if not any(each.refused for each in minutes):
        return None
    drawn = _chart("Refused a minute", "a minute", {"refused": ("refused", [float(each.refused) for each in minutes])})
    return replace(drawn, open_from=_open_from(minutes)) if drawn is not None else None


def _chart(title: str, unit: str, curves: Curves, least: float = 0.1) -> Chart | None:
    """On a scale that ends at ``least`` or above."""
    known = _known(curves)
    if not known:
        return None
    top = chart_scales.round_up(max(*known, least))
    parts = [
        f"{word}: {chart_scales.number(seen[-1])} {unit} at the end, {chart_scales.number(max(seen))} at most"
        for word, values in curves.values() if (seen := _seen(values))
    ]  # fmt: skip

    def place(value: float) -> float:
        return round(HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP), 1)

    return Chart(
        title=f"{title}, over the last hour",
        description="; ".join(parts),
        lines=[Line(word, f"curve-{name}", _path(values, place)) for name, (word, values) in curves.items()],
        marks=[Mark(place(value), chart_scales.number(value)) for value in (0, top / 2, top)],
    )


def _seen(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _known(curves: Curves) -> list[float]:
    return [value for _, values in curves.values() for value in _seen(values)]


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
