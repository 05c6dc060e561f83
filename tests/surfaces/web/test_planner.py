"""The capacity planner's page, without scripts."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from jobs_app.core import estimates, presence
from jobs_app.reads.planner import SlotsView
from jobs_app.web.planner_chart import LONGEST, draw

TYPED = {"queue": "", "arrival_rate": "2.4", "service_seconds": "1", "slots": "4"}


@pytest.fixture(autouse=True)
def _measures_of_this_test_alone() -> None:
    estimates.forget()


def shown(client: Client, status: int = 200, **query: Any) -> str:
    answer = client.get("/planner/", query)
    assert answer.status_code == status
    return re.sub(r"\s+", " ", answer.content.decode())


def test_the_answer_is_a_sentence(alices: Client) -> None:
    text = shown(alices, **TYPED, target_seconds="0.5", backlog="1000")
    assert "With 4 slots each is busy 60 % of the time; half of the jobs start at once, 95 % wait under 1.1 s." in text
    assert "To keep the wait of 95 % under 500 ms, it takes 5 slots." in text
    assert "A backlog of 1,000 jobs is gone in 10 min 25 s while others go on coming." in text
    assert "On average 0.4 jobs wait at a time, and a job waits for 179 ms." in text


def test_too_few_slots_are_said_to_be_too_few(alices: Client) -> None:
    text = shown(alices, **{**TYPED, "slots": "2"}, backlog="1", target_seconds="0")
    assert "With 2 slots the queue grows without bound: 120 % of what they can do comes in." in text
    assert "A backlog of 1 job is never gone." in text
    assert "grows without bound; at least 3 are needed" in text
    assert "To let 95 % start at once" in text


def test_where_no_number_shown_is_enough_a_sentence_stands_for_the_chart(alices: Client) -> None:
    drawn = alices.get("/planner/?queue=&arrival_rate=30&service_seconds=2&slots=1").content.decode()
    assert "the queue grows for ever" in drawn
    assert "slots=61#answer" in drawn
    assert 'class="waits"' not in drawn
    enough = alices.get("/planner/?queue=&arrival_rate=30&service_seconds=2&slots=61").content.decode()
    assert 'class="waits"' in enough


def test_idle_slots_take_jobs_at_once(alices: Client) -> None:
    text = shown(alices, **{**TYPED, "slots": "1", "arrival_rate": "0.01"})
    assert "With 1 slot it is busy 1 % of the time; at least 95 % of the jobs start at once." in text


def test_the_table_marks_the_slots_that_were_asked_for(alices: Client) -> None:
    text = shown(alices, **TYPED)
    (marked,) = re.findall(r'<tr class="chosen" aria-current="true"><th scope="row" class="number">(\d+)</th>', text)
    assert marked == "4"
    assert text.count('<th scope="row"') == 11
    assert "grows without bound" in text


def test_the_chart_is_a_picture_with_a_title_and_its_figures_in_words(alices: Client) -> None:
    text = shown(alices, **TYPED, target_seconds="0.5")
    (chart,) = re.findall(r"<svg class=\"waits\".*?</svg>", text)
    assert 'role="img" aria-labelledby="waits-title waits-description"' in chart
    assert '<title id="waits-title">' in chart
    assert re.search(r'<desc id="waits-description">2: no bound; 3: .*; 12: at once; target 500 ms</desc>', chart)
    assert chart.count("<rect") == 11
    assert chart.count("chart-chosen") == 1
    assert "waits-target" in chart
    assert "style=" not in chart


def test_what_was_typed_stays_and_is_told_as_typed(alices: Client) -> None:
    text = shown(alices, **TYPED)
    assert 'value="2.4"' in text
    assert '2.4 <span class="muted">typed</span>' in text


def test_the_first_visit_asks_for_what_is_not_known(alices: Client) -> None:
    text = shown(alices)
    assert '<option value="default" selected>' in text
    assert "Nothing was measured of default lately" in text
    assert "Type in: arrivals, jobs a second; service time, seconds; slots." in text


def test_measured_figures_stand_in_the_empty_fields(alices: Client, now: datetime) -> None:
    presence.announce("worker@here/1", ["default"], 3, now=now)
    text = shown(alices, **{**TYPED, "queue": "default", "slots": ""})
    assert 'placeholder="measured: 3"' in text
    assert '3 <span class="muted">measured</span>' in text
    assert "With 3 slots each is busy 80 % of the time" in text


def test_no_queue_may_be_chosen(alices: Client) -> None:
    assert "No queue is chosen" in shown(alices, queue="")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("arrival_rate", "-1"), ("arrival_rate", "nan"), ("arrival_rate", "many"), ("service_seconds", "0"),
        ("slots", "0"), ("slots", "1000000"), ("slots", "1.5"), ("target_seconds", "-1"), ("queue", "nowhere"),
        ("backlog", "-1"),
    ],
)  # fmt: skip
def test_a_wrong_figure_is_kept_and_its_field_says_so(alices: Client, name: str, value: str) -> None:
    text = shown(alices, 422, **{**TYPED, name: value})
    assert text.count("errorlist") == 1
    assert "This cannot be worked out" in text
    assert "field-wrong" in text


def test_a_hostile_figure_is_shown_as_text(alices: Client) -> None:
    assert "<script>alert" not in shown(alices, 422, **{**TYPED, "slots": '"><script>alert(1)</script>'})


def test_every_field_has_a_label_and_the_page_one_heading(alices: Client) -> None:
    text = shown(alices, **TYPED)
    assert text.count("<h1") == 1
    for field in re.findall(r"<(?:input|select)\b[^>]*>", text):
        if 'type="hidden"' not in field:
            (known,) = re.findall(r'\sid="([^"]+)"', field)
            assert f'for="{known}"' in text or "aria-label" in field


def test_a_browser_lets_fractions_of_a_second_be_typed(alices: Client) -> None:
    fields = {name: tag for tag, name in re.findall(r'(<input type="number" name="(\w+)"[^>]*>)', shown(alices))}
    assert len(fields) == 6
    for name in ("arrival_rate", "service_seconds", "target_seconds", "service_deviation"):
        assert 'step="any"' in fields[name]
    assert "step" not in fields["slots"]


def test_the_planner_is_in_the_navigation(alices: Client) -> None:
    assert 'href="/planner/" aria-current="page"' in shown(alices)
    assert 'href="/planner/"' in alices.get("/").content.decode()


def row(slots: int, wait: float | None) -> SlotsView:
    return SlotsView(
        slots=slots, keeps_up=wait is not None, utilisation=0.5, waiting_probability=0.5, wait_mean=wait,
        wait_p50=wait, wait_p95=wait, queue_length=wait, drain_seconds=0,
    )  # fmt: skip


def test_bars_are_as_long_as_the_waits() -> None:
    chart = draw([row(1, None), row(2, 4.0), row(3, 1.0), row(4, 0.0)], 3, target=None)
    endless, long, short, none = chart.bars
    assert (endless.width, endless.text) == (LONGEST, "no bound")
    assert long.width == LONGEST
    assert short.width == LONGEST / 4
    assert 0 < none.width < 3
    assert chart.target is None


def test_a_target_is_drawn_where_it_fits() -> None:
    table = [row(1, 4.0), row(2, 1.0)]
    half = draw(table, 1, target=2.0)
    assert half.target == half.left + LONGEST / 2
    beyond = draw(table, 1, target=8.0)
    assert beyond.target == beyond.left + LONGEST
    assert beyond.bars[0].width == LONGEST / 2
    assert draw(table, 1, target=1000.0).target is None
    assert draw([row(1, 0.0)], 1, target=0.0).target is None
