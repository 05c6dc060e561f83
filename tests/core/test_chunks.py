"""Chunks: short jobs of one kind share a message; long and unknown ones, and those that killed their worker, do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from jobs_app.core import chunks, dispatch, presence
from jobs_app.core.chunks import MOST, Measured, pack
from jobs_app.core.pulses import SHORT_SECONDS, KindPace
from jobs_app.models import Job, Listener, Pace
from jobs_app.models.guard import writing
from tests.support import conveyor
from tests.support.ledger import altered, fresh, submitted

LANE = "lane"
SECOND = timedelta(seconds=1)


def measured(slots: int = 2, **seconds: float) -> Measured:
    return Measured(slots, {kind: KindPace.of([each] * 50) for kind, each in seconds.items()})


@pytest.mark.parametrize(
    ("seconds", "backlog", "size"),
    [
        (0.0001, 10_000, MOST), (0.0015, 10_000, 100), (0.0195, 10_000, 10), (0.04, 10_000, 4),
        (SHORT_SECONDS + 0.01, 10_000, 1), (5.0, 10_000, 1),
        (0.0001, 400, 100), (0.0001, 40, 10), (0.0001, 7, 1), (0.0001, 1, 1),
    ],
)  # fmt: skip
def test_a_chunk_is_a_fifth_of_a_second_and_never_more_than_its_part_of_what_waits(
    seconds: float, backlog: int, size: int
) -> None:
    assert measured(short=seconds).size("short", backlog=backlog) == size


def test_what_is_not_measured_travels_alone() -> None:
    assert measured().size("new", backlog=10_000) == 1
    few = Measured(2, {"new": KindPace.of([0.001] * (chunks.SAMPLES - 1))})
    assert few.size("new", backlog=10_000) == 1


def test_a_kind_that_is_long_now_and_then_travels_alone() -> None:
    mixed = Measured(2, {"mixed": KindPace.of([0.001] * 90 + [1.0] * 10)})
    assert mixed.size("mixed", backlog=10_000) == 1


def test_more_slots_have_shorter_chunks() -> None:
    assert [measured(slots, a=0.0001).size("a", backlog=800) for slots in (0, 1, 2, 8, 400)] == [200, 200, 200, 50, 1]


def jobs(*kinds: str, kills: int = 0) -> list[Job]:
    return [Job(kind=kind, kills=kills) for kind in kinds]


def kinds(packed: list[list[Job]]) -> list[str]:
    return ["+".join(job.kind for job in each) for each in packed]


def test_kinds_do_not_mix_and_keep_their_order() -> None:
    short = measured(a=0.09 / 2, b=0.09 / 2)
    assert short.size("a", backlog=100) == 4
    packed = pack(jobs(*"aabalbaaa"), short, backlog=100, messages=10, chunks=10)
    assert kinds(packed) == ["a+a+a", "b", "l", "b", "a+a+a"], "and nobody overtakes a long one"


def test_none_overtakes_one_of_higher_priority() -> None:
    first, second, third = jobs("a", "b", "a")
    first.priority = second.priority = 1
    packed = pack([first, second, third], measured(a=0.001, b=0.001), backlog=100, messages=9, chunks=9)
    assert kinds(packed) == ["a", "b", "a"]


def test_what_has_killed_its_worker_travels_alone() -> None:
    packed = pack([*jobs("a"), *jobs("a", kills=1), *jobs("a")], measured(a=0.001), backlog=100, messages=9, chunks=9)
    assert kinds(packed) == ["a", "a", "a"]


@pytest.mark.parametrize(
    ("messages", "chunks_left", "expected"),
    [(9, 9, ["a+a", "l", "b", "l"]), (2, 9, ["a+a", "l"]), (9, 1, ["a+a", "l"]), (9, 0, []), (0, 9, [])],
)
def test_nothing_overtakes_what_finds_no_room(messages: int, chunks_left: int, expected: list[str]) -> None:
    packed = pack(jobs(*"aalbl"), measured(a=0.001, b=0.001), backlog=100, messages=messages, chunks=chunks_left)
    assert kinds(packed) == expected


@pytest.fixture
def short(now: datetime, configured: Callable[..., None]) -> Iterator[None]:
    """A lane with two slots, and a kind that is known to be short."""
    configured(queues=("default", LANE), window=20)
    conveyor.purge(LANE)
    with writing():
        Pace.objects.create(kind="probe.nothing", seconds=[0.001] * 50, updated_at=now)
    presence.announce("worker@test/1", [LANE], 2, now=now)
    yield
    conveyor.purge(LANE)


@pytest.mark.usefixtures("short")
def test_short_jobs_share_messages_which_the_window_counts(now: datetime) -> None:
    waiting = [submitted(now=now, queue=LANE) for _ in range(40)]
    alone = submitted("system.echo", {"text": "unknown"}, now=now, queue=LANE, priority=-1)
    assert dispatch.refill(LANE, now=now) == 5
    messages = conveyor.taken(LANE)
    assert [len(ids) for _, ids in messages] == [10, 10, 10, 10, 1], "41 // (2 * 2)"
    assert [job_id for _, ids in messages for job_id in ids] == [job.id for job in [*waiting, alone]]
    times = [{fresh(Job(id=job_id)).dispatched_at for job_id in ids} for _, ids in messages]
    assert [len(each) for each in times] == [1] * 5, "all jobs of a message bear its time"
    assert len(set.union(*times)) == 5, "and no others"
    assert Job.objects.filter(queue=LANE, dispatched_at=None).count() == 0


@pytest.mark.usefixtures("short")
def test_a_few_chunks_a_slot_are_ahead_and_no_more(now: datetime) -> None:
    with writing():
        Job.objects.bulk_create(
            [Job(kind="probe.nothing", queue=LANE, state="queued", via="python", parameters={}, request_digest="",
                 created_at=now, due_at=now) for _ in range(2000)]
        )  # fmt: skip
    assert dispatch.refill(LANE, now=now) == chunks.AHEAD * 2
    assert dispatch.refill(LANE, now=now + SECOND) == 0
    sent = conveyor.taken(LANE)
    assert {len(ids) for _, ids in sent} == {133}, "0.2 s at 1.5 ms a job"
    with writing():
        Job.objects.filter(id__in=sent[0][1]).update(dispatched_at=None, state="cancelled", finished_at=now)
    assert dispatch.refill(LANE, now=now + 2 * SECOND) == 1, "when one has gone"


@pytest.mark.usefixtures("short")
def test_the_messages_of_a_chunk_that_the_broker_lost_are_sent_again_whole(now: datetime) -> None:
    lost = [submitted(now=now, queue=LANE) for _ in range(8)]
    assert dispatch.refill(LANE, now=now) == 4
    conveyor.purge(LANE)
    assert dispatch.find_lost(LANE, now=now + 10 * SECOND) == 8
    assert {fresh(job).dispatched_at for job in lost} == {None}


@pytest.mark.usefixtures("short")
def test_a_job_that_has_killed_a_worker_is_sent_alone(now: datetime) -> None:
    waiting = [submitted(now=now, queue=LANE) for _ in range(16)]
    altered(waiting[0], kills=1)
    dispatch.refill(LANE, now=now)
    assert next(len(ids) for _, ids in conveyor.taken(LANE)) == 1


@pytest.mark.usefixtures("short")
def test_jobs_of_a_kind_that_is_to_travel_alone_do(now: datetime) -> None:
    with writing():
        Pace.objects.create(kind="probe.alone", seconds=[0.001] * 50, updated_at=now)
    for _ in range(8):
        submitted("probe.alone", now=now, queue=LANE)
    dispatch.refill(LANE, now=now)
    assert [len(ids) for _, ids in conveyor.taken(LANE)] == [1] * 8


@pytest.mark.usefixtures("short")
def test_without_a_worker_short_jobs_still_share_messages(now: datetime) -> None:
    with writing():
        Listener.objects.all().delete()
    for _ in range(8):
        submitted(now=now, queue=LANE)
    dispatch.refill(LANE, now=now)
    assert [len(ids) for _, ids in conveyor.taken(LANE)] == [4, 4]
