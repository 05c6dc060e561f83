"""The bound of a queue while many submit at once: threads here, and processes like those of a web server."""

from __future__ import annotations

import subprocess
import sys
import threading
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction

from jobs_app.authoring import Child
from jobs_app.core import admission, claims, clock, families, gate, lanes, spawning
from jobs_app.core.turnstile import Full, Turnstile
from jobs_app.errors import QueueFull, ShareExceeded
from jobs_app.lifecycle import State
from jobs_app.models import Job
from jobs_app.models import Turnstile as Held
from tests.support.ledger import claimed, submitted
from tests.support.processes import ROOT, eventually
from tests.support.together import against, at_once

pytestmark = pytest.mark.usefixtures("quiet", "nudged")

LIMIT = 200
SUBMIT = """
import django; django.setup()
from jobs_app.core import submission, transport
from jobs_app.errors import QueueFull
transport.publisher.work = lambda queue: None
print("ready", flush=True); input()
accepted = refused = 0
for _ in range({tries}):
    try:
        submission.submit("system.echo", {{"text": "a"}})
        accepted += 1
    except QueueFull:
        refused += 1
print(accepted, refused, flush=True)
"""


CROWD = """
import sys, threading
import django; django.setup()
from jobs_app.core import submission, transport
from jobs_app.errors import QueueFull
transport.publisher.work = lambda queue: None
def crowd(overflow):
    for _ in range({tries}):
        try:
            submission.submit("system.echo", {{"text": "a"}}, overflow=overflow)
        except QueueFull:
            pass
threads = [threading.Thread(target=crowd, args=({mixed} and n == 0,)) for n in range(4)]
print("ready", flush=True); input()
for each in threads: each.start()
for each in threads: each.join()
"""


def waiting() -> int:
    return Job.objects.filter(state=State.QUEUED).count()


@pytest.mark.slow
def test_six_processes_never_go_over_the_limit(worker_environment: dict[str, str]) -> None:
    environment = {**worker_environment, "QUEUE_LIMIT": str(LIMIT), "DJANGO_SETTINGS_MODULE": "project.settings"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SUBMIT.format(tries=LIMIT)],
            cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(6)
    ]  # fmt: skip
    try:
        for each in processes:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        for each in processes:
            assert each.stdin is not None
            each.stdin.write("\n")
            each.stdin.flush()
        told = [each.communicate(timeout=120)[0].split() for each in processes]
    finally:
        for each in processes:
            each.kill()
    accepted = sum(int(first) for first, _ in told)
    assert sum(int(second) for _, second in told) == 6 * LIMIT - accepted
    assert waiting() == accepted
    assert LIMIT * 0.9 <= accepted <= LIMIT, "no overshoot, and hardly any room left unused"
    assert sum(int(first) > 0 for first, _ in told) >= 2, "several processes got some of it"


@pytest.mark.slow
@pytest.mark.parametrize("mixed", [False, True])
def test_threads_of_processes_keep_the_bounds_while_jobs_leave_and_children_come_in(
    worker_environment: dict[str, str], configured: object, mixed: bool
) -> None:
    bounds = {"queue_limit": 100, "queue_headroom": 0.1}
    configured(**bounds)  # type: ignore[operator]
    environment = {name.upper(): str(value) for name, value in bounds.items()}
    environment |= {**worker_environment, **environment, "DJANGO_SETTINGS_MODULE": "project.settings"}
    if mixed:
        parent = claimed(submitted("family.parent", {"count": 0, "failing": []}))
        spawning.spawn(parent, [Child("family.child", key=str(n)) for n in range(150)], now=clock.database_now())
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CROWD.format(tries=40, mixed=mixed)],
            cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    most = started = 0
    try:
        for each in processes:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        for each in processes:
            assert each.stdin is not None
            each.stdin.write("\n")
            each.stdin.flush()
        while any(each.poll() is None for each in processes):
            most = max(most, waiting())
            first = Job.objects.filter(state=State.QUEUED).order_by("id").values_list("id", flat=True).first()
            started += len(
                claims.claim([first], holder="worker@test/1/message", now=clock.database_now()) if first else ()
            )
            families.release("default", now=clock.database_now())
    finally:
        for each in processes:
            each.kill()
    assert all(each.returncode == 0 for each in processes)
    assert started > 0
    assert 50 <= most <= (110 if mixed else 101)


def test_threads_of_one_process_never_go_over_the_limit(configured: object) -> None:
    configured(queue_limit=10)  # type: ignore[operator]

    def attempt() -> bool:
        try:
            submitted()
        except QueueFull:
            return False
        return True

    assert 1 <= sum(at_once(*[attempt] * 24)) == waiting() <= 10
    # While many pass at once some are refused early, for a tenth of a second: the room is not lost.
    eventually(lambda: not attempt() and waiting() == 10, what="the last place to be taken")


def test_credits_that_another_process_holds_are_not_given_away(configured: object) -> None:
    configured(queue_limit=10)  # type: ignore[operator]
    policy = lanes.policy("default")
    now = submitted().created_at
    with gate.writing():
        Held.objects.create(queue="default", process="elsewhere/1", outstanding=8, renewed_at=now)
        gate.Gate.objects.update(measured_at=None)
    fresh = Turnstile()
    fresh.enter("default", policy, now=now)
    with pytest.raises(Exception, match="1 jobs wait"):
        fresh.enter("default", policy, now=now)
    fresh.forget()
    fresh.enter("default", policy, now=now + 2 * gate.HELD_FOR)  # that process is not heard of any more


def test_threads_of_one_process_never_get_over_a_share(configured: object, alice: User) -> None:
    configured(queue_limit=10, user_share=0.1)  # type: ignore[operator]

    def attempt() -> bool:
        try:
            submitted(owner=User.objects.get(pk=alice.pk))
        except (QueueFull, ShareExceeded):
            return False
        return True

    assert sum(at_once(*[attempt] * 12)) == waiting() == 1


def test_what_a_process_says_it_holds_is_never_older_than_what_it_took(
    configured: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(queue_limit=1)  # type: ignore[operator]
    policy, now, own = lanes.policy("default"), clock.database_now(), Turnstile()
    own.enter("default", policy, now=now)
    report, others = gate.report, []

    def slow(queue: str, **told: object) -> None:
        """Between what was held and the word of it another thread takes the credit, if it can."""
        others.append(threading.Thread(target=lambda: (own.enter("default", policy, now=now), connection.close())))
        others[0].start()
        others[0].join(0.3)
        report(queue, **told)

    monkeypatch.setattr(gate, "report", slow)
    own.leave("default", now=now)
    others[0].join(30)
    assert Held.objects.get().outstanding == 1
    monkeypatch.setattr(gate, "name_of_process", lambda: "elsewhere/1")
    with pytest.raises(Full):
        Turnstile().enter("default", policy, now=now)


def test_those_refused_share_the_pace_with_all_who_were_at_the_gate_lately(configured: object) -> None:
    configured(queue_limit=1)  # type: ignore[operator]
    policy, now = lanes.policy("default"), submitted().created_at
    with gate.writing():
        Held.objects.create(queue="default", process="elsewhere/1", renewed_at=now - 3 * gate.HELD_FOR)
        Held.objects.create(queue="default", process="gone/1", renewed_at=now - 2 * gate.HEARD_OF)
    with pytest.raises(Full) as first:
        Turnstile().enter("default", policy, now=now)
    assert first.value.processes == gate.still_closed("default", policy, now=now).processes == 2  # type: ignore[union-attr]


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite's waits have a timeout of their own")
def test_a_submission_in_a_transaction_does_not_wait_for_ever_for_the_gate(configured: object) -> None:
    configured(ledger_patience_seconds=1)  # type: ignore[operator]
    now = submitted().created_at
    admission.turnstile.forget()
    with against(lambda: gate.hold("default", now=now), seconds=8) as rival, transaction.atomic():
        with pytest.raises(OperationalError):
            submitted(now=now)
        assert not rival.committed.is_set()
    assert submitted().id


def test_one_key_is_one_job_however_many_come_at_once_to_an_almost_full_queue(configured: object, alice: User) -> None:
    configured(queue_limit=1)  # type: ignore[operator]

    def attempt(owner: User) -> object:
        try:
            return submitted(owner=owner, idempotency_key="key").id
        except QueueFull:
            return None

    found = {each for each in at_once(*[partial(attempt, alice)] * 50) if each is not None}
    assert len(found) == waiting() == 1
    assert admission.turnstile.room("default") is not None
