"""Fingerprints: alike stays alike through edits, installs and changing values; what differs is told apart."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs_app import fingerprints
from jobs_app.fingerprints import Fault

WORDS = st.text(st.characters(codec="utf-8"), max_size=300)
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,12}", fullmatch=True)
LINES = st.integers(1, 10**6)


def told(*frames: tuple[str, int, str], says: str = "ValueError: bad") -> str:
    lines = "".join(f'  File "{path}", line {line}, in {function}\n    work()\n' for path, line, function in frames)
    return f"Traceback (most recent call last):\n{lines}{says}\n"


@given(WORDS, WORDS, WORDS, WORDS)
def test_whatever_the_texts_it_is_sixteen_hex_digits_and_always_the_same(
    kind: str, error_type: str, error: str, trace: str
) -> None:
    found = fingerprints.of(kind, error_type, error, trace)
    assert re.fullmatch("[0-9a-f]{16}", found)
    assert fingerprints.of(kind, error_type, error, trace) == found


@given(NAMES, NAMES, LINES, LINES, WORDS, WORDS)
def test_an_edit_and_another_message_split_no_group(
    file: str, function: str, line: int, moved: int, error: str, other: str
) -> None:
    first = told((f"/srv/app/{file}.py", line, function), says=f"ValueError: {error}")
    second = told((f"/srv/app/{file}.py", moved, function), says=f"ValueError: {other}")
    assert fingerprints.of("k", "ValueError", error, first) == fingerprints.of("k", "ValueError", other, second)


@given(st.lists(NAMES, min_size=2, max_size=2, unique=True))
def test_another_function_file_kind_or_type_is_another_group(names: list[str]) -> None:
    one, two = names
    traces = [told((f"/srv/{file}.py", 7, function)) for file, function in ((one, one), (one, two), (two, one))]
    found = {fingerprints.of("k", "ValueError", "bad", each) for each in traces}
    found |= {fingerprints.of("k", "KeyError", "bad", traces[0]), fingerprints.of("j", "ValueError", "bad", traces[0])}
    assert len(found) == 5


@given(WORDS)
def test_a_message_once_made_plain_stays_as_it_is(text: str) -> None:
    plain = fingerprints.message(text)
    assert fingerprints.message(plain) == plain
    assert len(plain) <= fingerprints.MESSAGE_LENGTH
    assert not re.search("[0-9]", plain)


@given(st.integers(0), st.integers(0), st.uuids(), st.uuids(), NAMES, NAMES)
def test_numbers_ids_and_quoted_texts_do_not_tell_failures_apart(
    number: int, other: int, one: object, two: object, name: str, another: str
) -> None:
    first = f"job {one} took {number} s for '{name}' at 0x{number:x}"
    second = f"job {two} took {other} s for '{another}' at 0x{other:x}"
    assert fingerprints.of("k", "TimedOut", first) == fingerprints.of("k", "TimedOut", second)
    assert fingerprints.of("k", "TimedOut", first) != fingerprints.of("k", "TimedOut", "it was something else")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("its time was up: it may take 600 s", "its time was up: it may take # s"),
        ("expected 3.5 to 1,000, got -7", "expected # to #, got -#"),
        ("at 2026-11-28T18:03:07.1+00:00", "at #T#"),
        ("it can't be Bob's", "it can't be Bob's"),
        ("no such file: '/tmp/x1/a b'", "no such file: '…'"),
        ("commit deadbeef42 of  decade", "commit # of decade"),
    ],
)
def test_what_is_left_of_a_message(text: str, plain: str) -> None:
    assert fingerprints.message(text) == plain


SITE = "/usr/lib/python3.11/site-packages"
HTTP, JSON = (f"{SITE}/httpx/client.py", 9, "send"), ("/usr/lib/python3.11/json/decoder.py", 1, "load")


@pytest.mark.parametrize(
    ("frames", "place"),
    [
        ([("/srv/w/tasks/kinds/shop.py", 3, "sell"), HTTP], "tasks/kinds/shop.py:sell"),
        ([("/srv/releases/2026-11-28/shop.py", 3, "sell"), JSON], "shop.py:sell"),
        ([("/a/shop.py", 3, "sell"), ("/a/jobs_app/core/artifacts.py", 4, "save")], "a/shop.py:sell"),
        ([(f"{SITE}/shop/kinds.py", 3, "sell"), HTTP], "shop/kinds.py:sell"),
        ([("/srv/w/jobs_app/core/execution.py", 3, "_bind")], ""),
        ([("<frozen importlib>", 3, "_load")], "<frozen importlib>:_load"),
        ([], ""),
    ],
)  # fmt: skip
def test_the_place_is_the_innermost_of_the_handlers_own_code(frames: list[tuple[str, int, str]], place: str) -> None:
    assert Fault("k", "ValueError", "bad", told(*frames) if frames else "").place == place


def test_a_time_that_was_up_has_no_place() -> None:
    trace = told(("/srv/shop.py", 3, "wherever_it_was"), says="TimedOut: up")
    assert Fault("k", "TimedOut", "its time was up", trace).place == ""


def test_words_that_look_like_a_traceback_move_no_failure_elsewhere() -> None:
    trace = told(("/srv/w/shop.py", 3, "sell"), says='ValueError: bad\n  File "/srv/w/forged.py", line 1, in evil')
    assert Fault("k", "ValueError", "bad", trace).place == "srv/w/shop.py:sell"


def raised(work: Callable[[], object]) -> str:
    try:
        work()
    except Exception as error:
        return traceback.format_exc().replace(__file__, f"/x-y/{error.__class__.__name__}.py")
    raise AssertionError("expected an error")


def test_real_tracebacks_of_chains_and_groups_are_read() -> None:
    def inner() -> None:
        raise KeyError("cause")

    def chained() -> None:
        try:
            inner()
        except KeyError as error:
            raise ValueError("effect") from error

    def group() -> None:
        raise ExceptionGroup("several", [ValueError("one"), KeyError("two")])

    assert Fault("k", "ValueError", "effect", raised(chained)).place == "ValueError.py:chained"
    assert Fault("k", "ExceptionGroup", "several", raised(group)).place == "ExceptionGroup.py:group"
