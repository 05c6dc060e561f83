"""Figures of groups of failures for one reader: whose they are, how often by hour and day, how many still stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import BooleanField, Exists, ExpressionWrapper, IntegerField, OuterRef, Q, Subquery

from jobs_app.lifecycle import State
from jobs_app.models import FailureCount, FailureSight, Job
from jobs_app.models.failure import EVERYBODY
from jobs_app.models.job import SEE_ALL
from jobs_app.reads.failure_views import CountView
from jobs_app.steps import Step

if TYPE_CHECKING:
    from jobs_app.reads.jobs import Reader

LOOKED_AT = 100
SPANS = {Step.HOUR: 24, Step.DAY: 14}
NOBODY = EVERYBODY - 1
"""No owner has that number."""

Series = dict[str, list[CountView]]


def whose(user: Reader) -> int:
    """The owner in whose name the figures are that this user gets."""
    if user is None or user.has_perm(SEE_ALL):
        return EVERYBODY
    return user.pk if user.is_authenticated and user.pk is not None else NOBODY


def standing(user: Reader, sights: Sequence[FailureSight]) -> dict[str, tuple[int, int]]:
    """Of each group's latest 100 jobs: how many have failed and were not run again, and how many there are."""
    again = Exists(Job.objects.filter(rerun_of=OuterRef("pk")))
    failed = ExpressionWrapper(Q(state=State.FAILED) & ~again, output_field=BooleanField())
    # Said aloud that it is not empty: else PostgreSQL does not see that an index of such jobs will do.
    alike = Q(fingerprint=OuterRef("group")) & ~Q(fingerprint="")
    latest = Job.objects.visible_to(user).filter(alike).order_by("-id")
    told_apart = latest.annotate(stands=failed).values("stands")[:LOOKED_AT]
    rows = FailureSight.objects.filter(pk__in=[each.pk for each in sights])
    told = rows.annotate(still=_CountOf(told_apart, standing=True), looked=_CountOf(told_apart)).order_by()
    return {group: (still, looked) for group, still, looked in told.values_list("group", "still", "looked")}


class _CountOf(Subquery):
    """How many rows a bounded subquery has; ``standing``: of those whose column ``stands`` is true."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS bounded)"
    output_field = IntegerField()

    def __init__(self, rows: Any, *, standing: bool = False) -> None:
        super().__init__(rows)
        if standing:
            self.template = "(SELECT COUNT(*) FROM (%(subquery)s) AS bounded WHERE bounded.stands)"


def series(sights: Sequence[FailureSight], step: Step, *, now: datetime) -> Series:
    """The latest buckets of each group, those without a failure too: one query."""
    last, length = step.floor(now), SPANS[step]
    moments = [last - place * step.length for place in reversed(range(length))]
    counted: dict[str, dict[datetime, int]] = defaultdict(dict)
    if sights:
        groups = [each.group_id for each in sights]
        rows = FailureCount.objects.filter(group__in=groups, owner=sights[0].owner, step=step, at__gte=moments[0])
        for key, at, times in rows.values_list("group", "at", "times"):
            counted[key][at] = times
    return {
        each.group_id: [CountView(at=at, times=counted[each.group_id].get(at, 0)) for at in moments] for each in sights
    }
