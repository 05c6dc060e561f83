"""Forms generated from kinds: each type has its field, and what is typed comes out as parameters."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import QueryDict

from jobs_app import registry
from jobs_app.core import submission
from jobs_app.errors import FieldProblem, InvalidParameters
from jobs_app.forms import form_for, patterns
from jobs_app.parameters import MASK
from tests.surfaces.web.conftest import form

EVERYTHING = "probe.everything"
LEAST = {"text": "x", "count": "5", "colour": "red"}


def filled_in(query: str) -> Any:
    """The form of the kind that has every type, as a browser would send it."""
    made = form(EVERYTHING, QueryDict("text=x&count=5&colour=red&" + query))
    made.is_valid()
    return made


@pytest.mark.parametrize(
    ("field", "html"),
    [
        ("text", ['type="text"', 'maxlength="40"', 'minlength="1"', "required"]),
        ("count", ['type="number"', 'min="1"', 'max="100"', 'step="1"', "required"]),
        ("ratio", ['type="number"', 'step="any"', 'value="0.5"']),
        ("word", ['pattern="(?:[a-z]+)"', 'title="expected text that fits ^[a-z]+$"']),
        ("price", ['type="number"', 'step="any"', 'value="9.99"']),
        ("colour", ['type="radio"', 'value="dark blue"', "required"]),
        ("size", ['type="radio"', 'value="small"', "checked"]),
        ("flag", ['type="checkbox"']),
        ("maybe_flag", ["not set", "yes", "no"]),
        ("day", ['type="date"', 'value="2026-01-31"']),
        ("at_time", ['type="time"', 'value="09:30:00"']),
        ("moment", ['type="datetime-local"', 'value="2026-01-31T09:30:00"']),
        ("wait", ['type="text"', 'value="5 min"']),
        ("tags", ["<textarea"]),
        ("colours", ['type="checkbox"', 'value="red"']),
        ("addresses", ["<textarea", "data-rows", "&quot;name&quot;: &quot;city&quot;"]),
        ("secret", ['type="password"', 'autocomplete="new-password"']),
        ("home-city", ['value="Oslo"', 'minlength="2"']),
        ("home-place--given", ['type="checkbox"']),
    ],
)
def test_a_type_has_its_input_with_bounds_and_default(field: str, html: list[str]) -> None:
    drawn = str(form(EVERYTHING)[field])
    assert [part for part in html if part not in drawn] == []


def test_labels_and_descriptions_come_from_the_kind() -> None:
    field = form(EVERYTHING)["home-place-latitude"]
    assert (field.label, field.help_text) == ("Latitude", "Degrees north.")


def test_the_least_that_is_asked_gives_the_defaults(db: None) -> None:
    made = form(EVERYTHING, LEAST)
    assert made.is_valid(), made.errors
    by_form = submission.check(registry.get(EVERYTHING), made.parameters(), None)
    by_hand = submission.check(registry.get(EVERYTHING), {"text": "x", "count": 5, "colour": "red"}, None)
    # A box that was not sent is a box that was not ticked.
    assert by_form.shown == {**by_hand.shown, "enabled": False, "home": {**by_hand.shown["home"]}}


@pytest.mark.parametrize(
    ("query", "name", "value"),
    [
        ("count=7", "count", 7),
        ("ratio=.25", "ratio", 0.25),
        ("price=1.10", "price", "1.10"),
        ("flag=on", "flag", True),
        ("maybe_flag=false", "maybe_flag", False),
        ("maybe_flag=", "maybe_flag", None),
        ("colour=dark blue", "colour", "dark blue"),
        ("grade=2", "grade", 2),
        ("factor=4", "factor", 4),
        ("wait=1 h 30 min", "wait", "P0DT5400.000000S"),
        ("wait=0:00:05", "wait", "P0DT5.000000S"),
        ("moment=2026-07-01T10:00", "moment", "2026-07-01T10:00:00+00:00"),
        ("optional=", "optional", None),
        ("optional_with_default=", "optional_with_default", None),
        ("tags=a%0D%0A%0D%0A b ", "tags", ["a", "b"]),
        ("numbers=1%0A2", "numbers", [1, 2]),
        ("colours=red&colours=green", "colours", ["red", "green"]),
        ('addresses=[{"city":"Oslo"}]', "addresses", [{"city": "Oslo"}]),
        ("address-city=Bergen", "address", None),
        ("address--given=on&address-city=Bergen&address-street=Quay", "address",
         {"city": "Bergen", "street": "Quay", "verified": False, "place": None}),
    ],
)  # fmt: skip
def test_what_is_typed_becomes_a_parameter(query: str, name: str, value: Any) -> None:
    made = filled_in(query)
    assert made.errors == {}
    assert made.parameters()[name] == value


def test_what_cannot_be_read_goes_on_as_it_was_typed() -> None:
    parameters = filled_in("count=many&wait=soon&day=yesterday&colour=purple").parameters()
    assert [parameters[name] for name in ("count", "wait", "day", "colour")] == ["many", "soon", "yesterday", "purple"]


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ("addresses=[{", "addresses", "expected JSON"),
        ("addresses=[NaN]", "addresses", "no JSON number"),
        ("text=a%00b", "text", "NUL"),
        ("address--given=on", "address-city", "expected a value, got none"),
    ],
)
def test_what_cannot_be_sent_on_is_said_at_its_field(query: str, field: str, message: str) -> None:
    made = filled_in(query)
    assert list(made.errors) == [field]
    assert message in made.errors[field][0]


def test_a_required_field_of_a_group_that_is_left_out_is_not_missed() -> None:
    assert filled_in("address-city=").errors == {}


@pytest.mark.parametrize(
    ("location", "field", "message"),
    [
        (("text",), "text", "wrong"),
        (("home", "city"), "home-city", "wrong"),
        (("address", "place", "latitude"), "address-place-latitude", "wrong"),
        (("tags", 2), "tags", "item 3: wrong"),
        (("addresses", 0, "place", "latitude"), "addresses", "item 1, place, latitude: wrong"),
        (("home",), "__all__", "home: wrong"),
        (("elsewhere", 0), "__all__", "elsewhere, item 1: wrong"),
        ((), "__all__", "wrong"),
    ],
)
def test_a_problem_finds_its_field(location: tuple[str | int, ...], field: str, message: str) -> None:
    made = filled_in("")
    made.take_problems(InvalidParameters([FieldProblem(location, "wrong")]))
    assert made.errors == {field: [message]}


def test_stored_parameters_come_back_as_the_form_that_made_them(db: None) -> None:
    kind = registry.get(EVERYTHING)
    stored = submission.check(
        kind,
        {
            "text": "a\nb", "count": 3, "colour": "green", "price": "2.50", "grade": 2, "wait": "PT90S",
            "moment": "2026-07-01T10:00:00Z", "tags": ["x", "y"], "colours": ["red"],
            "address": {"city": "Bergen", "place": {"latitude": 60.4}}, "addresses": [{"city": "Oslo"}],
            "secret": "hush-hush", "maybe_flag": True,
        },
        None,
    ).shown  # fmt: skip
    blank = form_for(kind)(initial=form_for(kind).initial_from(stored))
    # Send back what a browser would: the value of every input.
    sent = QueryDict(mutable=True)
    for bound in blank:
        value = bound.value()
        if value is None or value is False:
            continue
        sent.setlist(bound.html_name, value if isinstance(value, list) else ["on" if value is True else str(value)])
    again = form_for(kind)(sent)
    assert again.is_valid(), again.errors
    assert again.parameters()["secret"] == MASK
    assert submission.check(kind, {**again.parameters(), "secret": "hush-hush"}, None).shown == stored


def test_a_text_of_several_lines_gets_several_lines() -> None:
    assert "<textarea" in str(form(EVERYTHING, initial={"text": "a\nb"})["text"])
    assert "<textarea" in str(filled_in("word=a%0Ab")["word"])
    assert "<textarea" not in str(form(EVERYTHING)["text"])


def test_a_secret_is_never_drawn_but_its_mask_is() -> None:
    assert "hunter2" not in str(filled_in("secret=hunter2")["secret"])
    assert MASK in str(form(EVERYTHING, initial={"secret": MASK})["secret"])


def test_parameters_may_have_any_name(alice: User) -> None:
    made = form("probe.colliding", {"queue": "a", "user": "b", "parameters": "c"}, user=alice)
    assert made.is_valid(), made.errors
    sent = made.parameters()
    assert [sent["queue"], sent["user"], sent["parameters"], sent["follow"]] == ["a", "b", "c", False]


@pytest.mark.parametrize(
    ("pattern", "sent"),
    [
        ("^[a-z]+$", "(?:[a-z]+)"), ("[a-z]", ".*(?:[a-z]).*"), ("^https?://", r"(?:https?:\/\/).*"),
        (r"^\d{4}-\d{2}$", r"(?:\p{Nd}{4}-\p{Nd}{2})"), (r"^\w+\.csv$", r"(?:[\p{L}\p{M}\p{N}\p{Pc}]+\.csv)"),
        ("^[A-Z_.-]+$", r"(?:[A-Z_.\-]+)"), ("^(a|b)$", "(?:(a|b))"),
        # What a browser may read otherwise is left to the server.
        ("^a$|^b$", None), ("a|b", None), ("(?i)abc", None), ("^(?=a)b$", None), (r"x\$", None), (r"(?<n>a)", None),
    ],
)  # fmt: skip
def test_a_pattern_is_told_to_the_browser_where_both_read_it_alike(pattern: str, sent: str | None) -> None:
    assert patterns.for_browser(pattern) == sent


def test_a_list_of_objects_tells_its_columns_and_whether_it_holds_secrets() -> None:
    area = str(form("probe.signs_in")["spare"])
    assert "data-secret" in area
    assert "&quot;type&quot;: &quot;secret&quot;" in area
    assert "data-secret" not in str(form(EVERYTHING)["addresses"])
    assert "data-rows" not in str(form(EVERYTHING)["tags"])
