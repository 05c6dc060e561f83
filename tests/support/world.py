"""A small world that one person owns, with the same text wherever a person or a program may put one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group, User

from jobs_app.core import artifacts, outcomes, saved_views, tokens
from jobs_app.core.webhooks import endpoints
from jobs_app.core.webhooks.endpoints import Wanted
from jobs_app.models import Job
from jobs_app.policies import NO_RETRY
from tasks.kinds.timeline.models import Post
from tests.support import growing, reports
from tests.support.failing import rolled
from tests.support.ledger import altered, claimed, fresh, log, submitted
from tests.support.speaking import speak


def made(owner: User, text: str, *, now: datetime) -> dict[str, Any]:
    """Make it; returns what the parameters of routes are called, and their values.

    The job that succeeded is ``job_id``; besides it there are one that failed, one that runs and one that waits.
    """
    file = text.replace("/", "|")
    readers, _ = Group.objects.get_or_create(name="readers")
    owner.groups.add(readers)
    endpoint, _ = endpoints.make(owner, Wanted(text[:50], "https://example.org/hook"), now=now)
    upload = artifacts.take_upload(f"{file}.csv", [text.encode()], owner=owner, content_type="text/html", now=now)
    done = claimed(submitted("probe.files", {"first": str(upload.id), "others": []}, owner=owner, now=now), now=now)
    log(done, text)
    artifacts.save_output(done, 1, f"{file}.txt", text.encode(), now=now)
    table = {"shape": "table", "columns": [text], "rows": [[text]], "total_rows": 1}
    outcomes.succeed(done, {"said": text, "table": table}, 20, now=now)
    failed = claimed(submitted("system.echo", {"text": text}, owner=owner, now=now), now=now)
    failure = outcomes.Failure(text, error_type="ValueError", traceback=f"Traceback\nValueError: {text}")
    outcomes.fail(failed, failure, ValueError(text), NO_RETRY, now=now)
    rolled(now)
    running = claimed(submitted("system.echo", {"text": text}, owner=owner, now=now), now=now)
    altered(running, progress=0.5, progress_message=text[:200])
    waiting = submitted("system.echo", {"text": text}, owner=owner, now=now)
    schedule = reports.scheduled(text, now=now, readers=[readers], description=text)
    tick = reports.ticked(schedule, now, {"said": text})
    artifacts.save_output(Job.objects.get(id=tick.job_id), 1, f"{file}.txt", text.encode(), now=now)
    return {
        "job_id": done.id, "failed": failed.id, "running": running.id, "waiting": waiting.id,
        "fingerprint": fresh(failed).fingerprint, "kind_name": "system.echo", "kind": "system.echo",
        "schedule_id": schedule.pk, "schedule": text,
        "token_id": tokens.issue(owner, text, now=now)[0].pk, "artifact_id": upload.id, "artifact": f"{file}.txt",
        "dataset_id": growing.made(owner, text).pk, "id": owner.pk,
        "webhook_id": endpoint.pk, "delivery_id": endpoint.deliveries.latest("pk").pk,
        "view_id": saved_views.save(owner, text[:50], "state:failed", now=now).pk, "run": speak(file, now),
        "post_id": Post.objects.create(author=owner, text=text, created_at=now, job=done.id).pk,
    }  # fmt: skip
