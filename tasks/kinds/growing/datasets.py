"""What people do with growing datasets: make one, append rows or a file, delete it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F

from jobs_app.authoring import Discard, desk
from jobs_app.errors import Conflict, IdempotencyConflict, InvalidRequest, NotAllowed, NotFound, TooLarge
from tasks.kinds.growing import contents
from tasks.kinds.growing.folding import layout_of
from tasks.kinds.growing.models import DROPPED, NAME_LENGTH, Dataset, Part, Rollup
from tasks.kinds.growing.rows import Layout, of_objects

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ROWS = 10_000
FILE_BYTES = 256 << 20
DATASETS, PARTS, BYTES = 100, 100_000, 8 << 30
"""So many datasets one person may have, so many appends of one dataset, and so many bytes of them."""

GROUPS, MEASURES = 4, 8
KEY_LENGTH = 255
LARGEST_ID = 2**63 - 1
SEE_ALL, ACT_ON_ALL = "jobs_app.see_all_jobs", "jobs_app.act_on_all_jobs"


@dataclass(frozen=True)
class Appended:
    """A part, and whether an earlier append with the same key had made it."""

    part: Part
    replayed: bool


def create(owner: User, name: str, layout: Layout, *, now: datetime) -> tuple[Dataset, bool]:
    """Make a dataset; one of the same name and columns is given back. Returns it, and whether it is new.

    Raises InvalidRequest, and Conflict for a name that is taken by other columns, or too many datasets.
    """
    _check_layout(name, layout)
    with transaction.atomic():
        mine = Dataset.objects.filter(owner=owner, deleted_at=None)
        if mine.count() >= DATASETS and not mine.filter(name=name).exists():
            raise Conflict(f"expected at most {DATASETS} datasets of one person; delete one first")
        dataset, new = mine.get_or_create(
            owner=owner, name=name, deleted_at=None,
            defaults={
                "time": layout.time, "groups": list(layout.groups), "measures": list(layout.measures),
                "created_at": now,
            },
        )  # fmt: skip
        if new:
            Rollup.objects.create(dataset=dataset)
    if layout_of(dataset) != layout:
        raise Conflict(f"expected another name: {name!r} has the columns {', '.join(layout_of(dataset).names)}")
    return dataset, new


def mine(user: User, *, everyone: bool = False) -> list[Dataset]:
    """The datasets of somebody, by name; everybody's for who may see all."""
    rows = Dataset.objects.filter(deleted_at=None).select_related("owner").order_by("name", "id")
    return list(rows[: 10 * DATASETS] if everyone and user.has_perm(SEE_ALL) else rows.filter(owner=user))


def find(user: User, dataset_id: int) -> Dataset:
    """A dataset that somebody may read. Raises NotFound."""
    rows = Dataset.objects.filter(id=min(dataset_id, LARGEST_ID), deleted_at=None).select_related("owner")
    dataset = (rows if user.has_perm(SEE_ALL) else rows.filter(owner=user)).first()
    if dataset is None:
        raise NotFound(f"expected the id of a dataset of yours, got {dataset_id}")
    return dataset


def own(user: User, dataset_id: int) -> Dataset:
    """A dataset that somebody may change: their own. Raises NotFound, NotAllowed."""
    dataset = find(user, dataset_id)
    if dataset.owner_id != user.pk:
        raise NotAllowed("expected a dataset of your own: others' you may only read")
    return dataset


def may_fold(user: User | None, dataset_id: int) -> bool:
    """Whether somebody may have a dataset folded: its owner, who may act on all jobs, and the system."""
    rows = Dataset.objects.filter(id=min(dataset_id, LARGEST_ID), deleted_at=None)
    return (rows if user is None or user.has_perm(ACT_ON_ALL) else rows.filter(owner=user)).exists()


def append_rows(dataset: Dataset, objects: Sequence[Any], *, key: str | None, now: datetime) -> Appended:
    """Append rows, all of them or none. The same key again gives the same part.

    Raises BadRows, InvalidRequest for no rows or a bad key, TooLarge, IdempotencyConflict, Conflict.
    """
    if not objects:
        raise InvalidRequest("expected at least one row, got none")
    if len(objects) > ROWS:
        raise TooLarge(f"expected at most {ROWS:,} rows at once, got {len(objects):,}; append them in pieces")
    rows = of_objects(layout_of(dataset), objects)
    lines, packed = contents.pack(rows)
    part = Part(
        dataset=dataset, key=key, digest=hashlib.sha256(lines).hexdigest(), appended_at=now, content=packed,
        rows=len(rows),
    )  # fmt: skip
    return _append(part, len(packed))


def append_file(dataset: Dataset, file_id: UUID, *, key: str | None, now: datetime) -> Appended:
    """Append an upload of the owner's. From now on it is the dataset's; it is read when it is folded.

    Raises NotFound, InvalidRequest for a file that holds no rows at first sight, TooLarge, IdempotencyConflict,
    Conflict for a file that a dataset has already.
    """
    file = desk.upload(file_id, owner=dataset.owner)
    if file is None or not file.path.is_file():
        raise NotFound(f"expected the id of a file that you uploaded, got {file_id}")
    if file.size > FILE_BYTES:
        raise TooLarge(f"expected a file of at most {FILE_BYTES:,} bytes, got {file.size:,}; append it in pieces")
    try:
        contents.check_head(file)
    except Discard as error:
        raise InvalidRequest(str(error)) from None
    digest = hashlib.sha256(f"file {file.id}".encode()).hexdigest()
    part = Part(dataset=dataset, key=key, digest=digest, appended_at=now, file=file.id)
    return _append(part, file.size)


def delete(dataset: Dataset, *, now: datetime) -> None:
    """Delete a dataset: at once nobody's; its rows and files are cleared by a job."""
    with transaction.atomic():
        if Dataset.objects.filter(id=dataset.pk, deleted_at=None).update(deleted_at=now):
            Rollup.objects.filter(dataset=dataset).update(state=DROPPED)
            # The platform's own: to take something away nobody needs room in a full queue.
            desk.submit("datasets.forget", {"dataset": dataset.pk}, owner=None, overflow=True)


def _append(part: Part, size: int) -> Appended:
    if part.key is not None and not (1 <= len(part.key) <= KEY_LENGTH and part.key.isprintable()):
        raise InvalidRequest(f"expected an idempotency key of 1 to {KEY_LENGTH} printable characters")
    earlier = _earlier(part)
    if earlier is not None:
        return earlier
    try:
        return _write(part, size)
    except IntegrityError:
        if part.file is None or not Part.objects.filter(file=part.file).exists():
            raise
        raise Conflict("expected a file that no dataset has yet; each is appended once") from None


def _write(part: Part, size: int) -> Appended:
    """Number a part and write it. Numbers follow the commits, since the dataset's row is held until then."""
    with transaction.atomic():
        rows = Dataset.objects.filter(id=part.dataset_id, deleted_at=None)
        if not rows.update(parts=F("parts") + 1, stored=F("stored") + size):
            raise NotFound("expected a dataset that is there; it was deleted")
        counted = rows.values("parts", "stored").get()
        earlier = _earlier(part)
        if earlier is not None:
            transaction.set_rollback(True)
            return earlier
        if counted["parts"] > PARTS or counted["stored"] > BYTES:
            raise Conflict(f"expected at most {PARTS:,} appends and {BYTES:,} bytes of one dataset; begin another")
        part.number = counted["parts"]
        part.save(force_insert=True)
    return Appended(part, replayed=False)


def _earlier(part: Part) -> Appended | None:
    if part.key is None:
        return None
    found = Part.objects.filter(dataset_id=part.dataset_id, key=part.key).defer("content").first()
    if found is None:
        return None
    if found.digest != part.digest:
        raise IdempotencyConflict(
            f"expected a new idempotency key for other rows: this one belongs to part {found.number}"
        )
    return Appended(found, replayed=True)


def _check_layout(name: str, layout: Layout) -> None:
    for each in (name, *layout.names):
        if not (each.strip() == each and 1 <= len(each) <= NAME_LENGTH and each.isprintable()):
            raise InvalidRequest(f"expected names of 1 to {NAME_LENGTH} printable characters, got {each[:40]!r}")
    if len(set(layout.names)) < len(layout.names):
        raise InvalidRequest("expected each column once: as the time, among the groups, or among the measures")
    if len(layout.groups) > GROUPS or len(layout.measures) > MEASURES:
        raise InvalidRequest(f"expected at most {GROUPS} grouping columns and {MEASURES} measures")
