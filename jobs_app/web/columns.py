"""The columns of the list of jobs: which there are, and which somebody chose."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from jobs_app.errors import InvalidRequest


@dataclass(frozen=True)
class Column:
    """A column. ``name`` stands in addresses and saved views, ``title`` in the table's head."""

    name: str
    title: str


COLUMNS = {
    each.name: each
    for each in (
        Column("state", "State"),
        Column("standing", "How it stands"),
        Column("owner", "Owner"),
        Column("queue", "Queue"),
        Column("priority", "Priority"),
        Column("tags", "Tags"),
        Column("attempts", "Attempts"),
        Column("waited", "Waited"),
        Column("took", "Took"),
        Column("due", "Due"),
        Column("started", "Started"),
        Column("finished", "Ended"),
        Column("via", "Came by"),
        Column("error", "Error"),
        Column("created", "Submitted"),
    )
}
USUAL = ("state", "standing", "created")


def chosen(names: Iterable[str]) -> tuple[str, ...]:
    """The names in the order of the columns; none means the usual ones. Raises InvalidRequest for an unknown one."""
    wanted = {each for name in names for each in name.split(",") if each}
    unknown = sorted(wanted - set(COLUMNS))
    if unknown:
        raise InvalidRequest(f"expected columns of {', '.join(COLUMNS)}, got {unknown[0][:40]!r}")
    return tuple(name for name in COLUMNS if name in wanted)


def shown(names: tuple[str, ...], *, owners: bool) -> list[Column]:
    """The columns to draw; ``owners``: the usual ones have the owner too."""
    usual = [name for name in COLUMNS if name in USUAL or (owners and name == "owner")]
    return [COLUMNS[name] for name in names or usual]
