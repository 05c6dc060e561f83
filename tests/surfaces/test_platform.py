"""``make up`` and ``make demo`` with real processes and real signals: they start, they stop, and nothing is left."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from jobs_app.platform.waiting import until
from tests.support.platform import DEMO, MAKE, UP, Started, copy_project, listening, plain_environment

pytestmark = [pytest.mark.platform, pytest.mark.timeout(600)]
ON_POSTGRESQL = os.environ.get("WEIR_TEST_DATABASE") == "postgresql"
FRONT, WORKERS = {"web", "stream", "beat", "flower"}, {"worker", "upkeep"}
Start = Callable[..., Started]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(tmp_path_factory.mktemp("platform") / "a folder" / "weir")


@pytest.fixture
def ledger() -> Iterator[dict[str, str]]:
    """A database of the platform's own, where the tests run on PostgreSQL."""
    if not ON_POSTGRESQL:
        yield {}
        return
    server, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    name = f"platform_{os.getpid()}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield {"DATABASE_URL": f"{server}/{name}"}
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def start(project: Path, tmp_path: Path, ledger: dict[str, str]) -> Iterator[Start]:
    """Starts a command in the project, with a data directory of this test's own; what is left ends with the test."""
    runs: list[Started] = []
    settings = {"DATA_DIR": str(tmp_path / "data dir"), **ledger}

    def begin(command: tuple[str, ...] = UP, **more: str) -> Started:
        runs.append(Started(command, project, tmp_path / f"output-{len(runs)}", **{**settings, **more}))
        return runs[-1]

    yield begin
    for run in runs:
        run.end()


def manage(run: Started, *arguments: str) -> str:
    """``manage.py`` as ``up`` tells people to call it: with the environment file in a shell."""
    script = f"set -a; . '{run.data_dir}/environment'; exec '{sys.executable}' manage.py \"$@\""
    command = ["sh", "-c", script, "sh", *arguments]
    environment = plain_environment({})
    return subprocess.run(
        command, cwd=run.project, env=environment, check=True, capture_output=True, text=True, timeout=120
    ).stdout


def client(run: Started, url: str) -> httpx.Client:
    """The API as alice."""
    token = manage(run, "token", "alice", "--create-user").strip()
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False)


def submit(api: httpx.Client, kind: str, **parameters: object) -> str:
    """Submit a job; returns its address."""
    answer = api.post("/api/jobs", json={"kind": kind, "parameters": parameters})
    assert answer.status_code == 202, answer.text
    return str(answer.headers["Location"])


def state(api: httpx.Client, address: str) -> str:
    return str(api.get(address).json()["state"])


def stopped_in(said: str) -> list[str]:
    """The processes in the order in which they stopped."""
    return [line.split()[1] for line in said.splitlines() if line.startswith("  stopped ")]


def assert_nothing_left(run: Started, url: str = "") -> None:
    """No process, nothing that listens, and no file but the data."""
    assert until(lambda: not run.pids(), 1), run.pids()
    assert url == "" or not listening(url)
    left = {path.name for path in run.data_dir.iterdir()}
    assert left.isdisjoint({"running.json", "environment"}), left


@pytest.mark.once
def test_up_starts_everything_and_stops_it_in_order(start: Start) -> None:
    run = start()
    url = run.wait_until_up()
    assert "log in as admin with " in run.said
    with httpx.Client(base_url=url, trust_env=False) as anybody:
        assert anybody.get("/healthz").text == "ok"
        page = anybody.get("/admin/login/").text
        style = next(word for word in page.split('"') if word.startswith("/static/") and word.endswith(".css"))
        assert anybody.get(style).status_code == 200
        assert anybody.get("/api/jobs").status_code == 401
    assert stat.S_IMODE((run.data_dir / "environment").stat().st_mode) == 0o600
    assert stat.S_IMODE(run.data_dir.stat().st_mode) == 0o700
    assert len(run.pids()) >= 13  # with the children of web, stream and the workers

    second = start()
    assert second.process.wait(60) == 1
    assert "already running" in second.said
    assert url in second.said

    assert run.stop(signal.SIGTERM) == 0
    order = stopped_in(run.said)
    assert (set(order[:4]), set(order[4:6]), order[6:]) == (FRONT, WORKERS, ["valkey"])
    assert_nothing_left(run, url)


def test_queued_jobs_survive_ctrl_c_and_a_second_one_hurries(start: Start) -> None:
    run = start((*MAKE, "up"), WORKER_CONCURRENCY="1")
    url = run.wait_until_up()
    with client(run, url) as api:
        running = submit(api, "system.sleep", seconds=6)
        assert until(lambda: state(api, running) == "running", 60)
        waiting = [submit(api, "system.echo", text=str(number)) for number in range(3)]
    # As a terminal does it: Ctrl-C reaches make and all it started. The worker finishes what it runs.
    assert run.stop(signal.SIGINT, group=True) == -signal.SIGINT
    assert "Weir has stopped" in run.said
    assert_nothing_left(run, url)

    again = start(WORKER_CONCURRENCY="1")
    url = again.wait_until_up()
    assert "the password was shown at the first start" in again.said
    with client(again, url) as api:
        for address in (running, *waiting):
            assert until(lambda address=address: state(api, address) == "succeeded", 60), api.get(address).text
        assert api.get(running).json()["attempt"] == 1
        endless = submit(api, "system.sleep", seconds=600)
        assert until(lambda: state(api, endless) == "running", 60)
    again.process.send_signal(signal.SIGINT)
    again.wait_for("stopped flower")
    assert again.process.poll() is None, "the worker must have its time"
    again.process.send_signal(signal.SIGINT)
    assert again.process.wait(60) == 0, "the second Ctrl-C must hurry it"
    assert_nothing_left(again, url)


@pytest.mark.once
def test_kill_9_leaves_nothing_and_the_next_start_works(start: Start) -> None:
    run = start()
    url = run.wait_until_up()
    run.process.kill()
    assert_ended_by_force(run, url)

    second = start()
    url = second.wait_until_up()
    assert "cleared away" in second.said
    supervisor = supervisor_of(second)
    second.process.kill()
    os.kill(supervisor, signal.SIGKILL)
    assert_ended_by_force(second, url)

    third = start((*MAKE, "up"))
    url = third.wait_until_up()
    third.process.kill()  # make alone: the platform notices that its parent is gone
    assert_ended_by_force(third, url)
    assert "Weir has stopped" in third.said


@pytest.mark.once
def test_what_is_killed_is_started_again_but_not_without_its_supervisor(start: Start) -> None:
    run = start()
    url = run.wait_until_up()
    before = {pid for pid, command in run.pids().items() if "project.wsgi" in command}
    os.kill(min(before), signal.SIGKILL)
    run.wait_for("web ended and was started again", 60)
    assert until(lambda: before.isdisjoint(run.pids()), 30), "its children must not answer beside the new ones"
    assert until(lambda: answers(url), 60)

    os.kill(supervisor_of(run), signal.SIGKILL)
    assert run.process.wait(120) == 1
    assert "supervisord no longer answers" in run.said
    assert_nothing_left(run, url)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False, timeout=10).text == "ok"
    except httpx.HTTPError:
        return False


def supervisor_of(run: Started) -> int:
    return next(pid for pid, command in run.pids().items() if "supervisor.supervisord" in command)


def assert_ended_by_force(run: Started, url: str) -> None:
    """What was not killed itself ends by itself."""
    run.process.wait(60)
    assert until(lambda: not run.pids(), 60), run.pids()
    assert not listening(url)


@pytest.mark.once
@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("", signal.SIGINT),
        ("Weir starts from", signal.SIGTERM),
        ("--- manage.py", signal.SIGINT),
        ("spawned: 'flower'", signal.SIGTERM),
    ],
)
def test_a_stop_while_it_starts_leaves_nothing(start: Start, moment: str, number: signal.Signals) -> None:
    run = start()
    logs = [run.output, run.data_dir / "logs" / "preparation.log", run.data_dir / "logs" / "supervisord.log"]
    told = [log for log in logs if moment]
    assert until(lambda: not told or any(log.exists() and moment in log.read_text() for log in told), 120)
    # With no moment: as soon as Python has begun to run our code.
    assert until(lambda: b"jobs_app.platform" in Path(f"/proc/{run.process.pid}/cmdline").read_bytes(), 10)
    assert until(lambda: signal_is_caught(run.process.pid, number), 10)
    assert run.stop(number) == 0
    assert "Traceback" not in run.said
    assert run.pids() == {}


def signal_is_caught(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler of its own for a signal; Python itself has one for SIGINT."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = int(next(line.split()[1] for line in lines if line.startswith("SigCgt")), 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1) and bool(caught >> (number - 1) & 1)


@pytest.mark.once
@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"WINDOW": "many"}, "WINDOW: expected a valid integer, unable to parse string as an integer, got 'many'"),
        ({"BROKER_URL": "http://x"}, "expected BROKER_URL to begin with redis://, amqp:// or sqs://, got 'http'"),
        ({"PORT": "http"}, "PORT: expected a port number from 1 to 65535, got 'http'"),
        ({"DATA_DIR": "/dev/null/x"}, "DATA_DIR: expected a directory that can be written, got /dev/null/x"),
    ],
)
def test_a_wrong_value_stops_the_start(start: Start, variables: dict[str, str], complaint: str) -> None:
    run = start(**variables)
    assert run.process.wait(60) == 1
    assert complaint in run.said
    assert "Traceback" not in run.said


@pytest.mark.once
def test_a_process_that_cannot_start_is_named_with_the_end_of_its_log(start: Start) -> None:
    # A real fault: the ledger's directory is there, but no granian worker can be had.
    run = start(WEB_WORKERS="none")
    assert run.process.wait(300) == 1
    assert re.search("web ended (with exit code 2|at once) while the platform started", run.said), run.said
    assert "Invalid value for '--workers'" in run.said
    assert_nothing_left(run)


def test_the_demo_runs_real_jobs_and_checks_them(start: Start) -> None:
    run = start(DEMO)
    assert run.process.wait(300) == 0, run.said
    said = " ".join(run.said.split())  # long lines are broken where the terminal ends
    assert "336,776 flights in 185 groups; count and sum of each group agree with Python's own" in said
    assert "336,776 flights appended in pieces" in said
    assert "hours and days agree with Python's own to the digit, and so does a recomputation" in said
    assert "24 thumbnails of 8 pictures; each opens and has the right size" in said
    for name in ("flights/summary.csv", "flights/summary.parquet", "thumbnails/thumbnails.zip"):
        assert (run.data_dir / "results" / name).stat().st_size > 0
    assert_nothing_left(run)


@pytest.mark.once
def test_an_interrupted_demo_leaves_nothing(start: Start) -> None:
    run = start(DEMO)
    run.wait_for("uploading 9 files: ")
    assert run.stop(signal.SIGINT) == 130
    assert_nothing_left(run)
