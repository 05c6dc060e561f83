"""`webhooks.deliver`: send an event to another system, signed, until it has been taken.

Delivery is at least once: a receiver may see a message again and tells it by its ``webhook-id``, which stays the same.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, NoReturn

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from standardwebhooks import Webhook

from jobs_app.authoring import Backoff, Discard, JobContext, Retry, Secret, job
from tasks.kinds.webhooks.addresses import permitted

TIMEOUT = httpx.Timeout(10, connect=5)
READ_SECONDS = 10
READ_BYTES = 65_536
EXCERPT = 1000
LONGEST_WAIT = timedelta(hours=24)
TRY_LATER = (429, 503)


class DeliveryFailed(Exception):
    """The receiver could not be reached or could not take the message; another attempt may succeed."""


class Delivery(BaseModel):
    """The receiver's answer. ``response`` is the beginning of its body."""

    model_config = ConfigDict(frozen=True)

    message_id: str
    status: int
    milliseconds: int
    response: str


def _sound_url(value: str) -> str:
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL as error:
        raise ValueError(f"expected a URL such as https://example.org/hook: {error}") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("expected a URL such as https://example.org/hook")
    if url.port is not None and not 0 < url.port < 65_536:
        raise ValueError(f"expected a port from 1 to 65535, got {url.port}")
    if url.userinfo:
        raise ValueError("expected a URL without a user name or password; the secret signs the message instead")
    return value


def _sound_json(value: str) -> str:
    try:
        json.loads(value, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected JSON, such as {{}}: {error}") from None
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _sound_secret(value: Secret) -> Secret:
    try:
        key = base64.b64decode(value.get_secret_value().removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("expected a signing secret such as whsec_… followed by base64")
    return value


@job("webhooks.deliver", timeout=timedelta(minutes=2), retry=Backoff(max_attempts=8, base=timedelta(seconds=5)))
def deliver(
    url: Annotated[str, Field(max_length=2000, description="Where to send it."), AfterValidator(_sound_url)],
    event: Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9_.-]+$", description="Such as invoice.paid.")],
    payload: Annotated[
        str, Field(max_length=200_000, description="The event's data, as JSON."), AfterValidator(_sound_json)
    ] = "{}",
    *,
    message: Annotated[
        str | None,
        Field(max_length=100, pattern=r"^[A-Za-z0-9_.-]+$", description="The id of the message; default: the job's."),
    ] = None,
    secret: Annotated[
        Annotated[Secret, AfterValidator(_sound_secret)] | None,
        Field(description="Signs the message (whsec_…); without it, it goes unsigned."),
    ] = None,
    context: JobContext,
) -> Delivery:
    """Send an event to a URL as a signed message (Standard Webhooks), again and again until it is taken.

    A redirect is not followed. An answer of 429 or 503 is heeded if it says when to come back; any other 4xx ends the
    job; 5xx and connection errors are tried again.
    """
    target = httpx.URL(url)
    body = f'{{"type":{json.dumps(event)},"data":{payload}}}'
    headers = {
        "host": target.netloc.decode("ascii"),
        "content-type": "application/json",
        "accept-encoding": "identity",
        "user-agent": "Weir-Webhooks",
        **_signature(message or context.job_id, body, secret),
    }
    began = time.monotonic()
    status, retry_after, response = _post(target, headers, body.encode(), context)
    context.log(f"{target.host} answered {status}")
    _judge(target.host, status, retry_after)
    milliseconds = round((time.monotonic() - began) * 1000)
    return Delivery(message_id=message or context.job_id, status=status, milliseconds=milliseconds, response=response)


def _signature(message_id: str, body: str, secret: Secret | None) -> dict[str, str]:
    now = datetime.now(UTC)
    headers = {"webhook-id": message_id, "webhook-timestamp": str(math.floor(now.timestamp()))}
    if secret is not None:
        headers["webhook-signature"] = Webhook(secret.get_secret_value()).sign(message_id, now, body)
    return headers


def _post(url: httpx.URL, headers: dict[str, str], body: bytes, context: JobContext) -> tuple[int, str, str]:
    """Status, Retry-After and the beginning of the answer, from the first address that can be connected to."""
    failure: Exception = DeliveryFailed(f"{url.host} has no address")
    try:
        addresses = permitted(url)
    except OSError as error:
        raise DeliveryFailed(str(error)) from error
    # No proxy from the environment: it would make the connection elsewhere than to the address that was checked.
    with httpx.Client(trust_env=False, verify=httpx.create_ssl_context(), timeout=TIMEOUT) as client:
        for address in addresses:
            context.check()
            # The host's own name stays in the Host header, and in TLS for choosing and verifying the certificate.
            pinned = url.copy_with(host=address)
            extensions = {"sni_hostname": url.raw_host.decode("ascii")}
            try:
                with client.stream("POST", pinned, content=body, headers=headers, extensions=extensions) as answer:
                    return answer.status_code, answer.headers.get("retry-after", ""), _beginning(answer, context)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
            except httpx.HTTPError as error:
                raise DeliveryFailed(f"{url.host} gave no proper answer: {_reason(error)}") from error
    raise DeliveryFailed(f"{url.host} could not be reached: {_reason(failure)}") from failure


def _beginning(answer: httpx.Response, context: JobContext) -> str:
    """What fits of the body, as text. How the receiver judged the message is in the status; this is for people."""
    content = b""
    until = time.monotonic() + READ_SECONDS
    for chunk in answer.iter_raw():
        context.check()
        content += chunk
        if len(content) >= READ_BYTES or time.monotonic() > until:
            break
    return content[: 4 * EXCERPT].decode(errors="replace")[:EXCERPT]


def _judge(host: str, status: int, retry_after: str) -> None:
    """Return if the message was taken; else raise what is to follow."""
    if 200 <= status < 300:
        return
    wait = _wait(retry_after, datetime.now(UTC))
    if status in TRY_LATER and wait is not None:
        raise Retry(wait, f"{host} answered {status} and asked to come back in {wait.total_seconds():.0f} s")
    if 300 <= status < 400:
        raise Discard(f"{host} answered {status}, a redirect, and those are not followed. Give the final URL")
    if 400 <= status < 500 and status not in TRY_LATER:
        raise Discard(f"{host} refused the message with status {status}. Check the URL, and what the receiver expects")
    raise DeliveryFailed(f"{host} answered {status}")


def _wait(retry_after: str, now: datetime) -> timedelta | None:
    """How long a Retry-After header (RFC 9110) asks to wait, at most a day; None if it is not seconds or a date."""
    if retry_after.isascii() and retry_after.isdigit():
        return min(timedelta(seconds=int(retry_after[:9])), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(at - now, timedelta(0)), LONGEST_WAIT)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
