"""A post to many followers while workers are killed: who has it, and when.

Time to one's own timeline is that of the POST whose answer is the entry; time to the last follower ends when the job
has ended. Workers' processes are killed at random moments (seeded), each while it holds a batch.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from typing import Any

import httpx
from django.contrib.auth import get_user_model
from django.db.models import Count

from benchmarks import figures, ground
from jobs_app.core import clock, tokens
from jobs_app.models import Attempt, Job
from jobs_app.platform.ports import HOST, Reservation
from tasks.kinds.timeline.models import Entry, Follow

FOLLOWERS = 50_000
KILLS = 10
PATIENCE_SECONDS = 900.0
SLOTS = 2


def main() -> None:
    """Post, kill, count, print, keep."""
    settings = ground.settings()
    author, count = get_user_model().objects.create_user("author"), ground.scaled(FOLLOWERS, 100)
    _follow(author, count)
    for name in ("upkeep", "beat"):
        ground.ready(name)
    ground.worker("workers", concurrency=SLOTS)
    reservation = Reservation(0)
    ground.ready("web", PORT=str(reservation.port))
    _, token = tokens.issue(author, "benchmark", now=clock.database_now())
    with httpx.Client(
        base_url=f"http://{HOST}:{reservation.port}", headers={"Authorization": f"Bearer {token}"}
    ) as client:
        client.get("/api/timeline").raise_for_status()  # the connection is there
        began = time.monotonic()
        answer = client.post("/api/timeline/posts", json={"text": "hello, all of you"}).raise_for_status().json()
        own = time.monotonic() - began
        listed = client.get("/api/timeline").raise_for_status().json()["posts"]
        assert [each["id"] for each in listed] == [answer["id"]], "expected the post on its author's own timeline"
        killed = _kill_until_done(answer["job"])
        last = time.monotonic() - began
    _check(answer, author, count)
    job = Job.objects.get(id=answer["job"])
    row = {
        "followers": count, "batches": Job.objects.filter(parent=job).count(), "kills": killed,
        "attempts lost": Attempt.objects.filter(outcome="lost").count(), "rows": Entry.objects.count(),
        "own timeline (ms)": round(1000 * own, 1), "last follower (s)": round(last, 2),
        "rows a second": round(count / last),
    }  # fmt: skip
    figures.table(f"Fan-out, {ground.options.database}", [row])
    figures.keep(f"fan-out-{ground.options.database}", settings, row)


def _follow(author: Any, count: int) -> None:
    names = (f"follower-{number:06}" for number in range(count))
    user = get_user_model()
    people = user.objects.bulk_create([user(username=each, password="!") for each in names], batch_size=500)  # noqa: S106
    Follow.objects.bulk_create([Follow(follower=each, author=author) for each in people], batch_size=500)


def _kill_until_done(job_id: str) -> int:
    """Kill whoever holds a job, at random moments, until the post has reached all; returns how often."""
    give_up_at, killed = time.monotonic() + PATIENCE_SECONDS, 0
    due = time.monotonic() + ground.chance.uniform(0, 0.5)
    while not (row := Job.objects.get(id=job_id)).final:
        if time.monotonic() > give_up_at:
            sys.exit(f"expected the post to reach all within {PATIENCE_SECONDS:g} s, it is {row.state}: {row.error}")
        if killed < KILLS and time.monotonic() >= due and _kill_one():
            killed += 1
            due = time.monotonic() + ground.chance.uniform(0, 0.5)
        threading.Event().wait(0.005)
    return killed


def _kill_one() -> bool:
    # A job that ends its worker for the third time is not tried again (MAX_KILLS): that is not what is shown here.
    held = Job.objects.filter(state="running", kind__startswith="timeline.", kills__lt=2)
    holders = held.values_list("holder", flat=True)
    found = sorted({int(each.split("/")[1]) for each in holders})
    if not found:
        return False
    try:
        os.kill(ground.chance.choice(found), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _check(answer: dict[str, object], author: Any, count: int) -> None:
    """End the program unless the rows are exactly those that there should be."""
    job = Job.objects.get(id=answer["job"])
    entries = Entry.objects.filter(post=answer["id"])
    rows = Counter(entries.exclude(owner=author).order_by().values_list("owner_id").annotate(n=Count("id")))
    faults = []
    if job.state != "succeeded":
        faults.append(f"the job has {job.state}: {job.error}")
    if len(rows) != count or entries.count() != count + 1:
        faults.append(f"{entries.count()} rows of {len(rows)} followers, expected {count} and the author's own")
    if faults:
        sys.exit("; ".join(faults))
    figures.say(f"exactly {count:,} followers have the post once, and so has its author")


if __name__ == "__main__":
    main()
