"""What becomes of one job in a bulk action, or why nothing does. Pure: no database is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from jobs_app.core.bulk.orders import KIND, Action, Order
from jobs_app.core.control import BROKEN, TIMED
from jobs_app.lifecycle import WAITING, State


class Verdict(StrEnum):
    """What is done to a job. The value is told of jobs to which it was done."""

    plan: str

    def __new__(cls, value: str, plan: str = "") -> Verdict:
        member = str.__new__(cls, value)
        member._value_ = value
        member.plan = plan
        return member

    CANCELLED = "cancelled", "will be cancelled"
    ASKED = "asked to stop", "run now, and will be asked to stop"
    MADE_DUE = "due now", "will be due at once"
    AGAIN = "run again as a new job", "will be run again, each as a new job"
    REPRIORITISED = "given the new priority", "will be given the new priority"


@dataclass(frozen=True)
class Judged:
    """A verdict; or None, and the reason why nothing is done, which begins with what "it" is."""

    verdict: Verdict | None
    reason: str = ""


@dataclass(frozen=True)
class Standing:
    """What a judgement needs of a job."""

    kind: str
    state: State
    priority: int
    due_at: datetime
    stopping: bool
    may_act: bool


COLUMNS = ("kind", "state", "priority", "due_at", "cancel_requested_at", "may_act")


def standing(kind: str, state: str, priority: int, due_at: datetime, asked: datetime | None, may: bool) -> Standing:
    """A row of ``COLUMNS``."""
    return Standing(kind, State(state), priority, due_at, asked is not None, may)


def judge(order: Order, job: Standing, *, now: datetime) -> Judged:
    """What is to be done to this job."""
    if job.kind == KIND:
        return Judged(None, "it is a bulk action itself")
    if not job.may_act:
        return Judged(None, "it is another user's, and you may only look at it")
    return _OF[order.action](order, job, now)


def _cancel(order: Order, job: Standing, now: datetime) -> Judged:
    if job.state.final:
        return _ended(job)
    if job.state in WAITING:
        return Judged(Verdict.CANCELLED)
    return Judged(None, "it was asked to stop before") if job.stopping else Judged(Verdict.ASKED)


def _retry(order: Order, job: Standing, now: datetime) -> Judged:
    if job.state in BROKEN:
        return Judged(Verdict.AGAIN)
    if job.state in TIMED:
        return Judged(None, "it is due already") if job.due_at <= now else Judged(Verdict.MADE_DUE)
    if job.state is State.SUCCEEDED:
        return Judged(None, "it has succeeded; that can be run again, but not retried")
    return _goes_on(job)


def _rerun(order: Order, job: Standing, now: datetime) -> Judged:
    return Judged(Verdict.AGAIN) if job.state.final else _goes_on(job)


def _reprioritise(order: Order, job: Standing, now: datetime) -> Judged:
    if job.state in WAITING:
        same = job.priority == order.priority
        return Judged(None, "it has this priority already") if same else Judged(Verdict.REPRIORITISED)
    return _ended(job) if job.state.final else Judged(None, "it runs, so its turn has come")


def _ended(job: Standing) -> Judged:
    return Judged(None, f"it has ended already: {job.state}")


def _goes_on(job: Standing) -> Judged:
    return Judged(None, f"it has not ended: {job.state}")


_OF = {
    Action.CANCEL: _cancel, Action.RETRY: _retry, Action.RERUN: _rerun, Action.REPRIORITISE: _reprioritise,
}  # fmt: skip
