"""Sending: hand what was noted to jobs that deliver it, and hand it over again when somebody asks."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import F, QuerySet

from jobs_app import wire
from jobs_app.core import audit, queries, sealing, submission
from jobs_app.core.clock import database_now
from jobs_app.core.patience import watch
from jobs_app.core.rollups import ending
from jobs_app.core.turns import Turns
from jobs_app.errors import NotFound, Refused, WeirError
from jobs_app.lifecycle import Via
from jobs_app.models import Delivery, Job
from jobs_app.models.guard import writing

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

AT_ONCE = 500

LATELY = timedelta(minutes=1)
"""An end that is older is told by the rollups, or was."""

TELL_SECONDS = 10.0
PATIENCE_SECONDS = 30.0


def tell_now(ids: Sequence[UUID]) -> int:
    """What the teller of ends does: tell, and wait for a database that does not answer only so long."""
    with watch.call(PATIENCE_SECONDS):
        return tell(ids, now=database_now(), seconds=TELL_SECONDS)


def tell(ids: Sequence[UUID], *, now: datetime, seconds: float = math.inf) -> int:
    """Note that these jobs have just ended, for whom it concerns, and hand the notes over. Returns how many.

    seconds: none is handed over after so long; ``send`` does the rest. Of what is noted already nothing is told twice.
    """
    notes = ending.look_at(ids, since=now - LATELY)
    if not notes:
        return 0
    ending.note(notes)
    noted = _waiting().filter(endpoint__in={each.endpoint_id for each in notes}, job__in=[each.job for each in notes])
    return _hand_over_each(noted, Turns(len(notes), seconds), now)


def send(*, now: datetime, seconds: float = math.inf) -> int:
    """Hand over what waits, the oldest first. Returns how many.

    seconds: none is begun after so long. What finds no room waits for the next turn; killed in the middle, or run twice
    at once, it makes one job a delivery, by its idempotency key.
    """
    return _hand_over_each(_waiting()[:AT_ONCE], Turns(AT_ONCE, seconds), now)


def replay(owner: User, delivery_id: int, *, now: datetime) -> tuple[int, Job]:
    """Send it once more, by a new job: the same message under the same id. Raises NotFound, Refused.

    Returns the endpoint's number and the job.

    The receiver tells by the id that it has seen it, if it keeps ids.
    """
    row = Delivery.objects.select_related("endpoint").filter(pk=delivery_id, endpoint__owner=owner).first()
    if row is None:
        raise NotFound(f"expected a delivery of a webhook of yours, got {delivery_id}")
    job = _hand_over(row, now=now)
    audit.record(owner, "webhook.replay", f"webhook {row.endpoint.name}", now=now, after={"job": str(row.job)})
    return row.endpoint_id, job


def message_of(row: Delivery) -> str:
    """The id of its message (webhook-id)."""
    return f"msg_{row.endpoint_id}_{row.job.hex}"


def _waiting() -> QuerySet[Delivery]:
    return Delivery.objects.filter(sender=None, problem="").select_related("endpoint").order_by("id")


def _hand_over_each(rows: Iterable[Delivery], turns: Turns, now: datetime) -> int:
    handed = 0
    for row in rows:
        if not turns.take():
            break
        try:
            _hand_over(row, now=now)
        except Refused as refused:
            logger.info("Webhooks wait for room in the queue: %s", refused)
            break
        except WeirError as error:
            logger.warning("Webhook %s cannot be delivered: %s", row.pk, error)
            with writing():
                Delivery.objects.filter(pk=row.pk).update(problem=f"{error.title}: {error}"[:1000])
            continue
        handed += 1
    return handed


def _hand_over(row: Delivery, *, now: datetime) -> Job:
    parameters = {
        "url": row.endpoint.url, "event": row.event, "payload": json.dumps(row.data), "message": message_of(row),
        "secret": sealing.unseal(row.endpoint.sealed),
    }  # fmt: skip
    options = submission.Options(via=Via.PYTHON, idempotency_key=f"webhook.{row.pk}.{row.sent}")
    # The system's own, like the job of a schedule: it takes up nobody's share, and is in nobody's list.
    with queries.brief():
        job = submission.accept(wire.DELIVER, parameters, owner=None, options=options, now=now).job
        with writing():
            Delivery.objects.filter(pk=row.pk, sent=row.sent).update(sender=job.id, sent=F("sent") + 1, problem="")
    return job
