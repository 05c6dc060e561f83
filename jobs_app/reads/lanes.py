"""Reading queues as lanes: the bounds that people set, those in force, and who takes jobs of each now."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from jobs_app import conf
from jobs_app.core import clock, presence
from jobs_app.core.lanes import policy_of
from jobs_app.core.presence import Listening
from jobs_app.errors import NotFound
from jobs_app.models import Queue
from jobs_app.reads.views import View


class BoundsView(View):
    """What holds now: of the queue itself, and of the settings where it has none."""

    limit: int = Field(description="Jobs that may wait; more are refused.")
    hard_limit: int = Field(description="Jobs that may wait with children of running jobs and overflow.")
    low_water: int = Field(description="A full queue takes jobs again from here on.")
    user_limit: int = Field(description="Jobs that one user may hold of them.")
    token_limit: int = Field(description="Jobs that one token may hold of them.")
    window: int = Field(description="Messages on the broker at once.")


class LaneView(View):
    """A queue's own bounds (none: the setting's), what is in force, and who takes its jobs."""

    name: str
    configured: bool = Field(description="Whether the QUEUES setting has it, so that new jobs may enter it.")
    paused_at: datetime | None
    limit: int | None
    hard_limit: int | None
    low_water: int | None
    user_share: float | None = Field(description="A part of the limit, 0 to 1.")
    token_share: float | None = Field(description="A part of the limit, 0 to 1.")
    window: int | None
    in_force: BoundsView
    processes: int = Field(description="Worker processes that take its jobs now.")
    slots: int = Field(description="Jobs they run at once between them, of all their queues.")

    @classmethod
    def of(cls, row: Queue, listening: Listening) -> LaneView:
        """From a row."""
        policy = policy_of(row, conf.current())
        return cls(
            name=row.name,
            configured=row.name in conf.current().queues,
            paused_at=row.paused_at,
            limit=row.limit,
            hard_limit=row.hard_limit,
            low_water=row.low_water,
            user_share=row.user_share,
            token_share=row.token_share,
            window=row.window,
            in_force=BoundsView(**{name: getattr(policy, name) for name in BoundsView.model_fields}),
            processes=listening.processes,
            slots=listening.slots,
        )


def lanes() -> list[LaneView]:
    """Every queue that is configured or has a row, by name."""
    known = {row.name: row for row in Queue.objects.whole()}
    listening = presence.listening(now=clock.database_now())
    return [
        LaneView.of(known.get(name) or Queue(name=name), listening.get(name, presence.NOBODY))
        for name in sorted({*known, *conf.current().queues})
    ]


def lane(name: str) -> LaneView:
    """One queue. Raises NotFound."""
    for each in lanes():
        if each.name == name:
            return each
    raise NotFound(f"expected a queue, such as {', '.join(conf.current().queues)}, got {name[:100]!r}")
