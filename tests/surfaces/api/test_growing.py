"""Growing datasets over HTTP: append, fold, read; and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tasks.kinds.growing import api, datasets
from tasks.kinds.growing.models import Dataset, Part
from tests.support.growing import appended, fold, made, row
from tests.surfaces.api.support import JSON, client_of, problem, run, submit

pytestmark = pytest.mark.usefixtures("quiet", "nudged")

URL = "/api/datasets"
NEW = {"name": "flights", "time": "at", "groups": ["place"], "measures": ["delay"]}
LINES = "application/x-ndjson"
MARCH = "begin=2013-01-01&end=2013-01-03"


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, configured: Callable[..., None]) -> None:
    configured(data_dir=tmp_path)


def append(client: Client, dataset: Any, body: Any, kind: str = JSON, key: str | None = None) -> Any:
    text = body if isinstance(body, (bytes, str)) else json.dumps(body)
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(f"{URL}/{dataset}/rows", text, content_type=kind, headers=headers)


def test_from_nothing_to_the_first_bucket(api: Client, alice: User) -> None:
    answer = api.post(URL, NEW, content_type=JSON)
    assert answer.status_code == 201
    told = answer.json()
    number = told["id"]
    assert answer["Location"] == told["links"]["self"] == f"{URL}/{number}"
    again = api.post(URL, NEW, content_type=JSON)
    assert (again.status_code, again.json()["id"]) == (200, number)
    problem(api.post(URL, {**NEW, "groups": []}, content_type=JSON), 409, "conflict")
    assert append(api, number, [row(0, delay=0.1), row(1, delay="0.2"), row(1, "LGA", None)]).status_code == 201
    lines = '{"at": "2013-01-01T05:30:00+00:00", "place": "JFK", "delay": 0.2, "more": 1}\n\n'
    part = append(api, number, lines, LINES).json()
    assert (part["number"], part["rows"], part["folded"]) == (2, 1, None)
    upload = api.post("/api/artifacts?name=x.csv", b"at,place,delay\n2012-12-31,LGA,5\n", content_type="text/csv")
    file = {"file": upload.json()["id"]}
    sent = api.post(f"{URL}/{number}/files", file, content_type=JSON, headers={"Idempotency-Key": "file"})
    assert (sent.status_code, sent.json()["rows"]) == (202, None)
    sent = api.post(f"{URL}/{number}/files", file, content_type=JSON, headers={"Idempotency-Key": "file"})
    assert (sent.status_code, sent["Idempotency-Replayed"]) == (200, "true")
    assert api.get(f"{URL}/{number}").json()["parts_waiting"] == 3
    job = submit(api, "datasets.rollup", parameters={"dataset": number, "step": "hour"}).json()
    assert run(job["id"]).state == "succeeded"
    state = api.get(f"{URL}/{number}").json()
    assert {name: state[name] for name in ("parts", "through", "parts_waiting", "rows", "late", "owner")} == {
        "parts": 3, "through": 3, "parts_waiting": 0, "rows": 5, "late": 2, "owner": "alice",
    }  # fmt: skip
    found = api.get(f"{URL}/{number}/buckets?step=hour&{MARCH}").json()
    assert (found["parts_waiting"], found["step"]) == (0, "hour")
    assert found["buckets"][0] == {
        "at": "2013-01-01T05:00:00Z", "group": {"place": "JFK"}, "measure": "delay", "rows": 2, "numbers": 2,
        "sum": "0.3", "least": "0.1", "greatest": "0.2",
    }  # fmt: skip
    assert found["buckets"][2]["sum"] is None
    total = api.get(f"{URL}/{number}/buckets?{MARCH}&total=true").json()["buckets"]
    assert [(each["group"], each["rows"], each["sum"]) for each in total] == [({}, 4, "0.5")]
    one = api.get(f"{URL}/{number}/buckets?begin=2012-12-01&end=2014-01-01&group=LGA").json()["buckets"]
    assert [each["at"] for each in one] == ["2012-12-31T00:00:00Z", "2013-01-01T00:00:00Z"]
    parts = api.get(f"{URL}/{number}/parts").json()["parts"]
    assert [(each["number"], each["rows"], each["late"], each["folded"]) for each in parts] == [
        (3, 1, 1, True), (2, 1, 1, True), (1, 3, 0, True),
    ]  # fmt: skip
    assert [each["name"] for each in api.get(URL).json()["datasets"]] == ["flights"]


def test_a_retried_append_is_one_and_another_under_its_key_is_refused(api: Client, alice: User) -> None:
    dataset = made(alice)
    first = append(api, dataset.pk, [row(0)], key="k")
    again = append(api, dataset.pk, [row(0)], key="k")
    assert (first.status_code, again.status_code, again["Idempotency-Replayed"]) == (201, 200, "true")
    assert again.json() == first.json()
    problem(append(api, dataset.pk, [row(1)], key="k"), 422, "idempotency-conflict")
    problem(append(api, dataset.pk, [row(1)], key="k" * 256), 422, "invalid-request")
    assert Part.objects.count() == 1


def test_every_bad_row_is_told_at_its_place(api: Client, alice: User) -> None:
    dataset = made(alice)
    rows = [row(0), row(0, delay="much"), {"place": 1, "delay": None}, 7, {**row(0), "at": "never"}]
    for body, kind in ((rows, JSON), ("\n".join(map(json.dumps, rows)), LINES)):
        told = problem(append(api, dataset.pk, body, kind), 422, "invalid-request")
        assert {each["pointer"]: each["message"] for each in told["errors"]} == {
            "#/1/delay": "expected a number or null, got 'much'",
            "#/2/at": "expected a value, or null, got none",
            "#/3": "expected an object, got int",
            "#/4/at": "expected a time such as 2013-01-31T05:00:00Z, got 'never'",
        }  # fmt: skip
    many = problem(append(api, dataset.pk, [row(0, delay="x")] * 1000), 422)
    assert len(many["errors"]) == 50
    assert not Part.objects.exists()


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        ("[]", JSON, 422, "at least one row"),
        ("\n", LINES, 422, "at least one row"),
        ("{}", JSON, 422, "expected a list of objects, got dict"),
        ("[{", JSON, 422, "expected JSON"),
        ("[" * 100_000, JSON, 422, "expected JSON"),
        ('{"at": 1}\n[', LINES, 422, "something else in line 2"),
        ('[{"at": "2013-01-01", "place": "x", "delay": NaN}]', JSON, 422, "NaN is no JSON number"),
        ('[{"at": "2013-01-01", "place": "\\ud800", "delay": 1}]', JSON, 422, "printable"),
        (b"\xff\xfe", JSON, 422, "expected JSON"),
        ("at,place\n", "text/csv", 415, "expected Content-Type application/json"),
        ("[" + "1," * 10_000 + "1]", JSON, 413, "at most 10,000 rows"),
        (" " * (api.BODY_BYTES + 1), JSON, 413, "a body of at most"),
    ],
    ids=range(12),
)
def test_a_body_that_is_no_rows_is_refused(
    api: Client, alice: User, body: Any, kind: str, status: int, words: str
) -> None:
    told = problem(append(api, made(alice).pk, body, kind), status)
    assert words in told["detail"]
    assert not Part.objects.exists()


def test_numbers_are_taken_as_they_are_written(api: Client, alice: User) -> None:
    dataset = made(alice)
    body = '[{"at": "2013-01-01", "place": "x", "delay": 0.12345678901234567890123}]'
    assert append(api, dataset.pk, body).status_code == 201
    fold(dataset)
    (bucket,) = api.get(f"{URL}/{dataset.pk}/buckets?{MARCH}").json()["buckets"]
    assert Decimal(bucket["sum"]) == Decimal("0.12345678901234567890123")


@pytest.mark.parametrize(
    "query",
    ["", "begin=2013-01-02&end=2013-01-01", f"{MARCH}&step=minute", f"{MARCH}&group=a&group=b", "begin=x&end=y",
     "begin=0001-01-01T00:00:00%2B10:00&end=2013-01-01", "begin=1900-01-01&end=2199-01-01"],
)  # fmt: skip
def test_a_period_that_is_none_is_refused(api: Client, alice: User, query: str) -> None:
    problem(api.get(f"{URL}/{made(alice).pk}/buckets?{query}"), 422)


@pytest.mark.parametrize(
    "wrong",
    [
        {"time": "place"},
        {"name": ""},
        {"groups": list("aa")},
        {"measures": list("abcdefghi")},
        {"name": "a\0"},
        {"x": 1},
    ],
)
def test_a_dataset_that_cannot_be_is_refused(api: Client, wrong: dict[str, Any]) -> None:
    problem(api.post(URL, {**NEW, **wrong}, content_type=JSON), 422)
    assert not Dataset.objects.exists()


def test_others_see_nothing_and_operators_only_read(api: Client, alice: User, bob: User, carol: User) -> None:
    dataset = made(alice)
    appended(dataset, row(0))
    fold(dataset)
    upload = api.post("/api/artifacts?name=x.csv", b"at,place,delay\n", content_type="text/csv").json()["id"]
    bobs, carols = client_of(bob), client_of(carol)
    reads = [f"{URL}/{dataset.pk}", f"{URL}/{dataset.pk}/parts", f"{URL}/{dataset.pk}/buckets?{MARCH}"]
    for url in reads:
        problem(bobs.get(url), 404, "not-found")
        assert carols.get(url).status_code == 200
    assert bobs.get(f"{URL}?everyone=true").json()["datasets"] == []
    assert carols.get(URL).json()["datasets"] == []
    assert [each["owner"] for each in carols.get(f"{URL}?everyone=true").json()["datasets"]] == ["alice"]
    for client, status in ((bobs, 404), (carols, 403)):
        problem(append(client, dataset.pk, [row(0)]), status)
        problem(client.post(f"{URL}/{dataset.pk}/files", {"file": upload}, content_type=JSON), status)
        problem(client.delete(f"{URL}/{dataset.pk}"), status)
    problem(bobs.get(f"{URL}/{2**70}"), 404)
    mine = made(bob)
    problem(bobs.post(f"{URL}/{mine.pk}/files", {"file": upload}, content_type=JSON), 404, "not-found")
    told = problem(submit(bobs, "datasets.rollup", parameters={"dataset": dataset.pk}), 422, "invalid-parameters")
    assert told == problem(submit(bobs, "datasets.rollup", parameters={"dataset": dataset.pk + 99}), 422)
    assert submit(carols, "datasets.rollup", parameters={"dataset": dataset.pk}).status_code == 202
    assert Part.objects.count() == 1


def test_deleting_is_at_once(api: Client, alice: User) -> None:
    dataset = made(alice)
    appended(dataset, row(0))
    assert api.delete(f"{URL}/{dataset.pk}").status_code == 204
    problem(api.delete(f"{URL}/{dataset.pk}"), 404)
    problem(append(api, dataset.pk, [row(0)]), 404)
    assert api.get(URL).json()["datasets"] == []


def test_an_append_asks_the_database_little(
    api: Client, alice: User, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    dataset = made(alice)
    append(api, dataset.pk, [row(0)])
    with django_assert_max_num_queries(14):
        append(api, dataset.pk, [row(each) for each in range(500)], key="k")
    assert datasets.ROWS == 10_000
