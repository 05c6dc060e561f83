"""All that a module of kinds needs, in one import.

from jobs_app.authoring import Artifact, Backoff, JobContext, job
"""

from jobs_app.context import Cancelled, DetachedContext, JobContext, TimedOut
from jobs_app.parameters import Artifact, Secret
from jobs_app.policies import Backoff, Discard, Retry, Snooze, Unique
from jobs_app.registry import job
from jobs_app.results import ArtifactLink, Chart, Series, Table

__all__ = [
    "Artifact",
    "ArtifactLink",
    "Backoff",
    "Cancelled",
    "Chart",
    "DetachedContext",
    "Discard",
    "JobContext",
    "Retry",
    "Secret",
    "Series",
    "Snooze",
    "Table",
    "TimedOut",
    "Unique",
    "job",
]
