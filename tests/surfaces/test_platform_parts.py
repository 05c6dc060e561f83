"""The pure parts of the local platform: Procfile, supervisord's configuration, ports, environment, lock, progress."""

from __future__ import annotations

import configparser
import os
import socket
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from jobs_app.platform import demo_growing, environment, locking, ports, procfile, supervision, valkey
from jobs_app.platform.demo_checks import check_summary
from jobs_app.platform.demo_data import FLIGHTS_ROWS, Tally
from jobs_app.platform.faults import PlatformError, tail
from jobs_app.platform.ports import Wanted
from jobs_app.platform.processes import LONGEST_DIRECTORY, PLAIN, make_run_directory
from jobs_app.platform.procfile import Process

ROOT = Path(__file__).resolve().parents[2]
PORTS = {"web": 8000, "stream": 8001, "flower": 5555}


def test_a_procfile_is_read_in_its_order_without_comments() -> None:
    read = procfile.parse("# comment\n\nweb: granian --port $PORT a:b\n  worker:celery -A project worker -Q x\n")
    assert read == (Process("web", "granian --port $PORT a:b"), Process("worker", "celery -A project worker -Q x"))
    assert [process.is_worker for process in read] == [False, True]
    assert read[0].variables == {"PORT"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("web granian", r"line 1: expected 'name: command', got 'web granian'"),
        ("web: a\n\nweb: b", r"line 3: the name 'web' is used twice"),
        ("web:", r"line 1: expected 'name: command'"),
        ("../x: a", r"line 1"),
        ("# nothing", r"expected at least one"),
    ],
)
def test_a_wrong_procfile_names_the_line(text: str, complaint: str) -> None:
    with pytest.raises(PlatformError, match=complaint):
        procfile.parse(text)


def test_the_projects_procfile_has_every_process() -> None:
    processes = {process.name: process for process in procfile.read(ROOT / "Procfile")}
    assert list(processes) == ["web", "stream", "worker", "upkeep", "beat", "flower"]
    assert [name for name, process in processes.items() if process.is_worker] == ["worker", "upkeep"]
    assert processes["flower"].is_flower
    assert "basic_auth" not in processes["flower"].command  # other users see command lines


def test_processes_stop_front_first_then_workers_then_the_broker() -> None:
    programs = supervision.programs(procfile.read(ROOT / "Procfile"), Process("valkey", "valkey-server"))
    read = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    read.read_string(supervision.configuration(programs, "/tmp/weir-run-x", ("setpriv", "--pdeathsig", "TERM")))
    groups = {name: read[f"group:{name}"] for name in ("front", "workers", "broker")}
    # supervisord stops the highest priority first.
    assert sorted(groups, key=lambda name: -int(groups[name]["priority"])) == ["front", "workers", "broker"]
    assert groups["workers"]["programs"] == "worker,upkeep"
    assert groups["broker"]["programs"] == "valkey"
    worker = read["program:worker"]
    assert int(worker["stopwaitsecs"]) >= 60
    assert worker["stopasgroup"] == "false"  # a signal to the children would end running jobs
    assert worker["command"] == "setpriv --pdeathsig TERM /bin/sh /tmp/weir-run-x/worker.sh"


def test_a_command_with_leading_assignments_runs_through_env() -> None:
    assert supervision.script(Process("a", "NAME=1 celery worker")) == "exec env NAME=1 celery worker\n"
    assert supervision.script(Process("a", "celery worker")) == "exec celery worker\n"


def test_the_control_socket_has_a_short_plain_path_whatever_the_temporary_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / ("with space % ; # and long " * 5)
    odd.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(odd))
    run = make_run_directory()
    try:
        assert PLAIN.issuperset(str(run))
        assert len(str(run)) < LONGEST_DIRECTORY + 20
        assert stat.S_IMODE(run.stat().st_mode) == 0o700
    finally:
        run.rmdir()


def test_a_reserved_port_is_taken_for_others_and_free_for_us() -> None:
    held = ports.Reservation(0)
    try:
        assert ports.reserve(held.port) is None
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind((ports.HOST, held.port))
        with socket.socket() as ours:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            ours.bind((ports.HOST, held.port))
            ours.listen()
    finally:
        held.close()
    again = ports.Reservation(held.port)
    again.close()


def test_taken_ports_are_passed_over() -> None:
    with socket.socket() as taken, ExitStack() as stack:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        start = taken.getsockname()[1]
        picked = ports.pick({"a": Wanted("A", start), "b": Wanted("B", start), "c": Wanted("C", 0)}, {}, stack)
        assert start not in picked.values()
        assert len(set(picked.values())) == 3


def test_a_fixed_port_that_is_taken_stops_the_start() -> None:
    with socket.socket() as taken, ExitStack() as stack:
        taken.bind((ports.HOST, 0))
        taken.listen()
        number = str(taken.getsockname()[1])
        with pytest.raises(PlatformError, match=f"PORT: expected a free port on 127.0.0.1, but {number} is taken"):
            ports.pick({"web": Wanted("PORT", 8000)}, {"PORT": number}, stack)


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1", "\u0668", "8000 "])
def test_a_port_that_is_no_port_says_so(text: str) -> None:
    with ExitStack() as stack, pytest.raises(PlatformError, match="PORT: expected a port number from 1 to 65535, got"):
        ports.pick({"web": Wanted("PORT", 8000)}, {"PORT": text}, stack)


def test_given_variables_win_and_the_rest_is_generated(tmp_path: Path) -> None:
    made = environment.compose(
        {"TIME_ZONE": "Europe/Berlin", "LOG_LEVEL": "", "PATH": "/bin"},
        data_dir=tmp_path,
        ports={**PORTS, "broker": 4321},
        secret_key="s" * 40,
    )
    assert made.configuration.time_zone == "Europe/Berlin"
    assert made.configuration.broker_url == f"redis://:{made.broker_password}@127.0.0.1:4321/0"
    assert made.configuration.stream_url == "http://127.0.0.1:8001"
    assert not made.configuration.https
    assert made.configuration.data_dir == tmp_path
    assert made.embedded_broker
    assert made.ledger == "SQLite"
    assert made.variables["PATH"].endswith(f"{os.pathsep}/bin")


def test_a_given_broker_and_ledger_are_used_and_none_is_started(tmp_path: Path) -> None:
    given = {"BROKER_URL": "amqp://localhost", "DATABASE_URL": "postgres://u:p@h/weir"}
    assert "broker" not in environment.wanted_ports(given)
    made = environment.compose(given, data_dir=tmp_path, ports=PORTS, secret_key="s" * 40)
    assert not made.embedded_broker
    assert made.broker == "amqp:// of BROKER_URL"
    assert "p@h" not in made.ledger


def test_a_wrong_value_stops_before_anything_is_made() -> None:
    with pytest.raises(ImproperlyConfigured, match="WINDOW"):
        environment.check({"WINDOW": "x"})


def test_the_secret_key_is_made_once_and_private(tmp_path: Path) -> None:
    first = environment.secret_key(tmp_path)
    assert environment.secret_key(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    (tmp_path / "secret").write_text("short")
    with pytest.raises(PlatformError, match="at least 32 characters, got 5"):
        environment.secret_key(tmp_path)


def test_a_data_directory_has_one_platform(tmp_path: Path) -> None:
    with locking.held(tmp_path):
        locking.write(tmp_path, locking.Running(42, "http://127.0.0.1:8000"))
        with pytest.raises(PlatformError, match=r"already running from .* \(process 42\): http://127.0.0.1:8000/"):
            locking.held(tmp_path).__enter__()
    assert list(tmp_path.iterdir()) == []
    with locking.held(tmp_path):
        assert not locking.clear_leftovers(tmp_path)


def test_what_a_killed_run_left_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    run = make_run_directory()
    (run / "control").touch()
    other = tmp_path / "weir-run-link"
    other.symlink_to(tmp_path)
    # This very process is no supervisord of that run directory and must not be signalled.
    locking.write(tmp_path, locking.Running(1, "", os.getpid(), str(run)))
    assert locking.clear_leftovers(tmp_path)
    assert not run.exists()
    locking.write(tmp_path, locking.Running(1, "", 0, str(other)))
    assert locking.clear_leftovers(tmp_path)
    assert tmp_path.is_dir()


def test_a_torn_note_of_who_runs_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / locking.NOTE).write_text('{"pid": 1')
    assert locking.read(tmp_path) is None
    assert not locking.clear_leftovers(tmp_path)


def test_the_brokers_configuration_quotes_its_directory() -> None:
    text = valkey.configuration(port=7, directory=Path('/a b/"c"\\d'), password="p")
    assert 'dir "/a b/\\"c\\"\\\\d"' in text
    assert "appendonly yes" in text
    assert "bind 127.0.0.1" in text
    assert "maxmemory-policy noeviction" in text


def test_the_tail_of_a_log_is_short_and_survives_odd_bytes(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\n".join(b"line %d \xff" % number for number in range(10_000)))
    lines = tail(log, 3).splitlines()
    assert [line.split()[1] for line in lines] == ["9997", "9998", "9999"]
    assert "no such file" in tail(tmp_path / "absent")


def test_a_summary_that_differs_from_the_source_fails_the_demo(tmp_path: Path) -> None:
    path = tmp_path / "summary.csv"
    path.write_text(f"carrier,month,count,sum\nAA,1,{FLIGHTS_ROWS},3\n")
    right = {("AA", "1"): Tally(FLIGHTS_ROWS, [1.0, 2.0])}
    assert "agree" in check_summary(path, right)
    for wrong, complaint in (
        ({("AA", "1"): Tally(FLIGHTS_ROWS, [1.0])}, "the sum 1"),
        ({("AA", "1"): Tally(7, [3.0])}, "the count 7"),
        ({("AA", "2"): Tally(FLIGHTS_ROWS, [3.0])}, "expected 1 groups"),
    ):
        with pytest.raises(PlatformError, match=complaint):
            check_summary(path, wrong)


@pytest.mark.parametrize(("total", "right"), [("3.5", True), ("3.50000000000000000001", False), (None, False)])
def test_a_bucket_that_differs_from_the_source_fails_the_demo(total: str | None, right: bool) -> None:
    class Answers:
        def send(self, *_: object, params: dict[str, str]) -> dict[str, Any]:
            found = {"at": "2013-01-01T00:00:00Z", "group": {"origin": "JFK"}, "rows": 2, "numbers": 1, "sum": total}
            return {"buckets": [found] if params["begin"] == "2013-01-01" else []}

    rows = [{"time_hour": f"2013-01-01T0{each}:00:00Z", "origin": "JFK", "arr_delay": value}
            for each, value in enumerate(("3.5", "NA"))]  # fmt: skip
    dataset = {"links": {"buckets": "/"}}
    if right:
        assert demo_growing._compare(Answers(), dataset, rows, "day") == 1
    else:
        with pytest.raises(PlatformError, match="expected for the day"):
            demo_growing._compare(Answers(), dataset, rows, "day")
