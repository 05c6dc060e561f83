"""What stands around the jobs in the pictures: people, schedules, a dataset, what operators did, what runs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User

from jobs_app.authoring import DetachedContext
from jobs_app.core import (
    artifacts,
    audit,
    claims,
    deploys,
    failure_control,
    lane_control,
    outcomes,
    roles,
    saved_views,
    submission,
    tokens,
)
from jobs_app.core.rollups import rolling
from jobs_app.core.schedules import changes
from jobs_app.core.webhooks import endpoints, sending
from jobs_app.core.webhooks.endpoints import Wanted
from jobs_app.errors import NotAllowed
from jobs_app.lifecycle import Via
from jobs_app.models import Delivery, FailureGroup, Job
from jobs_app.policies import Backoff, Discard
from tasks.kinds.growing import datasets, folding
from tasks.kinds.growing.rows import Layout
from tasks.kinds.timeline import posts
from tests.pictures import kinds
from tests.support import schedules

HOUR = timedelta(hours=1)
NAMES = ("ada", "grace", "katherine")
POSTS = (
    ("grace", "The winter catalogue is out. Thank you all for the long nights."),
    ("katherine", "Bergen's stock feed is back; the gap of this morning fills itself."),
    ("ada", "Release 7 runs everywhere. Nothing to do but watch the queue drain."),
)


def people(now: datetime) -> list[User]:
    """An administrator, an operator and a submitter."""
    owners = [User.objects.create_user(name, is_staff=name == "ada", is_superuser=name == "ada") for name in NAMES]
    roles.give(owners[1], "operators", actor=owners[0], now=now)
    roles.give(owners[2], "submitters", actor=owners[0], now=now)
    return [User.objects.get(username=name) for name in NAMES]


def furnish(owners: Sequence[User], now: datetime) -> dict[str, Any]:
    """All of it; returns what stands for parameters of addresses."""
    ada, grace, katherine = owners
    with audit.origin(Via.WEB, address="10.0.4.17"):
        world = {"webhook": _webhooks(ada, now), "schedule": _schedules(now), "dataset": _dataset(ada, now)}
        _operators(ada, grace, katherine, now)
    for reader, author in ((ada, grace), (ada, katherine), (grace, ada)):
        posts.follow(reader, author.get_username())
    for name, text in POSTS:
        posts.write(next(each for each in owners if each.get_username() == name), text, key=None)
    while rolling.roll(now=now):
        pass
    _answer(ada, now)
    _present(owners, now)
    return world


def webhooks(ada: User, now: datetime) -> None:
    """There before the jobs, so that they are told of them."""
    kinds_told = ("media.transcode", "mail.digest")
    wanted = Wanted("shop-floor", "https://floor.example.org/hooks/jobs", kinds_told, ("failed",), everybody=True)
    endpoints.make(ada, wanted, now=now)
    endpoints.make(ada, Wanted("billing", "https://billing.example.org/weir", named_only=True), now=now)


def _webhooks(ada: User, now: datetime) -> int:
    """Deliver what was noted, most of it well."""
    sending.send(now=now - timedelta(seconds=51))
    for number, row in enumerate(Delivery.objects.order_by("id")):
        for job in claims.claim([row.sender], holder="worker@shop-1/3", now=now - timedelta(seconds=50)):
            ended = now - timedelta(seconds=50) + timedelta(milliseconds=61 + number)
            if number % 5 == 3:
                failure = outcomes.Failure("floor.example.org answered 502 Bad Gateway", "DeliveryFailed", "")
                outcomes.fail(job, failure, Discard(failure.error), Backoff(), now=ended)
            else:
                result = {
                    "message_id": sending.message_of(row),
                    "status": 204,
                    "milliseconds": 61 + number,
                    "response": "",
                }
                outcomes.succeed(job, result, 90, now=ended)
    return endpoints.Endpoint.objects.get(owner=ada, name="shop-floor").pk


def _schedules(now: datetime) -> int:
    """Schedules that have ticked for a day, one that is paused, one that is broken."""
    begun = now - 24 * HOUR
    today = {"day": now.date().isoformat()}
    first = schedules.scheduled(
        "revenue by shop", now=begun, every=3600, kind="reports.revenue", parameters=today, value="/total",
        description="What each shop sold in the last fortnight, ready when the morning meeting begins.",
    )  # fmt: skip
    oslo = {"shop": "Oslo", "since": now.date().isoformat()}
    schedules.scheduled("orders of Oslo", now=begun, every=1800, kind="orders.sync", parameters=oslo, value="/orders")
    for half in range(1, 49):
        at = begun + half * HOUR / 2
        schedules.run(at)
        for job in Job.objects.filter(state="queued", created_at=at):
            (row,) = claims.claim([job.id], holder="worker@shop-2/1", now=at + timedelta(seconds=0.4))
            result: Any = {"orders": 30 + (half * 7) % 23} if job.kind == "orders.sync" else kinds.revenue_of(half)
            outcomes.succeed(row, result, 900, now=at + timedelta(seconds=2.5))
    schedules.scheduled("catalogue by night", now=now, crontab="15 2 * * 1-5", kind="catalogue.publish")
    schedules.scheduled("import of the old shop", now=now, crontab="0 4 * * *", kind="oldshop.import")
    weekly = {"audience": "customers", "subject": "Your week"}
    paused = schedules.scheduled(
        "digest on Mondays", now=now, crontab="0 7 * * 1", kind="mail.digest", parameters=weekly
    )
    changes.pause(paused, actor=None, now=now)
    return first.pk


def _dataset(ada: User, now: datetime) -> int:
    """A growing dataset of sales by the hour, folded, with late rows."""
    layout = Layout("sold_at", ("shop",), ("amount",))
    dataset, _ = datasets.create(ada, "sales", layout, now=now - 240 * HOUR)
    chance = random.Random(3)
    for day in range(10, 0, -1):
        at = now - day * 24 * HOUR
        rows = [
            {"sold_at": (at + hour * HOUR).isoformat(), "shop": shop, "amount": chance.randrange(900, 9000) / 100}
            for hour in range(24) for shop in kinds.SHOPS for _ in range(1 + chance.randrange(4))
        ]  # fmt: skip
        late = [{"sold_at": (at - 30 * HOUR).isoformat(), "shop": "Bergen", "amount": 41.5}] * (
            3 if day % 4 == 1 else 0
        )
        datasets.append_rows(dataset, rows + late, key=None, now=at + 24 * HOUR)
        folding.fold(dataset, job=None, context=DetachedContext(), now=at + 24 * HOUR)
    schedules.scheduled(
        "sales by the hour", now=now, every=3600, kind="datasets.rollup", parameters={"dataset": dataset.pk}
    )
    return dataset.pk


def _operators(ada: User, grace: User, katherine: User, now: datetime) -> None:
    lane_control.set_limits("media", actor=ada, now=now - 26 * HOUR, limit=200, window=4, low_water=150)
    lane_control.set_limits("mail", actor=ada, now=now - 25 * HOUR, limit=24, low_water=20, user_share=1.0)
    deploys.mark(deploys.Told("release 7", "7.0.1", "", now - 9 * HOUR), actor=ada, now=now - 9 * HOUR)
    deploys.mark(deploys.Told("release 7", "7.0.2", "", now - 1 * HOUR), actor=grace, now=now - 1 * HOUR)
    lane_control.pause("default", actor=grace, now=now - 7 * HOUR)
    lane_control.resume("default", actor=grace, now=now - 6.9 * HOUR)
    with suppress(NotAllowed):
        lane_control.pause("mail", actor=katherine, now=now - 3 * HOUR)
    tokens.issue(ada, "nightly import", now=now - 20 * HOUR)
    tokens.issue(ada, "dashboard in the hall", grants=("jobs:read",), now=now - 400 * HOUR)
    saved_views.save(ada, "Failed today", "state:failed since:1d", shared=True, now=now)
    saved_views.save(ada, "Videos", "kind:media.transcode", ("state", "standing", "queue", "took"), now=now)
    saved_views.save(ada, "Oslo's orders", "kind:orders.sync param.shop:Oslo", now=now)


def _answer(ada: User, now: datetime) -> None:
    """Somebody has looked at two of the failures."""
    groups = {each.kind: each.fingerprint for each in FailureGroup.objects.all()}
    failure_control.resolve(groups["mail.digest"], actor=ada, now=now, note="The relay was restarted; see the runbook.")
    failure_control.ignore(
        groups["webhooks.deliver"], actor=ada, now=now, until=now + 72 * HOUR, note="Floor moves house."
    )


def _present(owners: Sequence[User], now: datetime) -> None:
    """What is there now: jobs that will run when workers come, and jobs that wait."""
    ada, grace, katherine = owners
    lane_control.pause("mail", actor=grace, now=now - timedelta(minutes=12))
    later = submission.Options(due_at=now + 5 * HOUR, message=False)
    for owner, kind, given, options in (
        (ada, "media.transcode", {"video": "winter-film.mov", "seconds": 900}, None),
        (grace, "media.transcode", {"video": "kayak-tour.mov", "preset": "720p", "seconds": 700}, None),
        (ada, "catalogue.publish", {"pages": 4}, None),
        (katherine, "orders.sync", {"shop": "online", "since": now.date().isoformat()}, later),
        (ada, "invoices.render", {"order": 51_200}, later),
    ):
        submission.accept(kind, given, owner=owner, options=options or submission.Options(message=False), now=now)
    chance = random.Random(5)
    for number in range(14):
        at = now - timedelta(minutes=11, seconds=-40 * number)
        given = {"audience": chance.choice(("customers", "staff")), "subject": "Winter sale"}
        submission.accept(
            "mail.digest", given, owner=chance.choice(owners), options=submission.Options(message=False), now=at
        )
    artifacts.take_upload("orders-of-may.csv", [b"order,shop\n1,Oslo\n"], owner=ada, now=now)
