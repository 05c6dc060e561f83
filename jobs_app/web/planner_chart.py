"""The planner's chart: a bar for each number of slots, as long as 95 % of the jobs wait at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs_app.reads.planner import SlotsView
from jobs_app.web import words

# In units of the picture, which are about those of the screen on a phone.
LONGEST, RIGHT, ROW, TOP = 180, 76, 24, 4
DIGIT, LEAST = 7, 1.5


@dataclass(frozen=True)
class Bar:
    """One number of slots. ``looks``: chosen, plain, or endless for a queue that grows without bound."""

    slots: str
    x: int
    y: int
    width: float
    text: str
    looks: str

    @property
    def middle(self) -> int:
        """Where its words stand."""
        return self.y + ROW // 2

    @property
    def after(self) -> float:
        """Where the words behind it begin."""
        return round(self.x + self.width + 6, 2)


@dataclass(frozen=True)
class Chart:
    """What the template draws. ``left``: where the bars begin. hopeless: none of these numbers of slots is enough."""

    bars: list[Bar]
    left: int
    width: int
    height: int
    thickness: int
    target: float | None
    target_text: str
    description: str
    hopeless: bool


def draw(table: Sequence[SlotsView], chosen: int, target: float | None) -> Chart:
    """The chart of a plan's table; the target is a line across it, if it is not beyond the longest bar."""
    longest = max((each.wait_p95 or 0 for each in table), default=0)
    scale = max(longest, target if target is not None and target <= 3 * longest else 0)
    left = 12 + DIGIT * max((len(f"{each.slots:,}") for each in table), default=0)
    looks = {each.slots: "" for each in table} | {chosen: " chart-chosen"}
    bars = [_bar(each, left, place, scale, looks[each.slots]) for place, each in enumerate(table)]
    at = left + LONGEST * target / scale if target is not None and scale and target <= scale else None
    return Chart(
        bars=bars,
        width=left + LONGEST + RIGHT,
        height=TOP + ROW * len(bars) + (20 if at is not None else 4),
        left=left,
        thickness=ROW - 8,
        target=None if at is None else round(at, 2),
        target_text="" if at is None else f"target {words.length(target or 0)}",
        description="; ".join(f"{bar.slots}: {bar.text}" for bar in bars),
        hopeless=not any(each.keeps_up for each in table),
    )


def _bar(each: SlotsView, left: int, place: int, scale: float, looks: str) -> Bar:
    wait = each.wait_p95
    width = LONGEST if wait is None else max(LONGEST * wait / scale, LEAST) if scale else LEAST
    return Bar(
        slots=f"{each.slots:,}",
        x=left,
        y=TOP + ROW * place,
        width=round(width, 2),
        text="no bound" if wait is None else words.length(wait) if wait else "at once",
        looks=("endless" if wait is None else "plain") + looks,
    )
