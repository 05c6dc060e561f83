"""What the routes of growing datasets take and give."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, Literal
from uuid import UUID

from django.urls import reverse
from pydantic import BaseModel, ConfigDict, Field

from jobs_app.errors import InvalidRequest
from jobs_app.steps import Step
from tasks.kinds.growing import contents, datasets
from tasks.kinds.growing.models import NAME_LENGTH, Dataset, Part
from tasks.kinds.growing.reading import Shown, State
from tasks.kinds.growing.rows import Layout


class NewDataset(BaseModel):
    """A dataset to be made."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=NAME_LENGTH)
    time: str = Field(min_length=1, max_length=NAME_LENGTH, description="The column that says when, in ISO 8601.")
    groups: list[str] = Field([], max_length=datasets.GROUPS, description="The columns that tell rows apart.")
    measures: list[str] = Field([], max_length=datasets.MEASURES, description="The columns of numbers.")

    @property
    def layout(self) -> Layout:
        """Its columns."""
        return Layout(self.time, tuple(self.groups), tuple(self.measures))


class NewFile(BaseModel):
    """A file to be appended."""

    model_config = ConfigDict(extra="forbid")

    file: UUID = Field(description="The id of a file that you have uploaded.")


class DatasetBody(BaseModel):
    """A dataset, and how far it is folded: ``through`` is the last part that is, ``late`` counts rows of an hour before
    the newest of earlier parts."""

    id: int
    name: str
    owner: str
    time: str
    groups: list[str]
    measures: list[str]
    created_at: datetime
    parts: int
    through: int
    parts_waiting: int
    parts_set_aside: int
    rows: int
    late: int
    newest: datetime | None
    folded_at: datetime | None
    links: dict[str, str]

    @classmethod
    def of(cls, dataset: Dataset, state: State) -> DatasetBody:
        """From a row, fetched with its owner."""
        routes = {"self": "dataset", "rows": "dataset_rows", "files": "dataset_files", "buckets": "dataset_buckets"}
        return cls(
            id=dataset.pk, name=dataset.name, owner=dataset.owner.get_username(), time=dataset.time,
            groups=dataset.groups, measures=dataset.measures, created_at=dataset.created_at, parts=dataset.parts,
            through=state.through, parts_waiting=state.waiting, parts_set_aside=state.set_aside, rows=state.rows,
            late=state.late, newest=state.newest, folded_at=state.folded_at,
            links={name: reverse(f"api:{route}", args=[dataset.pk]) for name, route in routes.items()},
        )  # fmt: skip


class Datasets(BaseModel):
    """Datasets, by name."""

    datasets: list[DatasetBody]


class PartBody(BaseModel):
    """One append. ``rows`` of a file is null until it is read; ``folded`` is null in the answer to an append."""

    number: int
    rows: int | None
    late: int
    file: UUID | None
    fault: str = Field(description="Why a file was set aside; nothing of it counts.")
    appended_at: datetime
    folded: bool | None

    @classmethod
    def of(cls, part: Part, through: int | None) -> PartBody:
        """From a row; ``through`` is the watermark, if it is known."""
        return cls(
            number=part.number, rows=part.rows, late=part.late, file=part.file, fault=part.fault,
            appended_at=part.appended_at, folded=None if through is None else part.number <= through,
        )  # fmt: skip


class Parts(BaseModel):
    """Appends, newest first."""

    parts: list[PartBody]


class BucketsQuery(BaseModel):
    """Which buckets."""

    step: Literal[Step.HOUR, Step.DAY] = Field(Step.DAY, description="How long a bucket is; all are of UTC.")
    begin: datetime = Field(description="Rounded down to a bucket; without an offset it is of UTC.")
    end: datetime = Field(description="Rounded up to a bucket.")
    group: list[str] = Field([], max_length=datasets.GROUPS, description="Of one group: a value for each column.")
    total: bool = Field(False, description="All groups in one.")

    @property
    def period(self) -> tuple[datetime, datetime]:
        """Begin and end in UTC. Raises InvalidRequest."""
        try:
            begin, end = (each.replace(tzinfo=each.tzinfo or UTC).astimezone(UTC) for each in (self.begin, self.end))
            found = self.step.floor(begin), self.step.ceiling(end)
        except OverflowError:
            raise InvalidRequest("expected begin and end to be dates of this era") from None
        if found[0] >= found[1] or found[1] - found[0] > timedelta(days=36_600):
            raise InvalidRequest("expected an end after the begin, by a hundred years at most")
        return found


class BucketBody(BaseModel):
    """An hour or a day of one group and measure."""

    at: datetime
    group: dict[str, str]
    measure: str
    rows: int
    numbers: int = Field(description="Rows that have a number in the measure.")
    sum: Decimal | None
    least: Decimal | None
    greatest: Decimal | None

    @classmethod
    def of(cls, bucket: Shown, dataset: Dataset, *, total: bool) -> BucketBody:
        """From a bucket of a dataset."""
        figures = bucket.figures
        return cls(
            at=bucket.at, group={} if total else dict(zip(dataset.groups, bucket.group, strict=True)),
            measure=bucket.measure, rows=figures.rows, numbers=figures.numbers, sum=figures.sum,
            least=figures.least, greatest=figures.greatest,
        )  # fmt: skip


class Buckets(BaseModel):
    """The buckets of a period, in order, as they were at the last fold."""

    step: str
    begin: datetime
    end: datetime
    folded_at: datetime | None
    parts_waiting: int
    buckets: list[BucketBody]


def rows_of(body: bytes, *, lines: bool, most: int) -> list[Any]:
    """The objects in a body; no more than one beyond the limit is read. Raises InvalidRequest."""
    try:
        if lines:
            return list(islice(contents.objects(body.split(b"\n")), most + 1))
        found = json.loads(body, parse_float=Decimal, parse_constant=contents.no_constant)
    except (ValueError, RecursionError) as error:
        said = str(error) if lines else f"expected JSON: {error}"
        raise InvalidRequest(said) from None
    if not isinstance(found, list):
        raise InvalidRequest(f"expected a list of objects, got {type(found).__name__}")
    return found[: most + 1]
