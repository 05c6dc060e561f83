"""JSON as the ledger keeps it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

from jobs_app.authoring import Secret, Table
from jobs_app.core import encoding
from jobs_app.errors import InvalidParameters
from jobs_app.policies import Discard


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, None), (True, True), (7, 7), (1.5, 1.5), ("é", "é"), ([1, (2, 3)], [1, [2, 3]]),
        ({"a": {1}}, {"a": [1]}), (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00Z"),
        (Decimal("1.50"), "1.50"), (Colour.RED, "red"), ({1: 2}, {"1": 2}), (float("nan"), None),
        (Secret("x"), "*" * 10),
        (
            Table(columns=["a"], rows=[[1]], total_rows=1),
            {"shape": "table", "title": "", "columns": ["a"], "rows": [[1]], "total_rows": 1},
        ),
    ],
    ids=repr,
)  # fmt: skip
def test_what_handlers_return_is_kept_as_json(value: Any, kept: Any) -> None:
    encoded = encoding.encode(value)
    assert encoded.inline
    assert encoded.value == kept == json.loads(encoded.text)


@pytest.mark.parametrize("text", ["\0", "a\0\0b", "\\u0000", "\\\0", "\\\\\0", "\\\\u0000\0", "\0" * 3 + "\\"])
def test_nul_characters_are_replaced_and_nothing_else(text: str) -> None:
    assert encoding.encode({"x": [text]}).value == {"x": [text.replace("\0", "\ufffd")]}


@pytest.mark.parametrize("value", [object(), b"\xff", "\ud800", [object()], lambda: None])
def test_what_is_not_json_is_refused_in_words(value: Any) -> None:
    with pytest.raises(Discard, match=r"expected the handler to return JSON-ready data .* got"):
        encoding.encode(value)


def test_what_holds_itself_is_refused_in_words() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(Discard, match="JSON-ready"):
        encoding.encode(loop)


def test_results_are_bounded(configured: Callable[..., None]) -> None:
    configured(result_inline_bytes=10, result_bytes=2000)
    assert encoding.encode("x" * 8).inline
    assert not encoding.encode("x" * 9).inline
    assert encoding.encode("x" * 9).value is None
    assert len(encoding.encode("x" * 1998).text) == 2000
    with pytest.raises(Discard, match=r"expected a result of at most 2,000 bytes as JSON, got 2,001"):
        encoding.encode("x" * 1999)


def test_parameters_are_measured_as_json() -> None:
    assert encoding.as_json({"a": "é"}) == ({"a": "é"}, len('{"a":"é"}'.encode()))
    with pytest.raises(InvalidParameters, match="expected parameters that JSON can hold"):
        encoding.as_json({"a": "\ud800"})


def test_each_refusal_has_its_place() -> None:
    value = {"a": [1, {"b": "\0"}], "c": float("inf"), "d": True, "e": None, "f": 10**1001}
    assert [problem.pointer for problem in encoding.refusals(value)] == ["a.1.b", "c", "f"]
