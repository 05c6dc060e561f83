"""What needs attention now: rules over what was read, each of which says one sentence with numbers. Pure functions.

A fault is told once, by its cause: a queue that nobody listens to is not called old as well, and when upkeep is silent
the figures that it would have brought are not complained of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jobs_app.reads.attention_views import Burst, Engine, Facts, Lane, Named, Notice, Own, Rule, Severity
from jobs_app.reads.reasons import rate, spell

BEHIND = 120.0
"""Statistics are counted every ten seconds; so much later is worth a word."""

NEAR = 0.8
OLD, VERY_OLD = 600.0, 3600.0
"""Seconds that the oldest job of a queue may wait before it is told, and before that is urgent."""

NAMED = 3
"""So many names stand in a sentence; the rest is counted."""


def notices(facts: Facts) -> list[Notice]:
    """What needs attention, the most urgent first."""
    found = [*_own(facts.own)]
    for lane in facts.lanes:
        if facts.sees_all or lane.mine:
            found += _of_lane(lane, facts.engine)
    if facts.sees_all:
        found += [*_engine(facts.engine), *_schedules(facts)]
    found += [*_bursts(facts.bursts), *_reports(facts)]
    return sorted(found, key=lambda each: each.severity)  # a stable sort: rules keep their order within


def checked(facts: Facts) -> list[str]:
    """What was looked at, for when there is nothing to say."""
    lanes = [lane for lane in facts.lanes if facts.sees_all or lane.mine]
    told = []
    if facts.sees_all:
        told += [f"room, age and workers of {_count(len(lanes), 'queue')}", "the broker, beat and upkeep"]
        told += [_count(facts.schedules, "schedule")]
    else:
        told += [f"{_count(len(lanes), 'queue')} with jobs of yours", "your refusals", "your failed jobs"]
    return [*told, "failures that come in bursts", _count(facts.reports, "report")]


def _engine(engine: Engine) -> Iterator[Notice]:
    since = f"for {spell(engine.measured)}" if engine.measured is not None else "in the last hour"
    if engine.failing:
        also = f"; upkeep, which it calls, has measured nothing {since}" if engine.silent else ""
        text = f"The broker takes no messages{also}. Jobs are accepted and wait in the ledger until it is back."
        yield Notice(Rule.BROKER, Severity.URGENT, text)
    elif engine.late:
        also = f", and upkeep, which it calls, has measured nothing {since}" if engine.silent else ""
        late = f"{_count(engine.late, 'schedule')} {_is(engine.late)} overdue, by {spell(engine.overdue)} at most"
        yield Notice(Rule.BEAT, Severity.URGENT, f"Beat seems to be away: {late}{also}.")
    elif engine.silent:
        text = f"Upkeep has measured nothing {since}: its worker, beat or the broker is away."
        yield Notice(Rule.UPKEEP, Severity.URGENT, text)
    if not engine.silent and engine.counted is not None and engine.counted > BEHIND:
        text = f"Statistics are counted up to {spell(engine.counted)} ago only; a large backlog takes a while."
        yield Notice(Rule.BEHIND, Severity.NOTE, text)


def _of_lane(lane: Lane, engine: Engine) -> Iterator[Notice]:
    """The first cause that holds, and beside it whether there is room."""
    told = _stands(lane, engine)
    if told is not None:
        yield Notice(told[0], told[1], told[2] + _mine(lane), lane.name)
    room = _room(lane)
    if room is not None:
        yield Notice(room[0], room[1], room[2], lane.name)
    old = lane.oldest or 0.0
    if told is None and old >= OLD:
        busy = f"all {lane.slots} slots are busy" if lane.running >= lane.slots > 1 else f"{lane.running} running"
        text = f"The oldest of {_waiting(lane)} in {lane.name} has waited {spell(old)}; {busy}{_pace(lane)}."
        severity = Severity.URGENT if old >= VERY_OLD else Severity.WARNING
        yield Notice(Rule.OLD, severity, text + _mine(lane), lane.name)


def _stands(lane: Lane, engine: Engine) -> tuple[Rule, Severity, str] | None:
    """Why nothing leaves a queue, if that is so."""
    oldest = f", the oldest for {spell(lane.oldest)}" if lane.oldest else ""
    wait = f"{_waiting(lane)} {'waits' if lane.depth == 1 else 'wait'}"
    if lane.paused is not None:
        text = f"{lane.name} was paused {spell(lane.paused)} ago"
        if lane.depth:
            return Rule.PAUSED, Severity.WARNING, f"{text}, and {wait} in it{oldest}."
        return Rule.PAUSED, Severity.NOTE, f"{text}; nothing waits in it."
    if not lane.slots:
        heard = f"; the last one was heard of {spell(lane.heard)} ago" if lane.heard is not None else ""
        if lane.depth:
            return Rule.NO_WORKER, Severity.URGENT, f"No worker listens to {lane.name}, and {wait}{oldest}{heard}."
        text = f"No worker listens to {lane.name}: a job that comes would wait{heard}."
        return Rule.NO_WORKER, Severity.WARNING, text
    if lane.stalled and not engine.silent and not engine.failing:
        number = lane.slots - lane.running
        free = f"{_count(number, 'slot')} {_is(number)} free"
        text = f"No message of {lane.name} reaches a worker: {free}, yet {wait}{oldest}."
        return Rule.STALLED, Severity.URGENT, text
    return None


def _room(lane: Lane) -> tuple[Rule, Severity, str] | None:
    """Whether a queue takes jobs."""
    of = f"{lane.depth:,} of {lane.limit:,} jobs wait"
    refused = f", and {_count(lane.refused, 'submission')} {_was(lane.refused)} refused in the last 10 min"
    also = refused if lane.refused else ""
    if lane.depth >= lane.limit or lane.closed is not None:
        text = f"{lane.name} is full: {of}{also}; it takes jobs again when {lane.low_water:,} wait{_pace(lane)}."
        return Rule.FULL, Severity.URGENT, text
    if lane.depth >= NEAR * lane.limit:
        full = int(100 * lane.depth / lane.limit)
        return Rule.NEARLY_FULL, Severity.WARNING, f"{lane.name} is {full} % full: {of}{also}{_full_in(lane)}."
    if lane.refused:
        text = f"{_count(lane.refused, 'submission')} to {lane.name} {_was(lane.refused)} refused in the last 10 min."
        return Rule.REFUSED, Severity.NOTE, text
    return None


def _full_in(lane: Lane) -> str:
    """When a queue is full if it goes on so."""
    grows = (lane.arrival_rate or 0.0) - (lane.drain_rate or 0.0)
    if lane.arrival_rate is None or grows <= 0:
        return _pace(lane)
    return f"; as it grows now it is full in {spell((lane.limit - lane.depth) / grows)}"


def _schedules(facts: Facts) -> Iterator[Notice]:
    named, count = facts.broken
    if count:
        text = f"{_count(count, 'schedule')} {_is(count)} broken and {'makes' if count == 1 else 'make'} no jobs: "
        yield Notice(Rule.BROKEN_SCHEDULES, Severity.WARNING, f"{text}{_names(named, count)}.", _only(named, count))
    named, count = facts.put_off
    if count:
        text = f"{_count(count, 'schedule')} {'waits' if count == 1 else 'wait'} for room for the next job: "
        yield Notice(Rule.PUT_OFF, Severity.WARNING, f"{text}{_names(named, count)}.", _only(named, count))


def _reports(facts: Facts) -> Iterator[Notice]:
    named, count = facts.stale
    if count == 1:
        text = f"The report {named[0].name} is stale: {named[0].why[:1].lower()}{named[0].why[1:]}"
        yield Notice(Rule.STALE_REPORTS, Severity.WARNING, text, named[0].id)
    elif count:
        yield Notice(Rule.STALE_REPORTS, Severity.WARNING, f"{count:,} reports are stale: {_names(named, count)}.")


def _bursts(bursts: Sequence[Burst]) -> Iterator[Notice]:
    for each in bursts:
        usual = f"usually {each.usual:.1f}" if each.usual >= 0.1 else "it was not seen in the day before"
        text = f"{each.kind} failed {_times(each.times)} in 10 min with {each.error}; {usual}."
        yield Notice(Rule.FAILURES, Severity.URGENT, text, each.id)


def _own(own: Own) -> Iterator[Notice]:
    for queue, reason, count in own.refused:
        text = f"{_count(count, 'submission')} of yours to {queue} {_was(count)} refused in the last 10 min: {reason}."
        yield Notice(Rule.OWN_REFUSED, Severity.WARNING, text, queue)
    if own.failed:
        yield Notice(Rule.OWN_FAILED, Severity.NOTE, f"{_count(own.failed, 'job')} of yours failed in the last 24 h.")


def _waiting(lane: Lane) -> str:
    return _count(lane.depth, "job")


def _mine(lane: Lane) -> str:
    return f" {lane.mine:,} of them {_is(lane.mine)} yours." if lane.mine else ""


def _pace(lane: Lane) -> str:
    return f"; {rate(lane.drain_rate)}" if lane.drain_rate else ""


def _names(named: Sequence[Named], count: int) -> str:
    shown = ", ".join(each.name for each in named[:NAMED])
    return f"{shown} and {count - NAMED:,} more" if count > NAMED else shown


def _only(named: Sequence[Named], count: int) -> str:
    return named[0].id if count == 1 and named else ""


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"
