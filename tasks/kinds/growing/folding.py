"""Folding: parts beyond the watermark are added to the table, each once.

Files are read and rows added up outside of a transaction; then one short transaction moves the watermark, as long as it
is where it was, and writes the buckets. Whoever comes second, or was killed before, changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet

from jobs_app.authoring import Discard, JobContext, desk
from tasks.kinds.growing import contents, store
from tasks.kinds.growing.models import BUILDING, CURRENT, DROPPED, Bucket, Dataset, Part, Rollup
from tasks.kinds.growing.rows import BadRows, Layout
from tasks.kinds.growing.sums import Sums

ROWS = 50_000
"""Rows of one transaction, or one part that has more."""

PARTS = 1_000
CLEARED = 5_000
OVERTAKEN = "another recomputation has begun meanwhile, or the dataset was deleted"


@dataclass(frozen=True)
class Reading:
    """A part as it was read."""

    part: Part
    rows: int
    late: int
    fault: str = ""


def layout_of(dataset: Dataset) -> Layout:
    """The columns of a dataset."""
    return Layout(dataset.time, tuple(dataset.groups), tuple(dataset.measures))


def fold(dataset: Dataset, *, job: UUID | None, context: JobContext, now: datetime) -> int:
    """Fold all that is new into the current table; returns how many buckets were written.

    Another run at the same time is no harm: each part is folded by one of them.
    """
    touched = 0
    while (one := advance(_current(dataset), dataset, job=job, context=context, now=now)) is not None:
        touched += one
    return touched


def recompute(dataset: Dataset, *, context: JobContext, now: datetime) -> int:
    """Build the table anew from all parts, and let it take the place of the current one; returns how many buckets of
    the old one were wrong.

    Until then the old one is read, and folded into. Raises Discard if another recomputation has begun meanwhile.
    """
    clear(Rollup.objects.filter(dataset=dataset, state__in=[BUILDING, DROPPED]))
    built = Rollup.objects.create(dataset=dataset, state=BUILDING)
    while True:
        while advance(built, dataset, job=None, context=context, now=now) is not None:
            built = _still_built(built)
        old = _current(dataset)
        if old.through > built.through:
            continue  # a run has folded what was appended meanwhile: go after it
        wrong = store.differences(built, old) if old.through == built.through else 0
        if _exchange(old, built):
            clear(Rollup.objects.filter(pk=old.pk))
            return wrong
        built = _still_built(built)


def advance(rollup: Rollup, dataset: Dataset, *, job: UUID | None, context: JobContext, now: datetime) -> int | None:
    """Fold the next parts into a table, in one transaction; returns how many buckets were written.

    None: there is no part beyond its watermark. 0 also when another run was first, or the table is dropped.
    """
    parts = _next(rollup)
    if not parts:
        return None
    sums = Sums(layout_of(dataset), rollup.newest)
    readings = [_read(part, sums, dataset, context) for part in parts]
    context.progress(parts[-1].number, dataset.parts or 1, f"part {parts[-1].number:,} of {dataset.parts:,}")
    buckets = sums.buckets()
    with transaction.atomic():
        mine = Rollup.objects.filter(pk=rollup.pk, through=rollup.through).exclude(state=DROPPED)
        moved = mine.update(
            through=parts[-1].number, newest=sums.newest, folded_at=now,
            rows=F("rows") + sum(each.rows for each in readings), late=F("late") + sum(each.late for each in readings),
            aside=F("aside") + sum(bool(each.fault) for each in readings),
        )  # fmt: skip
        if moved:
            store.add(rollup, buckets)
            _note(readings, job)
    return len(buckets) if moved else 0


def clear(rollups: QuerySet[Rollup]) -> None:
    """Delete tables, in batches. They are marked first, so that whoever still folds into one is told."""
    for rollup in rollups:
        Rollup.objects.filter(pk=rollup.pk).update(state=DROPPED)
        buckets = Bucket.objects.filter(rollup=rollup)
        while ids := list(buckets.values_list("pk", flat=True)[:CLEARED]):
            Bucket.objects.filter(pk__in=ids).delete()
        rollup.delete()


def _still_built(built: Rollup) -> Rollup:
    found = Rollup.objects.filter(pk=built.pk, state=BUILDING).first()
    if found is None:
        raise Discard(OVERTAKEN)
    return found


def _current(dataset: Dataset) -> Rollup:
    found = Rollup.objects.filter(dataset=dataset, state=CURRENT).first()
    if found is None:
        raise Discard("the dataset was deleted")
    return found


def _next(rollup: Rollup) -> list[Part]:
    """The parts of the next transaction. How large one without a count of rows is, is not known: it goes alone."""
    waiting = Part.objects.filter(dataset_id=rollup.dataset_id, number__gt=rollup.through).order_by("number")
    sizes = list(waiting.values_list("number", "rows")[:PARTS])
    taken = total = 0
    for _, rows in sizes:
        total += ROWS if rows is None else rows
        if taken and total > ROWS:
            break
        taken += 1
    return list(waiting.filter(number__lte=sizes[taken - 1][0])) if taken else []


def _read(part: Part, sums: Sums, dataset: Dataset, context: JobContext) -> Reading:
    """Add a part up. A file that cannot be taken is set aside whole, once and for all, with its fault."""
    context.check()
    layout = layout_of(dataset)
    if part.fault:
        return Reading(part, 0, 0, part.fault)
    if part.content is not None:
        return Reading(part, *sums.add(contents.unpack(bytes(part.content), layout)))
    assert part.file is not None
    file = desk.upload(part.file, owner=dataset.owner)
    if file is None or not file.path.is_file():
        raise OSError(f"part {part.number}: the file that was appended is not there")
    try:
        return Reading(part, *sums.add_whole(contents.of_file(file, layout, context)))
    except (Discard, BadRows) as error:
        if part.rows is not None:
            raise  # it was read before: what is there now is not what was appended
        fault = f"{file.name}: {error}" if isinstance(error, BadRows) else str(error)
        context.log(f"part {part.number} is set aside: {fault}", "warning")
        return Reading(part, 0, 0, fault[:500])


def _note(readings: list[Reading], job: UUID | None) -> None:
    """Write down what is known of parts since they were read."""
    changed = []
    for part, rows, late, fault in ((each.part, each.rows, each.late, each.fault) for each in readings):
        new = job is not None and part.folded_by is None
        if new or (part.rows, part.late, part.fault) != (rows, late, fault):
            part.rows, part.late, part.fault = rows, late, fault
            part.folded_by = job if new else part.folded_by
            changed.append(part)
    Part.objects.bulk_update(changed, ["rows", "late", "fault", "folded_by"], batch_size=200)


def _exchange(old: Rollup, built: Rollup) -> bool:
    """Make the new table the current one, unless the old one is ahead of it."""
    with transaction.atomic():
        rows = Rollup.objects.filter(pk=old.pk, state=CURRENT, through__lte=built.through)
        if not rows.update(state=DROPPED):
            return False
        if not Rollup.objects.filter(pk=built.pk, state=BUILDING).update(state=CURRENT):
            raise Discard(OVERTAKEN)
    return True
