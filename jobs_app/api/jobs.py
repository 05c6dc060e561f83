"""Routes of jobs: submit, list, look, cancel, retry, run again, change priority."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from ninja import Query, Router, Status
from ninja.decorators import decorate_view
from ninja.params import functions

from jobs_app import conf
from jobs_app.api import downloads, preference, tickets
from jobs_app.api.artifacts import ArtifactBody
from jobs_app.api.bodies import bounded
from jobs_app.api.job_bodies import (
    Artifacts,
    Attempts,
    EndedJob,
    JobBody,
    JobQuery,
    Jobs,
    LogLines,
    Priority,
    Rerun,
)
from jobs_app.api.security import needs, token_of, user_of
from jobs_app.core import admission, clock, control, submission
from jobs_app.errors import InvalidRequest
from jobs_app.forms.lines import Submission
from jobs_app.lifecycle import Via
from jobs_app.reads import files, jobs
from jobs_app.reads.views import JobView
from jobs_app.scopes import Scope

router = Router(tags=["jobs"], auth=needs(Scope.READ, writing=Scope.SUBMIT))

KEY = "Idempotency-Key"
KEY_WORDS = "The same key with the same request gives the same job, whenever it is sent again."
PREFER_WORDS = "wait=5: answer when the job has ended, or after 5 seconds (at most 30). wait: as fits the kind."
LINE_LIMIT = 10**18 - 1
SEE_ALL = "jobs_app.see_all_jobs"


@router.post("", response={202: JobBody, 200: EndedJob | JobBody}, url_name="jobs")
@decorate_view(bounded)
def submit(
    request: HttpRequest,
    response: HttpResponse,
    payload: Submission,
    idempotency_key: str | None = functions.Header(None, alias=KEY, description=KEY_WORDS),
    prefer: str | None = functions.Header(None, alias="Prefer", description=PREFER_WORDS),
) -> HttpResponse:
    """Submit a job. It is accepted (202) once the ledger has it; a replay of an idempotency key answers 200.

    With ``Prefer: wait``, 200 with the result if the job ends in time.
    """
    token = token_of(request)
    options = submission.Options(idempotency_key=idempotency_key, via=Via.API, token=token, **payload.options())
    given, now = (payload.kind, payload.parameters), clock.ledger_now()
    wait = preference.read(prefer)
    if wait is None:
        accepted = submission.accept(*given, owner=user_of(request), options=options, now=now)
    else:
        accepted = preference.submit(*given, owner=user_of(request), options=options, wait=wait, now=now)
    answer = _accepted(accepted, request, response, waited=wait is not None)
    # Rendered here: the body is made of checked parts, and ninja would check and copy it once more.
    response.status_code, response.content = answer.status_code, answer.value.model_dump_json()
    return response


@router.get("", response=Jobs)
def list_jobs(request: HttpRequest, response: HttpResponse, query: Query[JobQuery]) -> Jobs:
    """The jobs you may see, newest first, by pages: follow next_cursor, or the Link header."""
    unknown = sorted(set(request.GET) - set(JobQuery.model_fields))
    if unknown:
        raise InvalidRequest(
            f"expected the parameters {', '.join(JobQuery.model_fields)}, got {', '.join(unknown)[:100]}"
        )
    wanted = query.filter()
    if wanted.relative:
        wanted = wanted.at(clock.database_now())
    page = jobs.job_page(user_of(request), wanted, cursor=query.cursor, limit=query.limit)
    if page.next_cursor is not None:
        following = request.GET.copy()
        following["cursor"] = page.next_cursor
        response["Link"] = f'<{request.path}?{following.urlencode()}>; rel="next"'
    return Jobs(jobs=[JobBody.of_view(each) for each in page.jobs], next_cursor=page.next_cursor)


@router.get("/events", response={307: None}, url_name="list_events")
def follow_list(request: HttpRequest) -> HttpResponse:
    """The jobs you may see as server-sent events: ``changed`` when some of them moved, and then the list is asked for
    again. A hint may be late, or one may stand for many. Answers with the stream's own address."""
    user = user_of(request)
    ticket = tickets.issue_list(None if user.has_perm(SEE_ALL) else user.pk)
    address = f"{conf.current().stream_url.rstrip('/')}/stream/jobs?ticket={ticket}"
    return HttpResponse(status=307, headers={"Location": address})


@router.get("/{uuid:job_id}", response=JobBody, url_name="job")
def show_job(request: HttpRequest, job_id: UUID) -> JobBody:
    """One job."""
    found = jobs.job_as_it_stands(user_of(request), job_id, now=clock.database_now())
    return JobBody.of_view(found.job, found.estimate, jobs.family(found.job), found.reason)


@router.get("/{uuid:job_id}/attempts", response=Attempts, url_name="job_attempts")
def list_attempts(request: HttpRequest, job_id: UUID) -> Attempts:
    """Each run of the job: who ran it, how it ended, and the traceback if it failed."""
    return Attempts(attempts=jobs.attempts(user_of(request), job_id))


@router.get("/{uuid:job_id}/logs", response=LogLines, url_name="job_logs")
def list_log_lines(
    request: HttpRequest,
    job_id: UUID,
    after: int = functions.Query(0, ge=0, le=LINE_LIMIT, description="Only lines after the one with this id."),
    limit: int = functions.Query(jobs.LINES, description="At most so many, 1 to 500."),
) -> LogLines:
    """What the handler logged, in order. Ask again with ``after`` set to next_after for more."""
    lines = jobs.log_lines(user_of(request), job_id, after=after, limit=limit)
    return LogLines(lines=lines, next_after=lines[-1].id if lines else after)


@router.get("/{uuid:job_id}/result", response=Any, url_name="job_result")
def show_result(request: HttpRequest, job_id: UUID) -> HttpResponseBase:
    """What the handler returned, as JSON. 409 while the job has not succeeded."""
    user = user_of(request)
    kept = files.kept_result(user, job_id)
    if kept is not None:
        return downloads.serve(request, kept)
    return JsonResponse(jobs.result(user, job_id), safe=False)


@router.get("/{uuid:job_id}/artifacts", response=Artifacts, url_name="job_artifacts")
def list_artifacts(request: HttpRequest, job_id: UUID) -> Artifacts:
    """The files the job made, and where to get them."""
    found = jobs.artifacts_of(user_of(request), job_id)
    return Artifacts(
        artifacts=[ArtifactBody.at(each, reverse("api:job_artifact", args=[job_id, each.name])) for each in found]
    )


@router.api_operation(
    ["GET", "HEAD"],
    "/{uuid:job_id}/artifacts/{str:name}",
    url_name="job_artifact",
    openapi_extra=downloads.DESCRIPTION,
)
def download_output(
    request: HttpRequest,
    job_id: UUID,
    name: str,
    inline: bool = functions.Query(False, description="Show a picture in place."),
) -> HttpResponseBase:
    """The bytes of a file the job made; ranges, If-Range and If-None-Match are honoured."""
    return downloads.serve(request, files.output(user_of(request), job_id, name), inline=inline)


@router.post("/{uuid:job_id}/cancel", response=JobBody, url_name="job_cancel", auth=needs(Scope.ACT))
def cancel(request: HttpRequest, job_id: UUID) -> JobBody:
    """Cancel the job: a waiting one ends at once, a running one is told to stop. Twice is no error."""
    row = control.cancel(job_id, actor=user_of(request), now=clock.database_now())
    return JobBody.of_view(JobView.of(row, user_of(request)))


@router.post("/{uuid:job_id}/retry", response={202: JobBody, 200: JobBody}, url_name="job_retry", auth=needs(Scope.ACT))
def retry(
    request: HttpRequest,
    response: HttpResponse,
    job_id: UUID,
    idempotency_key: str | None = functions.Header(None, alias=KEY, description=KEY_WORDS),
) -> Status[JobBody]:
    """Have the job tried at once. One that waits for its time is due now (200, the same job).

    One that failed or was cancelled is run again as a new job linked to it (202), for which a token needs the scope
    ``jobs:submit`` too. 409 for any other.
    """
    accepted = control.retry_now(
        job_id,
        actor=user_of(request),
        now=clock.database_now(),
        via=Via.API,
        idempotency_key=idempotency_key,
        token=token_of(request),
    )
    if accepted.job.id == job_id:
        return Status(200, JobBody.of_view(JobView.of(accepted.job, user_of(request))))
    return _accepted(accepted, request, response)


@router.post("/{uuid:job_id}/priority", response=JobBody, url_name="job_priority", auth=needs(Scope.ACT))
@decorate_view(bounded)
def reprioritise(request: HttpRequest, job_id: UUID, payload: Priority) -> JobBody:
    """Change the priority of a job that waits; 409 if it runs or has ended."""
    row = control.reprioritise(job_id, payload.priority, actor=user_of(request), now=clock.database_now())
    return JobBody.of_view(JobView.of(row, user_of(request)))


@router.post("/{uuid:job_id}/rerun", response={202: JobBody, 200: JobBody}, url_name="job_rerun")
@decorate_view(bounded)
def rerun(
    request: HttpRequest,
    response: HttpResponse,
    job_id: UUID,
    payload: Rerun | None = None,
    idempotency_key: str | None = functions.Header(None, alias=KEY, description=KEY_WORDS),
) -> Status[JobBody]:
    """Run the job again as a new job linked to it; ``parameters`` replace single parameters of the old one."""
    changes = payload.parameters if payload is not None else {}
    accepted = control.rerun(
        job_id,
        actor=user_of(request),
        now=clock.database_now(),
        changes=changes,
        via=Via.API,
        idempotency_key=idempotency_key,
        token=token_of(request),
    )
    return _accepted(accepted, request, response)


@router.get("/{uuid:job_id}/events", response={307: None}, url_name="job_events")
def follow(
    request: HttpRequest,
    job_id: UUID,
    after: int = functions.Query(0, ge=0, le=LINE_LIMIT, description="Only log lines after the one with this id."),
) -> HttpResponse:
    """The job as server-sent events: job, log and, when it has ended, end. Answers with the stream's own address."""
    whole = not jobs.job(user_of(request), job_id).parameters_hidden
    ticket = tickets.issue(job_id, whole=whole)
    address = f"{conf.current().stream_url.rstrip('/')}/stream/jobs/{job_id}?ticket={ticket}"
    return HttpResponse(status=307, headers={"Location": f"{address}&after={after}" if after else address})


def _accepted(
    accepted: submission.Accepted, request: HttpRequest, response: HttpResponse, *, waited: bool = False
) -> Status[JobBody]:
    view = JobView.of(accepted.job, user_of(request))
    body = JobBody.of_view(view, None if view.final else view.promised)
    response["Location"] = body.links["self"]
    _tell_allowances(accepted.job.queue, request, response)
    if accepted.replayed:
        response["Idempotency-Replayed"] = "true"
    if waited and view.final:
        response["Preference-Applied"] = "wait"
        body = EndedJob.model_construct(**dict(body), result=accepted.job.result)
    return Status(200 if accepted.replayed or view.final else 202, body)


def _tell_allowances(queue: str, request: HttpRequest, response: HttpResponse) -> None:
    """The RateLimit fields (draft-ietf-httpapi-ratelimit-headers-10): what may still be submitted at once."""
    found = admission.allowances(queue, user_of(request), token_of(request))
    response["RateLimit-Policy"] = ", ".join(f'"{name}";q={quota}' for name, quota, _ in found)
    told = [f'"{name}";r={left}' for name, _, left in found if left is not None]
    if told:
        response["RateLimit"] = ", ".join(told)
