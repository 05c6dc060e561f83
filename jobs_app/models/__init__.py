"""The ledger's tables: fields, constraints, read properties and filters. Writing is the core's alone (``guard``)."""

from jobs_app.models.access import KindAccess, Role
from jobs_app.models.admission import Gate, RateBucket, Refusal, Turnstile
from jobs_app.models.artifact import Artifact, JobInput
from jobs_app.models.attempt import Attempt, Event, LogLine
from jobs_app.models.audit import AuditEntry
from jobs_app.models.checkpoint import Checkpoint
from jobs_app.models.deploy import Deploy
from jobs_app.models.failure import FailureCount, FailureGroup, FailureSight
from jobs_app.models.job import Job
from jobs_app.models.measure import Drain, Flow, Listener, Pace
from jobs_app.models.queue import Queue
from jobs_app.models.resend import Resend
from jobs_app.models.rollup import QueueLevel, Rollup, RollupCursor, Total
from jobs_app.models.saved_view import SavedView
from jobs_app.models.schedule import Schedule, Tick
from jobs_app.models.term import Term
from jobs_app.models.token import Token
from jobs_app.models.unique_key import UniqueKey
from jobs_app.models.webhook import Delivery, Endpoint

__all__ = [
    "Artifact",
    "Attempt",
    "AuditEntry",
    "Checkpoint",
    "Delivery",
    "Deploy",
    "Drain",
    "Endpoint",
    "Event",
    "FailureCount",
    "FailureGroup",
    "FailureSight",
    "Flow",
    "Gate",
    "Job",
    "JobInput",
    "KindAccess",
    "Listener",
    "LogLine",
    "Pace",
    "Queue",
    "QueueLevel",
    "RateBucket",
    "Refusal",
    "Resend",
    "Role",
    "Rollup",
    "RollupCursor",
    "SavedView",
    "Schedule",
    "Term",
    "Tick",
    "Token",
    "Total",
    "Turnstile",
    "UniqueKey",
]
