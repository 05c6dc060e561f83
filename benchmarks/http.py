"""How many jobs a second come in over HTTP from 32 clients, beside the least that the same server could do.

Blocks alternate: Weir's ``POST /api/jobs`` with a token, and a bare Django view that inserts one row (``bare``), on the
same web server with the same workers and threads, and the same database. No worker runs, and no limit is in the way, so
nothing but submitting is measured. Promised: the median block of Weir takes at least 0.6 of what the bare view takes.
The program ends with 1 if it does not. ``--set SERVER=…`` measures another web server (``SERVERS``).
"""

from __future__ import annotations

import http.client
import json
import os
import shlex
import statistics
import subprocess
import sys
from contextlib import ExitStack, closing
from typing import Any

from benchmarks import figures, ground
from jobs_app.core import clock, tokens, transport
from jobs_app.platform.ports import Reservation
from jobs_app.scopes import Scope

CONNECTIONS, BLOCKS, SECONDS = 32, 7, 6.0
BOUND = 0.6
FREE = {"QUEUE_LIMIT": "100000000", "USER_SHARE": "1", "TOKEN_SHARE": "1", "TOKEN_RATE": "0"}
APPLICATION = "project.wsgi:application"
SERVERS = {
    "gunicorn": "gunicorn --bind 127.0.0.1:$PORT --workers ${WEB_WORKERS:-2} --worker-class gthread "
    f"--threads ${{WEB_THREADS:-8}} --keep-alive 75 {APPLICATION}",
    "uvicorn": "uvicorn --interface wsgi --host 127.0.0.1 --port $PORT --workers ${WEB_WORKERS:-2} --no-access-log "
    f"{APPLICATION}",
}
"""Further web servers, where they are installed; what is not here is a command. The Procfile's is the default."""


def main() -> int:
    """Measure, print, keep, judge."""
    from django.contrib.auth.models import User
    from django.core.management import call_command

    from benchmarks import bare

    settings = ground.settings()
    call_command("collectstatic", interactive=False, verbosity=0)
    bare.prepare()
    transport.publisher.work = None
    user = User.objects.create_user("measurer")
    _, token = tokens.issue(user, "measuring", now=clock.database_now(), grants=set(Scope))
    named = os.environ.get("SERVER", "")
    command = SERVERS.get(named, named) or ground.command_of("web")
    with ExitStack() as stack:
        sides = {}
        for name, path, application in (
            ("weir", "/api/jobs", APPLICATION),
            ("bare", "/jobs", "benchmarks.bare:application"),
        ):
            reservation = stack.enter_context(closing(Reservation(0)))
            process = ground.Process(
                "web", name, command.replace(APPLICATION, application), PORT=str(reservation.port), **FREE
            )
            stack.callback(process.kill)
            _until_it_answers(process, reservation.port, path)
            sides[name] = (reservation.port, path)
        for port, path in sides.values():
            _block(port, path, token)  # to warm up
        rows = []
        for number in range(ground.scaled(BLOCKS)):
            row: dict[str, Any] = {"block": number + 1}
            for name in sorted(sides, reverse=bool(number % 2)):
                row |= {f"{name} {what}": value for what, value in _block(*sides[name], token).items()}
            rows.append(row | {"ratio": round(row["weir a second"] / row["bare a second"], 3)})
    figures.table(f"{CONNECTIONS} clients, {ground.options.database} ({shlex.split(command)[0]})", rows)
    kept = {name: figures.spread([row[name] for row in rows]) for name in ("weir a second", "bare a second", "ratio")}
    figures.table("medians", [{"of": name, **found} for name, found in kept.items()])
    figures.keep(
        f"http-{ground.options.database}{'-' + named if named in SERVERS else ''}",
        {**settings, "server": command}, {"blocks": rows, **kept},
    )  # fmt: skip
    found = kept["ratio"]["median"]
    return figures.verdict([figures.Check("weir / bare", f"{found}", f"at least {BOUND}", found >= BOUND)])


def _block(port: int, path: str, token: str) -> dict[str, float]:
    seconds = SECONDS * min(1.0, max(ground.options.scale, 0.2))
    command = [sys.executable, "-m", "benchmarks.callers", str(port), path, token, str(CONNECTIONS), str(seconds)]
    told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
    wrong = {status: len(times) for status, times in told["answers"].items() if status != "202"}
    if wrong:
        sys.exit(f"expected 202 for each submission to {path}, got also {wrong}")
    times = told["answers"]["202"]
    return {
        "a second": round(len(times) / told["seconds"]),
        "p50 ms": round(statistics.median(times), 1),
        "p99 ms": round(figures.percentile(times, 0.99), 1),
    }


def _until_it_answers(process: ground.Process, port: int, path: str) -> None:
    def answers() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().status > 0
        except OSError:
            return not process.running
        finally:
            connection.close()

    ground.wait(answers, 60, "a web server that answers")
    if not process.running:
        sys.exit(f"expected a web server that runs:\n{process.log.read_text(errors='replace')[-3000:]}")


if __name__ == "__main__":
    sys.exit(main())
