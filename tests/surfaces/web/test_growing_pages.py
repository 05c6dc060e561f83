"""The pages of growing datasets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from jobs_app import wire
from jobs_app.models import Artifact, Job
from tasks.kinds.growing import schedules
from tasks.kinds.growing.models import Dataset, Part
from tests.support.growing import appended, fold, made, row
from tests.surfaces.web.conftest import file, logged_in

pytestmark = pytest.mark.once

URL = "/datasets/"
FORM = {"name": "flights", "time": "at", "groups": "place", "measures": "delay, distance"}


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, configured: Callable[..., None]) -> None:
    configured(data_dir=tmp_path)


@pytest.fixture
def dataset(alice: User) -> Dataset:
    return made(alice)


def test_a_stranger_is_sent_to_log_in(dataset: Dataset) -> None:
    for url in (URL, *(f"{URL}{dataset.pk}/{verb}" for verb in ("", "fold/", "append/", "delete/"))):
        for answer in (Client().get(url), Client().post(url)):
            assert answer.status_code == 302
            assert answer["Location"].startswith(reverse("login"))


def test_a_dataset_is_made_on_the_page(alices: Client) -> None:
    assert "No datasets yet" in alices.get(URL).content.decode()
    answer = alices.post(URL, FORM)
    made = Dataset.objects.get()
    assert answer["Location"] == f"{URL}{made.pk}/"
    assert (made.groups, made.measures) == (["place"], ["delay", "distance"])
    assert "Nothing has been folded yet" in alices.get(answer["Location"]).content.decode()
    for wrong, words in (({"time": ""}, "required"), ({"groups": "at"}, "each column once"), ({"measures": ""}, "has")):
        refused = alices.post(URL, {**FORM, **wrong})
        assert refused.status_code in {409, 422}
        assert words in refused.content.decode()
        assert 'value="flights"' in refused.content.decode()


def test_the_page_shows_the_chart_and_how_it_stands(alices: Client, dataset: Dataset) -> None:
    appended(dataset, row(0, delay="1.5"), row(30, "<LGA>", 4))
    fold(dataset)
    appended(dataset, row(0), row(1))
    text = alices.get(f"{URL}{dataset.pk}/").content.decode()
    assert "Mean of delay by day, by place" in text
    assert '"labels": ["2013-01-01", "2013-01-02"]' in text
    assert "&lt;LGA&gt;" in text
    assert "<LGA>" not in text
    assert "Part 2 · 2 rows · waits" in text
    assert "1 part</dd>" in text
    hours = alices.get(f"{URL}{dataset.pk}/?step=hour&show=rows").content.decode()
    assert "Rows by hour, by place" in hours
    assert "2013-01-01 05:00" in hours
    earlier = alices.get(f"{URL}{dataset.pk}/?end=2013-01-02T00:00:00%2B00:00").content.decode()
    assert '"labels": ["2013-01-01"]' in earlier
    assert "There is nothing before that" in alices.get(f"{URL}{dataset.pk}/?end=1999-01-01").content.decode()
    assert f'href="{URL}{dataset.pk}/">flights' in alices.get(URL).content.decode()


def test_the_page_tells_which_schedule_folds_it(alices: Client, dataset: Dataset) -> None:
    assert "no schedule" in alices.get(f"{URL}{dataset.pk}/").content.decode()
    hourly = IntervalSchedule.objects.create(every=2, period="hours")
    for name, kind, parameters, enabled in (
        ("mine", "datasets.rollup", {"dataset": dataset.pk}, True),
        ("off", "datasets.rollup", {"dataset": dataset.pk}, False),
        ("another's", "datasets.rollup", {"dataset": 10 * dataset.pk}, True),
        ("odd", "datasets.rollup", ["datasets.rollup"], True),
        ("else", "system.echo", {"text": "datasets.rollup"}, True),
    ):
        kwargs = json.dumps({"schedule": name, "kind": kind, "parameters": parameters})
        PeriodicTask.objects.create(name=name, task=wire.SUBMIT, interval=hourly, kwargs=kwargs, enabled=enabled)
    assert [each.name for each in schedules.of(dataset)] == ["mine"]
    assert "every 2 hours" in alices.get(f"{URL}{dataset.pk}/").content.decode()


@pytest.mark.parametrize("query", ["step=minute", "show=nothing", "end=never", "end=0001-01-01T00:00:00%2B10:00"])
def test_what_cannot_be_shown_is_a_sentence(alices: Client, dataset: Dataset, query: str) -> None:
    answer = alices.get(f"{URL}{dataset.pk}/?{query}")
    assert answer.status_code == 422
    assert "expected" in answer.content.decode()


def test_a_file_is_appended_and_folded_from_the_page(alices: Client, dataset: Dataset) -> None:
    content = b"at,place,delay\n2013-01-01,JFK,1\n"
    answer = alices.post(f"{URL}{dataset.pk}/append/", {"file": file("rows.csv", content)}, follow=True)
    assert "rows.csv is appended as part 1" in answer.content.decode()
    assert Artifact.objects.get().id == Part.objects.get().file
    sent: list[tuple[dict[str, Any], str]] = [({}, "required"), ({"file": file("x.png", b"\x89PNG\r\n\x1a\n")}, "PNG")]
    for data, words in sent:
        refused = alices.post(f"{URL}{dataset.pk}/append/", data)
        assert refused.status_code == 422
        assert words in refused.content.decode()
    leads = alices.post(f"{URL}{dataset.pk}/fold/")
    job = Job.objects.get()
    assert leads["Location"] == f"/jobs/{job.id}/"
    assert (job.kind, job.parameters["dataset"], job.via) == ("datasets.rollup", dataset.pk, "web")


def test_a_file_that_was_set_aside_says_why(alices: Client, dataset: Dataset) -> None:
    alices.post(f"{URL}{dataset.pk}/append/", {"file": file("rows.csv", b"at,place,delay\nnever,JFK,1\n")})
    fold(dataset)
    text = alices.get(f"{URL}{dataset.pk}/").content.decode()
    assert "Part 1 · set aside" in text
    assert "row 1, at: expected a time such as" in text
    assert "1 file</dd>" in text


def test_others_see_nothing_and_operators_only_look(dataset: Dataset, alices: Client, bob: User, carol: User) -> None:
    for verb in ("fold/", "append/", "delete/"):
        assert logged_in(bob).post(f"{URL}{dataset.pk}/{verb}").status_code == 404
    assert logged_in(bob).get(f"{URL}{dataset.pk}/").status_code == 404
    assert "flights" not in logged_in(bob).get(URL).content.decode()
    carols = logged_in(carol)
    text = carols.get(f"{URL}{dataset.pk}/").content.decode()
    assert "of alice" in text
    assert "/append/" not in text
    assert "/delete/" not in text
    for verb in ("append/", "delete/"):
        assert carols.post(f"{URL}{dataset.pk}/{verb}").status_code == 403
    assert alices.get(f"{URL}{dataset.pk}/delete/").status_code == 405
    assert "is deleted" in alices.post(f"{URL}{dataset.pk}/delete/", follow=True).content.decode()
    assert alices.get(f"{URL}{dataset.pk}/").status_code == 404


def test_the_pages_ask_the_database_little(
    alices: Client, alice: User, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    for number in range(5):
        each = made(alice, f"dataset {number}")
        appended(each, *(row(place) for place in range(50)))
        fold(each)
    with django_assert_max_num_queries(6):
        alices.get(URL)
    with django_assert_max_num_queries(11):
        alices.get(f"{URL}{each.pk}/")
