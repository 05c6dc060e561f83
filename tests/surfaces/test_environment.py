"""`.env.example` lists every variable there is, with its default: it is compared with the configuration class."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from jobs_app import conf
from jobs_app.platform import environment, procfile

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / ".env.example"
VARIABLE = re.compile(r"#?(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)")
KEY = "k" * 40


def shown(value: Any) -> str:
    """A default as one would write it in the environment."""
    match value:
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(value)
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def listed() -> dict[str, tuple[str, str]]:
    """Each variable of the file: the comment above it, and its value."""
    found: dict[str, tuple[str, str]] = {}
    comment: list[str] = []
    for line in EXAMPLE.read_text().splitlines():
        match = VARIABLE.fullmatch(line)
        if match is not None:
            found[match["name"]] = (" ".join(comment), match["value"])
        comment = [*comment, line.removeprefix("# ")] if line.startswith("# ") else []
    return found


def of_the_processes() -> set[str]:
    """What the Procfile's commands read, and the platform's own variables, beyond the configuration."""
    read = set[str]().union(*(process.variables for process in procfile.read(ROOT / "Procfile")))
    ports = {want.variable for want in {**environment.WANTED, **environment.WANTED_BROKER}.values()}
    return (read | ports | {"FLOWER_BASIC_AUTH"}) - {name.upper() for name in conf.Configuration.model_fields}


def test_every_setting_is_listed_with_its_description_and_its_default() -> None:
    found = listed()
    for name, field in conf.Configuration.model_fields.items():
        comment, value = found[name.upper()]
        default = "" if field.is_required() else shown(field.default)
        assert (comment, value) == (field.description, default), f"{name.upper()} in .env.example is out of date"


def test_every_variable_of_the_processes_is_listed_and_nothing_that_does_not_exist() -> None:
    assert listed().keys() - {name.upper() for name in conf.Configuration.model_fields} == of_the_processes()


def test_what_is_listed_is_a_usable_configuration() -> None:
    values = {name: value for name, (_, value) in listed().items()}
    assert conf.load({**values, "SECRET_KEY": KEY}) == conf.load({"SECRET_KEY": KEY})


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("WINDOW", "many", r"WINDOW: .*integer.*got 'many'"),
        ("WINDOW", "0", r"WINDOW: expected greater than or equal to 1, got '0'"),
        ("HTTPS", "perhaps", r"HTTPS: .*boolean.*got 'perhaps'"),
        ("LOG_LEVEL", "LOUD", r"LOG_LEVEL: .*got 'LOUD'"),
        ("QUEUES", "system", r"expected QUEUES .*'system'"),
        ("BROKER_URL", "http://127.0.0.1", r"expected BROKER_URL to begin with .*got 'http'"),
        ("LEASE_SECONDS", "3", r"expected LEASE_SECONDS of at least three times HEARTBEAT_SECONDS.*got 3 and 2"),
    ],
)
def test_a_wrong_value_says_what_was_expected_and_what_came(name: str, value: str, complaint: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=complaint):
        conf.load({"SECRET_KEY": KEY, name: value})


def test_the_secret_key_is_never_shown() -> None:
    with pytest.raises(ImproperlyConfigured) as raised:
        conf.load({"SECRET_KEY": "short-and-secret"})
    assert "short-and-secret" not in str(raised.value)


def test_without_a_secret_key_the_message_points_to_the_list() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"SECRET_KEY: expected a value, got none\. See \.env\.example"):
        conf.load({})
