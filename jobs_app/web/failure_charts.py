"""How often a group of failures was seen, as bars of an SVG: an hour or a day each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from jobs_app.reads.failure_views import CountView

BAR, GAP = 8, 2
HEIGHT = 40
LEAST = 3.0
"""A bar that stands for one failure beside one for thousands is still to be seen."""


@dataclass(frozen=True)
class Bar:
    """One bucket; ``words`` are its title. A bucket without a failure is a thin stroke."""

    x: int
    y: float
    height: float
    words: str
    empty: bool


@dataclass(frozen=True)
class Bars:
    """What the template draws; ``description`` says the same in words."""

    bars: list[Bar]
    description: str
    first: str
    most: int
    total: int
    width: int
    height: int = HEIGHT
    bar: int = BAR

    @property
    def path(self) -> str:
        """All of the bars as one shape: for lists, where hundreds of them would be slow to draw."""
        return "".join(f"M{each.x} {each.y}h{BAR}v{each.height}h-{BAR}z" for each in self.bars if not each.empty)


def hours(counts: Sequence[CountView]) -> Bars:
    """The last 24 hours."""
    return _draw(counts, "hour", "%H:00")


def days(counts: Sequence[CountView]) -> Bars:
    """The last 14 days. They are days of UTC, as the statistics have them."""
    return _draw(counts, "day", "%-d %b")


def _draw(counts: Sequence[CountView], step: str, named: str) -> Bars:
    most = max((each.times for each in counts), default=0)
    bars = []
    for place, each in enumerate(counts):
        height = max(each.times / most * HEIGHT, LEAST) if each.times else 1.0
        words = f"{_name(each, named)}: {each.times:,} time{'' if each.times == 1 else 's'}"
        bars.append(Bar(place * (BAR + GAP), round(HEIGHT - height, 1), round(height, 1), words, not each.times))
    total = sum(each.times for each in counts)
    return Bars(
        bars=bars,
        description=f"{total:,} in {len(counts)} {step}s" + (f", at most {most:,} in one" if most else ""),
        first=_name(counts[0], named) if counts else "",
        most=most,
        total=total,
        width=max(len(counts) * (BAR + GAP) - GAP, BAR),
    )


def _name(count: CountView, named: str) -> str:
    at = count.at if "d" in named else timezone.localtime(count.at)
    return at.strftime(named)
