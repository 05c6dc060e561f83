"""The address of the broker: one URL, whose query holds what else must be known to reach it.

``docs/brokers.md`` shows a URL for each broker. What is wrong with one is said without telling the password in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, urlsplit

SQS_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
SWITCHES = {"true": True, "false": False}
REQUIREMENTS = ("required", "none")


@dataclass(frozen=True)
class Address:
    """A checked address. ``url`` is without the query; ``options`` is the query, and empty where it said nothing."""

    scheme: str
    url: str
    options: Mapping[str, str]

    def switch(self, name: str) -> bool:
        """An option that is true (the default) or false."""
        return SWITCHES[self.options.get(name, "true")]


def _file(name: str, value: str) -> None:
    if not Path(value).is_file():
        raise ValueError(f"expected {name} in BROKER_URL to name a file, found none at {value!r}")


def _one_of(*words: str) -> Callable[[str, str], None]:
    def check(name: str, value: str) -> None:
        if value not in words:
            raise ValueError(f"expected {name} in BROKER_URL to be {' or '.join(words)}, got {value!r}")

    return check


def _said(name: str, value: str) -> None:
    if not value:
        raise ValueError(f"expected {name} in BROKER_URL to have a value, got none")


def _wait(name: str, value: str) -> None:
    # Twenty is Amazon's own limit, but the worker gives up a request after 20 seconds.
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= 15:
        raise ValueError(f"expected {name} in BROKER_URL to be 1 to 15 seconds, got {value!r}")


def _prefix(name: str, value: str) -> None:
    if not SQS_NAME.fullmatch(value):
        raise ValueError(f"expected {name} in BROKER_URL to have only letters, digits, - and _, got {value!r}")


TLS: Mapping[str, Callable[[str, str], None]] = {
    "ssl_ca_certs": _file,
    "ssl_certfile": _file,
    "ssl_keyfile": _file,
    "ssl_cert_reqs": _one_of(*REQUIREMENTS),
    "ssl_check_hostname": _one_of(*SWITCHES),
}
OPTIONS: Mapping[str, Mapping[str, Callable[[str, str], None]]] = {
    "redis": {},
    "rediss": TLS,
    "sentinel": {"master_name": _said, "sentinel_username": _said, "sentinel_password": _said},
    "amqp": {},
    "amqps": TLS,
    "sqs": {"region": _said, "secure": _one_of(*SWITCHES), "prefix": _prefix, "wait": _wait},
}
"""What the query may say, by scheme, and how each is checked."""


def parse(text: str) -> Address:
    """Check an address. Raises ValueError in words that tell no password."""
    scheme = text.partition("://")[0]
    if scheme not in OPTIONS or "://" not in text:
        shown = scheme if "://" in text else ""
        raise ValueError(f"expected BROKER_URL to begin with redis://, amqp:// or sqs://, got {shown!r}")
    address, _, query = text.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name, value in options.items():
        if name not in OPTIONS[scheme]:
            known = f"one of {', '.join(OPTIONS[scheme])}" if OPTIONS[scheme] else "nothing"
            raise ValueError(f"expected {known} after the ? of a {scheme}:// BROKER_URL, got {name[:40]!r}")
        OPTIONS[scheme][name](name, value)
    match scheme:
        case "sentinel":
            return Address(scheme, _sentinels(address, options), options)
        case "sqs":
            return Address(scheme, _sqs(_split(address)), options)
        case "redis" | "rediss":
            parts = _split(address, host=True)
            _database(parts)
            return Address(scheme, address, options)
        case _:
            _split(address, host=True)
            return Address(scheme, address, options)


def _split(address: str, *, host: bool = False) -> SplitResult:
    try:
        parts = urlsplit(address)
        missing = not parts.hostname or parts.port == 0
    except ValueError:
        raise ValueError(
            "expected BROKER_URL to be scheme://user:password@host:port/…, with %40 for @, %2F for / and so on in the "
            "password; its host or port could not be read"
        ) from None
    if "#" in address:
        raise ValueError("expected %23 for a # in BROKER_URL")
    if host and missing:
        raise ValueError(f"expected a host in BROKER_URL, as in {parts.scheme}://host:port, got none")
    return parts


def _database(parts: SplitResult) -> str:
    number = parts.path.strip("/")
    if number and not (number.isascii() and number.isdigit()):
        raise ValueError(f"expected the number of a database at the end of BROKER_URL, got {number[:40]!r}")
    return number or "0"


def _sentinels(address: str, options: Mapping[str, str]) -> str:
    """All sentinels, each with the account of the first and the database of the last: kombu asks any of them."""
    if "master_name" not in options:
        raise ValueError("expected ?master_name=… in a sentinel:// BROKER_URL: what the sentinels call the master")
    every = [_split(each, host=True) for each in address.split(";")]
    if any(each.scheme != "sentinel" for each in every):
        raise ValueError("expected BROKER_URL to be sentinel://host:port;sentinel://host:port/0?master_name=…")
    account, at, _ = every[0].netloc.rpartition("@")
    database = _database(every[-1])
    return ";".join(f"sentinel://{account}{at}{each.netloc.rpartition('@')[2]}/{database}" for each in every)


def _sqs(parts: SplitResult) -> str:
    if bool(parts.username) != bool(parts.password):
        raise ValueError("expected sqs://KEY:SECRET@… in BROKER_URL, or neither, for the role of the machine")
    return f"sqs://{parts.netloc}/"
