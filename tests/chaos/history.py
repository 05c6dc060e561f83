"""A job's history in words, for people who look for what went wrong."""

from __future__ import annotations

from uuid import UUID

from tests.chaos.verify import Found

SHOWN = 10
"""Violations that are told with their job's history."""


def tell(found: Found, job_id: UUID | None, sentence: str, number: int = 0) -> str:
    """A sentence about a job, with all that is on record of it, unless ``number`` others were told before: enough."""
    if job_id is None or number >= SHOWN:
        return sentence if job_id is None else f"job {job_id}: {sentence}"
    job = found.jobs.get(job_id, {})
    lines = [f"job {job_id} ({job.get('kind')}, {job.get('parameters')}): {sentence}"]
    lines += [
        f"      {key} = {job[key]}" for key in ("state", "attempt", "dispatched_at", "due_at", "lease_until") if job
    ]
    lines += [
        f"      {row['at']:%H:%M:%S.%f} {row['name']} ({row['source']} to {row['target']}), attempt {row['attempt']}: "
        f"{row['reason'][:200]}"
        for row in found.events.get(job_id, [])
    ]
    lines += [
        f"      attempt {row['number']}: {row['outcome']} {row['error_type']} {row['error'][:200]}"
        for row in found.attempts.get(job_id, [])
    ]
    return "\n".join(lines)
