"""Parameters: each fault is found, has its place, and is said in words; sizes and depths are bounded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from jobs_app.core import artifacts
from jobs_app.errors import InvalidParameters, TooLarge
from jobs_app.models import Event, Job
from tests.support.kinds_of_every_type import Address, Place
from tests.support.ledger import fresh, submitted

GOOD = {"text": "a", "count": 1, "colour": "red"}


def refused(kind: str, parameters: Any, **options: Any) -> dict[str, str]:
    """The problems of a submission that is refused, by location; nothing of it may be left behind."""
    with pytest.raises(InvalidParameters) as caught:
        submitted(kind, parameters, **options)
    assert not Job.objects.exists()
    assert not Event.objects.exists()
    return {problem.pointer: problem.message for problem in caught.value.problems}


def test_defaults_are_stored_as_validated(db: None) -> None:
    job = fresh(submitted("probe.everything", {**GOOD, "count": "7", "address": {"city": "Oslo"}}))
    assert job.parameters["count"] == 7
    assert job.parameters["price"] == "9.99"
    assert job.parameters["address"] == {"city": "Oslo", "street": "Main Street", "verified": False, "place": None}
    assert job.parameters["moment"] == "2026-01-31T09:30:00Z"
    assert job.parameters["tags"] == []


def test_python_objects_of_the_right_type_are_taken(alice: User, now: datetime) -> None:
    upload = artifacts.as_parameter(artifacts.take_upload("a.csv", [b"x"], owner=alice, now=now))
    given = {
        **GOOD,
        "address": Address(city="Bergen", place=Place(latitude=60)),
        "document": upload,
        "wait": timedelta(1),
    }
    job = fresh(submitted("probe.everything", given, owner=alice, now=now))
    assert job.parameters["address"]["place"] == {"latitude": 60.0, "longitude": 0.0}
    assert (job.parameters["document"], job.parameters["wait"]) == (str(upload.id), "P1D")


def test_each_fault_is_a_problem_with_its_place(db: None) -> None:
    problems = refused(
        "probe.everything",
        {
            "text": "", "count": 0, "colour": "blue", "ratio": "much", "price": "1.999", "size": "medium",
            "tags": ["ok", 5], "address": {"city": "X", "zip": 1}, "addresses": [{}], "wrong": True,
        },
    )  # fmt: skip
    assert set(problems) == {
        "text", "count", "colour", "ratio", "price", "size", "tags.1", "address.city", "address.zip",
        "addresses.0.city", "wrong",
    }  # fmt: skip
    assert problems["count"] == "expected greater than or equal to 1"
    assert problems["colour"] == "expected 'red', 'green' or 'dark blue'"
    assert problems["wrong"] == problems["address.zip"] == "there is no such parameter"
    assert problems["addresses.0.city"] == "expected a value, got none"


@pytest.mark.parametrize("parameters", [[1], "text", 7])
def test_parameters_that_are_no_object_are_refused(db: None, parameters: Any) -> None:
    assert set(refused("probe.nothing", parameters)) == {""}


NOT_JSON = "expected parameters that JSON can hold"


FINITE = "expected a finite number"


@pytest.mark.parametrize(
    ("kind", "parameters", "place", "message"),
    [
        ("probe.everything", {**GOOD, "text": "a\0b"}, "text", "expected text without NUL characters"),
        ("probe.everything", {**GOOD, "home": {"city": "O\0"}}, "home.city", "expected text without NUL characters"),
        ("probe.everything", {**GOOD, "tags": ["a", "\0"]}, "tags.1", "expected text without NUL characters"),
        ("probe.everything", {**GOOD, "text": "half \ud800"}, "", NOT_JSON),
        ("probe.everything", {**GOOD, "text": b"\xff\xfe"}, "", NOT_JSON),
        ("probe.everything", {**GOOD, "\ud800": 1}, "", NOT_JSON),
        ("probe.everything", {**GOOD, "optional": 10**1001}, "optional", "expected a number of at most 1,000 digits"),
        ("probe.number", {"value": "nan"}, "value", FINITE),
        ("probe.number", {"value": "-Infinity"}, "value", FINITE),
        ("probe.number", {"value": float("inf")}, "value", FINITE),
        ("probe.number", {"value": 1e400}, "value", FINITE),
    ],
    ids=str,
)
def test_what_a_database_cannot_keep_is_refused_in_words(
    db: None, kind: str, parameters: dict[str, Any], place: str, message: str
) -> None:
    ((found, words),) = refused(kind, parameters).items()
    assert (found, words[: len(message)]) == (place, message)


def test_long_numbers_are_refused(db: None) -> None:
    assert set(refused("probe.everything", {**GOOD, "optional": 10**5000})) == {"optional"}
    job = submitted("probe.everything", {**GOOD, "optional": 10**999})
    assert fresh(job).parameters["optional"] == 10**999


def test_depth_is_bounded(db: None) -> None:
    def nested(depth: int) -> Any:
        value: Any = "x"
        for _ in range(depth):
            value = [value]
        return value

    assert refused("system.echo", {"text": nested(200)}) == {"text": "expected a valid string"}
    for depth in (300, 100_000):
        assert "at most 200 deep" in refused("system.echo", {"text": nested(depth)})[""]


def test_size_is_bounded(db: None, configured: Callable[..., None]) -> None:
    configured(parameters_bytes=1024)
    fits = "x" * (1024 - len('{"text":""}'))
    submitted("system.echo", {"text": fits})
    with pytest.raises(TooLarge, match=r"at most 1,024 bytes as JSON, got 1,025; upload large data as an artifact"):
        submitted("system.echo", {"text": fits + "x"})
    # Bytes count, not characters; and what is too large is not first validated.
    with pytest.raises(TooLarge):
        submitted("system.echo", {"text": "é" * 600, "wrong": 1})
    assert Job.objects.count() == 1


def test_ten_megabytes_are_refused(db: None) -> None:
    with pytest.raises(TooLarge, match=r"got 10,000,0\d\d"):
        submitted("system.echo", {"text": "x" * 10_000_000})
