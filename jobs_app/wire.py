"""The names that cross the broker. The core sends by these names; ``tasks`` registers functions under them.

A job's message bears its kind's own name, as a label for Flower; which handler runs is decided by the ledger row.
"""

from __future__ import annotations

from uuid import UUID

SYSTEM_QUEUE = "system"
"""The queue of upkeep; no job is ever put on it."""

BEAT = "beat"
"""What beat is called where processes are asked for by name."""

REFILL = "weir.upkeep.refill"
RESCUE = "weir.upkeep.rescue"
OBSERVE = "weir.upkeep.observe"
ROLL = "weir.upkeep.roll"
RETAIN = "weir.upkeep.retain"
LOST_CHILD = "weir.upkeep.lost_child"
UPKEEP = (REFILL, RESCUE, OBSERVE, ROLL, RETAIN, LOST_CHILD)

DELIVER = "webhooks.deliver"
"""The kind whose jobs carry webhooks to their endpoints (``core.webhooks``)."""

SUBMIT = "weir.schedule.submit"
"""What a periodic task that submits jobs names as its task. It is decided in the ledger (``core.schedules``) and never
sent; a beat of the release before sends it still, and workers drop it."""


def ids_of(listed: object) -> list[UUID]:
    """The job ids in a message; anything else in it (it may be forged) is dropped."""
    found = []
    for each in listed if isinstance(listed, list) else []:
        try:
            found.append(UUID(each))
        except (ValueError, TypeError, AttributeError):
            continue
    return found
