"""From a kind's parameters to options, and back to parameters."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from jobs_app.errors import FieldProblem, InvalidRequest
from jobs_app.management.cli import options, parsing, submitting, values
from jobs_app.management.cli.options import Option, Shape
from jobs_app.management.cli.sources import Sources
from jobs_app.registry import Kind
from tests.support import kinds_of_every_type as probe

REQUIRED = ["--text", "a", "--count", "1", "--colour", "red"]


def offered(kind: Kind) -> dict[str, Option]:
    return {each.flag: each for each in options.options_of(kind, submitting.taken_flags())}


def gathered(kind: Kind, *arguments: str, existing: dict[str, Any] | None = None) -> values.Gathered:
    all_options = list(offered(kind).values())
    parser = parsing.Parser(prog="jobs submit")
    options.add_to(parser.add_argument_group(), all_options)
    parser.add_argument("--parameters", default=argparse.SUPPRESS)
    typed = vars(parser.parse_args(list(arguments)))
    return values.gather(kind, all_options, typed, Sources(), existing=existing)


def typed(*arguments: str) -> dict[str, Any]:
    """The parameters of ``probe.everything`` that these options give."""
    return gathered(probe.everything.kind, *arguments).parameters


def test_each_type_has_its_shape() -> None:
    shapes = {each.flag: (each.shape, each.many) for each in offered(probe.everything.kind).values()}
    assert shapes == {
        "--text": (Shape.TEXT, False), "--count": (Shape.INTEGER, False), "--colour": (Shape.CHOICE, False),
        "--word": (Shape.TEXT, False), "--ratio": (Shape.NUMBER, False), "--price": (Shape.DECIMAL, False),
        "--flag": (Shape.FLAG, False), "--enabled": (Shape.FLAG, False), "--maybe-flag": (Shape.FLAG, False),
        "--day": (Shape.DATE, False), "--at-time": (Shape.TIME, False), "--moment": (Shape.MOMENT, False),
        "--wait": (Shape.DURATION, False), "--identity": (Shape.UUID, False), "--grade": (Shape.CHOICE, False),
        "--size": (Shape.CHOICE, False), "--factor": (Shape.CHOICE, False), "--optional": (Shape.INTEGER, False),
        "--optional-with-default": (Shape.TEXT, False),
        **{f"--{name}{part}": (shape, False) for name in ("address", "home") for part, shape in (
            ("", Shape.JSON), (".city", Shape.TEXT), (".street", Shape.TEXT), (".verified", Shape.FLAG),
            (".place", Shape.JSON), (".place.latitude", Shape.NUMBER), (".place.longitude", Shape.NUMBER),
        )},
        "--tags": (Shape.TEXT, True), "--numbers": (Shape.INTEGER, True), "--flags": (Shape.FLAG, True),
        "--colours": (Shape.CHOICE, True), "--addresses": (Shape.JSON, True), "--document": (Shape.ARTIFACT, False),
        "--documents": (Shape.ARTIFACT, True), "--secret": (Shape.SECRET, False),
    }  # fmt: skip


def test_help_tells_description_bounds_and_default() -> None:
    told = offered(probe.everything.kind)
    assert told["--text"].help == "A short text; 100 % of it is kept. 1 to 40 characters. Required."
    assert told["--ratio"].help == "Above 0, below 1. Default: 0.5."
    assert told["--count"].help == "How many. 1 to 100. Required."
    assert told["--tags"].help == "Words. Repeat for more, at most 5 times in all."
    assert told["--numbers"].help == "Each at least 0, repeat for more."
    assert told["--colour"].metavar == "{red,green,dark blue}"
    assert told["--address.city"].required is False
    assert offered(probe.signs_in.kind)["--login.name"].required is True


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--text", "12"], {"text": "12"}),
        (["--count", "12"], {"count": 12}),
        (["--count", "many"], {"count": "many"}),
        (["--count", "9" * 5000], {"count": "9" * 5000}),
        (["--ratio", ".25"], {"ratio": 0.25}),
        (["--ratio", "nan"], {"ratio": "nan"}),
        (["--price", "3.50"], {"price": "3.50"}),
        (["--flag"], {"flag": True}),
        (["--no-enabled"], {"enabled": False}),
        (["--day", "2026-02-01"], {"day": "2026-02-01"}),
        (["--wait", "90s"], {"wait": "PT1M30S"}),
        (["--wait", "PT2M"], {"wait": "PT2M"}),
        (["--grade", "2"], {"grade": 2}),
        (["--factor", "4"], {"factor": 4}),
        (["--factor", "3"], {"factor": "3"}),
        (["--size", "large"], {"size": "large"}),
        (["--optional", "-5"], {"optional": -5}),
        (["--tags", "a", "--tags", "b,c"], {"tags": ["a", "b,c"]}),
        (["--numbers", "1", "--numbers", "x"], {"numbers": [1, "x"]}),
        (["--flags", "true", "--flags", "False"], {"flags": [True, False]}),
        (["--colours", "dark blue"], {"colours": ["dark blue"]}),
        (["--address.city", "Rome", "--address.place.latitude", "1.5"],
         {"address": {"city": "Rome", "place": {"latitude": 1.5}}}),
        (["--address", '{"city": "Rome"}', "--address.street", "x"], {"address": {"city": "Rome", "street": "x"}}),
        (["--home.street", "x"],
         {"home": {"city": "Oslo", "street": "x", "verified": False, "place": None}}),
        (["--addresses", '{"city": "Rome"}', "--addresses", '[{"city": "Oslo"}, {"city": "Bonn"}]'],
         {"addresses": [{"city": "Rome"}, {"city": "Oslo"}, {"city": "Bonn"}]}),
        (["--parameters", '{"text": "a", "optional": null}', "--text", "b"], {"text": "b", "optional": None}),
        (["--parameters", '{"address": {"city": "Rome"}}', "--address.street", "x"],
         {"address": {"city": "Rome", "street": "x"}}),
    ],
)  # fmt: skip
def test_what_is_typed_becomes_parameters(arguments: list[str], expected: dict[str, Any]) -> None:
    assert typed(*arguments) == expected


def test_parameters_whose_options_are_taken_have_longer_ones() -> None:
    flags = set(offered(probe.colliding.kind))
    assert flags == {
        "--parameters.queue", "--parameters.user", "--parameters.priority", "--parameters.follow",
        "--parameters.settings", "--parameters.parameters", "--flag", "--parameters.no-flag",
    }  # fmt: skip
    found = gathered(probe.colliding.kind, "--parameters.queue", "q", "--no-flag", "--parameters.no-flag", "n")
    assert found.parameters == {"queue": "q", "flag": False, "no_flag": "n"}


@pytest.mark.parametrize(
    ("location", "words"),
    [
        (("count",), "--count: no"),
        (("address", "place", "latitude"), "--address.place.latitude: no"),
        (("numbers", 1), "--numbers (value 2): no"),
        (("addresses", 0, "city"), "--addresses (value 1), city: no"),
        (("secret",), "--secret-file or --secret-env: no"),
        (("unknown", 3), "unknown.3: no"),
        ((), "no"),
    ],
)
def test_problems_are_told_by_option(location: tuple[str | int, ...], words: str) -> None:
    every = offered(probe.everything.kind).values()
    assert options.told_by_option(FieldProblem(location, "no"), every) == words


def test_parameters_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_bytes(b"\xef\xbb\xbf" + b'{"text": "from a file"}')
    assert typed("--parameters", f"@{tmp_path / 'p.json'}") == {"text": "from a file"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "expected JSON, got '{'"),
        ("[1]", "expected a JSON object"),
        ('{"ratio": NaN}', "NaN is not JSON"),
        ("[" * 100_000, "not nested so deeply"),
        ("@/nowhere", "expected a file that can be read, got '/nowhere' (No such file or directory)"),
        ("@/", "Is a directory"),
    ],
)
def test_bad_json_is_refused_in_a_sentence(text: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        typed("--parameters", text)
    assert words in str(refused.value)
    assert len(str(refused.value)) < 400


def test_a_file_name_without_its_at_sign_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text("{}")
    with pytest.raises(InvalidRequest, match="write @ before its name"):
        typed("--parameters", str(tmp_path / "p.json"))


def test_files_that_are_not_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(InvalidRequest, match="expected UTF-8 text"):
        typed("--parameters", f"@{tmp_path / 'p.json'}")


def test_secrets_come_from_files_and_variables_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    monkeypatch.setenv("THE_SECRET", "from a variable")
    assert typed("--secret-file", str(tmp_path / "secret")) == {"secret": "from a file"}
    assert typed("--secret-env", "THE_SECRET") == {"secret": "from a variable"}
    with pytest.raises(InvalidRequest, match="expected one of --secret-file and --secret-env, got both"):
        typed("--secret-env", "THE_SECRET", "--secret-file", str(tmp_path / "secret"))
    with pytest.raises(InvalidRequest, match="is not set"):
        typed("--secret-env", "NO_SUCH_SECRET")
    (tmp_path / "p.json").write_text('{"secret": "in a file of parameters"}')
    assert typed("--parameters", f"@{tmp_path / 'p.json'}") == {"secret": "in a file of parameters"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--login", '{"name": "a", "password": "open sesame"}'],
        ["--spare", '{"name": "a", "password": "open sesame"}'],
        ["--spare", '[{"name": "a", "password": "open sesame"}]'],
        ["--parameters", '{"spare": [{"name": "a", "password": "open sesame"}]}'],
    ],
)
def test_secrets_deep_in_json_are_not_taken_from_the_command_line(arguments: list[str]) -> None:
    with pytest.raises(InvalidRequest, match="a secret is not taken from the command line") as refused:
        gathered(probe.signs_in.kind, *arguments)
    assert "open sesame" not in str(refused.value)


def test_a_part_of_a_nested_parameter_changes_a_copy_of_the_old_one() -> None:
    old = {"address": {"city": "Rome", "street": "Via Appia", "place": None}}
    found = gathered(probe.everything.kind, "--address.city", "Oslo", existing=old)
    assert found.parameters == {"address": {"city": "Oslo", "street": "Via Appia", "place": None}}
    assert old["address"]["city"] == "Rome"


def test_a_copy_never_carries_the_stars_of_a_secret(tmp_path: Path) -> None:
    old = {"login": {"name": "root", "password": "**********"}}
    with pytest.raises(InvalidRequest, match="--login: expected its secret to be given again"):
        gathered(probe.signs_in.kind, "--login.name", "alice", existing=old)
    (tmp_path / "secret").write_text("new")
    found = gathered(
        probe.signs_in.kind, "--login.name", "alice", "--login.password-file", str(tmp_path / "secret"), existing=old
    )
    assert found.parameters == {"login": {"name": "alice", "password": "new"}}


def test_files_keep_a_place_until_they_are_uploaded(tmp_path: Path) -> None:
    known = "01a20836-ffba-77f5-b286-7bd5db9c2a02"
    found = gathered(probe.takes_files.kind, "--first", known, "--others", known, "--others", "here.csv")
    assert [(file.place, file.path) for file in found.files] == [(("others", 1), Path("here.csv"))]
    assert found.parameters["first"] == found.parameters["others"][0] == known
    filled = values.with_uploads(found, {found.files[0].placeholder: "the id"})
    assert filled == {"first": known, "others": [known, "the id"]}
