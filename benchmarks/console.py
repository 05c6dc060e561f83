"""How long the server takes for each page, on a ledger of ``--jobs`` jobs, all counted: every address that answers GET,
statistics of every length, and the list of jobs with searches that fit much, little and nothing.

The time is that of Django and the database, in this process, warm: no network, no browser. Each address is asked for
as an operator who sees all jobs; searches also as a user who has a third of them, and statistics. A page may take
100 ms, a search 200 ms, at the 95th percentile.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks import figures, ground
from benchmarks.addresses import Address, bulk, lists, pages, statistics
from benchmarks.crowd import KINDS, make
from benchmarks.minutes import caught_up
from jobs_app.core import clock
from jobs_app.models import Job
from jobs_app.web import probes
from tests.support.world import made

ROUNDS, WARM = 20, 3
BUDGET, LIST_BUDGET = 100.0, 200.0
"""Milliseconds at the 95th percentile."""

NO_GET, SHUT = 405, {403, 404}
NOT_READY = "/readyz"
"""It answers 503 by right: no worker and no upkeep is here."""


def main() -> int:
    """Fill, measure, print, keep. Returns 1 if an address is over its budget."""
    from django.contrib.auth.models import User  # Django is set up by ``ground``
    from django.core.management import call_command
    from django.test import Client

    settings, jobs = ground.settings(), ground.options.jobs
    began = time.perf_counter()
    users = {"carol": User.objects.create_superuser("carol"), "alice": User.objects.create_user("alice")}
    make(jobs, owner=users["alice"], now=clock.database_now())
    caught_up()
    world = made(users["carol"], "flights", now=clock.database_now())
    User.objects.create_user("bob")
    figures.say(f"{jobs:,} jobs are there, after {time.perf_counter() - began:.0f} s")
    logging.disable(logging.CRITICAL)
    call_command("collectstatic", interactive=False, verbosity=0)
    clients = {name: Client(SERVER_NAME="localhost") for name in users}
    for name, user in users.items():
        clients[name].force_login(user)
    asked = [("carol", each) for each in [*pages(world), *_of_crowd(), *statistics(), *lists(), *bulk()]]
    asked += [("alice", each) for each in [*statistics(), *lists()] if "owner=" not in each.path]
    rows = [row for name, each in asked if (row := _measured(name, clients[name], each))]
    figures.table(f"Console, {jobs:,} jobs, {ground.options.database} (ms)", rows)
    figures.keep(f"console-{ground.options.database}", {**settings, "jobs": jobs}, {"rows": rows})
    return figures.verdict([_check(row) for row in rows])


def _of_crowd() -> Iterator[Address]:
    """Pages about one of the many jobs and failures."""
    failed = Job.objects.whole().filter(state="failed", kind=KINDS[0]).order_by("-id")[0]
    for path in (f"/jobs/{failed.id}/", f"/api/jobs/{failed.id}", f"/failures/{failed.fingerprint}/"):
        yield Address(path)


def _check(row: dict[str, Any]) -> figures.Check:
    what = f"{row['address']} as {row['as']}"
    return figures.Check(what, f"p95 {row['p95']} ms", f"at most {row['budget']:g} ms", row["p95"] <= row["budget"])


def _measured(name: str, client: Any, address: Address) -> dict[str, Any] | None:
    """Figures of one address; None for one that answers no GET, or is shut to everybody, as much of the admin is."""
    statuses = {_status(client, address.path) for _ in range(WARM)}
    if statuses == {NO_GET} or (address.path.startswith("/admin/") and statuses <= SHUT):
        return None
    if max(statuses) >= 400 and address.path != NOT_READY:
        raise SystemExit(f"expected {address.path} to be answered, got {max(statuses)}")
    times = [_timed(lambda: _status(client, address.path)) for _ in range(ROUNDS)]
    return {
        "as": name, "address": address.path, "status": max(statuses), "p50": round(figures.percentile(times, 0.5), 1),
        "p95": round(figures.percentile(times, 0.95), 1), "budget": LIST_BUDGET if address.listed else BUDGET,
    }  # fmt: skip


def _status(client: Any, path: str) -> int:
    probes.kept_metrics.forget()  # each time made anew, as once in some seconds
    probes.kept_checks.clear()
    response = client.get(path)
    if response.streaming:
        for _ in response.streaming_content:
            pass
    return int(response.status_code)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    sys.exit(main())
