"""Submission: the one way in, for API, page, admin, command line, Python and schedules alike.

validate → admission → INSERT, in the caller's transaction if there is one; the message follows after the commit, from
a background thread. A submission that is refused writes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from jobs_app import registry, tracing
from jobs_app.core import (
    access,
    admission,
    artifacts,
    encoding,
    estimates,
    previews,
    sealing,
    terms,
    traces,
    transitions,
    transport,
    uniqueness,
)
from jobs_app.core.clock import ledger_now
from jobs_app.errors import Conflict, FieldProblem, IdempotencyConflict, InvalidParameters, InvalidRequest, in_words
from jobs_app.lifecycle import State, Via
from jobs_app.models import Endpoint, Job, JobInput
from jobs_app.models.guard import writing
from jobs_app.parameters import ARTIFACTS, MENTIONED, reveal
from jobs_app.registry import Kind

if TYPE_CHECKING:
    from django.contrib.auth.models import User

KEY_LENGTH = 255
ATTEMPTS_LIMIT = 100
HORIZON = timedelta(days=3660)
"""How far ahead a job may be due: ten years. Beyond it is a slip of the pen, and at the end a date that overflows."""


@dataclass(frozen=True)
class Options:
    """What may be said of a job beside its kind and parameters.

    message: whether to ask for a message at once; whoever runs the job here and now does not.
    token: the id of the API token it comes with. overflow: into a full queue too, up to its hard limit (a permission).
    queue, max_attempts: default the kind's. priority: -100 to 100, higher first. due_at: not before this time.
    webhook: the name of an endpoint of the owner's that is told of its end, whatever else it is told of.
    expires_at: fail if not started by then. idempotency_key: the same key of the same owner gives the same job.
    tags: at most 10 words, to find it by. headroom: as overflow, without a permission, and beside shares: for what the
    core itself submits. rated: whether the token's rate bounds it; of a batch that was asked for the whole.
    """

    queue: str | None = None
    priority: int = 0
    due_at: datetime | None = None
    expires_at: datetime | None = None
    max_attempts: int | None = None
    idempotency_key: str | None = None
    rerun_of: UUID | None = None
    via: Via = Via.PYTHON
    token: int | None = None
    overflow: bool = False
    message: bool = True
    tags: Sequence[str] = ()
    webhook: str | None = None
    headroom: bool = False
    rated: bool = True


@dataclass(frozen=True)
class Accepted:
    """The job, and whether an earlier submission had made it: one with the same idempotency key, or one so alike that a
    unique kind allows no second."""

    job: Job
    replayed: bool


@dataclass(frozen=True)
class Checked:
    """Parameters that fit their kind, in the forms the ledger keeps."""

    shown: dict[str, Any]
    sealed: bytes | None
    digest: str
    inputs: frozenset[UUID]
    unique_key: str | None
    model: BaseModel


def submit(kind: str, parameters: Mapping[str, Any], *, owner: User | None = None, **options: Any) -> Job:
    """Submit a job from Python; see ``accept`` for what is raised. Returns its row at once.

    Inside ``transaction.atomic()`` the job commits, or vanishes, with the caller's data.
    """
    return accept(kind, parameters, owner=owner, options=Options(**options), now=ledger_now()).job


def accept(
    kind: str, parameters: Mapping[str, Any], *, owner: User | None, options: Options, now: datetime
) -> Accepted:
    """Accept a job, or give back the one that the same idempotency key made before.

    Raises UnknownKind, NotAllowed (this owner may not submit the kind), InvalidParameters (one problem a fault),
    InvalidRequest (options), TooLarge, PreviewFailed and what a kind's preview raises itself, IdempotencyConflict (the
    key was used with another kind or other parameters), Conflict (another user's job stands in the way of one of a
    unique kind), and Refused, with a time to come back, when there is no room: QueueFull, ShareExceeded, RateExceeded.
    """
    definition = registry.get(kind)
    queue = options.queue or definition.queue
    with traces.made(definition.name, queue):
        return _accept(definition, queue, parameters, owner, options, now)


def _accept(
    definition: Kind, queue: str, parameters: Mapping[str, Any], owner: User | None, options: Options, now: datetime
) -> Accepted:
    access.check_submit(owner, definition.name, now=now, on_leave=options.headroom)
    check_options(options, now)
    admission.check_queue(queue)
    if options.rated:
        admission.check_rate(options.token, queue, owner, key=options.idempotency_key, now=now)
    checked = check(definition, parameters, owner)
    earlier = _earlier(owner, options.idempotency_key, checked.digest)
    if earlier is not None:
        return Accepted(earlier, replayed=True)
    job = row_of(definition, checked, owner, options, now)
    job.webhook = webhook_of(owner, options.webhook)
    applicant = admission.Applicant(
        queue, owner, token=options.token, overflow=options.overflow, later=job.due_at > now,
        key=options.idempotency_key, headroom=options.headroom,
    )  # fmt: skip
    entry = admission.enter(applicant, now=now)
    try:
        estimate(job, now)
        accepted = _insert(job, definition, checked, entry, options.message, now)
        tracing.note(messaging__message__id=str(accepted.job.id))
        return accepted
    except BaseException:
        entry.leave(now=now)
        raise


def estimate(job: Job, now: datetime, *, jobs: int = 1) -> None:
    """Note on the row when it is expected to start and end, as far as anything is known. jobs: that are alike, of which
    it is any."""
    told = estimates.at_submission(job.queue, job.kind, now=now, priority=job.priority, due_at=job.due_at, jobs=jobs)
    if told is not None:
        job.start_from, job.start_until = told.start_from, told.start_until
        job.finish_from, job.finish_until = told.finish_from, told.finish_until


def _insert(job: Job, kind: Kind, checked: Checked, entry: admission.Entry, message: bool, now: datetime) -> Accepted:
    """Write the job, or find the one that another submission of the same key has made meanwhile."""
    owner = job.owner
    try:
        with transaction.atomic() if _takes_several(job, kind, checked) else nullcontext():
            transitions.create(job, now=now, actor=owner, terms=terms.numbers_of(job, checked.model))
            if checked.unique_key:
                uniqueness.take(checked.unique_key, job, kind, now=now)
            if checked.inputs:
                with writing():
                    JobInput.objects.bulk_create(JobInput(job=job, artifact_id=each) for each in checked.inputs)
            previews.write(job, kind, checked.model)
            if message:
                transaction.on_commit(lambda: transport.publisher.nudge(job.queue), robust=True)
            transaction.on_commit(lambda: entry.leave(now=now), robust=True)
    except IntegrityError:
        # Another request with the same key was first by a moment: its job is ours too.
        earlier = _earlier(owner, job.idempotency_key, checked.digest)
        if earlier is None:
            raise
        entry.leave(now=now)
        return Accepted(earlier, replayed=True)
    except uniqueness.Taken as taken:
        if not Job.objects.visible_to(owner).filter(id=taken.job.id).exists():
            raise Conflict(f"expected no other job of {kind.name} like this one, and another user's is there") from None
        entry.leave(now=now)
        return Accepted(taken.job, replayed=True)
    return Accepted(job, replayed=False)


def _takes_several(job: Job, kind: Kind, checked: Checked) -> bool:
    """Whether more is written than ``transitions.create`` does, or has to be undone in a transaction that goes on."""
    shares_a_key = job.idempotency_key is not None and connection.in_atomic_block
    return bool(checked.unique_key or checked.inputs or kind.preview or shares_a_key)


def check(kind: Kind, parameters: Mapping[str, Any], owner: User | None) -> Checked:
    """Validate parameters as ``owner`` would submit them, without submitting. Raises as ``accept`` does."""
    raw, size = encoding.as_json(parameters)
    admission.check_size(size)
    mentioned: set[UUID] = set()
    model = validated(kind, raw, {MENTIONED: mentioned})
    if mentioned:
        model = validated(kind, raw, {ARTIFACTS: artifacts.resolve(mentioned, owner)})
    shown = model.model_dump(mode="json")
    problems = list(encoding.refusals(shown))
    if problems:
        raise InvalidParameters(problems)
    clear = to_jsonable_python(reveal(model)) if kind.has_secrets else None
    digest = digest_of(kind, clear or shown)
    key = uniqueness.key_of(kind, clear or shown, owner) if kind.unique else None
    return Checked(shown, sealing.seal(clear) if clear else None, digest, frozenset(mentioned), key, model)


def digest_of(kind: Kind, parameters: Mapping[str, Any]) -> str:
    """What tells whether two requests are the same."""
    return hashlib.sha256(json.dumps([kind.name, parameters], sort_keys=True).encode()).hexdigest()


def validated(kind: Kind, parameters: Any, context: dict[str, Any] | None = None) -> BaseModel:
    """The parameters as the kind's model. Raises InvalidParameters."""
    try:
        return kind.parameters.model_validate(parameters, context=context)
    except ValidationError as error:
        raise InvalidParameters(
            [FieldProblem(tuple(fault["loc"]), in_words(fault)) for fault in error.errors(include_url=False)[:50]]
        ) from None


def check_options(options: Options, now: datetime) -> None:
    """Raise InvalidRequest for options that cannot be, whatever the kind."""
    if not -100 <= options.priority <= 100:
        raise InvalidRequest(f"expected a priority from -100 to 100, got {options.priority}")
    if options.max_attempts is not None and not 1 <= options.max_attempts <= ATTEMPTS_LIMIT:
        raise InvalidRequest(f"expected max_attempts from 1 to {ATTEMPTS_LIMIT}, got {options.max_attempts}")
    terms.check_tags(options.tags)
    if options.idempotency_key is not None:
        check_key(options.idempotency_key)
    for name, moment in (("due_at", options.due_at), ("expires_at", options.expires_at)):
        if moment is not None and moment.tzinfo is None:
            raise InvalidRequest(f"expected {name} with a time zone, got {moment.isoformat()}")
        if moment is not None and abs(moment - now) > HORIZON:
            raise InvalidRequest(f"expected {name} within ten years from now, got {moment.isoformat()}")
    if options.expires_at is not None and options.expires_at <= (options.due_at or now):
        raise InvalidRequest("expected expires_at after the job is due, got an earlier time")


def check_key(key: str, *, most: int = KEY_LENGTH) -> None:
    """Raise InvalidRequest for an idempotency key that cannot be kept."""
    if not (1 <= len(key) <= most and key.isprintable()):
        raise InvalidRequest(f"expected an idempotency key of 1 to {most} printable characters")


def webhook_of(owner: User | None, name: str | None) -> int | None:
    """The number of the endpoint of that name. Raises InvalidRequest."""
    if name is None:
        return None
    known = Endpoint.objects.filter(owner=owner, name=name).values_list("pk", flat=True).first()
    if known is None:
        raise InvalidRequest(f"expected webhook to name an endpoint of yours, got {name[:50]!r}; see Webhooks")
    return known


def _earlier(owner: User | None, key: str | None, digest: str) -> Job | None:
    if key is None:
        return None
    job = Job.objects.whole().filter(owner=owner, idempotency_key=key).first()
    if job is not None and job.request_digest != digest:
        raise key_conflict(job.id)
    if job is not None:
        job.owner = owner  # theirs, and at hand
    return job


def key_conflict(job_id: UUID) -> IdempotencyConflict:
    """That a key was used for another request."""
    return IdempotencyConflict(
        f"expected a new idempotency key for a new request: this one belongs to job {job_id}, "
        "which has another kind or other parameters"
    )


def row_of(kind: Kind, checked: Checked, owner: User | None, options: Options, now: datetime) -> Job:
    """A job as it is about to be inserted."""
    due_at = options.due_at or now
    return Job(
        kind=kind.name,
        queue=options.queue or kind.queue,
        state=State.SCHEDULED if due_at > now else State.QUEUED,
        priority=options.priority,
        owner=owner,
        token_id=options.token,
        via=options.via,
        parameters=checked.shown,
        sealed=checked.sealed,
        request_digest=checked.digest,
        idempotency_key=options.idempotency_key,
        rerun_of_id=options.rerun_of,
        tags=list(dict.fromkeys(options.tags)) or None,
        max_attempts=options.max_attempts or kind.retry.max_attempts,
        timeout=kind.timeout,
        hard_timeout=kind.hard_timeout,
        created_at=now,
        due_at=due_at,
        expires_at=options.expires_at,
        trace=tracing.here(),
    )
