"""The ledger's tables: fields, constraints, read properties and filters. Writing is the core's alone (``guard``)."""

from jobs_app.models.admission import Gate, RateBucket, Refusal, Turnstile
from jobs_app.models.artifact import Artifact, JobInput
from jobs_app.models.attempt import Attempt, Event, LogLine
from jobs_app.models.checkpoint import Checkpoint
from jobs_app.models.job import Job
from jobs_app.models.measure import Flow, Listener, Pace
from jobs_app.models.queue import Queue
from jobs_app.models.resend import Resend
from jobs_app.models.rollup import QueueLevel, Rollup, RollupCursor, Total
from jobs_app.models.schedule import Schedule, Tick
from jobs_app.models.token import Token
from jobs_app.models.unique_key import UniqueKey

__all__ = [
    "Artifact",
    "Attempt",
    "Checkpoint",
    "Event",
    "Flow",
    "Gate",
    "Job",
    "JobInput",
    "Listener",
    "LogLine",
    "Pace",
    "Queue",
    "QueueLevel",
    "RateBucket",
    "Refusal",
    "Resend",
    "Rollup",
    "RollupCursor",
    "Schedule",
    "Tick",
    "Token",
    "Total",
    "Turnstile",
    "UniqueKey",
]
