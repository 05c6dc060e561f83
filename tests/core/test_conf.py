"""Configuration: read from the environment, checked as a whole, refused in words."""

from __future__ import annotations

from datetime import timedelta
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


@pytest.mark.parametrize(
    ("given", "scheme", "url", "options"),
    [
        ("redis://:pw%40%2F@host:6379/3", "redis", "redis://:pw%40%2F@host:6379/3", {}),
        ("rediss://host?ssl_cert_reqs=none", "rediss", "rediss://host", {"ssl_cert_reqs": "none"}),
        ("amqps://me:pw@host:5671/weir", "amqps", "amqps://me:pw@host:5671/weir", {}),
        ("amqp://me:pw@[::1]//", "amqp", "amqp://me:pw@[::1]//", {}),
        (
            "sentinel://:pw@one:26379;sentinel://two:26380/2?master_name=m&sentinel_password=a%26b",
            "sentinel",
            "sentinel://:pw@one:26379/2;sentinel://:pw@two:26380/2",
            {"master_name": "m", "sentinel_password": "a&b"},
        ),
        ("sentinel://one:26379?master_name=m", "sentinel", "sentinel://one:26379/0", {"master_name": "m"}),
        ("sqs://", "sqs", "sqs:///", {}),
        ("sqs://key:a%2Fb@?region=eu-west-1&wait=5", "sqs", "sqs://key:a%2Fb@/", {"region": "eu-west-1", "wait": "5"}),
        ("sqs://127.0.0.1:4100/?secure=false", "sqs", "sqs://127.0.0.1:4100/", {"secure": "false"}),
    ],
)
def test_one_setting_says_where_the_broker_is_and_how_to_reach_it(
    given: str, scheme: str, url: str, options: dict[str, str]
) -> None:
    configuration = conf.load({**KEY, "BROKER_URL": given})
    assert configuration.broker_scheme == scheme
    assert (configuration.broker_address.url, configuration.broker_address.options) == (url, options)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("localhost:6379", "to begin with redis://, amqp:// or sqs://, got ''"),
        ("redis://", "expected a host in BROKER_URL, as in redis://host:port, got none"),
        ("amqp://me:hidden-word@:5672//", "expected a host in BROKER_URL, as in amqp://host:port"),
        ("redis://:hidden-word@host:port/0", "its host or port could not be read"),
        ("redis://:hidden#word@host/0", "its host or port could not be read|expected %23 for a #"),
        ("redis://:hidden/word@host/0", "its host or port could not be read|expected a host in BROKER_URL"),
        ("redis://host/first", "expected the number of a database at the end of BROKER_URL, got 'first'"),
        (
            "redis://host/0?ssl_ca_certs=x",
            "expected nothing after the [?] of a redis:// BROKER_URL, got 'ssl_ca_certs'",
        ),
        ("rediss://host/0?ssl_ca=x", "expected one of ssl_ca_certs, ssl_certfile, .* got 'ssl_ca'"),
        ("rediss://host/0?ssl_ca_certs=/no/such", "expected ssl_ca_certs in BROKER_URL to name a file, .* '/no/such'"),
        ("rediss://host/0?ssl_cert_reqs=perhaps", "expected ssl_cert_reqs .* to be required or none, got 'perhaps'"),
        ("amqps://host//?ssl_check_hostname=no", "expected ssl_check_hostname .* to be true or false, got 'no'"),
        ("sentinel://host:26379/0", r"expected [?]master_name=… in a sentinel:// BROKER_URL"),
        ("sentinel://host?master_name=", "expected master_name in BROKER_URL to have a value, got none"),
        ("sentinel://a;redis://b/0?master_name=m", "expected BROKER_URL to be sentinel://host:port;sentinel://host"),
        ("sqs://key@?region=x", "expected sqs://KEY:SECRET@… in BROKER_URL, or neither"),
        ("sqs://?secure=maybe", "expected secure in BROKER_URL to be true or false, got 'maybe'"),
        ("sqs://?prefix=a.b", "expected prefix .* to have only letters, digits, - and _, got 'a.b'"),
        ("sqs://?wait=20", "expected wait in BROKER_URL to be 1 to 15 seconds, got '20'"),
        ("sqs://?visibility=3", "expected one of region, secure, prefix, wait after the [?] .* got 'visibility'"),
    ],
)
def test_an_address_of_a_broker_that_cannot_work_is_refused_in_words(url: str, message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=message) as caught:
        conf.load({**KEY, "BROKER_URL": url})
    assert "hidden" not in str(caught.value)


def test_it_is_known_how_late_a_brokers_count_may_be() -> None:
    lags = [conf.load({**KEY, "BROKER_URL": url}).broker_count_lag for url in ("redis://h", "amqp://h", "sqs://")]
    assert lags == [timedelta(seconds=2), timedelta(seconds=2), timedelta(seconds=30)]
