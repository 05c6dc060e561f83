"""The pages of queues, and what a job's page says of its start and end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from jobs_app.core import estimates
from jobs_app.models import Job
from jobs_app.reads.queues import Moment, WaitView
from jobs_app.reads.views import JobView
from jobs_app.web import forecasts, queue_charts
from tests.support.ledger import altered, claimed, fresh, submitted
from tests.support.measures import SECOND, flowed, listening, paced

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _pictures() -> Iterator[None]:
    estimates.forget()
    yield
    estimates.forget()


def look(client: Client, name: str, *args: Any) -> str:
    estimates.forget()
    answer = client.get(reverse(name, args=args))
    assert answer.status_code == 200
    return answer.content.decode()


def plain(drawn: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", drawn).split())


def test_a_queue_is_listed_with_its_sentence_and_how_full_it_is(alices: Client, now: datetime) -> None:
    submitted(now=now)
    drawn = look(alices, "queues")
    assert "No worker listens to it; start one for this queue." in drawn
    assert re.search(r'<progress class="depth" max="10000" value="1" aria-label="[^"]+">', drawn)
    assert "1 of 10,000" in drawn
    assert "lane-stopped" in drawn
    assert reverse("queue", args=["default"]) in drawn


def test_a_queue_has_its_page_with_curves_for_eyes_and_words_for_ears(alices: Client, now: datetime) -> None:
    listening("default", now)
    paced("probe.nothing", 2.0, 2.0, now=now)
    flowed("default", now, 60, arrived=4, left=2, ended=2, busy_seconds=4, running=2, depth=90, promised=1, kept=1)
    claimed(submitted(now=now), now=now)
    drawn = look(alices, "queue", "default")
    assert len(re.findall("<svg viewBox", drawn)) == 2
    assert "waiting: 90 jobs at the end, 90 at most" in drawn
    assert "came: 2 a second at the end, 2 at most; left: 1 a second at the end, 1 at most" in drawn
    assert "Of 60 jobs that were told when they would start, 60 (100 %) started within that time" in drawn
    assert "Running 1 of 2 slots" in plain(drawn)
    assert "style=" not in drawn


def test_a_queue_that_was_never_measured_says_so(alices: Client) -> None:
    drawn = look(alices, "queue", "default")
    assert "Nothing has been measured yet" in drawn
    assert "<svg viewBox" not in drawn
    assert alices.get(reverse("queue", args=["nobody's"])).status_code == 404


def test_a_waiting_job_tells_when_it_starts_and_ends(alices: Client, alice: User, now: datetime) -> None:
    listening("default", now)
    paced("probe.nothing", 10.0, 10.0, now=now)
    for _ in range(2):
        claimed(submitted(now=now), now=now)
    jobs = [submitted(owner=alice, now=now) for _ in range(9)]
    for name in ("job", "job-live", "job-estimate"):
        told = plain(look(alices, name, jobs[-1].id))
        assert re.search(r"Probably starts in \d+ to \d+ s, done in \d+ to \d+ s\.", told), told


def test_a_running_job_tells_when_it_ends_and_how_its_promise_was_kept(
    alices: Client, alice: User, now: datetime
) -> None:
    paced("probe.nothing", 100.0, 200.0, now=now)
    job = submitted(owner=alice, now=now)
    altered(job, start_from=now - SECOND, start_until=now + SECOND)
    claimed(job, now=now)
    told = plain(look(alices, "job", job.id))
    assert "Probably done in 1 to 4 min." in told
    assert re.search(r"It was to start between \S+ and \S+; it started at \S+, as told\.", told), told


def test_a_job_of_which_nothing_is_known_says_nothing(alices: Client, alice: User, now: datetime) -> None:
    job = submitted(owner=alice, now=now)
    assert "Probably" not in look(alices, "job", job.id)
    assert 'id="job-estimate"' in look(alices, "job-estimate", job.id), "it is asked for again"
    altered(job, state="cancelled", finished_at=now)
    assert 'id="job-estimate"' not in look(alices, "job-estimate", job.id)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0, 2, "within 2 s"),
        (-5, 0.4, "within 1 s"),
        (20.4, 39.5, "in 20 to 40 s"),
        (59.1, 118, "in 59 to 118 s"),
        (62, 190, "in 1 to 4 min"),
        (30, 190, "within 4 min"),
        (180.0, 180.0, "in about 3 min"),
        (7300, 9000, "in 2 to 3 h"),
        (86_400, 400_000, "in 1 to 5 days"),
    ],
)
def test_ranges_are_told_in_one_unit(low: float, high: float, words: str) -> None:
    assert forecasts.span(low, high) == words


def test_waits_are_told_by_what_is_usual_and_what_is_most() -> None:
    assert forecasts.wait(None) == "not known"
    assert forecasts.wait(WaitView(p50=0, p95=2)) == "about 0 s, at most 2 s"
    assert forecasts.wait(WaitView(p50=50, p95=130)) == "about 50 s, at most 3 min"


@pytest.mark.parametrize(
    ("seconds", "judged"), [(-1, "earlier than told"), (0, "as told"), (5, "as told"), (6, "later than told")]
)
def test_a_promise_is_judged_by_its_range(alice: User, now: datetime, seconds: int, judged: str) -> None:
    job = claimed(submitted(owner=alice, now=now), now=now)
    altered(job, start_from=now - seconds * SECOND, start_until=now + (5 - seconds) * SECOND)
    kept = forecasts.kept(JobView.of(fresh(job)))
    assert kept is not None
    assert kept.start.endswith(f"{judged}.")


def test_an_end_is_compared_only_if_the_first_attempt_was_the_last(alice: User, now: datetime) -> None:
    told = {"start_from": now, "start_until": now, "finish_from": now, "finish_until": now + 10 * SECOND}
    job = altered(claimed(submitted(owner=alice, now=now), now=now), **told)
    altered(job, state="succeeded", lease_until=None, finished_at=now + 3 * SECOND)
    kept = forecasts.kept(JobView.of(fresh(job)))
    assert kept is not None
    assert kept.end.endswith("as told.")
    altered(job, attempt=2)
    kept = forecasts.kept(JobView.of(fresh(job)))
    assert kept is not None
    assert kept.end == ""
    assert forecasts.kept(JobView.of(altered(Job.objects.get(id=job.id), start_from=None))) is None


def moments(*depths: float | None) -> list[Moment]:
    return [Moment(NOON + timedelta(seconds=30 * place), each, each, each) for place, each in enumerate(depths)]


def test_a_curve_breaks_off_where_nothing_was_measured() -> None:
    chart = queue_charts.depth(moments(1, 2, None, 3, None, 4, 4))
    assert chart is not None
    path = chart.lines[0].path
    assert (path.count("M"), path.count("L"), path.count("H")) == (3, 2, 1)
    assert queue_charts.depth(moments(None, None)) is None


@pytest.mark.parametrize(("most", "top"), [(0, "2"), (0.3, "2"), (7, "10"), (90, "100"), (2001, "2,500")])
def test_the_scale_is_a_round_number(most: float, top: str) -> None:
    chart = queue_charts.depth(moments(0, most))
    assert chart is not None
    assert chart.marks[-1].text == top
    assert all(12 <= mark.y <= chart.base for mark in chart.marks)
