"""Reading what the rules of attention look at: a few bounded queries, however many jobs there are.

An idle queue costs nothing of its own; of those in which jobs wait the pulse is read, which a process keeps for half a
second at least. What nobody but an operator may know is not read for others.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Q, Sum

from jobs_app import conf
from jobs_app.core import access, estimates, lanes, presence, transport
from jobs_app.core.presence import NOBODY, Listening
from jobs_app.core.schedules import work
from jobs_app.lifecycle import Reason, State
from jobs_app.models import Flow, Gate, Job, Listener, Queue, Refusal, RollupCursor, Schedule
from jobs_app.models.job import SEE_ALL
from jobs_app.reads import failures, reports, staleness
from jobs_app.reads.attention_views import SILENCE, Burst, Engine, Facts, Lane, Named, Own
from jobs_app.reads.staleness import Because
from jobs_app.reads.views import hidden

if TYPE_CHECKING:
    from django.contrib.auth.models import User

LATELY = timedelta(minutes=10)
FAILED_WITHIN = timedelta(hours=24)
OWN = 500
"""Of who asks, so many of the latest jobs are looked at."""

FLOWS = 200
PULSES = 12
"""So many queues are looked at closely, the deepest first; of the others what upkeep noted last is told."""

SCHEDULES = 200
ERROR = 80
"""Characters of a message that stand for an error that has no type."""

FOR_ALL = frozenset({Because.FAILED, Because.CANCELLED, Because.MISSED, Because.REFUSED, Because.REMOVED})
FOR_READERS = FOR_ALL | {Because.BROKEN, Because.PUT_OFF, Because.BEAT_AWAY}
"""Why a report is stale that is worth a word; who sees the schedules is told of those themselves."""

REASONS = {
    Reason.FULL: "the queue was full",
    Reason.USER_SHARE: "you hold your share of it",
    Reason.TOKEN_SHARE: "your token holds its share of it",
    Reason.RATE: "your token was faster than it may be",
    Reason.SCHEDULED: "you have as many jobs due later as you may have",
    Reason.UPLOADS: "you have as many unused uploads as you may have",
}


@dataclass(frozen=True)
class Standing:
    """How things stand, in numbers. own: of the latest 500 jobs of who asks, how many are in each state."""

    waiting: int
    running: int
    slots: int
    processes: int
    own: Counter[str]
    own_failed: int


def read(user: User, *, now: datetime) -> tuple[Facts, Standing]:
    """All that the rules need, and the numbers above them."""
    sees_all = user.has_perm(SEE_ALL)
    latest = list(
        Job.objects.filter(owner=user).order_by("-id").values_list("state", "queue", "finished_at")[:OWN]
    )  # fmt: skip
    failed = sum(state == State.FAILED and at is not None and at > now - FAILED_WITHIN for state, _, at in latest)
    mine = Counter(queue for state, queue, _ in latest if state == State.QUEUED)
    told, measured = _lanes(mine, sees_all, now)
    listening = Listener.objects.filter(seen_at__gt=now - presence.SILENCE).values_list("slots", flat=True)
    slots = list(listening) if sees_all else []
    facts = Facts(
        sees_all=sees_all, lanes=told, own=Own(failed, _own_refusals(user, now)), bursts=_bursts(user, now),
        **_reports(user, sees_all, now),
        **(_operations(user, now, measured) if sees_all else {}),
    )  # fmt: skip
    standing = Standing(
        waiting=sum(lane.depth for lane in told), running=sum(lane.running for lane in told), slots=sum(slots),
        processes=len(slots), own=Counter(state for state, *_ in latest), own_failed=failed,
    )  # fmt: skip
    return facts, standing


def _lanes(mine: Counter[str], sees_all: bool, now: datetime) -> tuple[list[Lane], float | None]:
    """The queues, and how many seconds ago upkeep measured any."""
    rows = {row.name: row for row in Queue.objects.whole()}
    noted: dict[str, tuple[int, int, datetime]] = {}
    for name, depth, running, ended_at in Flow.objects.order_by("-id").values_list(
        "queue", "depth", "running", "ended_at"
    )[:FLOWS]:
        noted.setdefault(name, (depth, running, ended_at))
    measured = max((ended_at for *_, ended_at in noted.values()), default=None)
    silent = measured is None or (now - measured).total_seconds() > SILENCE
    names = [name for name in sorted({*rows, *noted, *conf.current().queues}) if sees_all or mine[name]]
    close = [name for name in names if silent or mine[name] or noted.get(name, (1, 0, now))[0]]
    close = sorted(close, key=lambda name: -noted.get(name, (0, 0, now))[0])[:PULSES]
    heard = presence.listening(now=now)
    gone = _gone() if any(name not in heard for name in names) else {}
    closed = dict(Gate.objects.exclude(closed_at=None).values_list("queue", "closed_at"))
    refused = _refusals(now) if sees_all else {}
    told = []
    for name in names:
        depth, running, _ = noted.get(name, (0, 0, now))
        lane = _lane(name, rows.get(name), depth, running, heard.get(name, NOBODY), close=name in close, now=now)
        if lane.depth or name in conf.current().queues or lane.paused is not None:
            extra = {"mine": mine[name], "refused": refused.get(name, 0)}
            seconds = {"heard": _ago(gone.get(name), now), "closed": _ago(closed.get(name), now)}
            told.append(Lane(**{**vars(lane), **extra, **seconds}))
    return told, _ago(measured, now)


def _lane(
    name: str, row: Queue | None, depth: int, running: int, listening: Listening, *, close: bool, now: datetime
) -> Lane:
    policy = lanes.policy_of(row, conf.current())
    shared: dict[str, Any] = {
        "name": name, "limit": policy.limit, "low_water": policy.low_water, "slots": listening.slots,
        "paused": _ago(policy.paused_at, now),
    }  # fmt: skip
    if not close:
        return Lane(**shared, depth=depth, running=running)
    seen = estimates.pulse(name, now=now)
    return Lane(
        **shared, depth=seen.depth, running=seen.running, oldest=_ago(seen.oldest_at, now),
        stalled=seen.unserved and seen.stalled, arrival_rate=seen.arrival_rate, drain_rate=estimates.drain_of(seen),
    )  # fmt: skip


def _gone() -> dict[str, datetime]:
    """When a worker of each queue spoke last, of those whose words are kept."""
    found: dict[str, datetime] = {}
    for queues, seen_at in Listener.objects.order_by("-seen_at").values_list("queues", "seen_at")[:FLOWS]:
        for name in queues:
            found.setdefault(name, seen_at)
    return found


def _refusals(now: datetime) -> dict[str, int]:
    rows = Refusal.objects.filter(at__gt=now - LATELY, reason=Reason.FULL).order_by()
    return dict(rows.values_list("queue").annotate(sum=Sum("count")))


def _own_refusals(user: User, now: datetime) -> list[tuple[str, str, int]]:
    rows = Refusal.objects.filter(at__gt=now - LATELY, owner=user).order_by("queue", "reason")
    counted = rows.values_list("queue", "reason").annotate(sum=Sum("count"))
    return [(queue, REASONS[Reason(reason)], count) for queue, reason, count in counted]


def _operations(user: User, now: datetime, measured: float | None) -> dict[str, Any]:
    """What only those are told who look after the site: schedules, and what moves everything."""
    late = now - staleness.PATIENCE
    enabled = Schedule.objects.filter(periodic_task__enabled=True)
    troubled = enabled.filter(~Q(broken="") | ~Q(held_up="") | Q(next_due_at__lt=late)).order_by("periodic_task__name")
    columns = ("pk", "periodic_task__name", "periodic_task__kwargs", "broken", "held_up", "next_due_at")
    broken, put_off, overdue = [], [], []
    for key, name, given, fault, held_up, due_at in troubled.values_list(*columns)[:SCHEDULES]:
        if fault:
            kind = str(work.read_object(given).get("kind", ""))
            # What breaks it may be a parameter.
            seen = access.sees_parameters(user, kind, None)
            broken.append(Named(str(key), name, fault if seen else hidden(kind)))
        elif held_up:
            put_off.append(Named(str(key), name, held_up))
        elif due_at is not None:
            overdue.append((now - due_at).total_seconds())
    counted = RollupCursor.objects.values_list("caught_up_at", flat=True).first()
    engine = Engine(
        failing=transport.circuit.failing, measured=measured, counted=_ago(counted, now),
        late=len(overdue), overdue=max(overdue, default=0.0),
    )  # fmt: skip
    return {
        "engine": engine, "schedules": enabled.count(), "broken": (broken, len(broken)),
        "put_off": (put_off, len(put_off)),
    }  # fmt: skip


def _bursts(user: User, now: datetime) -> list[Burst]:
    found = failures.bursts(user, now)
    errors = [each.error_type or each.message[:ERROR] or "an error" for each in found]
    return [
        Burst(each.fingerprint, each.kind, error, each.times, each.usual)
        for each, error in zip(found, errors, strict=True)
    ]  # fmt: skip


def _reports(user: User, sees_all: bool, now: datetime) -> dict[str, Any]:
    found = reports.report_page(user, now=now).reports
    telling = FOR_ALL if sees_all else FOR_READERS
    stale = [Named(str(each.id), each.name, each.why) for each in found if each.because in telling]
    return {"reports": len(found), "stale": (stale, len(stale))}


def _ago(moment: datetime | None, now: datetime) -> float | None:
    return max((now - moment).total_seconds(), 0.0) if moment is not None else None
