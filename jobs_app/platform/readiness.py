"""Waiting, with a limit, until every process of the platform answers."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from jobs_app import addresses
from jobs_app.platform import valkey
from jobs_app.platform.environment import BROKER_PORT, Environment
from jobs_app.platform.faults import PlatformError, ProcessError
from jobs_app.platform.processes import Standing, Supervised
from jobs_app.platform.supervision import BROKER, Program
from jobs_app.platform.waiting import until

START_SECONDS = 180
PROBE_SECONDS = 5
POLL_SECONDS = 0.3
BROKER_PORTS = {"redis": 6379, "rediss": 6379, "sentinel": 26379, "amqp": 5672, "amqps": 5671}
GIVEN_UP = frozenset({"BACKOFF", "EXITED", "FATAL", "UNKNOWN"})
UP = "RUNNING"


@dataclass(frozen=True)
class Probe:
    """One question that must be answered with yes, and the process that is at fault if it is not."""

    process: str
    question: str
    answer: Callable[[], bool]


def probes(programs: tuple[Program, ...], environment: Environment) -> list[Probe]:
    """What to ask of these processes. One without a question of its own only has to keep running."""
    found: list[Probe] = []
    flower = next((program for program in programs if program.process.is_flower), None)
    for program in programs:
        name = program.name
        if program.group == BROKER:
            port, password = environment.ports[BROKER_PORT], environment.broker_password
            found.append(Probe(name, "answers a PING", lambda p=port, w=password: valkey.answers(p, w)))  # type: ignore[misc]
        elif "PORT" in program.process.variables:
            found.append(Probe(name, "answers /healthz", lambda: _healthy(f"{environment.url}/healthz")))
        elif "STREAM_PORT" in program.process.variables:
            found.append(Probe(name, "answers /healthz", lambda: _healthy(f"{environment.stream_url}/healthz")))
        elif program.process.is_flower:
            found.append(Probe(name, "answers", lambda: _healthy(f"{environment.flower_url}/healthcheck")))
    workers = [program.name for program in programs if program.process.is_worker]
    if flower is not None:
        found.extend(
            Probe(name, "answers through the broker", lambda n=name: n in _workers(environment))  # type: ignore[misc]
            for name in workers
        )
    return found


def wait(supervised: Supervised, environment: Environment) -> None:
    """Wait at most 180 s until every process runs and every probe is answered.

    Raises ProcessError naming the process that ended or did not answer, with the end of its log.
    """
    open_probes = probes(tuple(supervised.programs), environment)
    standings: dict[str, Standing] = {}

    def ready() -> bool:
        nonlocal standings
        standings = supervised.standings()
        for standing in standings.values():
            if standing.state in GIVEN_UP:
                # supervisord keeps no exit code of a process that ended within its first second.
                how = f"with exit code {standing.exit_code}" if standing.exit_code else "at once"
                raise ProcessError(
                    f"{standing.name} ended {how} while the platform started.",
                    supervised.log(standing.name),
                )
        while open_probes and open_probes[0].answer():
            open_probes.pop(0)
        return not open_probes and all(standing.state == UP for standing in standings.values())

    if until(ready, START_SECONDS, POLL_SECONDS):
        return
    late = open_probes[0].process if open_probes else next(s.name for s in standings.values() if s.state != UP)
    what = f"that it {open_probes[0].question}" if open_probes else "that it keeps running"
    raise ProcessError(f"{late}: expected within {START_SECONDS} s {what}; it did not.", supervised.log(late))


def require_broker(url: str) -> None:
    """Raise PlatformError if nothing listens at a given BROKER_URL: workers would wait for it for ever."""
    faults = []
    for each in addresses.parse(url).url.split(";") if url else ():  # any one of several sentinels will do
        place = urlsplit(each)
        port = place.port or BROKER_PORTS.get(place.scheme)
        if not place.hostname or port is None:
            return  # Amazon's own servers
        try:
            socket.create_connection((place.hostname, port), timeout=PROBE_SECONDS).close()
        except OSError as error:
            faults.append(f"expected a broker at {place.hostname}:{port}, got: {error}.")
        else:
            return
    if faults:
        raise PlatformError(f"BROKER_URL: {' '.join(faults)} Start it, or unset BROKER_URL to have Valkey embedded.")


def _healthy(url: str) -> bool:
    try:
        return httpx.get(url, timeout=PROBE_SECONDS, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _workers(environment: Environment) -> set[str]:
    """The workers that answered Flower just now, by the part of their name before the @."""
    try:
        answer = httpx.get(
            f"{environment.flower_url}/api/workers",
            params={"refresh": "1"},
            auth=environment.flower_login,
            timeout=2 * PROBE_SECONDS,
            trust_env=False,
        )
        names: dict[str, Any] = answer.json() if answer.status_code == httpx.codes.OK else {}
    except (httpx.HTTPError, ValueError):
        return set()
    return {name.partition("@")[0] for name in names}
