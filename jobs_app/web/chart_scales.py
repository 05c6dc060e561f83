"""How the axes of charts are divided: numbers and durations, linear or logarithmic, and times of day."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobs_app.web import words

STEPS = (1, 2, 2.5, 5, 10)

DURATIONS = (
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30,
    60, 120, 300, 600, 1200, 1800, 3600, 7200, 3 * 3600, 6 * 3600, 12 * 3600,
    86_400, 2 * 86_400, 5 * 86_400, 10 * 86_400, 20 * 86_400, 50 * 86_400,
)  # fmt: skip
"""Ends of linear axes that can be read at a glance, in seconds."""

DECADES = (0.001, 0.01, 0.1, 1, 10, 60, 600, 3600, 36_000, 86_400, 864_000, 8_640_000)
"""Marks of a logarithmic axis."""

MARKS = 6
"""Of more marks every other one is shown."""

TIMES = 6
"""So many times stand under a chart, at most."""


@dataclass(frozen=True)
class Scale:
    """An axis from ``low`` to ``high``, with what stands beside it. name: how it is divided, empty if evenly."""

    low: float
    high: float
    marks: Sequence[tuple[float, str]]
    name: str = ""

    def part(self, value: float) -> float:
        """Where a value lies, 0 to 1; on a logarithmic axis what is less than its beginning lies there."""
        if not self.name:
            return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)
        if value <= self.low:
            return 0.0
        return min(math.log(value / self.low) / math.log(self.high / self.low), 1.0)


def numbers(values: Sequence[float]) -> Scale:
    """Of counts: from 0 to a round number, at least 2."""
    top = round_up(max([*values, 2]))
    return Scale(0.0, top, [(value, number(value)) for value in (0, top / 2, top)])


def durations(values: Sequence[float]) -> Scale:
    """Of seconds, evenly divided, from 0."""
    most = max(values, default=0.0)
    top = next((each for each in DURATIONS if each >= most), most)
    return Scale(0.0, top, [(value, "0" if value == 0 else short(value)) for value in (0, top / 2, top)])


def log_durations(values: Sequence[float]) -> Scale:
    """Of seconds, logarithmic: from the mark below the least that is not zero to the mark above the most."""
    positive = [value for value in values if value > 0] or [1.0]
    low = max((each for each in DECADES if each <= min(positive)), default=min(positive))
    high = min((each for each in DECADES if each >= max(positive)), default=max(positive))
    high = high if high > low else low * 10
    marks = [each for each in DECADES if low <= each <= high]
    apart = 2 if len(marks) > MARKS else 1
    return Scale(low, high, [(each, short(each)) for each in marks[::apart]], "logarithmic")


def fitting_durations(values: Sequence[float]) -> Scale:
    """Logarithmic where it helps: if the most is over thirty times the least that is not zero."""
    positive = [value for value in values if value > 0]
    return log_durations(values) if positive and max(positive) > 30 * min(positive) else durations(values)


def times(moments: Sequence[datetime], step: timedelta) -> list[tuple[int, str]]:
    """The buckets at which a time stands, and its words; at most six."""
    if step >= timedelta(days=1):
        apart = max(math.ceil(len(moments) / TIMES), 1)
        return [(place, day(moment)) for place, moment in enumerate(moments) if place % apart == 0]
    minutes = step // timedelta(minutes=1)
    for apart in (5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7200):
        if len(moments) * minutes / apart <= TIMES:
            break
    origin = datetime.min.replace(tzinfo=moments[0].tzinfo).toordinal() if moments else 0
    found = []
    for place, moment in enumerate(moments):
        of_all = (moment.toordinal() - origin) * 1440 + moment.hour * 60 + moment.minute
        if of_all % apart == 0:
            found.append((place, day(moment) if apart >= 1440 or not (moment.hour or moment.minute) else clock(moment)))
    return found


def bucket(moment: datetime, step: timedelta) -> str:
    """A bucket by its beginning: ``28 Nov``, ``28 Nov 14:00``."""
    return day(moment) if step >= timedelta(days=1) else f"{day(moment)} {clock(moment)}"


def day(moment: datetime) -> str:
    """``28 Nov``."""
    return f"{moment.day} {moment:%b}"


def clock(moment: datetime) -> str:
    """``14:05``."""
    return f"{moment:%H:%M}"


def short(value: float) -> str:
    """A duration at an axis: ``500 ms``, ``2 s``, ``30 min``, ``6 h``."""
    return words.length(value).replace(".0 s", " s")


def round_up(value: float) -> float:
    """The next of 1, 2, 2.5, 5, 10, 20, …: a scale that can be read."""
    size = 0.1
    while True:
        for step in STEPS:
            if value <= step * size:
                return step * size
        size *= 10


def number(value: float) -> str:
    """A number at an axis."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"
