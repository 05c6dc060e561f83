"""A filter and its text say the same; whatever else is typed is answered with a sentence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobs_app import searching
from jobs_app.criteria import REPEATED, VALUE_LENGTH, JobFilter, parameter_term, parameter_terms, scalar_text
from jobs_app.errors import InvalidRequest
from jobs_app.lifecycle import UNFINISHED, State
from jobs_app.models.identity import first_id, new_id

PRINTABLE = st.characters(codec="utf-8").filter(str.isprintable)
VALUES = st.text(PRINTABLE, min_size=1, max_size=12) | st.sampled_from(
    ["@me", '"', "\\", '\\"', "a b", " ", "a:b", "state:failed", "yes", "-", ","]
)
NAMES = st.from_regex(r"[a-z_][a-z0-9_.-]{0,9}", fullmatch=True) | st.text(
    PRINTABLE.filter(lambda each: each not in ' :"\\'), min_size=1, max_size=6
)
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=4000)).map(
    lambda each: timedelta(seconds=int(each.total_seconds()))
) | (st.datetimes(timezones=st.just(UTC)))
FILTERS = st.builds(
    JobFilter,
    states=st.lists(st.sampled_from(list(State))).map(tuple),
    kind=st.just("") | VALUES,
    queue=st.just("") | VALUES,
    owner=st.just("") | VALUES,
    mine=st.booleans(),
    parent=st.none() | st.uuids(),
    spawned=st.booleans(),
    created_after=st.none() | MOMENTS,
    created_before=st.none() | MOMENTS,
    tags=st.lists(VALUES, max_size=4).map(tuple),
    parameters=st.lists(st.tuples(NAMES, VALUES | st.just("")), max_size=4).map(tuple),
    fingerprint=st.just("") | VALUES,
)


@settings(database=None, deadline=None)
@given(FILTERS)
@example(JobFilter(owner="@me", mine=True))
@example(JobFilter(states=(*UNFINISHED, State.FAILED)))
def test_a_filter_is_read_back_as_it_was_written(wanted: JobFilter) -> None:
    text = searching.text_of(wanted)
    if len(text) <= searching.TEXT_LENGTH:
        assert searching.parse(text) == wanted
        assert searching.text_of(searching.parse(text)) == text


@settings(database=None, deadline=None)
@given(st.text(st.characters(codec=None, exclude_categories=())) | st.lists(VALUES | NAMES).map(":".join))
def test_whatever_is_typed_is_a_filter_or_answered_with_a_sentence(text: str) -> None:
    try:
        found = searching.parse(text)
    except InvalidRequest:
        return
    written = searching.text_of(found)
    assert len(written) > searching.TEXT_LENGTH or searching.parse(written) == found


def test_every_qualifier_is_understood() -> None:
    parent = UUID(int=7)
    text = (
        f'state:failed,queued kind:datasets.aggregate queue:default owner:alice owner:@me tag:nightly tag:"two words" '
        f'param.measure:delay param.text:"say \\"hi\\"" fingerprint:ab12 parent:{parent} spawned:no '
        "since:2d before:2026-11-01T09:00+02:00"
    )
    assert searching.parse(text) == JobFilter(
        states=(State.QUEUED, State.FAILED), kind="datasets.aggregate", queue="default", owner="alice", mine=True,
        tags=("nightly", "two words"), parameters=(("measure", "delay"), ("text", 'say "hi"')), fingerprint="ab12",
        parent=parent, spawned=False, created_after=timedelta(days=2),
        created_before=datetime(2026, 11, 1, 7, tzinfo=UTC),
    )  # fmt: skip
    assert set(searching.parse("state:active").states) == UNFINISHED
    assert searching.parse('owner:"@me"') == JobFilter(owner="@me")
    assert searching.parse("") == searching.parse("  ") == JobFilter()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour:red", "expected one of the qualifiers state, kind, queue, owner, tag, param.NAME, fingerprint"),
        ("aggregate", "expected qualifiers such as kind:datasets.aggregate, got 'aggregate'"),
        ("state:done", r"expected a state \(active, blocked, .*\), got 'done'"),
        ("kind:a kind:b", "expected kind once, got it again with 'b'"),
        ("kind:", "expected a value for kind, got none"),
        ("param.x:", "expected a value for param.x, got none"),
        ("param.:x", "expected one of the qualifiers .* got 'param.'"),
        ('tag:"open', "A value with spaces stands in double quotes"),
        ("since:soon", "expected since with a time such as 2h, 7d"),
        ("since:2026-13-01", "expected since with a time"),
        ("parent:7", "expected the id of a job as parent, got '7'"),
        ("spawned:maybe", "expected spawned:yes or spawned:no, got 'maybe'"),
        ("tag:" + "a" * (VALUE_LENGTH + 1), f"expected tag of at most {VALUE_LENGTH} characters, got 201"),
        (" ".join(f"tag:{n}" for n in range(REPEATED + 1)), "expected at most 10 tags, got 11"),
        ("x" * 1001, "expected a search of at most 1,000 characters, got 1,001"),
        ("tag:\0", "expected tag to be printable text"),
    ],
)
def test_a_search_that_is_wrong_is_told_so(text: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        searching.parse(text)


def test_durations_become_times_when_now_is_told(noon: datetime) -> None:
    wanted = searching.parse("since:2h before:2026-11-23")
    assert wanted.at(noon).created_after == noon - timedelta(hours=2)
    assert wanted.at(noon).created_before == datetime(2026, 11, 23, tzinfo=UTC)
    with pytest.raises(InvalidRequest, match="too long ago"):
        searching.parse("since:999999w").at(noon)


@pytest.mark.parametrize(
    ("value", "typed", "found"),
    [
        ("delay", "delay", True), ("delay", "Delay", False), (3, "3", True), (3, "3.0", True), (3.0, "3", True),
        (0.5, "0.50", True), (1e20, "1e20", True), (-2, "-2", True), (True, "true", True), (True, "1", False),
        ("3.0", "3.0", True), ("3", "3.0", True), ("3.0", "3", False), ("", "", True),
    ],
)  # fmt: skip
def test_a_value_is_found_as_people_type_it(value: Any, typed: str, found: bool) -> None:
    text = scalar_text(value)
    assert text is not None
    assert (parameter_term("x", text) in parameter_terms("x", typed)) is found


@pytest.mark.parametrize(
    "value",
    [None, [], {}, "a" * (VALUE_LENGTH + 1), 10**300],
)
def test_what_is_no_scalar_or_long_has_no_term(value: Any) -> None:
    assert scalar_text(value) is None


def test_ids_begin_with_their_time() -> None:
    before = datetime.now(UTC)
    made = new_id()
    assert first_id(before) <= made < first_id(datetime.now(UTC) + timedelta(milliseconds=1))
    assert first_id(datetime(1, 1, 1, tzinfo=UTC)) == UUID(int=0)
