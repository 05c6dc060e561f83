"""Terms: what a job is found by, beside its own columns."""

from __future__ import annotations

from django.db import models

from jobs_app.models.guard import Guarded, GuardedQuerySet
from jobs_app.models.job import Job


class Term(Guarded):
    """A tag, or the value of a parameter, of a job, as the number that ``criteria`` makes of it.

    Written once, when the job is submitted: an index on the job's own row would be kept up at each of its moves. The
    key is the index of the search: the jobs of a term, by id. Secrets have no terms.
    """

    pk = models.CompositePrimaryKey("term", "job")
    term = models.BigIntegerField()
    # No constraint: it would be checked for each row of each submission, and a row whose job is gone is never found.
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="terms", db_constraint=False)

    objects = GuardedQuerySet["Term"].as_manager()

    def __str__(self) -> str:
        return f"term {self.term} of {self.job_id}"
