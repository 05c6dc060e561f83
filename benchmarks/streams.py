"""What 200 live streams cost those who submit and look: half of them on one running job, half on the list of jobs.

Blocks with and without streams alternate. In each, jobs are submitted over HTTP one after the other, and run by a
worker, so that the streams have much to tell; and the list and the job's page are asked for. Promised: the median
block's latency with streams is within 1.5 of that without. The program ends with 1 if it is not.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks import figures, ground
from jobs_app.core import clock, submission, tokens, transport
from jobs_app.lifecycle import State
from jobs_app.models import Job
from jobs_app.platform.ports import Reservation
from jobs_app.scopes import Scope

STREAMS, BLOCKS, SUBMISSIONS, LOOKS = 200, 5, 150, 60
PAUSE_SECONDS = 0.02
BOUND = 1.5


def main() -> int:
    """Measure, print, keep, judge."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    settings = ground.settings()
    call_command("collectstatic", interactive=False, verbosity=0)
    transport.publisher.work = None
    user = User.objects.create_superuser("measurer")
    _, token = tokens.issue(user, "measuring", now=clock.database_now(), grants=set(Scope))
    browser = Client()
    browser.force_login(user)
    cookie = f"sessionid={browser.cookies['sessionid'].value}"
    with ExitStack() as stack:
        web, stream = (stack.enter_context(_port()) for _ in range(2))
        site = {"STREAM_URL": f"http://127.0.0.1:{stream}", "USER_SHARE": "1", "TOKEN_SHARE": "1"}
        processes = [
            ground.ready("web", PORT=str(web), **site),
            ground.ready("stream", STREAM_PORT=str(stream), **site),
        ]
        processes += [ground.ready(name) for name in ("upkeep", "beat")] + [ground.worker("worker")]
        for each in processes:
            stack.callback(each.kill)
        job = submission.submit("probe.slow", {"seconds": 300}, owner=user)
        ground.wait(lambda: Job.objects.filter(id=job.id, state=State.RUNNING).exists(), 60, "the job to run")
        rows = _blocks(web, token, cookie, str(job.id))
    ratios = {
        f"{what} {name}": [row[f"{what} {name} with"] / row[f"{what} {name} without"] for row in rows]
        for what in ("submit", "look")
        for name in ("p50", "p99")
    }
    figures.table(f"{STREAMS} live streams, {ground.options.database} (ms)", rows)
    kept = {name: figures.spread(values) for name, values in ratios.items()}
    figures.keep(f"streams-{ground.options.database}", settings, {"blocks": rows, "ratios": kept})
    return figures.verdict([
        figures.Check(name, f"{found['median']}", f"at most {BOUND}", found["median"] <= BOUND)
        for name, found in kept.items()
    ])  # fmt: skip


def _blocks(port: int, token: str, cookie: str, job: str) -> list[dict[str, Any]]:
    _block(port, token, cookie, job)  # to warm up
    rows = []
    for number in range(ground.scaled(BLOCKS)):
        row: dict[str, Any] = {"block": number + 1}
        for name in ("without", "with") if number % 2 else ("with", "without"):
            if name == "with":
                with _streams(port, token, job) as told:
                    found = _block(port, token, cookie, job)
                row |= {"events": told["of the job"] + told["of the list"]}
            else:
                found = _block(port, token, cookie, job)
            row |= {f"{what} {name}": value for what, value in found.items()}
        rows.append({key.strip(): value for key, value in row.items()})
    return rows


def _block(port: int, token: str, cookie: str, job: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.client", str(port), token, str(SUBMISSIONS), str(PAUSE_SECONDS)]
    answers = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    wrong = [status for status, _ in answers if status != 202]
    if wrong:
        sys.exit(f"expected 202 for each submission, got {wrong[:5]}")
    looks = [_look(port, cookie, path) for _ in range(LOOKS // 2) for path in ("/jobs/", f"/jobs/{job}/")]
    return {**_named("submit", [each for _, each in answers]), **_named("look", looks)}


def _named(what: str, times: list[float]) -> dict[str, float]:
    return {
        f"{what} p50": round(statistics.median(times), 1), f"{what} p99": round(figures.percentile(times, 0.99), 1)
    }  # fmt: skip


def _look(port: int, cookie: str, path: str) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    began = time.perf_counter()
    connection.request("GET", path, headers={"Cookie": cookie})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != 200:
        sys.exit(f"expected {path} to be shown, got {answer.status}")
    return (time.perf_counter() - began) * 1000


@contextmanager
def _streams(port: int, token: str, job: str) -> Iterator[dict[str, int]]:
    """Streams that are open within the block; filled with what came when it ends."""
    command = [sys.executable, "-m", "benchmarks.listeners", str(port), token, job, str(STREAMS)]
    told: dict[str, int] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdout.readline().strip() != "open":
            sys.exit("expected every stream to open")
        yield told
        process.stdin.close()
        told.update(json.loads(process.stdout.readline()))
    if told["open"] != STREAMS:
        sys.exit(f"expected {STREAMS} streams to stay open, {told['open']} did")


@contextmanager
def _port() -> Iterator[int]:
    reservation = Reservation(0)
    try:
        yield reservation.port
    finally:
        reservation.close()


if __name__ == "__main__":
    sys.exit(main())
