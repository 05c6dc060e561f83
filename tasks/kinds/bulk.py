"""`jobs.bulk`: cancel, retry, run again or reprioritise many jobs. What is done to each is the core's: see ``desk``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from jobs_app.authoring import Backoff, Cancelled, JobContext, Snooze, Submitting, desk, job

LOGGED_EVERY = 1000
"""A line in the log for so many jobs."""


def announce(
    action: str, query: str, ids: list[UUID], as_of: datetime | None, priority: int | None, expected: int | None, *,
    context: Submitting,
) -> dict[str, Any]:  # fmt: skip
    """Refuse what cannot be carried out, while it is submitted."""
    given = _given(action, query, ids, as_of, priority, expected)
    return desk.announce_bulk(given, owner=context.owner, job_id=context.job_id, now=context.now)


@job(
    "jobs.bulk",
    timeout=timedelta(hours=6),
    retry=Backoff(max_attempts=20),
    schedulable=False,
    preview=announce,
)
def bulk(
    action: Annotated[
        Literal["cancel", "retry", "rerun", "reprioritise"], Field(description="What is to be done to each job.")
    ],
    ids: Annotated[
        list[UUID],
        Field(default_factory=list, max_length=1000, description="Which jobs, by their ids; or say it by a search."),
    ],
    query: Annotated[
        str, Field(max_length=1000, description="Which jobs, by a search: state:failed kind:system.echo since:2d.")
    ] = "",
    as_of: Annotated[
        datetime | None, Field(description="Only jobs that existed then. Default: when this was submitted.")
    ] = None,
    priority: Annotated[int | None, Field(ge=-100, le=100, description="The new priority, for reprioritise.")] = None,
    expected: Annotated[int | None, Field(ge=0, description="How many jobs were shown before.")] = None,
    *,
    context: JobContext,
) -> dict[str, Any]:
    """Do one thing to many jobs: cancel, retry, run again, or change the priority.

    Each job is acted on with the rights of whoever submitted this, as they are then. Cancelled, it stops where it is:
    what was done stays done. While there is no room for new jobs, it is put off, and goes on by itself.
    """
    given = _given(action, query, ids, as_of, priority, expected)
    kept, logged, said = context.checkpoint, 0, ["nothing was done"]
    while True:
        try:
            context.check()
            turn = desk.take_bulk_turn(context.job_id, given, kept, keep=context.save_checkpoint, note=said.append)
        except Cancelled:
            context.log(f"stopped: {said[-1]}", "warning")
            raise
        kept, said = turn.kept, [turn.words]
        context.progress(turn.done, turn.of, turn.words)
        if turn.wait is not None:
            context.log(f"{turn.words}. No room for more at the moment: {turn.why}", "warning")
            raise Snooze(turn.wait, turn.why)
        if turn.result is not None or turn.done >= logged + LOGGED_EVERY:
            logged = turn.done
            context.log(turn.words)
        if turn.result is not None:
            return turn.result


def _given(
    action: str, query: str, ids: list[UUID], as_of: datetime | None, priority: int | None, expected: int | None
) -> dict[str, Any]:
    return {
        "action": action, "query": query, "ids": ids, "as_of": as_of, "priority": priority, "expected": expected,
    }  # fmt: skip
