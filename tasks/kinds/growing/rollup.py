"""The kinds: `datasets.rollup` folds what is new, `datasets.forget` clears a deleted dataset."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from django.db.models import Count, Max, Min, Q, Sum
from django.utils import timezone
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from jobs_app.authoring import Backoff, Chart, Discard, JobContext, Submitting, Table, desk, job
from jobs_app.errors import FieldProblem, InvalidParameters
from jobs_app.steps import Step
from tasks.kinds.growing import charts, datasets, folding, reading
from tasks.kinds.growing.models import Dataset, Part, Rollup

SHOWN = {Step.HOUR: 48, Step.DAY: 60}
"""The newest buckets of time that a result shows."""

CLEARED = 500
AGAIN = Backoff(max_attempts=5, base=timedelta(seconds=1), discard=(InvalidParameters,))
NONE_SUCH = "expected the id of a growing dataset that is there, and that you may have folded"


def _there(dataset_id: int) -> int:
    """Also checked when a schedule is saved, whose jobs are the system's: it names a dataset by its id."""
    if not Dataset.objects.filter(id=dataset_id, deleted_at=None).exists():
        raise ValueError(NONE_SUCH)
    return dataset_id


Number = Annotated[int, Field(ge=1, le=datasets.LARGEST_ID)]
GrowingDataset = Annotated[Number, AfterValidator(_there)]


class Facts(BaseModel):
    """What was done. ``late``: rows of an hour before the newest of earlier parts; ``set_aside``: files that were not
    taken; ``buckets_touched``: by this attempt."""

    model_config = ConfigDict(frozen=True)

    dataset: str
    parts: int
    first_part: int | None
    last_part: int | None
    rows: int
    late: int
    set_aside: int
    buckets_touched: int
    rows_in_all: int
    differences: int | None = Field(description="Of a recomputation: buckets of the table before that were wrong.")


class Folded(BaseModel):
    """What was done, and the newest buckets."""

    model_config = ConfigDict(frozen=True)

    facts: Facts
    table: Table
    chart: Chart


def admit(dataset: int, *, context: Submitting) -> dict[str, Any]:
    """Whose dataset is it? Others hear what they would hear if there were none."""
    if not datasets.may_fold(context.owner, dataset):
        raise InvalidParameters([FieldProblem(("dataset",), NONE_SUCH)])
    found = Dataset.objects.get(id=dataset)
    state = reading.state(found)
    return {"dataset": found.name, "parts_waiting": state.waiting, "rows_folded": state.rows}


@job("datasets.rollup", timeout=timedelta(minutes=30), retry=AGAIN, preview=admit)
def rollup(
    dataset: Annotated[GrowingDataset, Field(description="The id of a growing dataset.")],
    step: Annotated[Literal["hour", "day"], Field(description="What the result shows; both are folded.")] = "day",
    recompute: Annotated[bool, Field(description="Build the whole table anew from all that was appended.")] = False,
    *,
    context: JobContext,
) -> Folded:
    """Fold what was appended to a growing dataset into its hours and days.

    Each run takes only what is new since the one before; late rows go to their own, old bucket. Put it on a schedule.
    """
    found = Dataset.objects.select_related("owner").get(id=dataset)
    number, now = _number(context), timezone.now()
    wrong = None
    if recompute:
        wrong = folding.recompute(found, context=context, now=now)
        touched = 0
    else:
        touched = folding.fold(found, job=number, context=context, now=now)
    facts = _facts(found, None if recompute else number, touched, wrong)
    context.progress(1, 1, f"{facts.rows:,} rows of {facts.parts:,} parts")
    return _shown(found, Step(step), facts)


@job("datasets.forget", retry=AGAIN, schedulable=False, timeout=timedelta(minutes=30))
def forget(dataset: Number, *, context: JobContext) -> int:
    """Clear a deleted dataset: its tables, its rows, its files; submitted when it is deleted."""
    if Dataset.objects.filter(id=dataset, deleted_at=None).exists():
        raise Discard("expected a dataset that its owner has deleted")
    folding.clear(Rollup.objects.filter(dataset_id=dataset))
    cleared = 0
    while parts := dict(Part.objects.filter(dataset_id=dataset).values_list("id", "file")[:CLEARED]):
        context.check()
        # First the parts, which hold the files; an upload that a crash leaves behind is pruned as unused.
        cleared += Part.objects.filter(id__in=parts).delete()[0]
        desk.discard_uploads(each for each in parts.values() if each is not None)
    Dataset.objects.filter(id=dataset).delete()
    return cleared


def _facts(dataset: Dataset, number: UUID | None, touched: int, wrong: int | None) -> Facts:
    """From the parts that this job folded, in whichever of its attempts; of a recomputation from all of them."""
    state = reading.state(dataset)
    parts = Part.objects.filter(dataset=dataset)
    parts = parts.filter(number__lte=state.through) if number is None else parts.filter(folded_by=number)
    found = parts.aggregate(
        count=Count("id"), first=Min("number"), last=Max("number"), rows=Sum("rows"), late=Sum("late"),
        aside=Count("id", filter=~Q(fault="")),
    )  # fmt: skip
    return Facts(
        dataset=dataset.name, parts=found["count"], first_part=found["first"], last_part=found["last"],
        rows=found["rows"] or 0, late=found["late"] or 0, set_aside=found["aside"], buckets_touched=touched,
        rows_in_all=state.rows, differences=wrong,
    )  # fmt: skip


def _shown(dataset: Dataset, step: Step, facts: Facts) -> Folded:
    buckets = reading.newest(dataset, step, SHOWN[step])
    return Folded(facts=facts, table=charts.table(dataset, step, buckets), chart=charts.chart(dataset, step, buckets))


def _number(context: JobContext) -> UUID | None:
    """The job's id; None for a handler that is called as a plain function."""
    try:
        return UUID(context.job_id)
    except ValueError:
        return None
