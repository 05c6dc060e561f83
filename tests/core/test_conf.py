"""Configuration: read from the environment, checked as a whole, refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from pydantic import ValidationError

from jobs_app import conf
from jobs_app.conf import Configuration

KEY = {"SECRET_KEY": "k" * 40}


def test_a_secret_key_is_all_that_must_be_given() -> None:
    configuration = conf.load(KEY)
    assert (configuration.queues, configuration.window, configuration.debug) == (("default",), 100, False)
    assert configuration.artifact_dir == Path("var/artifacts")


def test_what_is_given_wins_over_the_default() -> None:
    given = {"WINDOW": "7", "QUEUES": " fast , slow,", "DEBUG": "true", "DATA_DIR": "/tmp/x", "LEASE_SECONDS": "30.5"}
    configuration = conf.load({**KEY, **given})
    assert (configuration.window, configuration.queues, configuration.debug) == (7, ("fast", "slow"), True)
    assert (configuration.artifact_dir, configuration.lease_seconds) == (Path("/tmp/x/artifacts"), 30.5)


def test_an_empty_variable_counts_as_unset() -> None:
    assert conf.load({**KEY, "WINDOW": "", "QUEUES": "", "DATABASE_URL": ""}) == conf.load(KEY)


def test_variables_of_others_are_left_alone() -> None:
    assert conf.load({**KEY, "PATH": "/bin", "window": "7"}) == conf.load(KEY)


def test_it_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        conf.load(KEY).window = 5


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("WINDOW", "many", r"WINDOW: expected a valid integer.*, got 'many'"),
        ("WINDOW", "0", r"WINDOW: expected greater than or equal to 1, got '0'"),
        ("WINDOW", "100001", r"WINDOW: expected less than or equal to 100000, got '100001'"),
        ("DEBUG", "perhaps", r"DEBUG: expected a valid boolean.*, got 'perhaps'"),
        ("LEASE_SECONDS", "soon", r"LEASE_SECONDS: expected a valid number.*, got 'soon'"),
        ("LEASE_SECONDS", "nan", r"LEASE_SECONDS: expected .*, got 'nan'"),
        ("HEARTBEAT_SECONDS", "0", r"HEARTBEAT_SECONDS: expected greater than or equal to 0.1, got '0'"),
        ("MAX_KILLS", "0", r"MAX_KILLS: expected greater than or equal to 1, got '0'"),
        ("LOG_LEVEL", "LOUD", r"LOG_LEVEL: .*DEBUG\|INFO\|WARNING\|ERROR.*, got 'LOUD'"),
        ("PARAMETERS_BYTES", "1", r"PARAMETERS_BYTES: expected greater than or equal to 1024, got '1'"),
        ("TIME_ZONE", "Mars/Olympus", r"TIME_ZONE: expected an IANA name such as Europe/Berlin, got 'Mars/Olympus'"),
        ("TIME_ZONE", "../etc/passwd", r"TIME_ZONE: expected an IANA name"),
        ("BROKER_URL", "kafka://host", r"expected BROKER_URL to begin with redis://, amqp:// or sqs://, got 'kafka'"),
        ("DATABASE_URL", "mysql://host/db", r"DATABASE_URL to begin with postgres:// or sqlite:///, got 'mysql'"),
        ("QUEUES", "default,system", r"expected QUEUES with at least one name, and none of them 'system'"),
        ("QUEUES", ",", r"expected QUEUES with at least one name"),
    ],
)
def test_a_bad_value_is_refused_in_words(name: str, value: str, message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=message):
        conf.load({**KEY, name: value})


def test_a_lease_must_outlast_three_heartbeats() -> None:
    conf.load({**KEY, "LEASE_SECONDS": "6", "HEARTBEAT_SECONDS": "2"})
    with pytest.raises(ImproperlyConfigured, match=r"at least three times HEARTBEAT_SECONDS, .* got 5\.9 and 2"):
        conf.load({**KEY, "LEASE_SECONDS": "5.9", "HEARTBEAT_SECONDS": "2"})


def test_every_fault_has_a_line() -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        conf.load({**KEY, "WINDOW": "x", "MAX_KILLS": "y", "DEBUG": "z"})
    lines = str(caught.value).splitlines()
    assert lines[0] == "The environment is not usable:"
    assert sorted(line.split(":")[0].strip() for line in lines[1:]) == ["DEBUG", "MAX_KILLS", "WINDOW"]


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"SECRET_KEY: expected a value, got none. See .env.example."):
        conf.load({})


@pytest.mark.parametrize(
    ("environment", "hidden"),
    [
        ({"SECRET_KEY": "too-short-a-secret"}, "too-short-a-secret"),
        ({**KEY, "DATABASE_URL": "mysql://user:hidden-word@host/db"}, "hidden-word"),
        ({**KEY, "BROKER_URL": "kafka://:hidden-word@host"}, "hidden-word"),
    ],
)
def test_secrets_are_not_told(environment: dict[str, str], hidden: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        conf.load(environment)
    assert hidden not in str(caught.value)


@pytest.mark.parametrize("name", Configuration.model_fields)
def test_every_setting_says_what_it_is(name: str) -> None:
    assert Configuration.model_fields[name].description
