"""Growing datasets: what was appended, and the tables of buckets that it is folded into."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

NAME_LENGTH = 100
GROUP_LENGTH = 600
NUMBER_LENGTH = 80
CURRENT, BUILDING, DROPPED = "current", "building", "dropped"


class Dataset(models.Model):
    """A dataset that grows. Its columns never change; ``parts`` is the number of the last append.

    Deleted, it is nobody's any more; its rows stay until they are cleared.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=NAME_LENGTH)
    time = models.CharField(max_length=NAME_LENGTH, help_text="The column that says when.")
    groups = models.JSONField(default=list, help_text="The columns that tell rows apart.")
    measures = models.JSONField(default=list, help_text="The columns of numbers.")
    created_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True, blank=True)
    parts = models.PositiveIntegerField(default=0)
    stored = models.PositiveBigIntegerField(default=0, help_text="Bytes of all that was appended.")

    class Meta:
        # Also what datasets.mine reads: one owner's, by name.
        constraints = [
            models.UniqueConstraint(name="dataset_name", fields=["owner", "name"], condition=Q(deleted_at=None))
        ]

    def __str__(self) -> str:
        return self.name


class Part(models.Model):
    """One append: rows, or a file. A file's ``rows`` are counted when it is read first; one with a ``fault`` counts
    for nothing."""

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="+", db_index=False)
    number = models.PositiveIntegerField(help_text="From 1, without gaps, in the order in which they were committed.")
    key = models.CharField(max_length=255, null=True, blank=True, help_text="The idempotency key.")
    digest = models.CharField(max_length=64)
    appended_at = models.DateTimeField()
    file = models.UUIDField(null=True, blank=True, unique=True, help_text="The upload that was taken.")
    rows = models.PositiveBigIntegerField(null=True, blank=True)
    late = models.PositiveBigIntegerField(default=0, help_text="Rows of an hour before the newest of earlier parts.")
    fault = models.CharField(max_length=500, blank=True, default="")
    folded_by = models.UUIDField(null=True, blank=True, help_text="The job that folded it in first.")
    # Last, so that SQLite finds the other columns without a walk through it.
    content = models.BinaryField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="part_number", fields=["dataset", "number"]),
            models.UniqueConstraint(name="part_key", fields=["dataset", "key"], condition=Q(key__isnull=False)),
            models.CheckConstraint(name="part_rows_or_file", condition=Q(content=None) ^ Q(file=None)),
        ]
        # rollup: what one job has folded.
        indexes = [models.Index(name="parts_folded_by", fields=["folded_by"], condition=Q(folded_by__isnull=False))]

    def __str__(self) -> str:
        return f"part {self.number} of dataset {self.dataset_id}"


class Rollup(models.Model):
    """A table of buckets, and its watermark: parts up to ``through`` are in it, each once.

    Of a dataset one is current; a recomputation builds another beside it, which then takes its place.
    """

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="rollups")
    state = models.CharField(max_length=8, default=CURRENT)
    through = models.PositiveIntegerField(default=0)
    newest = models.DateTimeField(null=True, blank=True, help_text="The newest hour of any row in it.")
    rows = models.PositiveBigIntegerField(default=0)
    late = models.PositiveBigIntegerField(default=0)
    aside = models.PositiveIntegerField(default=0, help_text="Parts that could not be taken.")
    folded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="one_current_rollup", fields=["dataset"], condition=Q(state=CURRENT)),
            models.CheckConstraint(name="rollup_state", condition=Q(state__in=[CURRENT, BUILDING, DROPPED])),
        ]

    def __str__(self) -> str:
        return f"{self.state} rollup of dataset {self.dataset_id} through part {self.through}"


class Bucket(models.Model):
    """An hour or a day of one group and one measure; of a dataset without measures ``measure`` is empty.

    Sum, least and greatest are decimal numbers as text, exact on every database; empty where no row had a number.
    """

    rollup = models.ForeignKey(Rollup, on_delete=models.CASCADE, related_name="+", db_index=False)
    step = models.CharField(max_length=4)
    at = models.DateTimeField(help_text="When it begins, in UTC.")
    group = models.CharField(max_length=GROUP_LENGTH, help_text="The values of the grouping columns, a JSON list.")
    measure = models.CharField(max_length=NAME_LENGTH, blank=True)
    rows = models.PositiveBigIntegerField()
    numbers = models.PositiveBigIntegerField(help_text="Rows that have a number.")
    sum = models.CharField(max_length=NUMBER_LENGTH, blank=True)
    least = models.CharField(max_length=NUMBER_LENGTH, blank=True)
    greatest = models.CharField(max_length=NUMBER_LENGTH, blank=True)

    class Meta:
        # Also what folding and reading go by: a table's buckets of one step, by time.
        constraints = [models.UniqueConstraint(name="bucket_once", fields=["rollup", "step", "at", "group", "measure"])]

    def __str__(self) -> str:
        return f"{self.step} {self.at} {self.group} {self.measure}"
