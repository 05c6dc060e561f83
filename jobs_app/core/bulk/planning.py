"""Before a bulk action: what it would do, and its submission."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jobs_app.core import access, audit, submission
from jobs_app.core.bulk import judging
from jobs_app.core.bulk.judging import Verdict, judge
from jobs_app.core.bulk.orders import KIND, Action, Order
from jobs_app.errors import ShareExceeded
from jobs_app.lifecycle import State, Via
from jobs_app.models import Job
from jobs_app.scopes import Scope

if TYPE_CHECKING:
    from django.contrib.auth.models import User

COUNTED = 10_000
"""Jobs that are looked at before; of more it is said that there are more."""

AT_ONCE = 10
"""Bulk actions of one user that have not ended."""

MAKING = frozenset({Action.RETRY, Action.RERUN})
"""What makes new jobs: a token has to be for submitting, too."""

FIRST = 100
"""The priority of a bulk action: whoever has filled a queue by mistake must not wait for its end to empty it."""


@dataclass(frozen=True)
class Plan:
    """What a bulk action would do now. ``counted`` jobs were looked at; ``more``: there are more than that."""

    order: Order
    counted: int
    more: bool
    states: dict[State, int]
    verdicts: dict[Verdict, int]
    refused: dict[str, int]

    @property
    def acting(self) -> int:
        """Jobs to which something would be done, of those looked at."""
        return sum(self.verdicts.values())

    @property
    def left_alone(self) -> int:
        """Jobs to which nothing would be done, of those looked at."""
        return sum(self.refused.values())

    @property
    def count_words(self) -> str:
        """How many jobs are meant: ``500``, or ``10,000+``."""
        return f"{self.counted:,}+" if self.more else f"{self.counted:,}"

    @property
    def acting_words(self) -> str:
        """To how many something would be done."""
        return f"{self.acting:,}+" if self.more else f"{self.acting:,}"


def plan(order: Order, user: User | None, *, now: datetime) -> Plan:
    """Look at the jobs that are meant, the newest 10,000 at most, without doing anything. One query.

    The plan's order says as of when it looked. Ids that are not there, or not this user's, count among the refused.
    """
    order = replace(order, as_of=order.as_of or now)
    assert order.as_of is not None
    rows = order.rows(user, as_of=order.as_of).order_by("-id").values_list(*judging.COLUMNS)
    states, verdicts, refused = Counter[State](), Counter[Verdict](), Counter[str]()
    counted, more = 0, False
    # One by one: ten thousand objects at once make Python look through all of its memory.
    for row in rows[: COUNTED + 1].iterator():
        if counted == COUNTED:
            more = True
            break
        job, counted = judging.standing(*row), counted + 1
        states[job.state] += 1
        judged = judge(order, job, now=now)
        if judged.verdict is None:
            refused[judged.reason] += 1
        else:
            verdicts[judged.verdict] += 1
    if (missing := len(order.ids) - counted) > 0:
        refused["there is no such job, or it is not yours"] += missing
    return Plan(
        replace(order, expected=counted), counted, more, {each: states[each] for each in State if states[each]},
        {each: verdicts[each] for each in Verdict if verdicts[each]}, dict(refused.most_common()),
    )  # fmt: skip


def submit(
    order: Order,
    *,
    actor: User | None,
    now: datetime,
    via: Via = Via.PYTHON,
    idempotency_key: str | None = None,
    token: int | None = None,
) -> submission.Accepted:
    """Submit a bulk action as a job of the actor's. It goes before other jobs, and into the headroom of a full queue.

    Raises InvalidRequest, NotAllowed (by a token that may act, but not submit, what makes new jobs), ShareExceeded (ten
    of theirs have not ended), and what ``submission.accept`` raises.
    """
    order.check()
    if order.action in MAKING:
        access.check_token(actor, Scope.SUBMIT, f"bulk {order.action}", now=now)
    _check_share(actor, idempotency_key)
    options = submission.Options(priority=FIRST, via=via, idempotency_key=idempotency_key, token=token, headroom=True)
    return submission.accept(KIND, order.parameters(), owner=actor, options=options, now=now)


def announce(given: dict[str, Any], *, owner: User | None, job_id: str, now: datetime) -> dict[str, Any]:
    """Check a bulk action that is being submitted, in its transaction, and put it into the audit.

    Returns what is shown of it until it has ended. Raises InvalidRequest, which refuses the submission.
    """
    order = Order.of(given)
    shown: dict[str, Any] = {"action": order.action.value, "which": order.which}
    if order.priority is not None:
        shown["priority"] = order.priority
    if order.expected is not None:
        shown["jobs"] = order.expected
    after = {**shown, "as_of": order.as_of or now, "job": job_id, **({"ids": order.ids} if order.ids else {})}
    audit.record(owner, f"bulk.{order.action}", f"jobs {order.which}", now=now, after=after)
    return shown


def _check_share(actor: User | None, key: str | None) -> None:
    theirs = Job.objects.filter(owner=actor, kind=KIND)
    if key is not None and theirs.filter(idempotency_key=key).exists():
        return  # a replay
    going_on = sum(
        theirs.filter(state=state).values("id")[:AT_ONCE].count()
        for state in (State.QUEUED, State.RUNNING, State.RETRYING)
    )
    if actor is not None and going_on >= AT_ONCE:
        raise ShareExceeded(
            f"expected at most {AT_ONCE} bulk actions of one user that have not ended; wait for one, or cancel it",
            retry_after=30,
            facts={"reason": "bulk", "limit": AT_ONCE},
        )
