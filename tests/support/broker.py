"""The broker of the test run: Valkey, RabbitMQ or a local SQS, as WEIR_TEST_BROKER says."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

import redis

from jobs_app.platform import valkey
from jobs_app.platform.ports import HOST
from tests.support.servers import Broker

NAMES = ("valkey", "rabbitmq", "sqs")


class Valkey(Broker):
    """A Valkey that writes every message to its disk within a second, as ``make up`` runs it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.password = secrets.token_hex(16)
        self.url = f"redis://:{self.password}@{HOST}:{self.port}/0"
        self._configuration = directory / "valkey.conf"
        self._configuration.write_text(
            valkey.configuration(port=self.port, directory=directory, password=self.password)
        )

    def flush(self) -> None:
        """Lose every message (FLUSHALL)."""
        with self.client() as client:
            client.flushall()

    def delete_queues(self) -> None:
        """Lose every queue: a queue is nothing but its messages here."""
        self.flush()

    def kept(self) -> Sequence[Path]:
        """The append-only files."""
        return [self.directory / "appendonlydir"]

    def client(self) -> redis.Redis:
        """A client for what else is to be done to it, such as CONFIG SET."""
        return redis.Redis.from_url(self.url, socket_timeout=5)

    def command(self) -> Sequence[str]:
        """What starts the server in the foreground."""
        return [str(valkey.find().binary), str(self._configuration)]

    def answers(self) -> bool:
        """Whether it serves."""
        return valkey.answers(self.port, self.password)


def make(name: str, directory: Path) -> Broker:
    """A broker of that name, not started yet. Raises SystemExit with a sentence where it is not installed."""
    if name == "rabbitmq":
        from tests.support.rabbitmq import RabbitMQ

        return RabbitMQ(directory)
    if name == "sqs":
        from tests.support.sqs import SQS

        return SQS(directory)
    if name == "valkey":
        return Valkey(directory)
    raise SystemExit(f"expected WEIR_TEST_BROKER to be valkey, rabbitmq or sqs, got {name!r}")


def in_force() -> str:
    """The name of this run's broker."""
    return os.environ.get("WEIR_TEST_BROKER", NAMES[0])


def start(directory: Path) -> str:
    """Start a server on a free loopback port and return its URL; it stops when this process ends."""
    global running
    running = make(in_force(), directory)
    running.start()
    return running.url


running: Broker | None = None
"""The broker of this run, once it is started."""
