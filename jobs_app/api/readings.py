"""What the live stream reads of the ledger at each poll."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db import close_old_connections

from jobs_app.lifecycle import State
from jobs_app.reads import jobs, watching
from jobs_app.reads.views import JobView

LINES = 500
"""Log lines that one poll reads at most; if there are more, the next poll follows at once."""


@dataclass(frozen=True)
class Snapshot:
    """A job as it was read: its JSON, and what the poller needs to know of it.

    closed: the JSON for those who may not see its parameters, of a kind that is limited; else empty.
    """

    text: bytes
    state: str
    final: bool
    closed: bytes = b""

    @property
    def limited(self) -> bool:
        """Whether it is not as a whole for anyone who sees the job."""
        return bool(self.closed)


GONE = Snapshot(b"", "removed", final=True)


@dataclass(frozen=True)
class Reading:
    """What one poll read. ``more``: there were more log lines than it took."""

    jobs: Mapping[UUID, Snapshot]
    lines: Mapping[UUID, list[tuple[int, bytes]]]
    more: bool


def read(after: Mapping[UUID, int], known: Mapping[UUID, bytes]) -> Reading:
    """Read jobs, then their log lines after those given: so a job that is seen final has all its lines read.

    A job that neither runs nor changed since it was ``known`` has no new lines, and is not asked for any.
    """
    close_old_connections()
    snapshots = {job_id: _snapshot(view) for job_id, view in jobs.jobs(list(after)).items()}
    wanted = {
        job_id: after[job_id]
        for job_id, snapshot in snapshots.items()
        if snapshot.final or snapshot.state == State.RUNNING or known.get(job_id) != snapshot.text
    }
    found = jobs.log_lines_of(wanted, limit=LINES)
    lines = {job_id: [(line.id, line.model_dump_json().encode()) for line in each] for job_id, each in found.items()}
    return Reading(snapshots, lines, more=sum(map(len, lines.values())) >= LINES)


def changed(last: int | None) -> tuple[int, set[int | None]]:
    """Whose jobs have moved since an event: see ``watching.changed_owners``."""
    close_old_connections()
    return watching.changed_owners(last)


def _snapshot(view: JobView) -> Snapshot:
    shut = view.for_anyone()
    closed = b"" if shut is view else shut.model_dump_json().encode()
    return Snapshot(view.model_dump_json().encode(), view.state.value, view.final, closed)
