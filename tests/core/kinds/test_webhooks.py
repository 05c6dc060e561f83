from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

from jobs_app.authoring import DetachedContext, Discard, Retry, Secret
from jobs_app.lifecycle import State
from jobs_app.policies import decide
from tasks.kinds.webhooks import addresses
from tasks.kinds.webhooks.deliver import READ_BYTES, Delivery, DeliveryFailed, deliver
from tests.core.kinds.receivers import Receiver, receiving, respond

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def receiver(configure: Callable[..., None]) -> Iterator[Receiver]:
    configure(webhook_private_hosts=("127.0.0.1", "LocalHost"))
    with receiving() as running:
        yield running


def send(detached: DetachedContext, url: str, **more: Any) -> Delivery:
    return deliver(url, "order.paid", '{"id": 12345678901234567890, "sum": "9,90 €"}', context=detached, **more)


def test_a_message_arrives_signed(receiver: Receiver, detached: DetachedContext) -> None:
    receiver.answer = lambda handler: respond(handler, 201, b"thanks")
    delivery = send(detached, receiver.url("/hook?tenant=a%20b"), secret=Secret(SECRET))
    ((path, headers, body),) = receiver.requests
    assert (delivery.status, delivery.response, delivery.message_id) == (201, "thanks", detached.job_id)
    assert path == "/hook?tenant=a%20b"
    assert headers["host"] == f"127.0.0.1:{receiver.port}"
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == detached.job_id
    message = Webhook(SECRET).verify(body, headers)
    assert message == {"type": "order.paid", "data": {"id": 12345678901234567890, "sum": "9,90 €"}}


def test_a_changed_message_or_another_secret_does_not_verify(receiver: Receiver, detached: DetachedContext) -> None:
    send(detached, receiver.url(), secret=Secret(SECRET))
    ((_, headers, body),) = receiver.requests
    for secret, content in ((SECRET, body + b" "), ("whsec_" + "A" * 32, body)):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(content, headers)


def test_every_attempt_sends_the_same_message(receiver: Receiver, detached: DetachedContext) -> None:
    for _ in range(2):
        send(detached, receiver.url(), secret=Secret(SECRET))
    (_, first, body), (_, second, again) = receiver.requests
    assert (first["webhook-id"], body) == (second["webhook-id"], again)


def test_without_a_secret_it_goes_unsigned(receiver: Receiver, detached: DetachedContext) -> None:
    send(detached, receiver.url())
    ((_, headers, _),) = receiver.requests
    assert "webhook-signature" not in headers
    assert "webhook-id" in headers


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
def test_a_refusal_is_final(receiver: Receiver, detached: DetachedContext, status: int) -> None:
    receiver.answer = lambda handler: respond(handler, status)
    with pytest.raises(Discard, match=f"127.0.0.1 refused the message with status {status}"):
        send(detached, receiver.url())


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(receiver: Receiver, detached: DetachedContext, status: int) -> None:
    receiver.answer = lambda handler: respond(handler, status, Location=receiver.url("/elsewhere"))
    with pytest.raises(Discard, match="a redirect, and those are not followed"):
        send(detached, receiver.url())
    assert [path for path, _, _ in receiver.requests] == ["/hook"]


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_passing_failure_is_tried_again_with_backoff(
    receiver: Receiver, detached: DetachedContext, status: int
) -> None:
    receiver.answer = lambda handler: respond(handler, status)
    with pytest.raises(DeliveryFailed, match=f"127.0.0.1 answered {status}") as raised:
        send(detached, receiver.url())
    policy = deliver.kind.retry
    decisions = [
        decide(policy, raised.value, attempt=attempt, max_attempts=policy.max_attempts, now=datetime.now(UTC))
        for attempt in (1, 7, 8)
    ]
    assert [decision.state for decision in decisions] == [State.RETRYING, State.RETRYING, State.FAILED]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("120", 120, 120),
        ("0", 0, 0),
        ("9" * 400, 86_400, 86_400),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("Fri, 31 Dec 2199 23:59:59 GMT", 86_400, 86_400),
    ],
)
def test_retry_after_is_heeded(
    receiver: Receiver, detached: DetachedContext, status: int, header: str, low: int, high: int
) -> None:
    receiver.answer = lambda handler: respond(handler, status, Retry_After=header)
    with pytest.raises(Retry) as raised:
        send(detached, receiver.url())
    assert low <= raised.value.after.total_seconds() <= high


def test_a_date_in_retry_after_is_heeded(receiver: Receiver, detached: DetachedContext) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    receiver.answer = lambda handler: respond(handler, 503, Retry_After=date)
    with pytest.raises(Retry) as raised:
        send(detached, receiver.url())
    assert 7000 <= raised.value.after.total_seconds() <= 7200


@pytest.mark.parametrize("header", ["soon", "-5", "1.5", "²", "99 Foo 2026"])
def test_a_senseless_retry_after_is_passed_over(receiver: Receiver, detached: DetachedContext, header: str) -> None:
    receiver.answer = lambda handler: respond(handler, 503, Retry_After=header)
    with pytest.raises(DeliveryFailed):
        send(detached, receiver.url())


def test_an_endless_answer_is_cut(receiver: Receiver, detached: DetachedContext) -> None:
    sent = []

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while len(sent) < 10_000:
            handler.wfile.write(b"\xff" * READ_BYTES)
            sent.append(READ_BYTES)

    receiver.answer = endless
    delivery = send(detached, receiver.url())
    assert delivery.status == 200
    assert len(delivery.response) <= 1000
    assert len(sent) < 1000


def test_nobody_there_or_no_proper_answer_is_tried_again(receiver: Receiver, detached: DetachedContext) -> None:
    receiver.answer = lambda handler: handler.connection.close()
    with pytest.raises(DeliveryFailed, match=r"127\.0\.0\.1 gave no proper answer"):
        send(detached, receiver.url())
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(DeliveryFailed, match=r"127\.0\.0\.1 could not be reached"):
            send(detached, f"http://127.0.0.1:{closed.getsockname()[1]}/")


def test_a_name_that_does_not_resolve_is_tried_again(detached: DetachedContext) -> None:
    with pytest.raises(DeliveryFailed, match=r"no-such-host\.invalid could not be resolved"):
        send(detached, "http://no-such-host.invalid/")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0",
        "0.0.0.0",
        "localhost",
        "LOCALHOST",
        "10.0.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.8",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:8.8.8.8]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[fe80::1]",
        "[fc00::1]",
        "[fec0::1]",
        "[ff02::1]",
        "[2001:db8::1]",
    ],
)
def test_no_address_within_can_be_reached(detached: DetachedContext, host: str, configure: Callable[..., None]) -> None:
    configure(webhook_private_hosts=())
    with receiving() as running:
        with pytest.raises(Discard, match="public addresses only"):
            send(detached, running.url(host=host))
        assert not running.requests


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700:4700::1111", "2a00:1450:4001::1"])
def test_public_addresses_are_public(address: str) -> None:
    assert addresses.is_public(address)


def test_one_private_address_among_public_ones_is_enough_to_refuse(
    detached: DetachedContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    with pytest.raises(Discard, match=r"has the address 10\.0\.0\.1"):
        send(detached, "http://both.example/")


def test_the_name_is_looked_up_once_and_its_answer_is_used(
    receiver: Receiver, detached: DetachedContext, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(webhook_private_hosts=("rebinding.example",))
    asked = []
    real = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        asked.append(host)
        return real("127.0.0.1", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    send(detached, receiver.url(host="rebinding.example"))
    assert [host for host in asked if host not in {"127.0.0.1", b"127.0.0.1"}] == ["rebinding.example"]
    assert receiver.requests[0][1]["host"] == f"rebinding.example:{receiver.port}"


def test_a_proxy_from_the_environment_is_not_used(
    receiver: Receiver, detached: DetachedContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert send(detached, receiver.url()).status == 204


def certificate(folder: Path, name: str) -> Path:
    """A key and a self-signed certificate for a host name, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@pytest.mark.parametrize(("trusted", "ok"), [("localhost", True), ("other.example", False), (None, False)])
def test_tls_is_verified_for_the_name_and_not_for_the_address(
    configure: Callable[..., None],
    detached: DetachedContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trusted: str | None,
    ok: bool,
) -> None:
    configure(webhook_private_hosts=("localhost",))
    path = certificate(tmp_path, trusted or "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    names: list[str | None] = []
    context.sni_callback = lambda _, name, __: names.append(name)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with receiving(context) as running:
        url = running.url(host="localhost", scheme="https")
        if ok:
            assert send(detached, url).status == 204
        else:
            with pytest.raises(DeliveryFailed, match=r"localhost could not be reached: .*certificate"):
                send(detached, url)
            assert not running.requests
    assert set(names) == {"localhost"}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("url", "ftp://example.org/", "expected a URL such as"),
        ("url", "example.org/hook", "expected a URL such as"),
        ("url", "http://", "expected a URL such as"),
        ("url", "http://[::1/", "expected a URL such as"),
        ("url", "http://example.org:99999999/", "expected a port from 1 to 65535"),
        ("url", "http://exa\nmple.org/", "expected a URL such as"),
        ("url", "file:///etc/passwd", "expected a URL such as"),
        ("url", "https://user:secret@example.org/", "without a user name or password"),
        ("url", "https://example.org/" + "x" * 2000, "at most 2000"),
        ("event", "", "match pattern"),
        ("event", "a b", "match pattern"),
        ("payload", "{'a': 1}", "expected JSON"),
        ("payload", "", "expected JSON"),
        ("payload", '{"a": NaN}', "NaN is not JSON"),
        ("payload", "[" * 100_000, "expected JSON"),
        ("payload", '"' + "x" * 200_000 + '"', "at most 200000"),
        ("secret", "", "expected a signing secret"),
        ("secret", "whsec_", "expected a signing secret"),
        ("secret", "whsec_not base64!", "expected a signing secret"),
    ],
)
def test_parameters_that_cannot_work_are_refused_at_their_field(field: str, value: str, said: str) -> None:
    given = {"url": "https://example.org/", "event": "a.b", "payload": "{}", "secret": SECRET, field: value}
    with pytest.raises(ValidationError) as raised:
        deliver.kind.parameters.model_validate(given)
    (fault,) = raised.value.errors()
    assert fault["loc"] == (field,)
    assert said in fault["msg"]
    assert "secret" not in fault["msg"].replace("a signing secret", "").replace("the secret signs", "")


def test_parameters_may_be_as_large_as_stated() -> None:
    payload = json.dumps("x" * 199_998)
    given = {"url": "https://example.org/", "event": "a.b", "payload": payload}
    assert deliver.kind.parameters.model_validate(given)
