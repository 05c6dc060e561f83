"""All that a module of kinds needs, in one import.

from jobs_app.authoring import Artifact, Backoff, JobContext, job
"""

from jobs_app import desk
from jobs_app.context import Cancelled, Child, DetachedContext, Family, JobContext, Submitting, TimedOut
from jobs_app.desk import Standing
from jobs_app.parameters import Artifact, Secret
from jobs_app.policies import Backoff, Children, Discard, Retry, Snooze, Unique
from jobs_app.registry import job
from jobs_app.results import ArtifactLink, Chart, Series, Table

__all__ = [
    "Artifact",
    "ArtifactLink",
    "Backoff",
    "Cancelled",
    "Chart",
    "Child",
    "Children",
    "DetachedContext",
    "Discard",
    "Family",
    "JobContext",
    "Retry",
    "Secret",
    "Series",
    "Snooze",
    "Standing",
    "Submitting",
    "Table",
    "TimedOut",
    "Unique",
    "desk",
    "job",
]
