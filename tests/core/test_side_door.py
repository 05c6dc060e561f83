"""The side door: children and jobs whose time has come are let in as there is room, and the gate knows of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import transaction

from jobs_app.core import admission, dispatch, estimates, execution, families, gate
from jobs_app.core.turnstile import turnstile
from jobs_app.errors import QueueFull
from jobs_app.lifecycle import State
from jobs_app.models import Gate, Job
from jobs_app.models.guard import writing
from tests.support.ledger import claimed, happened, reaching, submitted
from tests.support.measures import flowed, listening

pytestmark = pytest.mark.usefixtures("quiet", "nudged")

Configure = Callable[..., None]
SECOND = timedelta(seconds=1)


def queued(**of: object) -> int:
    return Job.objects.filter(state=State.QUEUED, **of).count()


def due_in_a_second(count: int, now: datetime, **options: object) -> list[Job]:
    """What anybody may submit whatever the queue holds."""
    return [submitted(now=now, due_at=now + SECOND, **options) for _ in range(count)]  # type: ignore[arg-type]


def family_of(count: int, now: datetime, **options: object) -> Job:
    """A parent that waits for so many children."""
    parent = submitted("family.parent", {"count": count, "failing": []}, now=now, **options)  # type: ignore[arg-type]
    assert execution.run([parent.id], holder="worker@test/1/message") == 1
    return parent


def start(count: int, now: datetime) -> None:
    """As many jobs start, and whoever waits outside is let in after each."""
    for job in Job.objects.filter(state=State.QUEUED).order_by("id")[:count]:
        claimed(job, now=now)
        families.release("default", now=now)


def asked_anew() -> None:
    """The moment for which a process remembers a refusal is over."""
    turnstile.forget()
    with writing():
        Gate.objects.update(measured_at=None)


def test_jobs_whose_time_has_come_wait_for_room_and_keep_their_order(configured: Configure, now: datetime) -> None:
    configured(queue_limit=3)
    waiting = [submitted(now=now) for _ in range(2)]
    jobs = due_in_a_second(4, now)
    for _ in range(2):
        dispatch.promote(now=now + 2 * SECOND)
        assert [Job.objects.get(id=job.id).state for job in jobs] == ["queued"] + ["scheduled"] * 3
    for job in waiting:
        claimed(job, now=now)
    assert dispatch.promote(now=now + 3 * SECOND) == {"default"}
    assert [Job.objects.get(id=job.id).state for job in jobs] == ["queued"] * 3 + ["scheduled"]
    assert happened(jobs[2])[-1] == "due"


def test_a_full_queue_does_not_hold_up_what_is_due_in_another(configured: Configure, now: datetime) -> None:
    configured(queue_limit=1, queues=("default", "lane"))
    submitted(now=now)
    due_in_a_second(3, now)
    due_in_a_second(1, now, queue="lane")
    assert dispatch.promote(now=now + 2 * SECOND) == {"lane"}
    assert (queued(queue="default"), queued(queue="lane")) == (1, 1)


def test_jobs_whose_time_has_come_stay_within_their_users_share(
    configured: Configure, now: datetime, alice: User, bob: User
) -> None:
    configured(queue_limit=10, user_share=0.3)
    due_in_a_second(6, now, owner=alice)
    due_in_a_second(1, now, owner=bob)
    due_in_a_second(1, now)
    dispatch.promote(now=now + 2 * SECOND)
    assert (queued(owner=alice), queued(owner=bob), queued(owner=None)) == (3, 1, 1)


def test_the_gate_knows_of_jobs_whose_time_has_come(configured: Configure, now: datetime) -> None:
    configured(queue_limit=10)
    submitted(now=now)  # now the gate has counted an almost empty queue
    due_in_a_second(20, now)
    dispatch.promote(now=now + SECOND)
    assert queued() == 10
    with pytest.raises(QueueFull):
        submitted(now=now + SECOND / 2)


def test_the_gate_knows_of_retries_which_are_let_in_though_it_is_full(configured: Configure, now: datetime) -> None:
    configured(queue_limit=4)
    retries = [reaching(State.RETRYING, now=now) for _ in range(3)]
    asked_anew()
    submitted(now=now)
    with writing():
        Job.objects.filter(id__in=[job.id for job in retries]).update(due_at=now)
    dispatch.promote(now=now)
    assert queued() == 4
    with pytest.raises(QueueFull):
        submitted(now=now)


def test_the_gate_knows_of_children(configured: Configure, now: datetime) -> None:
    configured(queue_limit=10, queue_headroom=0.2)
    family_of(20, now)
    assert queued() == 12
    with pytest.raises(QueueFull):
        submitted(now=now)


def test_a_fan_out_leaves_the_queue_open_for_others(
    configured: Configure, now: datetime, alice: User, bob: User
) -> None:
    configured(queue_limit=20, user_share=0.5)
    family_of(30, now, owner=alice)
    assert queued(owner=alice) == 10
    for _ in range(10):
        submitted(owner=bob)
    start(5, now)
    assert queued(owner=alice) <= 10


def test_while_the_gate_is_closed_children_do_not_keep_it_closed(configured: Configure, now: datetime) -> None:
    configured(queue_limit=10, queue_low_water=0.5, queue_headroom=0.1)
    family_of(30, now)
    with pytest.raises(QueueFull, match="11 jobs wait"):
        submitted()
    start(9, now)
    assert queued() == 5, "low water, and no more"
    asked_anew()
    submitted()
    families.release("default", now=now)
    assert queued() == 11, "an open queue has room for them again"


@pytest.mark.usefixtures("still_line")
def test_a_refusal_counts_who_is_let_in_first(configured: Configure, now: datetime) -> None:
    configured(queue_limit=10, queue_low_water=0.5, queue_headroom=0.1)
    listening("default", now)
    flowed("default", now, 10, left=4, ended=4, depth=20, busy_seconds=4.0)
    family_of(30, now)
    estimates.forget()
    with pytest.raises(QueueFull) as refused:
        submitted(now=now)
    # Six jobs must leave, six of those outside come in first and leave too: at two a second, and a tenth more.
    assert refused.value.facts["drain_rate"] == 2
    assert refused.value.retry_after == 8


def test_overflow_that_has_not_committed_yet_counts(configured: Configure, now: datetime, alice: User) -> None:
    configured(queue_limit=10, queue_headroom=0.2, user_share=1)
    alice.user_permissions.add(Permission.objects.get(codename="overflow_queue"))
    for _ in range(10):
        submitted(now=now)
    applicant = admission.Applicant("default", User.objects.get(pk=alice.pk), overflow=True)
    entries = [admission.enter(applicant, now=now) for _ in range(2)]
    with pytest.raises(QueueFull, match="10 jobs wait"):
        admission.enter(applicant, now=now)
    for entry in entries:
        entry.leave(now=now)
    admission.enter(applicant, now=now)


def test_who_has_locked_the_gate_in_a_transaction_may_submit_in_it(
    configured: Configure, now: datetime, alice: User
) -> None:
    configured(queue_limit=5, queue_headroom=0.2, ledger_patience_seconds=2)
    with transaction.atomic():
        due_in_a_second(3, now)
        dispatch.promote(now=now + SECOND)
        submitted(now=now)
        submitted(now=now)
        with pytest.raises(QueueFull):
            submitted(now=now)
        submitted(now=now, overflow=True)
        with pytest.raises(QueueFull):
            submitted(now=now, overflow=True)
    assert queued() == 6


def test_a_held_gate_counts_what_processes_hold(now: datetime) -> None:
    submitted(now=now)
    with transaction.atomic():
        assert gate.hold("default", now=now)[1] > 0
        assert gate.hold("default", now=now + 2 * gate.HELD_FOR)[1] == 0
