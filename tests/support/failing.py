"""Jobs that have failed, and the turn of upkeep that counts them."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User

from jobs_app.core import outcomes
from jobs_app.core.rollups import rolling
from jobs_app.models import Job
from jobs_app.policies import NO_RETRY
from tests.support.ledger import AGAIN, claimed, fresh, submitted

TRACEBACK = """Traceback (most recent call last):
  File "/srv/weir/tasks/kinds/shop.py", line 31, in sell
    sheet = book[name]
KeyError: 'Umsätze'
"""


def failed(
    owner: User | None = None, *, now: datetime, error: str = "it broke", final: bool = True, traceback: str = ""
) -> Job:
    """A job whose first attempt failed."""
    job = claimed(submitted(owner=owner, now=now, max_attempts=1 if final else 3), now=now)
    failure = outcomes.Failure(error, "ValueError", traceback)
    assert outcomes.fail(job, failure, ValueError(error), NO_RETRY if final else AGAIN, now=now)
    return fresh(job)


def rolled(now: datetime) -> None:
    """What upkeep does every ten seconds."""
    rolling.roll(now=now)
