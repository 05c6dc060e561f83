"""Two releases, one apart, side by side: while an upgrade is under way, old workers meet the new tables and the other
way round, and both still run and settle jobs.

So a release changes the tables in ways that the one before it does not notice (new tables, new columns that may be
empty or have a default in the database), and needs its own new tables only for what is new in it.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from jobs_app.platform.processes import tether
from tests.support.broker import Valkey
from tests.support.missing import missing
from tests.support.processes import ROOT

PREVIOUS_RELEASE = "b6ea5b7"
"""The last commit of the release before this one; to be moved on with each release."""

PREVIOUS_MIGRATION = "0001"
"""The last migration of jobs_app in that release."""

PROCESSES = {
    "worker": ["worker", "-Q", "default", "-c", "2"],
    "upkeep": ["worker", "-Q", "system", "-c", "1"],
    "beat": ["beat", "--pidfile=", "-S", "celery.beat:Scheduler"],
}
# What the next release may do to the tables: a column that may be empty, one with a default, an index, a table.
NEXT_RELEASE = (
    "ALTER TABLE jobs_app_job ADD COLUMN next_note varchar(20) NULL",
    "ALTER TABLE jobs_app_job ADD COLUMN next_count integer NOT NULL DEFAULT 0",
    "ALTER TABLE jobs_app_attempt ADD COLUMN next_flag boolean NULL",
    "CREATE INDEX next_index ON jobs_app_job (next_count)",
    "CREATE TABLE jobs_app_next (id integer PRIMARY KEY, job_id varchar(36) NULL)",
)
RUN_JOBS = """
import json, threading, uuid
import django; django.setup()
from jobs_app.core import submission
from jobs_app.models import Job
kinds = {"system.echo": {"text": "a"}, "probe.fails": {}, "probe.flaky": {"succeeds_at": 3},
         "probe.plain_writer": {"name": uuid.uuid4().hex}, "probe.atomic_writer": {"name": uuid.uuid4().hex},
         "probe.slow": {"seconds": 1}, "probe.killed": {}}
ids = [submission.submit(kind, parameters).id for kind, parameters in kinds.items()]
waiting = threading.Event()
for _ in range(900):
    rows = {row.kind: row for row in Job.objects.filter(id__in=ids)}
    if all(row.final for row in rows.values()):
        break
    waiting.wait(0.1)
print(json.dumps({kind: [row.state, row.attempts.count()] for kind, row in rows.items()}))
"""
EXECUTE = """
import sys
import django; django.setup()
from django.db import connection
with connection.cursor() as cursor:
    for statement in sys.argv[1:]:
        cursor.execute(statement)
"""
EXPECTED = {
    "system.echo": ["succeeded", 1],
    "probe.fails": ["failed", 1],
    "probe.flaky": ["succeeded", 3],
    "probe.plain_writer": ["succeeded", 1],
    "probe.atomic_writer": ["succeeded", 1],
    "probe.slow": ["succeeded", 1],
    "probe.killed": ["failed", 3],
}


@pytest.fixture(scope="module")
def old_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the previous release, from this repository's history."""
    found = subprocess.run(["git", "archive", PREVIOUS_RELEASE], cwd=ROOT, capture_output=True, check=False)
    if found.returncode != 0:
        missing(f"expected a checkout whose history goes back to {PREVIOUS_RELEASE}, found a shallow one")
    directory = tmp_path_factory.mktemp("old")
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        archive.extractall(directory, filter="data")
    return directory


@pytest.fixture
def environment(worker_environment: dict[str, str], tmp_path: Path) -> Iterator[dict[str, str]]:
    """A broker and a database of the test's own, the latter empty."""
    broker = Valkey(tmp_path / "broker")
    broker.start()
    with empty_database(worker_environment["DATABASE_URL"], tmp_path) as url:
        yield {
            **worker_environment,
            "BROKER_URL": broker.url,
            "DATABASE_URL": url,
            "DATA_DIR": str(tmp_path / "data"),
            "KIND_MODULES": "tests.support.kinds_of_every_type",
        }
    broker.close()


@contextmanager
def empty_database(test_url: str, directory: Path) -> Iterator[str]:
    if not test_url.startswith("postgres"):
        yield f"sqlite:///{directory / 'ledger.sqlite3'}"
        return
    server, name = test_url.rsplit("/", 1)[0], f"releases_{os.getpid()}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as link:
        link.execute(f"CREATE DATABASE {name}")
        yield f"{server}/{name}"
        link.execute(f"DROP DATABASE {name} WITH (FORCE)")


def python(code: Path, environment: dict[str, str], *arguments: str) -> str:
    """Run Python in a release's code; returns what it printed."""
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=code,
        env={**environment, "DJANGO_SETTINGS_MODULE": "project.settings"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    return ended.stdout


def migrate(code: Path, environment: dict[str, str], *to: str) -> None:
    python(code, environment, "manage.py", "migrate", "--verbosity=0", *to)


@contextmanager
def processes(code: Path, environment: dict[str, str], logs: Path, *, name: str) -> Iterator[None]:
    """A release's worker, upkeep and beat."""
    with ExitStack() as ending:
        for process, words in PROCESSES.items():
            node = [] if process == "beat" else ["-n", f"{process}-{name}@test", "--without-mingle", "--without-gossip"]
            log = ending.enter_context((logs / f"{process}-{name}.log").open("wb"))
            running = subprocess.Popen(
                [*tether(), sys.executable, "-m", "celery", "-A", "project", *words, *node],
                cwd=code, env=environment, stdout=log, stderr=log,
            )  # fmt: skip
            ending.callback(running.wait, 60)
            ending.callback(running.terminate)
        yield


def run_jobs(code: Path, environment: dict[str, str]) -> dict[str, list[object]]:
    found: dict[str, list[object]] = json.loads(python(code, environment, "-c", RUN_JOBS).splitlines()[-1])
    return found


def test_this_release_settles_jobs_on_the_tables_of_the_previous_one(
    environment: dict[str, str], old_code: Path, tmp_path: Path
) -> None:
    """Its workers do; its web processes start after the migration, and until then those before it take jobs in."""
    migrate(ROOT, environment, "jobs_app", PREVIOUS_MIGRATION)
    for app in ("auth", "sessions", "admin", "django_celery_beat"):
        migrate(ROOT, environment, app)
    with processes(ROOT, environment, tmp_path, name="new"):
        assert run_jobs(old_code, environment) == EXPECTED


def test_the_previous_release_settles_jobs_on_the_tables_of_this_one(
    environment: dict[str, str], old_code: Path, tmp_path: Path
) -> None:
    migrate(ROOT, environment)
    with processes(old_code, environment, tmp_path, name="old"):
        assert run_jobs(old_code, environment) == EXPECTED


def test_both_releases_side_by_side(environment: dict[str, str], old_code: Path, tmp_path: Path) -> None:
    migrate(ROOT, environment)
    with (
        processes(old_code, environment, tmp_path, name="old"),
        processes(ROOT, environment, tmp_path, name="new"),
    ):
        assert run_jobs(ROOT, environment) == run_jobs(old_code, environment) == EXPECTED


def test_this_release_settles_jobs_on_tables_that_the_next_one_has_added_to(
    environment: dict[str, str], tmp_path: Path
) -> None:
    migrate(ROOT, environment)
    python(ROOT, environment, "-c", EXECUTE, *NEXT_RELEASE)
    with processes(ROOT, environment, tmp_path, name="new"):
        assert run_jobs(ROOT, environment) == EXPECTED
