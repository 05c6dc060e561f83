"""One setting reaches each broker: with a password, over TLS, through sentinels."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import redis
from celery import Celery

from jobs_app import conf
from jobs_app.core import submission
from jobs_app.platform import valkey
from jobs_app.platform.ports import HOST
from project import brokers
from tests.support import broker, tls
from tests.support.processes import Workers, finished
from tests.support.servers import Server

KEY = {"SECRET_KEY": "k" * 40}


def reaches(url: str) -> str:
    """Send a message to the broker at this address and take it back; returns it. Raises what Celery raises."""
    configuration = conf.load({**KEY, "BROKER_URL": url, "QUEUES": f"addresses-{secrets.token_hex(4)}"})
    settings = brokers.celery_settings(configuration)
    application = Celery(set_as_current=False)
    application.conf.update({name.removeprefix("CELERY_").lower(): value for name, value in settings.items()})
    with application.connection_for_write() as link:
        link.connect()
        with link.SimpleQueue(application.amqp.queues[configuration.queues[0]]) as queue:
            queue.put("hello")
            message = queue.get(block=True, timeout=10)
            message.ack()
            return str(message.payload)


@pytest.fixture
def run_by_a_worker_at(quiet: None, worker_environment: dict[str, str], tmp_path: Path) -> Callable[[str], None]:
    """Check that a real worker which is given this address runs a job that was published to the broker itself."""

    def check(url: str) -> None:
        workers = Workers({**worker_environment, "BROKER_URL": url}, tmp_path)
        try:
            for name in ("worker", "upkeep", "beat"):
                workers.start(name)
            row = finished(submission.submit("system.echo", {"text": "hello"}).id)
            assert (row.state, row.attempt) == ("succeeded", 1), workers.log("worker").read_text()
        finally:
            workers.stop()

    return check


@pytest.fixture
def server() -> Server:
    assert broker.running is not None
    return broker.running


def subdirectory(parent: Path, name: str) -> Path:
    directory = parent / name
    directory.mkdir()
    return directory


def only_on(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(broker.in_force() != name, reason=f"it is about {name}")


@only_on("valkey")
@pytest.mark.parametrize("password", ["p@ss/w:ord#1?%", "plain"])
def test_a_password_and_a_user_may_hold_any_sign(server: broker.Valkey, password: str) -> None:
    user = f"user-{secrets.token_hex(4)}@"
    with server.client() as client:
        client.acl_setuser(
            user, enabled=True, passwords=[f"+{password}"], categories=["+@all"], keys=["*"], channels=["*"]
        )
    place = f"{HOST}:{server.port}/0"
    assert reaches(f"redis://{quote(user, safe='')}:{quote(password, safe='')}@{place}") == "hello"
    with pytest.raises(Exception, match=r"(?i)password|auth"):
        reaches(f"redis://{quote(user, safe='')}:wrong@{place}")


@only_on("valkey")
def test_redis_over_tls(server: broker.Valkey, tmp_path: Path, run_by_a_worker_at: Callable[[str], None]) -> None:
    files = tls.certificate(tmp_path)
    with tls.in_front_of(server.port, files) as port:
        url = f"rediss://:{server.password}@localhost:{port}/0"
        trusted = f"{url}?ssl_ca_certs={quote(str(files[0]))}"
        assert reaches(trusted) == "hello"
        run_by_a_worker_at(trusted)
        with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
            reaches(url)
        assert reaches(f"{url}?ssl_cert_reqs=none") == "hello"


@only_on("valkey")
def test_a_certificate_of_another_host_or_one_that_ran_out_is_refused(server: broker.Valkey, tmp_path: Path) -> None:
    for files, said in (
        (tls.certificate(subdirectory(tmp_path, "other"), host="elsewhere.test"), "Hostname mismatch"),
        (tls.certificate(subdirectory(tmp_path, "old"), days=-1), "certificate has expired"),
    ):
        with tls.in_front_of(server.port, files) as port:
            url = f"rediss://:{server.password}@localhost:{port}/0?ssl_ca_certs={quote(str(files[0]))}"
            with pytest.raises(redis.ConnectionError, match=said):
                reaches(url)
            if said == "Hostname mismatch":
                assert reaches(f"{url}&ssl_check_hostname=false") == "hello"


@only_on("rabbitmq")
def test_rabbitmq_over_tls(server: Server, tmp_path: Path, run_by_a_worker_at: Callable[[str], None]) -> None:
    files = tls.certificate(tmp_path)
    with tls.in_front_of(server.port, files) as port:
        url = f"amqps://guest:guest@localhost:{port}//"
        trusted = f"{url}?ssl_ca_certs={quote(str(files[0]))}"
        assert reaches(trusted) == "hello"
        run_by_a_worker_at(trusted)
        with pytest.raises(OSError, match="certificate verify failed"):
            reaches(url)
        assert reaches(f"{url}?ssl_cert_reqs=none") == "hello"


class Sentinel(Server):
    """The watcher of a Valkey: it tells who the master is."""

    password = "sentinel's own"

    def __init__(self, directory: Path, master: broker.Valkey) -> None:
        super().__init__(directory)
        self.configuration = directory / "sentinel.conf"
        self.configuration.write_text(
            f'port {self.port}\nbind {HOST}\ndir "{directory}"\nrequirepass "{self.password}"\n'
            f"sentinel monitor weir {HOST} {master.port} 1\nsentinel auth-pass weir {master.password}\n"
        )

    def command(self) -> Sequence[str]:
        return [str(valkey.find().binary), str(self.configuration), "--sentinel"]

    def answers(self) -> bool:
        return valkey.answers(self.port, f'"{self.password}"')


@only_on("valkey")
def test_a_master_is_found_through_sentinels_even_if_the_first_is_down(
    server: broker.Valkey, tmp_path: Path, run_by_a_worker_at: Callable[[str], None]
) -> None:
    sentinel = Sentinel(tmp_path / "sentinel", server)
    sentinel.start()
    with socket.socket() as nobody:
        nobody.bind((HOST, 0))
        down = f"sentinel://:{server.password}@{HOST}:{nobody.getsockname()[1]}"
        options = f"master_name=weir&sentinel_password={quote(sentinel.password)}"
        url = f"{down};sentinel://{HOST}:{sentinel.port}/0?{options}"
        assert reaches(url) == "hello"
        run_by_a_worker_at(url)
        with pytest.raises(Exception, match=r"(?i)no master found|auth"):
            reaches(url.replace("master_name=weir", "master_name=another"))
        with redis.Redis(port=sentinel.port, password=sentinel.password) as client:
            assert client.ping()
    sentinel.close()


@only_on("sqs")
def test_sqs_with_a_prefix_keeps_to_its_own_queues(server: Server) -> None:
    url = server.url.replace("prefix=weir-test-", "prefix=another-")
    assert reaches(url) == "hello"
    assert any(urlsplit(each).path.rpartition("/")[2].startswith("another-addresses-") for each in server.queues())
