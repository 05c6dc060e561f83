"""What holds for whatever comes in as text, and goes out as text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from jobs_app import wire
from jobs_app.core import artifacts, encoding
from jobs_app.core.attempt_context import scrub
from jobs_app.errors import InvalidParameters, WeirError
from jobs_app.parameters import MASK

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))
LEAVES = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    LEAVES | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
PARAMETERS = st.recursive(
    st.none() | st.floats() | ANY_TEXT | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner),
    max_leaves=12,
)
MESSAGES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.uuids().map(str),
    lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner),
    max_leaves=8,
)


@settings(database=None, deadline=None)
@given(MESSAGES)
def test_of_any_message_only_ids_are_left(message: Any) -> None:
    assert all(isinstance(each, UUID) for each in wire.ids_of(message))


@settings(database=None, deadline=None)
@given(ANY_TEXT, st.lists(st.text(min_size=4, max_size=8), max_size=4))
def test_no_secret_is_left_in_a_text_and_any_database_takes_it(text: str, secrets: list[str]) -> None:
    for around in (text, text.join(secrets), "".join(secrets) + text):
        shown = scrub(around, sorted(secrets, key=len, reverse=True))
        shown.encode()
        assert "\0" not in shown
        for secret in secrets:
            # Only what the stars themselves spell, or a character that stands for another, may look like one.
            assert secret not in shown.replace(MASK, "\n").replace("?", "\n").replace("\ufffd", "\n") or "\n" in secret


def without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, dict):
        return {without_nul(name): without_nul(each) for name, each in value.items()}
    return [without_nul(each) for each in value] if isinstance(value, list) else value


def leaves_of(value: Any) -> Iterator[Any]:
    if isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from leaves_of(each)
    else:
        yield value


@settings(database=None, deadline=None)
@given(JSON)
def test_a_result_comes_back_as_it_was_but_for_nul_characters(value: Any) -> None:
    assert encoding.encode(value).value == without_nul(value)


@settings(database=None, deadline=None)
@given(PARAMETERS)
def test_any_parameters_are_json_or_refused(value: Any) -> None:
    try:
        raw, size = encoding.as_json(value)
    except InvalidParameters:
        return
    assert size == len(to_json(raw))
    bad = [
        leaf for leaf in leaves_of(raw)
        if (isinstance(leaf, str) and "\0" in leaf) or (isinstance(leaf, float) and not math.isfinite(leaf))
    ]  # fmt: skip
    assert len(list(encoding.refusals(raw))) == len(bad)


@settings(database=None, deadline=None)
@given(ANY_TEXT)
def test_a_file_name_is_a_plain_name_or_refused(name: str) -> None:
    try:
        kept = artifacts.check_name(name)
    except WeirError:
        return
    assert kept == name
    assert not set(kept) & set("/\\\0\n")
    assert kept not in {"", ".", ".."}
    assert len(kept) <= artifacts.NAME_LENGTH
    kept.encode()
