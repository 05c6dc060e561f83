"""Bulk submissions at the same time: one key is one job, and the bound of a queue holds."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from jobs_app.core.batches.lines import Line
from jobs_app.core.batches.submitting import Bulk
from jobs_app.core.submission import Options
from jobs_app.models import Event, Job, Term
from tests.support.ledger import submitted
from tests.support.processes import ROOT
from tests.support.together import HELD_SECONDS, against, at_once

pytestmark = pytest.mark.usefixtures("quiet", "nudged")

LIMIT = 5000
SUBMIT = """
import django; django.setup()
from jobs_app.core import transport
from jobs_app.core.batches.submitting import submit_many
from jobs_app.errors import QueueFull
transport.publisher.work = lambda queue: None
print("ready", flush=True); input()
accepted = refused = 0
while refused < 5:
    try:
        accepted += submit_many("system.echo", ({"text": "a"} for _ in range(3000))).accepted
    except QueueFull as full:
        accepted, refused = accepted + full.accepted, refused + 1
print(accepted, flush=True)
"""


def lines(keys: list[str | None]) -> list[Line]:
    return [Line("system.echo", {"text": "a"}, PLAIN, key) for key in keys]


PLAIN = Options()


def bulk(keys: list[str | None], owner: User | None = None, key: str | None = None) -> list[UUID | None]:
    found = list(Bulk(owner=owner, key=key).verdicts(lines(keys)))
    assert not [each for each in found if each.error is not None]
    return [each.job_id for each in found]


def test_one_bulk_submission_sent_three_times_at_once_is_one_job_a_line(alice: User) -> None:
    count = 2300
    first, *others = at_once(*[partial(bulk, [None] * count, alice, "the key")] * 3)
    assert others == [first, first]
    assert len(set(first)) == count == Job.objects.count() == Event.objects.count() == Term.objects.count()


def test_lines_whose_keys_come_in_another_order_wait_for_one_another_and_not_for_ever() -> None:
    keys: list[str | None] = [f"key {number}" for number in range(900)]
    one, other = at_once(partial(bulk, keys), partial(bulk, keys[::-1]))
    assert one == other[::-1]
    assert Job.objects.count() == 900


@pytest.mark.parametrize("undone", [False, True])
def test_a_batch_waits_for_one_of_its_keys_that_may_yet_be_rolled_back(undone: bool) -> None:
    def single() -> None:
        submitted("system.echo", {"text": "a"}, idempotency_key="k#5")
        transaction.set_rollback(undone)

    with against(single) as rival:
        found = bulk([None] * 9, key="k")
    assert rival.waited >= HELD_SECONDS
    assert len(set(found)) == Job.objects.count() == 9
    assert Job.objects.get(idempotency_key="k#5").id == found[4]


@pytest.mark.slow
def test_four_processes_that_submit_in_bulk_keep_the_limit(worker_environment: dict[str, str]) -> None:
    environment = {**worker_environment, "QUEUE_LIMIT": str(LIMIT), "DJANGO_SETTINGS_MODULE": "project.settings"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SUBMIT], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    try:
        for each in processes:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        for each in processes:
            assert each.stdin is not None
            each.stdin.write("\n")
            each.stdin.flush()
        told = [int(each.communicate(timeout=120)[0]) for each in processes]
    finally:
        for each in processes:
            each.kill()
    assert sum(told) == Job.objects.count()
    assert LIMIT * 0.9 <= sum(told) <= LIMIT * 1.01
