"""Declaring kinds: what is accepted, and each bad declaration with its message."""

from __future__ import annotations

import sys
import typing
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date, timedelta
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from jobs_app import registry
from jobs_app.authoring import Artifact, Backoff, JobContext, Secret, job
from jobs_app.errors import BadDeclaration, UnknownKind


class Point(BaseModel):
    x: int
    y: int = 0


class Tree(BaseModel):
    branches: list[Tree] = []


class Loose(BaseModel):
    anything: dict[str, int]


@pytest.fixture(autouse=True)
def _kinds_are_put_back() -> Iterator[None]:
    known = dict(registry._kinds)
    yield
    registry._kinds.clear()
    registry._kinds.update(known)


def no_type(x) -> None: ...  # type: ignore[no-untyped-def]
def unknown_type(x: NoSuchType) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def any_type(x: Any) -> None: ...
def dictionary(x: dict[str, int]) -> None: ...
def tuples(x: tuple[int, ...]) -> None: ...
def set_of(x: set[int]) -> None: ...
def bare_list(x: list) -> None: ...  # type: ignore[type-arg]
def bare_typing_list(x: typing.List) -> None: ...  # type: ignore[type-arg]  # noqa: UP006
def union(x: int | str) -> None: ...
def callback(x: Callable[[], None]) -> None: ...
def inner(x: Loose) -> None: ...
def itself(x: Tree) -> None: ...
def mutable(x: list[int] = []) -> None: ...  # noqa: B006
def mutable_field(x: Annotated[list[int], Field(default=[])]) -> None: ...
def wrong_default(x: int = "many") -> None: ...  # type: ignore[assignment]
def none_default(x: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013
def bad_bound(x: Annotated[int, Field(ge=1)] = 0) -> None: ...
def bad_member(x: Literal["a", "b"] = "c") -> None: ...  # type: ignore[assignment]
def arguments(*x: int) -> None: ...
def options(**x: int) -> None: ...
def positional(x: int, /) -> None: ...
def reserved(model_dump: int) -> None: ...
def private(_x: int) -> None: ...
def impossible_pattern(x: Annotated[str, Field(pattern="(")]) -> None: ...
async def asynchronous(x: int) -> None: ...
async def asynchronous_generator(x: int) -> AsyncIterator[int]:
    yield x


def generator(x: int) -> Iterator[int]:
    yield x


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (no_type, "parameter 'x' has no type; annotate it, such as x: str"),
        (unknown_type, "a type could not be found: name 'NoSuchType' is not defined"),
        (any_type, "expected str, int, float, bool, .* got typing.Any"),
        (dictionary, "or a list or Optional of these, got dict"),
        (tuples, "got tuple"),
        (set_of, "got set"),
        (bare_list, "got <class 'list'>"),
        (bare_typing_list, "got typing.List"),
        (union, "expected one type or None, got int | str; a union cannot be drawn as a field"),
        (callback, "got collections.abc.Callable"),
        (inner, "parameter 'x'.anything: expected str, int, .* got dict"),
        (itself, "parameter 'x'.branches: expected a model that does not hold itself"),
        (mutable, r"parameter 'x' has a mutable default; use Field\(default_factory=...\)"),
        (mutable_field, "parameter 'x' has a mutable default; use default_factory"),
        (wrong_default, "parameter 'x' has a default that does not fit its type: expected a valid integer.*'many'"),
        (none_default, "has a default that does not fit its type: expected a valid integer, got None"),
        (bad_bound, "expected greater than or equal to 1, got 0"),
        (bad_member, "expected 'a' or 'b', got 'c'"),
        (arguments, r"expected named parameters only, got \*x"),
        (options, r"expected named parameters only, got \*\*x"),
        (positional, "expected named parameters only, got x"),
        (reserved, "parameter 'model_dump' has a name that pydantic reserves; choose another"),
        (private, "parameter '_x' has a name that pydantic reserves"),
        (impossible_pattern, "pydantic refuses the parameters"),
        (asynchronous, "expected a plain function, got an async one or a generator"),
        (asynchronous_generator, "expected a plain function, got an async one or a generator"),
        (generator, "expected a plain function, got an async one or a generator"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_bad_signature_is_refused_in_words(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(BadDeclaration, match=message) as caught:
        job("probe.bad")(function)
    assert str(caught.value).startswith(f"{__name__}.{function.__name__}: "), "it says where"
    with pytest.raises(UnknownKind):
        registry.get("probe.bad")


@pytest.mark.parametrize(
    "name", ["", "one", "Two.words", "two.Words", "two..dots", "two.", "9.nine", "a.b c", "a." + "b" * 99]
)
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(BadDeclaration, match=r"expected a name like 'reports.monthly' .* got "):
        job(name)(lambda: None)


@pytest.mark.parametrize("name", ["weir.upkeep.refill", "celery.chain"])
def test_names_of_weir_and_celery_are_reserved(name: str) -> None:
    with pytest.raises(BadDeclaration, match=r"are reserved, got"):
        job(name)(lambda: None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": timedelta(0)}, "expected a timeout above zero, got 0:00:00"),
        (
            {"timeout": timedelta(minutes=2), "hard_timeout": timedelta(minutes=1)},
            r"at least timeout \(0:02:00\), got 0:01",
        ),
        ({"hard_timeout": timedelta(0)}, "expected hard_timeout of at least timeout"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadDeclaration, match=message):
        job("probe.bad", **options)(lambda: None)


def test_a_name_is_taken_once_and_the_message_says_by_whom() -> None:
    with pytest.raises(BadDeclaration, match=r"the name 'system.echo' is taken by tasks.kinds.system.echo"):
        job("system.echo")(lambda: None)


def test_declaring_the_same_function_anew_is_no_clash() -> None:
    def again() -> None:
        """Twice."""

    job("probe.again")(again)
    job("probe.again")(again)
    assert registry.get("probe.again").function is again


def test_a_good_declaration_is_kept_whole() -> None:
    retry = Backoff(max_attempts=4)

    @job("probe.good", queue="slow", timeout=timedelta(minutes=1), retry=retry, atomic=True, schedulable=False)
    def good(point: Point, when: date | None = None, *, context: JobContext) -> int:
        """Say it is good.

        At length.
        """
        return point.x + context.attempt

    kind = registry.get("probe.good")
    assert (kind.queue, kind.retry, kind.atomic, kind.schedulable) == ("slow", retry, True, False)
    assert (kind.timeout, kind.hard_timeout) == (timedelta(minutes=1), timedelta(minutes=1, seconds=30))
    assert (kind.summary, kind.family, kind.takes_context) == ("Say it is good.", "probe", True)
    assert kind.description.endswith("At length.")
    assert set(kind.schema["properties"]) == {"point", "when"}
    assert kind.schema["required"] == ["point"]
    assert kind.parameters.__name__ == "ProbeGoodParameters"
    assert not kind.has_secrets
    assert good(Point(x=1)) == 2, "still a plain function, with a context made up"


def test_secrets_are_found_however_deep() -> None:
    class Login(BaseModel):
        password: Secret

    # Types are looked up in the module, where a model of a function is not found otherwise.
    sys.modules[__name__].__dict__["Login"] = Login
    try:

        @job("probe.deep")
        def deep(logins: list[Login | None]) -> None: ...

    finally:
        del sys.modules[__name__].__dict__["Login"]
    assert registry.get("probe.deep").has_secrets
    assert not registry.get("probe.nothing").has_secrets


def test_the_schema_carries_bounds_descriptions_and_our_own_types() -> None:
    @job("probe.schema")
    def schema(
        count: Annotated[int, Field(ge=1, le=9, description="How many.")], file: Artifact, key: Secret
    ) -> None: ...

    properties = registry.get("probe.schema").schema["properties"]
    assert properties["count"] == {
        "title": "Count", "type": "integer", "minimum": 1, "maximum": 9, "description": "How many.",
    }  # fmt: skip
    assert properties["file"]["x-weir"] == "artifact"
    assert (properties["key"]["format"], properties["key"]["writeOnly"]) == ("password", True)


def test_an_unknown_kind_suggests_the_nearest() -> None:
    with pytest.raises(UnknownKind, match=r"got 'system.ecco'; did you mean system.echo"):
        registry.get("system.ecco")
    with pytest.raises(UnknownKind, match=r"expected one of the registered kinds"):
        registry.get("?" * 10_000)


def test_kinds_are_listed_by_name() -> None:
    names = [kind.name for kind in registry.all_kinds()]
    assert names == sorted(names)
    assert {"system.echo", "system.sleep", "probe.everything"} <= set(names)


def test_submitting_before_django_is_set_up_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_verbs", {})
    declared = job("probe.early")(lambda: None)
    with pytest.raises(RuntimeError, match=r"before submit\(\): call django.setup\(\) first"):
        declared.submit()
    with pytest.raises(RuntimeError, match=r"before submit_many\(\): call django.setup\(\) first"):
        declared.submit_many([])


def test_a_plain_call_fills_in_defaults_that_are_made_anew() -> None:
    @job("trial.filled")
    def filled(first: int, sizes: Annotated[list[int], Field(default_factory=lambda: [1, 2])]) -> list[int]:
        return [first, *sizes]

    assert filled(7) == [7, 1, 2]
    assert filled(7, [3]) == [7, 3]
    assert filled(first=7, sizes=[4]) == [7, 4]
