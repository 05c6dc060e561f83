"""A fortnight of a small team's jobs, made by the core's own functions at times gone by; prints where to look.

Run in the environment of a platform that is up; its upkeep counts what is made here.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup(set_prefix=False)

from django.contrib.auth.models import User  # noqa: E402 - Django has to be set up first
from django.test import Client  # noqa: E402

from jobs_app.core import artifacts, claims, clock, deploys, lane_control, outcomes, saved_views, submission, tokens  # noqa: E402
from jobs_app.core.webhooks import endpoints  # noqa: E402
from jobs_app.core.webhooks.endpoints import Wanted  # noqa: E402
from jobs_app.models import Job  # noqa: E402
from jobs_app.policies import NO_RETRY  # noqa: E402

DAYS, JOBS = 14, 1200
KINDS = ("datasets.aggregate", "datasets.profile", "images.thumbnails", "system.echo", "webhooks.deliver")
WEIGHTS = (4, 2, 3, 5, 2)
SECONDS = {"datasets.aggregate": 12, "datasets.profile": 6, "images.thumbnails": 20, "system.echo": 0.2}
HOLDER = "worker@workshop/1"
CODE = "tasks/kinds/{}/{}.py"
ERRORS = (
    ("webhooks.deliver", "DeliveryFailed", "billing.example.org answered 502", "webhooks", "deliver", "_judge"),
    ("datasets.aggregate", "BadRow", "row {row} has 7 fields, and the header has 9", "datasets", "text", "rows"),
    ("images.thumbnails", "UnidentifiedImageError", "cannot identify image file", "images", "pictures", "opened"),
)
OTHERWISE = ("", "TimedOut", "it ran for longer than 10 s", "", "", "")
TRACEBACK = """Traceback (most recent call last):
  File "{file}", line {line}, in {function}
    raise {type}(words)
{type}: {words}
"""


def moments(now: datetime, chance: random.Random) -> Iterator[datetime]:
    """When jobs were submitted: more by day than by night, the last a minute ago."""
    found = []
    while len(found) < JOBS:
        at = now - timedelta(seconds=60 + DAYS * 86_400 * chance.random())
        if chance.random() < (0.9 if 7 <= at.hour < 19 else 0.25):
            found.append(at)
    yield from sorted(found)


def parameters(owner: User, now: datetime) -> dict[str, dict[str, Any]]:
    """What each kind is given by this owner."""
    rows = artifacts.take_upload("flights.csv", [b"origin,delay\nJFK,7\n"], owner=owner, now=now)
    picture = artifacts.take_upload("coffee.png", [b"not looked at"], owner=owner, now=now)
    return {
        "system.echo": {"text": "Good morning"},
        "webhooks.deliver": {"url": "https://billing.example.org/hook", "event": "invoice.paid", "payload": "{}"},
        "datasets.aggregate": {"dataset": str(rows.id), "group_by": ["origin"], "measure": "delay"},
        "datasets.profile": {"dataset": str(rows.id)},
        "images.thumbnails": {"pictures": [str(picture.id)], "sizes": [64, 160]},
    }


def live(owners: list[User], chance: random.Random, now: datetime) -> None:
    """Submit, claim and settle each job at its time."""
    given = {owner.pk: parameters(owner, now) for owner in owners}
    for at in moments(now, chance):
        kind, owner = chance.choices(KINDS, WEIGHTS)[0], chance.choice(owners)
        options = submission.Options(message=False, max_attempts=1)
        job = submission.accept(kind, given[owner.pk][kind], owner=owner, options=options, now=at).job
        begin = at + timedelta(seconds=chance.expovariate(1 / 2.0))
        (row,) = claims.claim([job.id], holder=HOLDER, now=begin)
        end = min(begin + timedelta(seconds=chance.lognormvariate(0, 0.8) * SECONDS.get(kind, 0.6)), now)
        if chance.random() < 0.06:
            _fail(row, chance, end)
        else:
            outcomes.succeed(row, {"said": "Good morning"}, 24, now=end)


def _fail(row: Job, chance: random.Random, at: datetime) -> None:
    _, name, words, family, module, function = next((each for each in ERRORS if each[0] == row.kind), OTHERWISE)
    told = words.format(row=chance.randrange(10_000))
    place = {"file": CODE.format(family, module), "line": chance.randrange(20, 90), "function": function}
    text = TRACEBACK.format(type=name, words=told, **place) if family else ""
    outcomes.fail(row, outcomes.Failure(told, name, text), ValueError(told), NO_RETRY, now=at)


def main() -> None:
    """Fill, and print a JSON object: the session to look with, and what stands for parameters of addresses."""
    chance, now = random.Random(7), clock.database_now()
    names = ("ada", "grace", "katherine")
    owners = [User.objects.create_user(name, is_staff=name == "ada", is_superuser=name == "ada") for name in names]
    lane_control.pause("default", actor=None, now=now)  # the workers that are up are to leave these jobs alone
    live(owners, chance, now)
    lane_control.resume("default", actor=None, now=clock.database_now())
    tokens.issue(owners[0], "nightly import", now=now)
    saved_views.save(owners[0], "What failed today", "state:failed since:1d")
    wanted = Wanted("billing", "https://billing.example.org/hook", states=("cancelled",), everybody=True)
    endpoint, _ = endpoints.make(owners[0], wanted, now=now)
    deploys.mark(deploys.Told("release 7", "7.0.1", "", now - timedelta(hours=9)), actor=owners[0], now=now)
    browser = Client()
    browser.force_login(owners[0])
    failed = Job.objects.filter(state="failed", owner=owners[0]).exclude(error_type="TimedOut").order_by("-id")[0]
    found = {"failed": str(failed.id), "fingerprint": failed.fingerprint, "webhook": endpoint.pk}
    print(json.dumps({"session": browser.cookies["sessionid"].value, **found}))


if __name__ == "__main__":
    main()
