"""A fortnight of a small shop's jobs, made by the core's own functions at times gone by; prints where to look.

Run before the platform starts, in its environment: upkeep then counts what is made here, and nobody runs it again.
"""

from __future__ import annotations

import heapq
import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup(set_prefix=False)

from django.contrib.auth.models import User  # noqa: E402 - Django has to be set up first
from django.db import transaction  # noqa: E402
from django.test import Client  # noqa: E402

from jobs_app.core import claims, clock, control, dispatch, outcomes, submission  # noqa: E402
from jobs_app.core.rollups import rolling  # noqa: E402
from jobs_app.lifecycle import Via  # noqa: E402
from jobs_app.models import Event, Flow, Job, QueueLevel  # noqa: E402
from jobs_app.models.guard import writing  # noqa: E402
from jobs_app.policies import Backoff, Discard  # noqa: E402
from jobs_app.steps import Step  # noqa: E402
from tests.pictures import furnishing  # noqa: E402

DAYS = 14
HOURLY = {2: 120, 24: 40, 24 * DAYS: 3}
"""Jobs an hour, up to so many hours ago."""

SLOTS = 3
QUEUES = {"orders.sync": "default", "invoices.render": "documents", "mail.digest": "mail", "media.transcode": "media"}
TRIED = Backoff(max_attempts=3, base=timedelta(seconds=9), maximum=timedelta(seconds=20))
TRACEBACK = """Traceback (most recent call last):
  File "tasks/kinds/shop/{module}.py", line {line}, in {caller}
    answer = {function}({argument})
             ^^^^^^^^^^^^^^^^^^^
  File "tasks/kinds/shop/{module}.py", line {under}, in {function}
    raise {type}(words)
{type}: {words}
"""


@dataclass(frozen=True)
class Sort:
    """What one kind of job is like. part: of all jobs; seconds: how long it takes; fails: how often."""

    kind: str
    part: int
    seconds: float
    fails: float
    given: Callable[[random.Random, datetime], dict[str, Any]]
    error: str
    words: str
    function: str


def _sync(chance: random.Random, at: datetime) -> dict[str, Any]:
    return {"shop": chance.choice(("Oslo", "Bergen", "Trondheim", "online")), "since": at.date().isoformat()}


def _invoice(chance: random.Random, _: datetime) -> dict[str, Any]:
    return {"order": chance.randrange(40_000, 60_000), "language": chance.choice(("en", "nb", "de"))}


def _digest(chance: random.Random, _: datetime) -> dict[str, Any]:
    subject = chance.choice(("New arrivals", "Back in stock", "Your week", "Winter sale", "Opening hours"))
    return {"audience": chance.choice(("customers", "staff")), "subject": subject}


def _video(chance: random.Random, _: datetime) -> dict[str, Any]:
    name = chance.choice(("boots", "tent", "stove", "kayak", "lamp"))
    return {"video": f"{name}-{chance.randrange(10, 99)}.mov", "preset": chance.choice(("1080p", "720p"))}


SORTS = (
    Sort(
        "orders.sync", 8, 3.0, 0.05, _sync, "ShopAway", "the shop in {shop} answered 503 Service Unavailable", "fetch"
    ),
    Sort(
        "invoices.render",
        7,
        1.2,
        0.03,
        _invoice,
        "MissingAddress",
        "order {order} has no address to bill",
        "address_of",
    ),
    Sort("mail.digest", 4, 6.0, 0.04, _digest, "SMTPServerDisconnected", "Connection unexpectedly closed", "deliver"),
    Sort("media.transcode", 2, 38.0, 0.08, _video, "CodecError", "{video}: no decoder for HEVC 4:2:2", "decoder_for"),
)


def moments(now: datetime, chance: random.Random) -> Iterator[datetime]:
    """When jobs were submitted: more of late, the last one a minute ago."""
    found, begin = [], 60.0
    for hours, hourly in HOURLY.items():
        at = begin
        while (at := at + chance.expovariate(hourly / 3600)) < hours * 3600:
            found.append(now - timedelta(seconds=at))
        begin = hours * 3600.0
    yield from sorted(found)


def live(owners: list[User], chance: random.Random, now: datetime) -> None:
    """Submit, claim and settle each job at its time: a few slots take them in turn."""
    free = [now - timedelta(days=365)] * SLOTS
    with transaction.atomic():
        for at in moments(now, chance):
            sort = chance.choices(SORTS, [each.part for each in SORTS])[0]
            given = sort.given(chance, at)
            options = submission.Options(
                message=False, max_attempts=3, via=chance.choice((Via.WEB, Via.API, Via.API, Via.SCHEDULE)),
                priority=chance.choice((0, 0, 0, 5)), tags=("nightly",) if sort.kind == "orders.sync" else (),
            )  # fmt: skip
            job = submission.accept(sort.kind, given, owner=chance.choice(owners), options=options, now=at).job
            if chance.random() < 0.015:
                control.cancel(job.id, actor=owners[0], now=at + timedelta(seconds=2))
                continue
            begin = max(heapq.heappop(free), at) + timedelta(seconds=0.03 + chance.expovariate(8))
            end = begin + timedelta(seconds=chance.lognormvariate(0, 0.6) * sort.seconds)
            heapq.heappush(free, end)
            _run(job, sort, chance, begin, min(end, now))


def _run(job: Job, sort: Sort, chance: random.Random, begin: datetime, end: datetime) -> None:
    (row,) = claims.claim([job.id], holder=f"worker@shop-{chance.randrange(1, 3)}/{chance.randrange(1, 5)}", now=begin)
    if chance.random() >= sort.fails:
        outcomes.succeed(row, _result(row), 40, now=end)
    elif chance.random() < 0.5:
        _fail(row, sort, end, Discard)
    else:
        _fail(row, sort, end, ConnectionError)
        dispatch.promote(now=end + timedelta(seconds=20))
        (row,) = claims.claim([job.id], holder="worker@shop-1/2", now=end + timedelta(seconds=21))
        outcomes.succeed(row, _result(row), 40, now=end + timedelta(seconds=21 + sort.seconds))


def _result(job: Job) -> Any:
    given = dict(job.parameters)
    match job.kind:
        case "orders.sync":
            return {"orders": 40 + len(given["shop"]), "changed": 12}
        case "invoices.render":
            return {"pages": 1 + given["order"] % 3}
        case "mail.digest":
            return {"sent": 1 + len(given["subject"]) * 31}
        case _:
            return given["video"].replace(".mov", ".mp4")


def _fail(row: Job, sort: Sort, at: datetime, cause: type[Exception]) -> None:
    words = sort.words.format(**row.parameters)
    place = {
        "module": sort.kind.partition(".")[0], "caller": sort.kind.partition(".")[2], "function": sort.function,
        "argument": next(iter(row.parameters)), "line": 31, "under": 64, "type": sort.error, "words": words,
    }  # fmt: skip
    failure = outcomes.Failure(words, sort.error, TRACEBACK.format(**place))
    outcomes.fail(row, failure, cause(words), TRIED, now=at)


def levels(now: datetime) -> None:
    """What upkeep would have seen of each queue: how deep it was, how old its oldest job, what came and left."""
    newest = Event.objects.order_by("-id").values_list("id", flat=True)[0]
    spans = [
        (queue, job.created_at, job.started_at, job.finished_at or now)
        for job in Job.objects.filter(created_at__gt=now - timedelta(days=1), started_at__isnull=False)
        if (queue := job.queue)
    ]
    rows: dict[tuple[Step, datetime, str], QueueLevel] = {}
    flows = []
    for seconds in range(86_400, 0, -10):
        at, before = now - timedelta(seconds=seconds), now - timedelta(seconds=seconds + 10)
        near = [each for each in spans if each[1] <= at and each[3] > before]
        for queue in QUEUES.values():
            here = [each for each in near if each[0] == queue]
            waiting = [(at - came).total_seconds() for _, came, began, _ in here if began > at]
            _level(rows, at, queue, len(waiting), max(waiting, default=0.0))
            if seconds <= 3600:
                ended = [each for each in here if before < each[3] <= at]
                begun = sum(before < began <= at for _, _, began, _ in here)
                flows.append(Flow(
                    queue=queue, started_at=before, ended_at=at, through=newest, depth=len(waiting),
                    arrived=sum(before < came <= at for _, came, _, _ in here), left=begun, ended=len(ended),
                    busy_seconds=sum((end - began).total_seconds() for _, _, began, end in ended),
                    running=sum(began <= at < end for _, _, began, end in here), promised=begun, kept=begun,
                ))  # fmt: skip
    with writing():
        QueueLevel.objects.bulk_create(rows.values(), ignore_conflicts=True)
        Flow.objects.bulk_create(flows)


def _level(rows: dict[Any, QueueLevel], at: datetime, queue: str, depth: int, oldest: float) -> None:
    for step in Step:
        key = (step, step.floor(at), queue)
        row = rows.setdefault(
            key,
            QueueLevel(
                step=step, at=key[1], queue=queue, samples=0, depth_sum=0, depth_max=0, depth_last=0, oldest_max=0.0
            ),
        )
        row.samples += 1
        row.depth_sum += depth
        row.depth_max, row.depth_last = max(row.depth_max, depth), depth
        row.oldest_max = max(row.oldest_max, oldest)


def main() -> None:
    """Fill, and print a JSON object: the session to look with, and what stands for parameters of addresses."""
    chance, now = random.Random(7), clock.database_now()
    owners = furnishing.people(now - timedelta(days=DAYS))
    furnishing.webhooks(owners[0], now - timedelta(days=DAYS))
    live(owners, chance, now)
    levels(now)
    while rolling.roll(now=now):
        pass
    world = furnishing.furnish(owners, now)
    jobs = {
        "failed": Job.objects.filter(state="failed", kind="orders.sync").order_by("-id"),
        "running": Job.objects.filter(kind="media.transcode", parameters__video="winter-film.mov"),
        "waiting": Job.objects.filter(state="queued", kind="mail.digest").order_by("-id"),
        "family": Job.objects.filter(kind="catalogue.publish"),
    }
    found = {name: str(rows[0].id) for name, rows in jobs.items()}
    sessions = {owner.get_username(): _session(owner) for owner in owners}
    print(json.dumps({**world, **found, "fingerprint": jobs["failed"][0].fingerprint, "sessions": sessions}))


def _session(user: User) -> str:
    browser = Client()
    browser.force_login(user)
    return browser.cookies["sessionid"].value


if __name__ == "__main__":
    main()
