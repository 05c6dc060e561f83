"""A RabbitMQ server of the tests' own: its own node name, ports, directories and Erlang port mapper."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from jobs_app.platform import ports
from jobs_app.platform.ports import HOST
from jobs_app.platform.waiting import until
from tests.support.missing import missing
from tests.support.servers import Broker, launch

PROGRAMS = Path("/usr/lib/rabbitmq/bin")
"""Where Debian keeps the scripts themselves; those on PATH change to a user of their own."""


class RabbitMQ(Broker):
    """A RabbitMQ in the foreground, with quorum queues on its disk. It takes some 10 s to start."""

    start_seconds = 90.0

    def __init__(self, directory: Path) -> None:
        if not (PROGRAMS / "rabbitmq-server").is_file() or shutil.which("epmd") is None:
            missing(f"expected RabbitMQ in {PROGRAMS}, found none. Debian, Ubuntu: apt install rabbitmq-server")
        super().__init__(directory)
        self._links, self._mapper = ports.Reservation(0), ports.Reservation(0)
        self._epmd: subprocess.Popen[bytes] | None = None
        self.node = f"weir-{self.port}@localhost"
        self.url = f"amqp://guest:guest@{HOST}:{self.port}//"
        self._configuration = directory / "rabbitmq.conf"
        self._configuration.write_text(
            f"listeners.tcp.1 = {HOST}:{self.port}\n"
            "log.console = true\nlog.console.level = warning\nlog.file = false\n"
            # A test machine may be full or small; what an alarm does is a test of its own.
            "vm_memory_high_watermark.relative = 0.9\ndisk_free_limit.absolute = 50MB\n"
        )
        (directory / "enabled_plugins").write_text("[].\n")
        cookie = directory / ".erlang.cookie"
        if not cookie.exists():
            cookie.write_text(secrets.token_hex(16))
            cookie.chmod(0o400)

    def start(self) -> None:
        """Start it if it is down and wait until it takes connections."""
        if self._epmd is None or self._epmd.poll() is not None:
            # The server would start one by itself, and leave it behind.
            command = ["epmd", "-port", str(self._mapper.port), "-address", HOST]
            self._epmd = launch(command, self.directory / "epmd.log", {})
            until(lambda: _listens(self._mapper.port), 10)
        super().start()

    def close(self) -> None:
        """End it for good and give its ports back."""
        super().close()
        if self._epmd is not None and self._epmd.poll() is None:
            self._epmd.send_signal(signal.SIGKILL)
            self._epmd.wait()
        self._links.close()
        self._mapper.close()

    def flush(self) -> None:
        """Lose every message: each queue is purged."""
        self.evaluate("[rabbit_amqqueue:purge(Q) || Q <- rabbit_amqqueue:list()].")

    def delete_queues(self) -> None:
        """Lose every queue, with what is in it."""
        self.evaluate('[rabbit_amqqueue:delete(Q, false, false, <<"tests">>) || Q <- rabbit_amqqueue:list()].')

    def kept(self) -> Sequence[Path]:
        """The server's database."""
        return [self.directory / "data"]

    def evaluate(self, expression: str) -> str:
        """What an Erlang expression gives inside the server."""
        return self.control("eval", expression)

    def control(self, *arguments: str) -> str:
        """What ``rabbitmqctl`` says. It takes a second or two, since it is an Erlang of its own."""
        ended = subprocess.run(
            [str(PROGRAMS / "rabbitmqctl"), "--quiet", "--node", self.node, *arguments],
            env={**os.environ, **self.environment()}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        if ended.returncode != 0:
            raise AssertionError(f"expected rabbitmqctl {arguments[0]} to work, got: {ended.stdout}{ended.stderr}")
        return ended.stdout

    def command(self) -> Sequence[str]:
        """What starts the server in the foreground."""
        return [str(PROGRAMS / "rabbitmq-server")]

    def environment(self) -> Mapping[str, str]:
        """Everything that would otherwise be the machine's own."""
        local = "{127,0,0,1}"
        return {
            "HOME": str(self.directory),
            "RUNNING_UNDER_SYSTEMD": "1",  # the script becomes the server instead of waiting for it: one process
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_IP_ADDRESS": HOST,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._links.port),
            "RABBITMQ_MNESIA_BASE": str(self.directory / "data"),
            "RABBITMQ_LOG_BASE": str(self.directory / "logs"),
            "RABBITMQ_CONFIG_FILE": str(self._configuration.with_suffix("")),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.directory / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-kernel inet_dist_use_interface {local} +sbwt none",
            "ERL_EPMD_PORT": str(self._mapper.port),
            "ERL_EPMD_ADDRESS": HOST,
            "ERL_CRASH_DUMP_BYTES": "0",
        }

    def answers(self) -> bool:
        """Whether it serves: it greets whoever says AMQP."""
        try:
            with socket.create_connection((HOST, self.port), timeout=2) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return connection.recv(1) == b"\x01"
        except OSError:
            return False


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=2).close()
    except OSError:
        return False
    return True
