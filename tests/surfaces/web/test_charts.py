"""Charts over time as pure functions: scales, curves that break off, bars, what is still filling, deploys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from jobs_app.web import chart_scales, charts
from jobs_app.web.charts import BOTTOM, HEIGHT, LEFT, TOP, WIDTH, Chart, Series, Time

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BASE = HEIGHT - BOTTOM


def drawn(
    *series: Series, complete: int = 4, step: timedelta = HOUR, deploys: Sequence[tuple[datetime, str]] = ()
) -> Chart:
    time = Time(NOON, step, 4, complete, ZoneInfo("Europe/Berlin"))
    found = charts.draw(
        "x", "Title", time, series, unit=chart_scales.number, scale=chart_scales.numbers, deploys=deploys
    )
    assert found is not None
    return found


def points(path: str) -> list[tuple[str, float, float]]:
    return [(verb, float(x), float(y)) for verb, x, y in re.findall(r"([ML])([\d.]+) ([\d.]+)", path)]


def test_a_curve_breaks_off_where_nothing_was_measured() -> None:
    width = (WIDTH - LEFT) / 4
    (line,) = drawn(Series("a", "a", [0, 10, None, 5])).lines
    middles = [round(LEFT + (place + 0.5) * width, 1) for place in range(4)]
    assert points(line.path)[:2] == [("M", middles[0], BASE), ("L", middles[1], TOP)]
    assert line.path.endswith(f"M{middles[3] - width / 2:.1f} {(BASE + TOP) / 2:.1f}H{WIDTH:.1f}"), (
        "one alone is a stroke"
    )
    assert line.rest == ""


def test_what_is_still_filling_is_apart_and_joined() -> None:
    found = drawn(Series("a", "a", [4, 4, 4, 1]), Series("b", "b", [1, 0, 2, 1], bars=True), complete=3)
    curve, bars = found.lines
    assert len(points(curve.path)) == 3
    assert len(points(curve.rest)) == 2
    assert points(curve.rest)[0][1:] == points(curve.path)[-1][1:]
    assert (bars.path.count("Z"), bars.rest.count("Z")) == (2, 1), "a bar of nothing is none"
    assert found.filling == (round(LEFT + 3 * (WIDTH - LEFT) / 4, 1), round((WIDTH - LEFT) / 4, 1))
    assert "still filling" in found.spots[3].text
    assert [row.complete for row in found.rows] == [False, True, True, True]
    assert drawn(Series("a", "a", [4, 4, 4, 1])).filling is None
    assert drawn(Series("a", "a", [4, 4, 4, 1]), complete=0).filling == (LEFT, WIDTH - LEFT)


def test_bars_stand_on_those_before() -> None:
    found = drawn(Series("a", "a", [5, 0, 0, 0], bars=True), Series("b", "b", [5, 0, 0, 0], bars=True))
    lower, upper = (points(line.path)[0][2] for line in found.lines)
    assert (lower, upper) == (BASE, (BASE + TOP) / 2)
    assert [text for _, text in found.marks] == ["0", "5", "10"]


def test_nothing_measured_is_no_chart() -> None:
    time = Time(NOON, HOUR, 2, 2, ZoneInfo("UTC"))
    series = [Series("a", "a", [None, None])]
    assert charts.draw("x", "", time, series, unit=str, scale=chart_scales.numbers) is None


def test_deploys_are_lines_with_labels_where_there_is_room() -> None:
    marked = [
        (NOON + HOUR, "web v1"),
        (NOON + HOUR + 2 * MINUTE, "web v2"),
        (NOON + 4 * HOUR, "a name that is rather long"),
    ]
    last, second, first = drawn(Series("a", "a", [1, 1, 1, 1]), deploys=marked).flags
    assert first.x == LEFT + (WIDTH - LEFT) / 4
    assert (first.label, second.label) == ("", "web v2"), "of two at one place the newer is told"
    assert (last.label, last.anchor, last.x) == ("a name that is …", "end", WIDTH)
    assert first.text == "web v1, deployed 2026-03-04 14:00", "in the site's time"


def test_a_table_and_words_say_the_same() -> None:
    found = drawn(Series("came", "a", [3, 0, 12, 4]), Series("left", "b", [None, 0, 1.5, 4]))
    assert found.names == ["came", "left"]
    assert [(row.when, row.cells) for row in found.rows] == [
        ("4 Mar 16:00", ["4", "4"]), ("4 Mar 15:00", ["12", "1.5"]), ("4 Mar 13:00", ["3", "\N{EN DASH}"]),
    ]  # fmt: skip
    assert found.description == "came: 12 at most (4 Mar 15:00), 4 last; left: 4 at most (4 Mar 16:00), 4 last"
    assert found.spots[2].text == "4 Mar 15:00: came 12, left 1.5"


@pytest.mark.parametrize(
    ("values", "name", "marks"),
    [
        ([0.0, 0.2, 0.9], "", ["0", "500 ms", "1 s"]),
        ([10.0, 200.0], "", ["0", "2 min 30 s", "5 min"]),
        ([0.02, 0.0, 0.61], "logarithmic", ["10 ms", "100 ms", "1 s"]),
        ([1.0, 3000.0], "logarithmic", ["1 s", "10 s", "1 min", "10 min", "1 h"]),
        ([0.001, 86_400.0 * 3], "logarithmic", ["1 ms", "100 ms", "10 s", "10 min", "10 h", "10 d"]),
        ([0.0], "", ["0", "5 ms", "10 ms"]),
    ],
)
def test_durations_have_a_logarithmic_axis_where_it_helps(values: list[float], name: str, marks: list[str]) -> None:
    scale = chart_scales.fitting_durations(values)
    assert (scale.name, [text for _, text in scale.marks]) == (name, marks)
    parts = [scale.part(value) for value in sorted(values)]
    assert parts == sorted(parts)
    assert all(0 <= part <= 1 for part in parts)


@pytest.mark.parametrize(
    ("step", "count", "expected"),
    [
        (MINUTE, 60, ["12:00", "12:10", "12:20", "12:30", "12:40", "12:50"]),
        (MINUTE, 180, ["12:00", "12:30", "13:00", "13:30", "14:00", "14:30"]),
        (HOUR, 24, ["12:00", "18:00", "5 Mar", "06:00"]),
        (HOUR, 168, ["6 Mar", "8 Mar", "10 Mar"]),
        (DAY, 30, ["4 Mar", "9 Mar", "14 Mar", "19 Mar", "24 Mar", "29 Mar"]),
    ],
)
def test_times_stand_at_round_ones(step: timedelta, count: int, expected: list[str]) -> None:
    found = chart_scales.times([NOON + place * step for place in range(count)], step)
    assert [text for _, text in found][: len(expected)] == expected or [text for _, text in found] == expected
    assert len(found) <= chart_scales.TIMES + 1
