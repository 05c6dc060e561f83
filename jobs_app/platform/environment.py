"""The environment of the platform's processes: what is given wins, the rest is generated."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from jobs_app import conf
from jobs_app.platform.faults import PlatformError
from jobs_app.platform.ports import HOST, Wanted

SECRET_FILE = "secret"  # noqa: S105 - a file's name
SECRET_LENGTH = 32
FLOWER_USER = "weir"
BROKER_PORT = "broker"
WANTED = {
    "web": Wanted("PORT", 8000),
    "stream": Wanted("STREAM_PORT", 8001),
    "flower": Wanted("FLOWER_PORT", 5555),
}
WANTED_BROKER = {BROKER_PORT: Wanted("VALKEY_PORT", 0)}


@dataclass(frozen=True)
class Environment:
    """The variables of every process, and what people need to know of them."""

    variables: Mapping[str, str]
    configuration: conf.Configuration
    ports: Mapping[str, int]
    broker_password: str

    @property
    def embedded_broker(self) -> bool:
        """Whether the platform runs a broker of its own."""
        return BROKER_PORT in self.ports

    @property
    def url(self) -> str:
        """Where the pages and the API answer, without a slash at the end."""
        return f"http://{HOST}:{self.ports['web']}"

    @property
    def stream_url(self) -> str:
        """Where the stream process answers."""
        return f"http://{HOST}:{self.ports['stream']}"

    @property
    def shows_flower(self) -> bool:
        """Whether Flower runs: not with FLOWER_URL=off, and on SQS it would have nothing to ask and nothing to show."""
        return bool(self.configuration.flower_url) and self.configuration.broker_scheme != "sqs"

    @property
    def flower_url(self) -> str:
        """Where Flower answers."""
        return f"http://{HOST}:{self.ports['flower']}/flower"

    @property
    def flower_login(self) -> tuple[str, str]:
        """Flower's user and password."""
        user, _, password = self.variables["FLOWER_BASIC_AUTH"].partition(":")
        return user, password

    @property
    def ledger(self) -> str:
        """The kind of ledger in words."""
        scheme = urlsplit(self.configuration.database_url).scheme
        return "PostgreSQL" if scheme.startswith("postgres") else "SQLite"

    @property
    def broker(self) -> str:
        """The kind of broker in words."""
        return "embedded Valkey" if self.embedded_broker else f"{self.configuration.broker_scheme}:// of BROKER_URL"


def wanted_ports(given: Mapping[str, str]) -> dict[str, Wanted]:
    """The ports this platform needs; the broker's only where it runs its own."""
    return WANTED if given.get("BROKER_URL") else {**WANTED, **WANTED_BROKER}


def compose(given: Mapping[str, str], *, data_dir: Path, ports: Mapping[str, int], secret_key: str) -> Environment:
    """The environment for these ports. Raises ImproperlyConfigured for a given value that is not usable."""
    password = secrets.token_urlsafe(24)
    generated = {
        "SECRET_KEY": secret_key,
        "DEBUG": "false",
        "HTTPS": "false",
        "ALLOWED_HOSTS": "localhost,127.0.0.1,[::1]",
        "STREAM_URL": f"http://{HOST}:{ports['stream']}",
        "FLOWER_URL": f"http://{HOST}:{ports['flower']}/flower",
        "FLOWER_BASIC_AUTH": f"{FLOWER_USER}:{secrets.token_urlsafe(18)}",
    }
    if BROKER_PORT in ports:
        generated["BROKER_URL"] = f"redis://:{quote(password)}@{HOST}:{ports[BROKER_PORT]}/0"
    kept = {name: value for name, value in given.items() if value != ""}
    if kept.get("BROKER_URL", "").startswith("sqs:"):
        generated["FLOWER_URL"] = ""  # no Flower, no link to it
    variables = generated | kept
    variables["DATA_DIR"] = str(data_dir)
    for name, port in ports.items():
        variables[(WANTED | WANTED_BROKER)[name].variable] = str(port)
    variables["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), given.get("PATH", os.defpath)])
    variables["PYTHONUNBUFFERED"] = "1"  # logs show at once what happened
    return Environment(variables, conf.load(variables), ports, password)


def check(given: Mapping[str, str]) -> None:
    """Raise ImproperlyConfigured now, before anything starts, if a given value is not usable."""
    conf.load({"SECRET_KEY": "x" * SECRET_LENGTH} | {name: value for name, value in given.items() if value != ""})


def secret_key(data_dir: Path) -> str:
    """The secret key kept in the data directory, made at first: sealed secrets and sessions outlive a restart."""
    path = data_dir / SECRET_FILE
    try:
        kept = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        fresh = secrets.token_urlsafe(48)
        beside = path.with_suffix(".new")
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(fresh + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)  # whole or not at all
        return fresh
    except (OSError, UnicodeError) as error:
        raise PlatformError(f"{path}: expected the secret key of this data directory, got {error}") from None
    if len(kept) < SECRET_LENGTH:
        raise PlatformError(
            f"{path}: expected a secret key of at least {SECRET_LENGTH} characters, got {len(kept)}. "
            "Put the right one back, or remove the file: then sessions end and sealed secrets are lost."
        )
    return kept
