"""The gate: what is let in, what is refused, with which words and which time to come back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection, transaction
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from jobs_app.core import artifacts, control, gate, lane_control, refusals, rescue, submission, tokens
from jobs_app.core.admission import policies
from jobs_app.core.rates import Rates
from jobs_app.core.schedules import work
from jobs_app.core.schedules.work import Work
from jobs_app.core.turnstile import turnstile
from jobs_app.errors import NotAllowed, QueueFull, RateExceeded, ShareExceeded
from jobs_app.lifecycle import Reason, State
from jobs_app.models import Gate, Job, Queue, RateBucket, Refusal, Turnstile
from jobs_app.models.guard import writing
from tests.support.ledger import claimed, submitted

pytestmark = pytest.mark.usefixtures("transactional_db", "nudged")

Configure = Callable[..., None]


def fill(count: int, **options: object) -> list[Job]:
    return [submitted(**options) for _ in range(count)]  # type: ignore[arg-type]


def afterwards() -> None:
    """The moment for which a process remembers a refusal is over."""
    turnstile.forget()
    with writing():
        Gate.objects.update(measured_at=None)


def test_a_queue_at_its_limit_refuses_and_writes_nothing(configured: Configure) -> None:
    configured(queue_limit=5)
    fill(5)
    with pytest.raises(QueueFull, match="5 jobs wait in queue default, and its limit is 5; no worker takes") as e:
        submitted(idempotency_key="later")
    assert Job.objects.count() == 5
    assert (e.value.retry_after, e.value.facts["depth"], e.value.facts["limit"]) == (300, 5, 5)
    assert (e.value.facts["queue"], e.value.facts["reason"]) == ("default", "full")


def test_a_key_that_was_refused_works_later(configured: Configure) -> None:
    configured(queue_limit=1)
    (job,) = fill(1)
    with pytest.raises(QueueFull):
        submitted(idempotency_key="key")
    claimed(job)
    afterwards()
    assert submitted(idempotency_key="key").idempotency_key == "key"


def test_a_full_queue_still_gives_back_the_job_of_an_earlier_key(configured: Configure) -> None:
    configured(queue_limit=1)
    first = submitted(idempotency_key="key")
    assert submitted(idempotency_key="key").id == first.id


def test_a_full_queue_opens_at_low_water_and_not_before(configured: Configure) -> None:
    configured(queue_limit=10, queue_low_water=0.7)
    jobs = fill(10)
    with pytest.raises(QueueFull):
        submitted()
    for job in jobs[:2]:
        claimed(job)
    afterwards()
    with pytest.raises(QueueFull, match="8 jobs wait in queue default; it was full, and takes jobs again at 7"):
        submitted()
    claimed(jobs[2])
    afterwards()
    submitted()
    assert Gate.objects.get().closed_at is None


def test_what_runs_does_not_count(configured: Configure) -> None:
    configured(queue_limit=2)
    for job in fill(2):
        claimed(job)
    assert len(fill(2)) == 2


def test_a_changed_limit_is_in_force_once_it_is_read_whatever_credits_are_left(
    configured: Configure, now: datetime
) -> None:
    def change(limit: int) -> None:
        lane_control.set_limits("default", actor=None, now=now, limit=limit)
        policies.forget()  # read again after a second

    configured(queue_limit=1)
    fill(1)
    with pytest.raises(QueueFull):
        submitted()
    change(100)
    assert len(fill(9)) == 9
    change(10)
    with pytest.raises(QueueFull, match="10 jobs wait in queue default, and its limit is 10"):
        submitted()


@pytest.mark.usefixtures("unhurried")
def test_a_refusal_costs_no_query_once_the_queue_is_known_to_be_full(configured: Configure, alice: User) -> None:
    configured(queue_limit=1, user_share=1)
    fill(1, owner=alice)
    with pytest.raises(QueueFull):
        submitted()
    now = Job.objects.get().created_at
    with (
        CaptureQueriesContext(
            connection,
        ) as seen,
        pytest.raises(QueueFull),
    ):
        submitted(now=now)
    assert len(seen) == 0, [each["sql"] for each in seen]


@pytest.mark.usefixtures("unhurried")
def test_most_submissions_ask_nobody(alice: User) -> None:
    fill(2, owner=alice)
    now = Job.objects.latest("id").created_at
    with CaptureQueriesContext(connection) as seen:
        submitted(owner=alice, now=now)
    tables = ("gate", "turnstile", "queue", "flow", "pace", "listener")
    asked = [each["sql"] for each in seen if any(f"jobs_app_{table}" in each["sql"] for table in tables)]
    counted = [each["sql"] for each in seen if "COUNT" in each["sql"].upper()]
    assert (asked, counted) == ([], [])


def test_a_caller_in_a_transaction_gets_a_clear_exception_and_goes_on(configured: Configure) -> None:
    configured(queue_limit=1)
    fill(1)
    with transaction.atomic():
        with pytest.raises(QueueFull) as refused:
            submission.submit("probe.nothing", {})
        assert refused.value.retry_after == 300
        User.objects.create_user("dora")
    assert User.objects.filter(username="dora").exists()
    assert Job.objects.count() == 1


def test_jobs_of_a_transaction_that_is_still_open_count(configured: Configure) -> None:
    configured(queue_limit=3)
    with transaction.atomic():
        for _ in range(3):
            submission.submit("probe.nothing", {})
        with pytest.raises(QueueFull):
            submission.submit("probe.nothing", {})
    assert Job.objects.count() == 3


def test_overflow_goes_to_the_hard_limit_with_a_permission(configured: Configure, alice: User, carol: User) -> None:
    configured(queue_limit=10, queue_headroom=0.2, user_share=1)
    fill(10)
    with pytest.raises(NotAllowed, match="permission to submit over"):
        submitted(owner=alice, overflow=True)
    carol.user_permissions.add(Permission.objects.get(codename="overflow_queue"))
    operator = User.objects.get(pk=carol.pk)
    assert len(fill(2, owner=operator, overflow=True)) == 2
    with pytest.raises(QueueFull, match="12 jobs wait"):
        submitted(owner=operator, overflow=True)


def test_a_tick_of_a_schedule_uses_the_headroom(configured: Configure, now: datetime) -> None:
    configured(queue_limit=10, queue_headroom=0.1)
    fill(10)
    tick = Work("system.echo", {"text": "a"})
    assert work.submit(1, tick, due_at=now, now=now).job.state == State.QUEUED
    with pytest.raises(QueueFull):
        work.submit(2, tick, due_at=now, now=now)


def test_a_rerun_passes_the_gate_too(configured: Configure, now: datetime) -> None:
    configured(queue_limit=1)
    (job,) = fill(1)
    with pytest.raises(QueueFull):
        control.rerun(job.id, actor=None, now=now)


def test_retries_and_rescues_are_never_refused(configured: Configure, now: datetime) -> None:
    configured(queue_limit=1)
    job = claimed(*fill(1))
    fill(1)
    assert job.state == State.RUNNING
    assert rescue.expired_leases(now=now + timedelta(hours=1)) == 1
    assert Job.objects.filter(state=State.QUEUED).count() == 2


def test_one_user_holds_a_share_and_others_the_rest(configured: Configure, alice: User, bob: User) -> None:
    configured(queue_limit=10, user_share=0.3)
    fill(3, owner=alice)
    with pytest.raises(ShareExceeded, match="fewer than 3 waiting jobs in queue default, and you hold as many") as e:
        submitted(owner=alice)
    assert (e.value.status, e.value.facts["reason"]) == (429, "user share")
    assert len(fill(3, owner=bob)) == 3
    assert len(fill(4)) == 4, "the system's own jobs have no share"


def test_one_token_holds_a_share_of_its_own(configured: Configure, alice: User, now: datetime) -> None:
    configured(queue_limit=10, user_share=1, token_share=0.2)
    first, second = (tokens.issue(alice, name, now=now)[0].pk for name in ("one", "two"))
    fill(2, owner=alice, token=first)
    with pytest.raises(ShareExceeded, match="this token holds as many") as refused:
        submitted(owner=alice, token=first)
    assert refused.value.facts["reason"] == "token share"
    assert len(fill(2, owner=alice, token=second)) == 2


def test_a_share_has_room_again_when_a_job_of_it_starts(configured: Configure, alice: User) -> None:
    configured(queue_limit=10, user_share=0.1)
    (job,) = fill(1, owner=alice)
    with pytest.raises(ShareExceeded):
        submitted(owner=alice)
    claimed(job)
    afterwards()
    submitted(owner=alice)


def test_a_token_that_submits_too_fast_is_told_to_wait(configured: Configure, alice: User, now: datetime) -> None:
    configured(token_rate=2, token_burst=4)
    token = tokens.issue(alice, "fast", now=now)[0].pk
    fill(4, owner=alice, token=token, now=now)
    with pytest.raises(RateExceeded, match="at most 2 submissions a second of this token") as refused:
        submitted(owner=alice, token=token, now=now)
    assert (refused.value.status, refused.value.retry_after, refused.value.facts["reason"]) == (429, 1, "rate")
    assert RateBucket.objects.get().token_id == token
    assert Job.objects.count() == 4
    fill(10, owner=alice, now=now)  # in a browser there is no token


def test_processes_take_little_of_a_rate_that_they_do_not_need(alice: User, now: datetime) -> None:
    token = tokens.issue(alice, "spread", now=now)[0].pk
    processes = [Rates(lambda: 1000.0) for _ in range(30)]
    assert all(each.take(token, rate=100, burst=100, now=now).credits for each in processes)
    assert RateBucket.objects.get().full_at == now + timedelta(seconds=0.3), "one for each"
    busy = processes[0]
    with CaptureQueriesContext(connection) as seen:
        assert all(busy.take(token, rate=100, burst=100, now=now).credits for _ in range(34))
    assert sum(each["sql"].startswith("UPDATE") for each in seen) <= 6, "a busy one takes 2, 4, 8, 10, 10"


@pytest.mark.usefixtures("still_line")
def test_those_who_are_too_fast_are_told_times_one_after_another(
    configured: Configure, alice: User, now: datetime
) -> None:
    configured(token_rate=0.5, token_burst=1, retry_after_seconds=60)
    token = tokens.issue(alice, "fast", now=now)[0].pk
    submitted(owner=alice, token=token, now=now)
    told = []
    for key in range(40):
        with pytest.raises(RateExceeded) as refused:
            submitted(owner=alice, token=token, now=now, idempotency_key=str(key))
        told.append(refused.value.retry_after)
    assert told[:4] == [3, 5, 7, 9], "two seconds for each, and a tenth more"
    assert 48 <= min(told[-10:]) <= max(told) <= 60, "at most the longest time"


def test_only_so_many_jobs_may_be_due_later(configured: Configure, alice: User, bob: User, now: datetime) -> None:
    configured(scheduled_limit=2)
    later = now + timedelta(days=1)
    fill(2, owner=alice, due_at=later)
    with pytest.raises(ShareExceeded, match="at most 2 jobs of one user that are due later") as refused:
        submitted(owner=alice, due_at=later)
    assert refused.value.facts["reason"] == "scheduled"
    submitted(owner=bob, due_at=later)
    submitted(owner=alice)


def test_jobs_due_later_need_no_room_in_the_queue_yet(configured: Configure, now: datetime) -> None:
    configured(queue_limit=1)
    fill(1)
    assert submitted(due_at=now + timedelta(hours=1)).state == State.SCHEDULED


def test_only_so_many_uploads_may_lie_about(configured: Configure, alice: User, now: datetime) -> None:
    configured(open_uploads=2)
    files = [artifacts.take_upload(f"{each}.csv", [b"x"], owner=alice, now=now) for each in range(2)]
    with pytest.raises(ShareExceeded, match="at most 2 uploads of one user that no job has taken") as refused:
        artifacts.take_upload("more.csv", [b"x"], owner=alice, now=now)
    assert refused.value.facts["reason"] == "uploads"
    submitted("probe.files", {"first": str(files[0].id), "others": []}, owner=alice)
    artifacts.take_upload("more.csv", [b"x"], owner=alice, now=now)


def test_refusals_are_counted_by_queue_user_and_reason(configured: Configure, alice: User) -> None:
    configured(queue_limit=4, user_share=0.5)
    fill(2, owner=alice)
    for _ in range(3):
        with pytest.raises(ShareExceeded):
            submitted(owner=alice)
    fill(2)
    for _ in range(2):
        with pytest.raises(QueueFull):
            submitted()
    refusals.tally.write()  # unless its own thread was first
    of_alice = Refusal.objects.filter(queue="default", owner=alice, reason=Reason.USER_SHARE)
    of_nobody = Refusal.objects.filter(queue="default", owner=None, reason=Reason.FULL)
    assert [rows.aggregate(n=Sum("count"))["n"] for rows in (of_alice, of_nobody)] == [3, 2]


def test_while_refusals_go_on_they_are_written_less_and_less_often() -> None:
    clock = [1000.0]
    tally = refusals.Tally(clock=lambda: clock[0])
    pauses = []
    for _ in range(6):
        pauses.append(tally.pause())
        clock[0] += pauses[-1]
        tally.write()
        clock[0] += 0.05
    assert pauses == [1, 2, 4, 8, 10, 10]
    clock[0] += 11
    assert tally.pause() == 1


def test_refusals_of_a_user_who_was_deleted_meanwhile_are_the_systems() -> None:
    gone = User.objects.create_user("gone")
    tally = refusals.Tally(write_seconds=3600)
    tally.count("default", gone.pk, Reason.FULL)
    tally.count("default", None, Reason.FULL)
    gone.delete()
    assert tally.write() == 2
    assert list(Refusal.objects.values_list("owner", "count")) == [(None, 2)]


def test_a_paused_queue_says_so_and_uses_the_longest_time(configured: Configure, now: datetime) -> None:
    configured(queue_limit=1, retry_after_seconds=77)
    with writing():
        Queue.objects.update_or_create(name="default", defaults={"paused_at": now})
    fill(1)
    with pytest.raises(QueueFull, match="it is paused; try again in 77 s"):
        submitted()


def test_processes_that_are_long_gone_are_forgotten(now: datetime) -> None:
    submitted(now=now)
    assert gate.prune(now=now + timedelta(hours=23)) == 0
    assert gate.prune(now=now + timedelta(hours=25)) == 1
    assert not Turnstile.objects.exists()


def test_a_limit_may_be_changed_and_a_job_submitted_in_one_transaction(now: datetime) -> None:
    submitted()
    with transaction.atomic():
        lane_control.set_limits("default", actor=None, now=now, limit=50)
        submitted()
    assert Job.objects.count() == 2
