"""Fixtures of every test: three standing users, a clock, real workers.

alice and bob are users with jobs of their own; carol is an operator who sees and acts on all jobs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connection, connections
from django.test import override_settings

from jobs_app import conf
from jobs_app.core import (
    access,
    admission,
    audit,
    chunks,
    clock,
    ends,
    estimates,
    gate,
    logins,
    refusals,
    shares,
    tokens,
    transport,
)
from jobs_app.core import turnstile as turnstiles
from jobs_app.core.admission import policies
from jobs_app.core.line import line
from jobs_app.core.rates import rates
from jobs_app.core.turnstile import turnstile
from jobs_app.models import Gate, Turnstile
from jobs_app.models.guard import writing
from tests.support import conveyor
from tests.support.processes import Workers

WITH_PROCESSES = ("workers", "_pooled", "_stage", "_rabbit_stage", "_sqs_stage")
"""Fixtures that start workers, upkeep and beat on the ledger of the tests; each ends those of the ones before it."""


ONCE = (
    "brokers/test_addresses.py",
    "browser/",
    "client/",
    "core/kinds/",
    "faults/test_rabbitmq.py",
    "faults/test_sqs.py",
    "faults/test_stops.py",
    "measures/test_estimates.py",
    "measures/test_overload.py",
    "measures/test_promises.py",
    "surfaces/api/test_schema.py",
    "surfaces/cli/test_processes.py",
    "surfaces/test_flower.py",
    "surfaces/test_standing.py",
    "surfaces/test_install.py",
)
"""What these show does not depend on the database: they are marked ``once``."""

BROKERS = (
    "brokers/",
    "chaos/test_chaos.py",
    "core/test_dispatch.py",
    "core/test_transport.py",
    "crash/",
    "measures/test_long_jobs.py",
)
"""What meets the broker: these run on RabbitMQ and on a local Amazon SQS too, and are marked ``brokers``."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what need not run on each database, and what has to run on each broker, before ``-m`` chooses."""
    place = item.path.relative_to(Path(__file__).parent).as_posix()
    for name, places in (("once", ONCE), ("brokers", BROKERS)):
        if place.startswith(places):
            item.add_marker(name)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests in a transaction first, those that commit next, those with real workers last.

    Workers, upkeep and beat, once started, act on other tests' rows too. Last of all hooks: pytest itself moves the
    tests of one browser to the place of the first of them, which may be anywhere in a shuffled run.
    """

    def rank(item: pytest.Item) -> int:
        names = getattr(item, "fixturenames", ())
        processes = max((place for place, name in enumerate(WITH_PROCESSES, 1) if name in names), default=0)
        return 1 + processes if processes else int("transactional_db" in names)

    items.sort(key=rank)


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> Iterator[None]:
    with override_settings(PASSWORD_HASHERS=["tests.support.passwords.QuickHasher"]):
        yield


@pytest.fixture(scope="session", autouse=True)
def _static_files(request: pytest.FixtureRequest) -> None:
    """What pages link to, collected as for production; left out where no page is asked for."""
    pages = {"surfaces", "contract", "browser"}
    if any(pages & set(item.path.parts) for item in request.session.items):
        call_command("collectstatic", interactive=False, verbosity=0)


@pytest.fixture
def configured() -> Iterator[Callable[..., None]]:
    """Change settings of Weir for one test: ``configured(window=3)``."""
    with ExitStack() as changed:

        def configure(**changes: object) -> None:
            changed.enter_context(override_settings(WEIR=conf.current().model_copy(update=changes)))

        yield configure


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The SQLite ledger of the tests is a file: worker processes and other connections must see it."""
    settings = connections["default"].settings_dict
    if settings["ENGINE"].endswith("sqlite3"):
        settings["TEST"]["NAME"] = str(tmp_path_factory.mktemp("ledger") / "test.sqlite3")


@pytest.fixture(scope="session", autouse=True)
def _emptied_row_by_row(django_db_setup: None) -> Iterator[None]:
    """Tables are emptied by DELETE after a test: TRUNCATE locks them all, and meets upkeep's queries in a deadlock."""
    with pytest.MonkeyPatch.context() as patch:
        usual = type(connection.ops).sql_flush
        patch.setattr(
            type(connection.ops), "sql_flush", _deletions if connection.vendor == "postgresql" else _opened(usual)
        )
        yield


DOOR = "jobs_app_audit_pruning"
"""What lets go of audit entries: see ``core.audit``."""


def _deletions(operations: Any, _style: object, tables: Iterable[str], **_: object) -> list[str]:
    # Foreign keys are checked at the commit.
    deletions = [f"DELETE FROM {operations.quote_name(table)}" for table in tables]
    return [f"INSERT INTO {DOOR} (before) VALUES ('9999-01-01')", *deletions, f"DELETE FROM {DOOR}"]


def _opened(usual: Callable[..., list[str]]) -> Callable[..., list[str]]:
    def statements(*args: Any, **options: Any) -> list[str]:
        return [f"INSERT INTO {DOOR} (before) VALUES ('9999-01-01')", *usual(*args, **options), f"DELETE FROM {DOOR}"]

    return statements


@pytest.fixture(scope="session", autouse=True)
def _end_publisher(django_db_setup: None) -> Iterator[None]:
    """The background publisher holds a connection; the test database cannot be dropped under it."""
    yield
    transport.publisher.stop()
    gate.apart.stop()


@pytest.fixture(autouse=True)
def _settled_publisher(
    request: pytest.FixtureRequest, _django_db_helper: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """What a test asked of the publisher is done before its tables are emptied, and not in the next test's.

    A test within a transaction keeps its jobs from the publisher's connection, and on SQLite the lock too: there the
    publisher would only wait, for as long as the test lasts.
    """
    if "transactional_db" not in request.fixturenames:
        monkeypatch.setattr(transport.publisher, "work", lambda queue: None)
        monkeypatch.setattr(ends.teller, "work", None)
    yield
    ends.teller.drain()
    transport.publisher.drain()


@pytest.fixture(autouse=True)
def _fresh_admission(
    request: pytest.FixtureRequest, _django_db_helper: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """What this process remembers of queues, users and tokens is of the test's own tables."""
    kept = (turnstile, policies, line, rates, refusals.tally, audit.knocks, access.rules, ends.teller, chunks.memory)
    for each in (*kept, logins.tries, tokens.known):
        each.forget()  # type: ignore[attr-defined]
    estimates.forget()
    if "transactional_db" in request.fixturenames:
        # Credits that a test within a transaction asked for were committed beside it.
        with writing():
            Gate.objects.all().delete()
            Turnstile.objects.all().delete()
    else:
        # Its timer's thread would not see the test's users, and on SQLite wait for its lock.
        monkeypatch.setattr(refusals.tally, "write", lambda: 0)
    yield
    refusals.tally.write()
    if (timer := refusals.tally._timer) is not None:
        # It would write beside the next test, or into the tables that are being emptied.
        timer.cancel()
        timer.join(10)


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice", password="alice's password")


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob", password="bob's password")


@pytest.fixture
def carol(db: None) -> User:
    user = User.objects.create_user("carol", password="carol's password", is_staff=True)
    wanted = [
        "see_all_jobs",
        "act_on_all_jobs",
        "view_job",
        "view_attempt",
        "view_artifact",
        "view_queue",
        "view_token",
    ]
    user.user_permissions.set(Permission.objects.filter(codename__in=wanted, content_type__app_label="jobs_app"))
    return User.objects.get(pk=user.pk)


@pytest.fixture
def now(db: None) -> datetime:
    """The database's time; tests add to it instead of waiting."""
    return clock.database_now()


@pytest.fixture
def noon() -> datetime:
    """A fixed time for pure functions."""
    return datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def worker_environment(django_db_setup: None) -> dict[str, str]:
    """The environment of a process that is to work on the test database and the test broker."""
    name = str(connections["default"].settings_dict["NAME"])
    given = os.environ.get("DATABASE_URL", "")
    url = given.rsplit("/", 1)[0] + "/" + name if given.startswith("postgres") else f"sqlite:///{name}"
    return {**os.environ, "DATABASE_URL": url}


@pytest.fixture(scope="session")
def _workers(worker_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    workers = Workers(worker_environment, tmp_path_factory.mktemp("logs"))
    yield workers
    workers.stop()


@pytest.fixture
def quiet(transactional_db: None, _workers: Workers) -> None:
    """Committed data, and no worker, upkeep or beat that touches it; no message of an earlier test takes up room."""
    _workers.stop()
    conveyor.purge("default")


@pytest.fixture
def nudged(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The queues this process was asked to refill; the publisher notes them, and refills none."""
    asked: list[str] = []
    transport.publisher.drain()
    monkeypatch.setattr(transport.publisher, "work", asked.append)
    yield asked
    transport.publisher.drain()


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process remembers of queues and users lasts: for counts of queries on a machine that may be slow."""
    for place, name in (
        (turnstiles, "CREDIT_SECONDS"),
        (shares, "COUNTED_SECONDS"),
        (turnstiles, "REFUSAL_SECONDS"),
        (admission, "POLICY_SECONDS"),
        (estimates, "FRESH_SECONDS"),
        (access, "RULES_SECONDS"),
        (ends, "KNOWN_SECONDS"),
        (tokens, "KNOWN_SECONDS"),
        (clock, "TRUSTED_SECONDS"),
        (clock, "QUICK_SECONDS"),
    ):
        monkeypatch.setattr(place, name, 3600.0)


@pytest.fixture
def still_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time passes for those who stand in a line: what they are told does not depend on how fast the test is."""
    monkeypatch.setattr(line, "_clock", lambda: 1000.0)


@pytest.fixture
def workers(transactional_db: None, _workers: Workers) -> Iterator[Workers]:
    """Real worker processes for jobs and upkeep, and beat; started once a run, the ledger emptied after each test."""
    _workers.ensure()
    yield _workers
    _workers.settle()
