"""The admin's first page: what runs, what came last, how full the queues are. Cheap at any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest

from jobs_app.admin import presentation
from jobs_app.admin.base import user_of
from jobs_app.core import access
from jobs_app.lifecycle import State
from jobs_app.models import Job, Queue
from jobs_app.models.job import SEE_ALL

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ROWS = 10
COUNTED = 1000
"""Waiting jobs are counted up to here: an exact count of millions would make the page slow."""

COLUMNS = ("id", "kind", "state", "created_at", "progress", "progress_message", "owner__username")


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the tables that this user may see."""
    user = user_of(request)
    if user.has_perm("jobs_app.view_job"):
        visible = Job.objects.visible_to(user).select_related("owner").only(*COLUMNS)
        running = visible.filter(state=State.RUNNING).order_by("lease_until")[:ROWS]
        context["running"] = _table(user, [*running])
        context["latest"] = _table(user, [*visible.order_by("-id")[:ROWS]])
    if user.has_perms(["jobs_app.view_queue", SEE_ALL]):
        names = Queue.objects.order_by("name").values_list("name", "paused_at")[:ROWS]
        context["queues"] = {
            "headers": ["Queue", "Waiting for a worker", "Dispatching"],
            "rows": [
                [name, _waiting(name), presentation.label("paused" if paused else "open")] for name, paused in names
            ],
        }
    return context


def _table(user: User, jobs: list[Job]) -> dict[str, Any]:
    def said(job: Job) -> str:
        return job.progress_message if access.sees_parameters(user, job.kind, job.owner_id) else ""

    return {
        "headers": ["Job", "State", "Progress", "Owner", "Created"],
        "rows": [
            [
                presentation.link("job", job.id, job.kind),
                presentation.label(job.state),
                f"{job.progress:.0%} {said(job)}",
                job.owner.get_username() if job.owner else "the system",
                presentation.moment(job.created_at),
            ]
            for job in jobs
        ],
    }


def _waiting(queue: str) -> str:
    waiting = Job.objects.filter(queue=queue, state=State.QUEUED)[: COUNTED + 1].count()
    return f"more than {COUNTED:,}" if waiting > COUNTED else f"{waiting:,}"
