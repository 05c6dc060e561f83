"""Numbers, times, tables, results and timelines in words: pure functions, as tables."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from jobs_app.forms import durations
from jobs_app.lifecycle import State
from jobs_app.reads.expected import ExpectedView, TakesView
from jobs_app.reads.queues import WaitView
from jobs_app.reads.views import EventView
from jobs_app.web import cells, drawing, forecasts, timeline, words


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 ms"), (0.0404, "40 ms"), (0.9996, "1.0 s"), (3.24, "3.2 s"), (59.94, "59.9 s"), (59.96, "1 min"),
        (245, "4 min 5 s"), (3599.6, "1 h"), (7800, "2 h 10 min"), (86_400 * 3 + 4 * 3600, "3 d 4 h"), (-5, "0 ms"),
    ],
)  # fmt: skip
def test_durations_are_short(seconds: float, said: str) -> None:
    assert words.length(timedelta(seconds=seconds)) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "just now"), (-1, "just now"), (5, "5 s ago"), (-90, "in 1 min"), (7200, "2 h ago"),
        (86_400 * 2, "21 Nov"), (86_400 * 400, "19 Oct 2025"),
    ],
)  # fmt: skip
def test_moments_are_told_by_their_distance(noon: datetime, seconds: float, said: str) -> None:
    assert words.distance(noon - timedelta(seconds=seconds), noon) == said


@pytest.mark.parametrize(("fraction", "said"), [(0, 0), (0.999, 99), (0.29, 29), (1, 100)])
def test_a_hundred_per_cent_is_said_only_at_the_end(fraction: float, said: int) -> None:
    assert words.percent(fraction) == said


def test_an_excerpt_leaves_out_what_tells_nothing() -> None:
    parameters = {"file": "01a20845-96c8-7299-a80a-3d8d6d1ce1cb", "group_by": ["a", "b"], "none": None, "text": "x\ny"}
    assert words.excerpt(parameters) == "group by: a, b · text: x y"
    assert len(words.excerpt({"text": "x" * 500})) == 90


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90 s", 90), ("1 h 30 min", 5400), ("1h30m", 5400), ("0:05:00", 300), ("PT2M", 120), ("1.5 days", 129_600)],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    length = durations.read(text)
    assert length == timedelta(seconds=seconds)
    assert durations.read(durations.write(length)) == length


@pytest.mark.parametrize("text", ["soon", "5", "5 parsecs", "", "1 h and 3 min"])
def test_other_durations_are_left_to_the_kind(text: str) -> None:
    assert durations.read(text) is None


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ([2013, 2014], ["2013", "2014"]),
        ([3260, 18_460], ["3,260", "18,460"]),
        ([7.3796692, 0.3642909], ["7.380", "0.364"]),
        ([1.5, 2.0], ["1.5", "2.0"]),
        ([12_345.678, 0.5], ["12,345.7", "0.5"]),
        ([1e-9, 1.0], ["1e-09", "1.000"]),
        ([True, None], ["yes", "\N{EN DASH}"]),
    ],
)
def test_a_column_of_numbers_is_written_alike(column: list[Any], said: list[str]) -> None:
    grid = cells.Grid.of(["x"], [[value] for value in column])
    assert [row[0][0].text for row in grid.rows] == said


def test_a_table_is_bounded_and_its_rows_filled_up() -> None:
    rows = [[1]] * 300
    (block,) = drawing.blocks({"shape": "table", "columns": ["a", "b"], "rows": rows, "total_rows": 1000})
    assert len(block.data.rows) == 200
    assert block.data.rows[0][1][0].missing
    assert block.note == "Shown: the first 200 of 1,000 rows."


@pytest.mark.parametrize(
    ("result", "shapes"),
    [
        (None, []),
        (42, ["facts"]),
        ("text", ["facts"]),
        ([1, 2], ["tree"]),
        ({"a": 1, "b": [1, 2], "c": {"d": 2}}, ["facts", "facts"]),
        ({"shape": "table", "columns": 3}, ["tree"]),
        ({"shape": "unheard-of", "x": {"y": {"z": 1}}}, ["facts", "tree"]),
        ([{"shape": "artifact", "name": "a"}, {"shape": "artifact", "name": "b"}], ["artifact"]),
        (
            {
                "t": {"shape": "table", "columns": [], "rows": [], "total_rows": 0},
                "c": {"shape": "chart", "labels": [], "series": []},
            },
            ["chart", "table"],
        ),
    ],
)
def test_a_result_is_drawn_by_the_shapes_in_it(result: Any, shapes: list[str]) -> None:
    assert [block.shape for block in drawing.blocks(result)] == shapes


def test_a_tree_is_bounded_in_depth_and_breadth() -> None:
    deep: Any = "leaf"
    for _ in range(50):
        deep = {"x": deep}
    node = drawing.tree({"deep": deep, "wide": list(range(1000)), "long": "x" * 10_000})
    assert [len(child.children) for child in node.children] == [1, 100, 0]
    assert node.children[1].more == 900
    assert len(node.children[2].text) == 2001


def event(seconds: float, name: str, source: str, target: str, noon: datetime, attempt: int = 1) -> EventView:
    at = noon + timedelta(seconds=seconds)
    return EventView(id=1, attempt=attempt, at=at, name=name, source=source, target=target, actor=None, reason="")


def test_a_story_measures_what_lies_between_moves(noon: datetime) -> None:
    story = timeline.tell([
        event(0, "submitted", "", "queued", noon),
        event(1, "claimed", "queued", "running", noon),
        event(2, "cancel requested", "running", "running", noon),
        event(10, "cancelled", "running", "cancelled", noon),
    ])  # fmt: skip
    assert [step.lasted for step in story.steps] == [None, timedelta(seconds=1), None, timedelta(seconds=9)]


def test_a_course_is_drawn_to_scale_and_goes_on_until_the_end(noon: datetime) -> None:
    events = [
        event(0, "submitted", "", "queued", noon, 0),
        event(1, "claimed", "queued", "running", noon),
        event(2, "cancel requested", "running", "running", noon),
    ]
    now = noon + timedelta(seconds=4)
    open_course = timeline.course(events, [], now)
    assert open_course is not None
    assert [(each.told, each.open) for each in open_course.stretches] == [
        ("waited for a worker", False), ("attempt 1 runs", True),
    ]  # fmt: skip
    assert [(each.start, each.width) for each in open_course.stretches] == [(0, 25), (25, 75)]
    ended = timeline.course([*events, event(10, "cancelled", "running", "cancelled", noon)], [], now)
    assert ended is not None
    assert (ended.open, ended.lasted, ended.ended) == (False, timedelta(seconds=10), noon + timedelta(seconds=10))
    assert [(each.state, each.start, each.width) for each in ended.stretches] == [
        (State.QUEUED, 0, 10), (State.RUNNING, 10, 90),
    ]  # fmt: skip
    assert timeline.course(events[:1], [], noon) is None, "nothing has taken any time yet"


def test_a_long_course_keeps_its_latest_stretches_and_sees_short_ones(noon: datetime) -> None:
    events = [event(0, "submitted", "", "queued", noon, 0)]
    for number in range(1, 101):
        events.append(event(2 * number, "claimed", "queued", "running", noon, number))
        events.append(event(2 * number + 0.001, "rescued", "running", "queued", noon, number))
    course = timeline.course(events, [], noon + timedelta(seconds=300))
    assert course is not None
    assert len(course.stretches) == timeline.LAST
    assert min(each.width for each in course.stretches) > 0.5
    assert round(sum(each.width for each in course.stretches)) == 100
    assert [each.attempt for each in course.tries][-1] == 100


@pytest.mark.parametrize(
    ("wait_view", "takes", "full", "said"),
    [
        ((0.0, 2.0), (1.0, 4.0), False, "Starts within 2 s, then takes about 1 s, rarely more than 4 s."),
        ((60.0, 200.0), None, False, "Waits about 60 s, at most 4 min; how long it takes is not known yet."),
        (None, None, False, "When it would start is not known. No worker listens to it."),
        ((0.0, 2.0), None, True, "The queue is full now: a job would be refused."),
    ],
)
def test_what_to_expect_is_said_before_submitting(wait_view: Any, takes: Any, full: bool, said: str) -> None:
    told = ExpectedView(
        queue="default", depth=3, full=full, because="No worker listens to it.",
        wait=WaitView(p50=wait_view[0], p95=wait_view[1]) if wait_view else None,
        takes=TakesView(p50=takes[0], p90=takes[1], samples=9) if takes else None,
    )  # fmt: skip
    assert forecasts.before(told) == said


@pytest.mark.parametrize(
    ("a_second", "said"),
    [
        (250, "250 a second"), (1, "1 a second"), (0.18, "11 a minute"), (0.02, "1.2 a minute"), (0.002, "7.2 an hour"),
        (0.0001, "0.4 an hour"), (0, "none"),
    ],
)  # fmt: skip
def test_a_rate_has_the_unit_that_gives_at_least_one(a_second: float, said: str) -> None:
    assert words.rate(a_second) == said


def test_ids_in_a_column_of_jobs_lead_to_them_and_nothing_else_does() -> None:
    job = "01a22453-0654-7345-b0f1-28d56e238543"
    grid = cells.Grid.of(["job", "file"], [[job, job], ["<b>", "x"], [None, 3]])
    assert [[cell.job for cell, _ in row] for row in grid.rows] == [[True, False], [False, False], [False, False]]
