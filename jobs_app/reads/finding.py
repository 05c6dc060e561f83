"""Finding jobs by the beginning of their id, as people copy it from a log."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import UUID

from jobs_app.models import Job
from jobs_app.reads.views import JobView

if TYPE_CHECKING:
    from jobs_app.reads.jobs import Reader

LEAST = 4
"""So many digits are needed: fewer would fit nearly every job of a year."""

MOST = 5
DIGITS = re.compile(rf"[0-9a-f]{{{LEAST},32}}")


def by_id(user: Reader, text: str) -> list[JobView]:
    """The newest jobs that this user sees whose id begins like this, at most five; dashes do not count."""
    digits = text.strip().lower().replace("-", "")
    if not DIGITS.fullmatch(digits):
        return []
    low, high = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    rows = Job.objects.visible_to(user).select_related("owner").defer("result", "sealed")
    return [JobView.of(each) for each in rows.filter(id__gte=low, id__lte=high).order_by("-id")[:MOST]]
