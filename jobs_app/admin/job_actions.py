"""What the admin does to jobs: cancel, retry, run again, from the list and a job's page, by the core's verbs.

Ticked jobs are acted on at once. All that a list shows is a bulk action's, a job: the console's page says what it would
do, asks, and leads to the page on which it can be watched. So does a change of priority, which has to ask for one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect
from unfold.decorators import action
from unfold.enums import ActionVariant

from jobs_app.admin import acting, job_search
from jobs_app.admin.base import LedgerAdmin, user_of
from jobs_app.core import control
from jobs_app.core.bulk.orders import Action
from jobs_app.core.clock import database_now
from jobs_app.errors import InvalidRequest
from jobs_app.lifecycle import Via
from jobs_app.models import Job

SUBMIT = "jobs_app.add_job"


class JobActions(LedgerAdmin):
    """The verbs. Whether one is allowed is the core's to say; a refusal becomes a message."""

    actions = ("cancel_selected", "retry_selected", "run_selected_again", "reprioritise_selected")
    actions_list = ("submit_job",)
    actions_detail = ("cancel_job", "run_job_again")

    @action(description="Submit a job", icon="add", permissions=["submit"], variant=ActionVariant.PRIMARY)
    def submit_job(self, request: HttpRequest) -> HttpResponse:
        """Lead to the page on which a kind is chosen."""
        return redirect("admin:jobs_app_job_submit")

    @admin.action(description="Cancel")
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        """Cancel the selected jobs."""
        return self._act(request, Action.CANCEL, queryset, self._cancel)

    @admin.action(description="Retry now")
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        """Have the selected jobs tried at once; of those that failed or were cancelled, new ones are made."""
        return self._act(request, Action.RETRY, queryset, self._retry)

    @admin.action(description="Run again")
    def run_selected_again(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        """Submit a new job like each of the selected ones."""
        return self._act(request, Action.RERUN, queryset, self._run_again)

    @admin.action(description="Change priority…")
    def reprioritise_selected(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        """Ask for the new priority of the selected jobs."""
        return self._act(request, Action.REPRIORITISE, queryset, self._ask_for_priority)

    @action(
        description="Cancel",
        url_path="cancel",
        icon="cancel",
        permissions=["act"],
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Cancel this job?",
            "description": "A waiting job ends at once; a running one is told to stop.",
            "form_submit_text": "Yes, cancel the job",
        },
    )
    def cancel_job(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Cancel one job, from its page."""
        return self._from_page(request, object_id, self._cancel)

    @action(
        description="Run again",
        url_path="run-again",
        icon="replay",
        permissions=["act"],
        dialog={
            "title": "Run this job again?",
            "description": "A new job with the same parameters is submitted, and it is yours. This one stays as it is.",
            "form_submit_text": "Yes, run it again",
        },
    )
    def run_job_again(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Submit a new job like this one, from its page."""
        return self._from_page(request, object_id, self._run_again)

    def has_submit_permission(self, request: HttpRequest) -> bool:
        """Whether this user may submit jobs from the admin."""
        return bool(request.user.has_perm(SUBMIT))

    def has_act_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whether the core would let this user act on this job."""
        return _found(object_id, Job.objects.actionable_by(request.user)) is not None

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """No cancel button on a job that has ended."""
        offered: list[Any] = super().get_actions_detail(request, object_id)
        job = _found(object_id, self.get_queryset(request))
        return [each for each in offered if each.path != "cancel" or (job is not None and not job.final)]

    def _act(
        self, request: HttpRequest, action: Action, rows: QuerySet[Job], verb: Callable[[HttpRequest, list[Job]], Any]
    ) -> HttpResponse | None:
        """Act on ticked jobs by ``verb``; if all of a list is meant, lead to where a bulk action is asked for."""
        if request.POST.get("select_across") != "1":
            answer: HttpResponse | None = verb(request, acting.selected(request, rows))
            return answer
        try:
            return _asked(action, all="1", q=job_search.search_of(request.GET))
        except InvalidRequest as error:
            self.message_user(request, f"Nothing was done: {error}.", messages.ERROR)
            return redirect(request.get_full_path())

    def _ask_for_priority(self, request: HttpRequest, jobs: list[Job]) -> HttpResponse | None:
        return _asked(Action.REPRIORITISE, job=[job.id.hex for job in jobs]) if jobs else None

    def _cancel(self, request: HttpRequest, jobs: list[Job]) -> None:
        now = database_now()
        acting.act(
            request,
            jobs,
            lambda job: control.cancel(job.id, actor=user_of(request), now=now),
            noun="job",
            done="cancelled, or told to stop if running",
        )

    def _retry(self, request: HttpRequest, jobs: list[Job]) -> None:
        now = database_now()
        acting.act(
            request,
            jobs,
            lambda job: control.retry_now(job.id, actor=user_of(request), now=now, via=Via.ADMIN),
            noun="job",
            done="due now, or submitted again",
        )

    def _run_again(self, request: HttpRequest, jobs: list[Job]) -> None:
        now = database_now()
        acting.act(
            request,
            jobs,
            lambda job: control.rerun(job.id, actor=user_of(request), now=now, via=Via.ADMIN),
            noun="job",
            done="submitted again",
        )

    def _from_page(
        self, request: HttpRequest, object_id: str, verb: Callable[[HttpRequest, list[Job]], None]
    ) -> HttpResponse:
        job = _found(object_id, self.get_queryset(request))
        verb(request, [job] if job else [])
        back = reverse("admin:jobs_app_job_change", args=[object_id])
        # The dialog posts with htmx, which follows a redirect only if it is told to load the whole page.
        return HttpResponseClientRedirect(back) if request.headers.get("HX-Request") else redirect(back)


def _asked(action: Action, **which: str | list[str]) -> HttpResponse:
    """The console's page that says what would be done, and asks."""
    query = urlencode({"action": action.value, **which}, doseq=True)
    return redirect(f"{reverse('bulk-preview')}?{query}")


def _found(object_id: str | None, rows: QuerySet[Job]) -> Job | None:
    try:
        return rows.filter(id=UUID(str(object_id))).first()
    except ValueError:
        return None
