"""Charts over time as lines and bars of an SVG, and the same as a table. Pure functions: buckets in, shapes out.

An axis is linear or logarithmic (and says so); what is still filling is dashed or hatched; deploys are lines across.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo

from jobs_app.web import chart_scales
from jobs_app.web.chart_scales import Scale

# In units of the picture, which is as wide as its place allows.
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 500, 190, 58, 26, 26
GAP = 0.18
"""Of a bucket's width, between two bars."""

EDGE = 15
"""So near to the right edge no time stands: it would run out of the picture, or into the one before."""

FLAG_LETTER = 7.5
"""How wide a letter of a deploy's label is, so that labels do not run into one another."""


@dataclass(frozen=True)
class Series:
    """One figure in each bucket; None where nothing was measured. bars: stacked upon the bars before."""

    name: str
    looks: str
    values: Sequence[float | None]
    bars: bool = False


@dataclass(frozen=True)
class Time:
    """The buckets: the first one's beginning, how long each is, how many, how many of the first are complete."""

    begin: datetime
    step: timedelta
    count: int
    complete: int
    zone: tzinfo

    @property
    def width(self) -> float:
        """Of one bucket in the picture."""
        return (WIDTH - LEFT) / max(self.count, 1)

    def at(self, place: int) -> datetime:
        """When a bucket begins, in the site's time."""
        return (self.begin + place * self.step).astimezone(self.zone)

    def x(self, place: float) -> float:
        """Where a bucket begins."""
        return round(LEFT + place * self.width, 1)

    def place(self, moment: datetime) -> float:
        """In which bucket a moment lies, with a fraction."""
        return (moment - self.begin) / self.step


@dataclass(frozen=True)
class Flag:
    """A deploy: a line at x, and where its label stands (none if there is no room for it)."""

    x: float
    text: str
    label: str
    anchor: str


@dataclass(frozen=True)
class Line:
    """A curve. path breaks off where nothing was measured; rest is what is still filling."""

    name: str
    looks: str
    path: str = ""
    rest: str = ""
    bars: bool = False


@dataclass(frozen=True)
class Spot:
    """A bucket under the pointer: its figures in words."""

    x: float
    width: float
    text: str


@dataclass(frozen=True)
class Row:
    """A bucket in the table."""

    when: str
    cells: list[str]
    complete: bool


@dataclass(frozen=True)
class Chart:
    """What the template draws; ``description`` says the same in words. scale: how its axis is divided, in a word."""

    id: str
    title: str
    note: str
    description: str
    lines: list[Line]
    marks: list[tuple[float, str]]
    times: list[tuple[float, str, str]]
    flags: list[Flag]
    spots: list[Spot]
    rows: list[Row]
    filling: tuple[float, float] | None
    scale: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    top: int = TOP
    base: int = HEIGHT - BOTTOM
    thickness: int = field(default=HEIGHT - BOTTOM - TOP)

    @property
    def names(self) -> list[str]:
        """The columns of its table."""
        return [line.name for line in self.lines]


def draw(
    chart_id: str,
    title: str,
    time: Time,
    series: Sequence[Series],
    *,
    unit: Callable[[float], str],
    scale: Callable[[Sequence[float]], Scale],
    note: str = "",
    deploys: Sequence[tuple[datetime, str]] = (),
) -> Chart | None:
    """A chart; None if nothing was measured in any bucket."""
    known = {each.name: [value for value in each.values if value is not None] for each in series}
    if not any(known.values()):
        return None
    stacked = _stacks(series)
    measured = [value for values in known.values() for value in values]
    axis = scale([*measured, *(top for _, top in stacked[-1])] if stacked else measured)
    drawn, below = [], iter(stacked)
    for each in series:
        drawn.append(_bars(each, time, next(below), axis) if each.bars else _curve(each, time, axis))
    first_open = min(time.complete, time.count)
    return Chart(
        id=chart_id, title=title, note=note,
        description=_words(series, time, unit),
        lines=drawn,
        marks=[(_y(axis.part(value)), text) for value, text in axis.marks],
        times=_times(time),
        flags=_flags(time, deploys),
        spots=[_spot(place, series, time, unit) for place in range(time.count)],
        rows=_rows(series, time, unit),
        filling=(time.x(first_open), round(WIDTH - time.x(first_open), 1)) if first_open < time.count else None,
        scale=axis.name,
    )  # fmt: skip


def path(points: Sequence[tuple[float, float] | None], half: float) -> str:
    """Each run of points as a line of its own; one that stands alone as a stroke of ``half`` to either side."""
    drawn, before = [], False
    for place, point in enumerate(points):
        if point is not None:
            after = place + 1 < len(points) and points[place + 1] is not None
            if before or after:
                drawn.append(f"{'L' if before else 'M'}{point[0]:.1f} {point[1]:.1f}")
            else:
                drawn.append(f"M{point[0] - half:.1f} {point[1]:.1f}H{min(point[0] + half, WIDTH):.1f}")
        before = point is not None
    return "".join(drawn)


def _curve(series: Series, time: Time, axis: Scale) -> Line:
    points = [
        None if value is None else (time.x(place + 0.5), _y(axis.part(value)))
        for place, value in enumerate(series.values)
    ]
    done = min(time.complete, time.count)
    # The dashed part begins at the last point that is complete, so that the curve does not break off.
    joint = max(done - 1, 0)
    rest = points[joint:] if done and points[joint] is not None else points[done:]
    half = time.width / 2
    return Line(series.name, series.looks, path(points[:done], half), path(rest, half) if done < time.count else "")


def _stacks(series: Sequence[Series]) -> list[list[tuple[float, float]]]:
    """For each series of bars where its bars begin and end."""
    found: list[list[tuple[float, float]]] = []
    for each in series:
        if each.bars:
            below = [top for _, top in found[-1]] if found else [0.0] * len(each.values)
            found.append(
                [(base, base + (value or 0.0)) for base, value in zip(below, each.values, strict=True)]
            )  # fmt: skip
    return found


def _bars(series: Series, time: Time, stack: Sequence[tuple[float, float]], axis: Scale) -> Line:
    gap = time.width * GAP / 2
    drawn: list[str] = []
    rest: list[str] = []
    for place, (base, top) in enumerate(stack):
        if top > base:
            left, right = time.x(place) + gap, time.x(place + 1) - gap
            low, high = _y(axis.part(base)), _y(axis.part(top))
            bar = f"M{left:.1f} {low:.1f}V{high:.1f}H{right:.1f}V{low:.1f}Z"
            (drawn if place < time.complete else rest).append(bar)
    return Line(series.name, series.looks, "".join(drawn), "".join(rest), bars=True)


def _y(part: float) -> float:
    """Where a part of the axis, 0 to 1, lies."""
    return round(HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP), 1)


def _times(time: Time) -> list[tuple[float, str, str]]:
    """Where times stand under the chart, the words, and how they are anchored."""
    found = []
    for place, text in chart_scales.times([time.at(place) for place in range(time.count)], time.step):
        x = time.x(place)
        if x <= WIDTH - EDGE:
            found.append((x, text, "start" if x < LEFT + EDGE else "middle"))
    return found


def _flags(time: Time, deploys: Sequence[tuple[datetime, str]]) -> list[Flag]:
    """Deploys as lines, newest first; a label is left out where a newer one has taken the room."""
    found: list[Flag] = []
    free_until = float("inf")
    for moment, label in sorted(deploys, reverse=True):
        x = time.x(min(max(time.place(moment), 0.0), time.count))
        short = label if len(label) <= 16 else f"{label[:15]}…"
        needed = len(short) * FLAG_LETTER
        ends = x + needed > WIDTH
        begin = x - needed if ends else x
        shown = short if begin + needed <= free_until else ""
        if shown:
            free_until = begin - FLAG_LETTER
        when = moment.astimezone(time.zone)
        found.append(Flag(x, f"{label}, deployed {when:%Y-%m-%d %H:%M}", shown, "end" if ends else "start"))
    return found


def _spot(place: int, series: Sequence[Series], time: Time, unit: Callable[[float], str]) -> Spot:
    told = [f"{each.name} {unit(value)}" for each in series if (value := each.values[place]) is not None]
    open_words = "" if place < time.complete else " (still filling)"
    text = f"{chart_scales.bucket(time.at(place), time.step)}{open_words}: {', '.join(told) or 'nothing'}"
    return Spot(time.x(place), round(time.width, 2), text)


def _rows(series: Sequence[Series], time: Time, unit: Callable[[float], str]) -> list[Row]:
    """The buckets in which there was anything, newest first."""
    rows = []
    for place in reversed(range(time.count)):
        values = [each.values[place] for each in series]
        if any(values):
            cells = ["\N{EN DASH}" if value is None else unit(value) for value in values]
            rows.append(Row(chart_scales.bucket(time.at(place), time.step), cells, place < time.complete))
    return rows


def _words(series: Sequence[Series], time: Time, unit: Callable[[float], str]) -> str:
    """For each series its greatest and its latest value."""
    told = []
    for each in series:
        known = [(value, place) for place, value in enumerate(each.values) if value is not None]
        if known:
            most, where = max(known, key=lambda pair: pair[0])
            when = chart_scales.bucket(time.at(where), time.step)
            told.append(f"{each.name}: {unit(most)} at most ({when}), {unit(known[-1][0])} last")
    return "; ".join(told)
