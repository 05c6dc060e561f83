"""What each broker is given to work with, and what `make up` leaves out where a broker cannot do it."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from jobs_app import conf
from jobs_app.platform import environment, readiness
from jobs_app.platform.faults import PlatformError
from project import brokers

KEY = {"SECRET_KEY": "k" * 40}
PORTS = {"web": 8000, "stream": 8001, "flower": 5555}


def settings(url: str, **given: str) -> dict[str, Any]:
    return brokers.celery_settings(conf.load({**KEY, "BROKER_URL": url, **given}))


@pytest.mark.parametrize("url", ["redis://host", "amqp://host", "sqs://?region=x"])
def test_messages_are_json_acked_early_and_published_with_limits(url: str) -> None:
    found = settings(url)
    assert (found["CELERY_ACCEPT_CONTENT"], found["CELERY_TASK_ACKS_LATE"]) == (["json"], False)
    assert found["CELERY_TASK_PUBLISH_RETRY_POLICY"]["max_retries"] <= 1
    assert found["CELERY_BROKER_CONNECTION_MAX_RETRIES"] is None, "a worker waits for its broker for ever"
    assert found["CELERY_BROKER_HEARTBEAT"] <= 10
    assert "?" not in found["CELERY_BROKER_URL"]


def test_only_rabbitmq_has_quorum_queues_and_they_are_all_of_its_queues() -> None:
    for url, expected in (("amqp://host", {"x-queue-type": "quorum"}), ("redis://host", None), ("sqs://", None)):
        queues = settings(url, QUEUES="a,b")["CELERY_TASK_QUEUES"]
        assert [(queue.name, queue.queue_arguments) for queue in queues] == [
            (name, expected) for name in ("a", "b", "system")
        ]


def test_remote_control_is_off_only_where_there_is_none() -> None:
    assert [settings(url)["CELERY_WORKER_ENABLE_REMOTE_CONTROL"] for url in ("redis://h", "amqp://h", "sqs://")] == [
        True, True, False,
    ]  # fmt: skip


def test_certificates_are_checked_unless_the_address_says_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.touch()
    assert settings("redis://host")["CELERY_BROKER_USE_SSL"] is None
    assert settings("rediss://host")["CELERY_BROKER_USE_SSL"] == {
        "ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True,
    }  # fmt: skip
    assert settings(f"rediss://host?ssl_ca_certs={file}&ssl_check_hostname=false")["CELERY_BROKER_USE_SSL"] == {
        "ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": False, "ssl_ca_certs": str(file),
    }  # fmt: skip
    assert settings(f"amqps://localhost?ssl_ca_certs={file}")["CELERY_BROKER_USE_SSL"] == {
        "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": "localhost", "ca_certs": str(file),
    }  # fmt: skip
    assert settings("amqps://host?ssl_cert_reqs=none")["CELERY_BROKER_USE_SSL"] == {"cert_reqs": ssl.CERT_NONE}


def test_an_sqs_address_becomes_options() -> None:
    found = settings("sqs://127.0.0.1:4100/?region=eu-west-1&secure=false&prefix=mine-&wait=3")
    options = found["CELERY_BROKER_TRANSPORT_OPTIONS"]
    assert {name: options[name] for name in ("region", "is_secure", "queue_name_prefix", "wait_time_seconds")} == {
        "region": "eu-west-1", "is_secure": False, "queue_name_prefix": "mine-", "wait_time_seconds": 3,
    }  # fmt: skip
    plain = settings("sqs://")["CELERY_BROKER_TRANSPORT_OPTIONS"]
    assert (plain["is_secure"], plain["queue_name_prefix"], "region" in plain) == (True, "weir-", False)


@pytest.mark.parametrize(
    ("queues", "said"),
    [
        ("a.b,a-b", "'a.b' and 'a-b' would be one queue of SQS, 'a-b'"),
        ("straße", "expected at most 60 ASCII letters, digits, - _ . with SQS, got 'straße'"),
        ("a b", "expected at most 60 ASCII letters"),
        ("x" * 61, "expected at most 60 ASCII letters"),
    ],
)
def test_names_that_sqs_cannot_keep_apart_are_refused(queues: str, said: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=said):
        settings("sqs://", QUEUES=queues)
    assert settings("redis://host", QUEUES=queues)


def test_flower_is_left_out_on_sqs_and_so_is_the_link_to_it() -> None:
    for url, shown, link in (("redis://host", True, "http://127.0.0.1:5555/flower"), ("sqs://?region=x", False, "")):
        composed = environment.compose({"BROKER_URL": url}, data_dir=Path("x"), ports=PORTS, secret_key="k" * 40)
        assert (composed.shows_flower, composed.configuration.flower_url) == (shown, link)


def test_flower_is_left_out_where_that_is_asked() -> None:
    given = {"BROKER_URL": "redis://host", "FLOWER_URL": "off"}
    composed = environment.compose(given, data_dir=Path("x"), ports=PORTS, secret_key="k" * 40)
    assert (composed.shows_flower, composed.configuration.flower_url) == (False, "")


def test_the_platform_starts_if_any_sentinel_listens_and_says_which_do_not() -> None:
    with socket.socket() as listening, socket.socket() as silent:
        for each in (listening, silent):
            each.bind(("127.0.0.1", 0))
        listening.listen()
        up, down = (each.getsockname()[1] for each in (listening, silent))
        readiness.require_broker(f"sentinel://127.0.0.1:{down};sentinel://127.0.0.1:{up}/0?master_name=m")
        with pytest.raises(PlatformError, match=f"expected a broker at 127.0.0.1:{down}, got: .* or unset BROKER_URL"):
            readiness.require_broker(f"sentinel://127.0.0.1:{down}/0?master_name=m")
    readiness.require_broker("sqs://?region=x")
    readiness.require_broker("")
