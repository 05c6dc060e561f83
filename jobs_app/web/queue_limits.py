"""A queue's bounds as its page shows them: what holds, by whose word, and the form for those who may change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User

from jobs_app.core import lane_control
from jobs_app.forms.bounds import HELP, LABELS, BoundsForm
from jobs_app.reads.lanes import LaneView

SETTINGS = {
    "limit": "QUEUE_LIMIT", "low_water": "QUEUE_LOW_WATER", "hard_limit": "QUEUE_HEADROOM",
    "user_share": "USER_SHARE", "token_share": "TOKEN_SHARE", "window": "WINDOW",
}  # fmt: skip
IN_FORCE = {"user_share": "user_limit", "token_share": "token_limit"}
"""Where the figure in force has another name than the bound."""


@dataclass(frozen=True)
class Bound:
    """One bound: what holds now and by whose word; ``field`` for those who may change it."""

    label: str
    help: str
    now: str
    field: Any = None


@dataclass(frozen=True)
class Change:
    """What a bound was and what it is."""

    label: str
    before: str
    after: str


def parts(user: User, lane: LaneView, form: BoundsForm | None = None) -> dict[str, Any]:
    """What the section of limits shows."""
    may = lane_control.may_control(user)
    form = form or BoundsForm(lane.model_dump())
    bounds = [Bound(LABELS[each], HELP[each], in_words(lane, each), form[each] if may else None) for each in LABELS]
    return {"lane": lane, "may_control": may, "bounds": bounds, "form": form}


def changes(before: LaneView, after: LaneView) -> list[Change]:
    """The bounds that are others now."""
    pairs = [(LABELS[each], in_words(before, each), in_words(after, each)) for each in LABELS]
    return [Change(*each) for each in pairs if each[1] != each[2]]


def in_words(lane: LaneView, name: str) -> str:
    """``2,000``, ``10,000 (by QUEUE_LIMIT)``, ``500 (0.25 of the limit)``."""
    own = getattr(lane, name)
    number = f"{getattr(lane.in_force, IN_FORCE.get(name, name)):,}"
    if own is None:
        return f"{number} (by {SETTINGS[name]})"
    return f"{number} ({own:g} of the limit)" if name in IN_FORCE else number
