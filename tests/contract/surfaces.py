"""The five surfaces behind one face, so that one test body runs over all of them."""

from __future__ import annotations

import io
import json
from abc import ABC, abstractmethod
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from jobs_app.core import clock, control, submission
from jobs_app.errors import WeirError
from jobs_app.lifecycle import Via
from jobs_app.models import Job


class Surface(ABC):
    """One way for ``user`` to handle jobs. Each verb returns the job's id, or the words of a refusal."""

    via: Via

    def __init__(self, user: User) -> None:
        self.user = user
        self.client = Client()
        self.client.force_login(user)

    @abstractmethod
    def submit(self, kind: str, parameters: dict[str, Any]) -> UUID | str: ...

    @abstractmethod
    def cancel(self, job_id: UUID) -> UUID | str: ...

    @abstractmethod
    def rerun(self, job_id: UUID) -> UUID | str: ...

    @abstractmethod
    def retry(self, job_id: UUID) -> UUID | str: ...

    def reprioritise(self, job_id: UUID, priority: int) -> UUID | str:
        """Not in the admin, whose actions ask for no number."""
        raise NotImplementedError


class InPython(Surface):
    via = Via.PYTHON

    def submit(self, kind: str, parameters: dict[str, Any]) -> UUID | str:
        try:
            return submission.submit(kind, parameters, owner=self.user).id
        except WeirError as refused:
            return str(refused)

    def cancel(self, job_id: UUID) -> UUID | str:
        try:
            return control.cancel(job_id, actor=self.user, now=clock.database_now()).id
        except WeirError as refused:
            return str(refused)

    def rerun(self, job_id: UUID) -> UUID | str:
        try:
            return control.rerun(job_id, actor=self.user, now=clock.database_now()).job.id
        except WeirError as refused:
            return str(refused)

    def retry(self, job_id: UUID) -> UUID | str:
        try:
            return control.retry_now(job_id, actor=self.user, now=clock.database_now()).job.id
        except WeirError as refused:
            return str(refused)

    def reprioritise(self, job_id: UUID, priority: int) -> UUID | str:
        try:
            return control.reprioritise(job_id, priority, actor=self.user, now=clock.database_now()).id
        except WeirError as refused:
            return str(refused)


class OverHttp(Surface):
    via = Via.API

    def submit(self, kind: str, parameters: dict[str, Any]) -> UUID | str:
        return self._post("/api/jobs", {"kind": kind, "parameters": parameters})

    def cancel(self, job_id: UUID) -> UUID | str:
        return self._post(f"/api/jobs/{job_id}/cancel")

    def rerun(self, job_id: UUID) -> UUID | str:
        return self._post(f"/api/jobs/{job_id}/rerun")

    def retry(self, job_id: UUID) -> UUID | str:
        return self._post(f"/api/jobs/{job_id}/retry")

    def reprioritise(self, job_id: UUID, priority: int) -> UUID | str:
        return self._post(f"/api/jobs/{job_id}/priority", {"priority": priority})

    def _post(self, path: str, body: Any = None) -> UUID | str:
        answer = self.client.post(path, data=json.dumps(body) if body else b"", content_type="application/json")
        if answer.status_code >= 400:
            assert answer["Content-Type"] == "application/problem+json"
            return json.dumps(answer.json())
        return UUID(answer.json()["id"])


class OnPages(Surface):
    via = Via.WEB

    def submit(self, kind: str, parameters: dict[str, Any]) -> UUID | str:
        return self._landed(self.client.post(reverse("submit", args=[kind]), parameters))

    def cancel(self, job_id: UUID) -> UUID | str:
        answer = self.client.post(reverse("job-cancel", args=[job_id]), follow=True)
        return job_id if answer.status_code == 200 and Job.objects.get(id=job_id).cancel_requested_at else _text(answer)

    def rerun(self, job_id: UUID) -> UUID | str:
        landed = self._landed(self.client.post(reverse("job-rerun", args=[job_id])))
        # Sent back to the old job: its page says why.
        return landed if landed != job_id else _text(self.client.get(reverse("job", args=[job_id])))

    def retry(self, job_id: UUID) -> UUID | str:
        return self._done(self.client.post(reverse("job-retry", args=[job_id]), follow=True))

    def reprioritise(self, job_id: UUID, priority: int) -> UUID | str:
        url = reverse("job-priority", args=[job_id])
        return self._done(self.client.post(url, {"priority": priority}, follow=True))

    def _done(self, answer: HttpResponse) -> UUID | str:
        """The job whose page it led to; what the page says if something could not be done."""
        refused = answer.status_code != 200 or list(answer.context["messages"])
        return _text(answer) if refused else _id_in(answer.redirect_chain[-1][0])

    def _landed(self, answer: HttpResponse) -> UUID | str:
        return _id_in(answer["Location"]) if answer.status_code == 302 else _text(answer)


class InTheAdmin(Surface):
    via = Via.ADMIN

    def submit(self, kind: str, parameters: dict[str, Any]) -> UUID | str:
        answer = self.client.post(reverse("admin:jobs_app_job_submit_kind", args=[kind]), parameters)
        return _id_in(answer["Location"]) if answer.status_code == 302 else _text(answer)

    def cancel(self, job_id: UUID) -> UUID | str:
        answer = self._act("cancel_selected", job_id)
        return job_id if Job.objects.get(id=job_id).cancel_requested_at else _text(answer)

    def rerun(self, job_id: UUID) -> UUID | str:
        answer = self._act("run_selected_again", job_id)
        made = Job.objects.filter(rerun_of=job_id).order_by("-id").first()
        return made.id if made else _text(answer)

    def retry(self, job_id: UUID) -> UUID | str:
        answer = self._act("retry_selected", job_id)
        made = Job.objects.filter(rerun_of=job_id).order_by("-id").first()
        if made is not None:
            return made.id
        return job_id if "due now, or submitted again" in _text(answer) else _text(answer)

    def _act(self, action: str, job_id: UUID) -> HttpResponse:
        form = {"action": action, "_selected_action": [str(job_id)]}
        return self.client.post(reverse("admin:jobs_app_job_changelist"), form, follow=True)


class OnTheCommandLine(Surface):
    via = Via.CLI

    def submit(self, kind: str, parameters: dict[str, Any]) -> UUID | str:
        return self._call("submit", kind, "--parameters", json.dumps(parameters))

    def cancel(self, job_id: UUID) -> UUID | str:
        return self._call("cancel", str(job_id))

    def rerun(self, job_id: UUID) -> UUID | str:
        return self._call("rerun", str(job_id))

    def retry(self, job_id: UUID) -> UUID | str:
        return self._call("retry", str(job_id))

    def reprioritise(self, job_id: UUID, priority: int) -> UUID | str:
        return self._call("reprioritise", str(job_id), "--priority", str(priority))

    def _call(self, *arguments: str) -> UUID | str:
        out, err = io.StringIO(), io.StringIO()
        try:
            call_command("jobs", *arguments, "--user", self.user.username, "--json", stdout=out, stderr=err)
        except CommandError as refused:
            return str(refused) + err.getvalue()
        told = json.loads(out.getvalue())
        return UUID((told[0] if isinstance(told, list) else told.get("job", told))["id"])


SURFACES = [InPython, OverHttp, OnPages, InTheAdmin, OnTheCommandLine]


def _id_in(location: str) -> UUID:
    return next(UUID(part) for part in location.split("/") if len(part) == 36)


def _text(answer: HttpResponse) -> str:
    return answer.content.decode()
