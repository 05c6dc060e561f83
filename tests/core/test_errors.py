"""One base for every error raised on purpose, so that each surface maps it once."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from jobs_app import errors
from jobs_app.core.sealing import Unsealable
from jobs_app.errors import FieldProblem, InvalidParameters, WeirError


def derived(base: type[WeirError]) -> list[type[WeirError]]:
    return [each for child in base.__subclasses__() for each in (child, *derived(child))]


# Those that surfaces meet; the launcher's own have none of this.
ALL = [error for error in derived(WeirError) if error.__module__.startswith(("jobs_app.errors", "jobs_app.core"))]


def test_every_error_of_the_vocabulary_has_the_one_base() -> None:
    named = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)]
    assert set(named) <= {WeirError, *ALL}
    assert Unsealable in ALL


@pytest.mark.parametrize("error", ALL)
def test_every_error_says_what_surfaces_need(error: type[WeirError]) -> None:
    assert error.__doc__
    assert error.code == error.code.lower().replace(" ", "-")
    assert error.title[0].isupper()
    assert not error.title.endswith(".")
    assert 400 <= HTTPStatus(error.status) < 600
    assert 1 <= error.exit_code <= 125


def test_codes_are_not_shared() -> None:
    codes = [error.code for error in (WeirError, *ALL)]
    assert len(codes) == len(set(codes))


def test_problems_are_read_with_their_place() -> None:
    error = InvalidParameters([FieldProblem(("sizes", 0), "too large"), FieldProblem((), "all wrong")])
    assert str(error) == "sizes.0: too large; all wrong"
    assert [each.pointer for each in error.problems] == ["sizes.0", ""]


@pytest.mark.parametrize(
    ("kind", "said", "words"),
    [
        ("missing", "Field required", "expected a value, got none"),
        ("extra_forbidden", "Extra inputs are not permitted", "there is no such parameter"),
        ("int_parsing", "Input should be a valid integer", "expected a valid integer"),
        ("value_error", "Value error, expected an even number", "expected an even number"),
        ("string_too_long", "String should have at most 3 characters", "expected string to have at most 3 characters"),
    ],
)
def test_faults_that_pydantic_finds_are_said_in_our_words(kind: str, said: str, words: str) -> None:
    assert errors.in_words({"type": kind, "msg": said}) == words
