"""What becomes of ticks that are due. Pure: times and policies in, verdicts out, in order of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobs_app.ticking import Missed, Overlap, TickOutcome

ON_TIME = timedelta(seconds=10)
"""A tick that is decided within this time is not missed: beats take a moment to look, or to be started again."""

RECORDED = 100
"""Missed ticks that get a row each, the latest; earlier ones are told of in the oldest row."""

STILL_RUNS = "a job of this schedule had not ended"


@dataclass(frozen=True)
class Policy:
    """What a schedule chose. once: its first tick is its only one."""

    missed: Missed
    cap: int
    overlap: Overlap
    once: bool = False

    @property
    def most(self) -> int:
        """How many of the latest due ticks have to be looked at."""
        made_up = self.cap if self.missed is Missed.ALL else 1
        return made_up + RECORDED + int(ON_TIME.total_seconds()) + 1


@dataclass(frozen=True)
class Scene:
    """How things stand: whether a job of the schedule has not ended, and whether a tick waits for that."""

    busy: bool = False
    waiting: bool = False


@dataclass(frozen=True)
class Verdict:
    """One tick, and what becomes of it."""

    due_at: datetime
    outcome: TickOutcome
    reason: str = ""


def judge(due: Sequence[datetime], *, earlier: bool, policy: Policy, scene: Scene, now: datetime) -> Iterator[Verdict]:
    """The verdicts on what is due, oldest first.

    due: the latest due ticks, oldest first. earlier: whether there were more before, which nobody counted.
    """
    late = [each for each in due if now - each > ON_TIME]
    on_time = list(due[len(late) :])
    made_up = _made_up(late, on_time, policy)
    left_out = late[: len(late) - len(made_up)]
    yield from _missed(left_out[-RECORDED:], earlier or len(left_out) > RECORDED, policy, now)
    yield from _in_turn((*made_up, *on_time), policy, scene, now)


def _made_up(late: Sequence[datetime], on_time: Sequence[datetime], policy: Policy) -> Sequence[datetime]:
    """Those of the missed ticks that are made up for: always the latest of them."""
    if policy.missed is Missed.ALL:
        return late[-policy.cap :]
    if policy.missed is Missed.LATEST and not on_time:
        return late[-1:]
    return ()


def _missed(left_out: Iterable[datetime], earlier: bool, policy: Policy, now: datetime) -> Iterator[Verdict]:
    why = {
        Missed.SKIP: "and this schedule leaves out what it missed",
        Missed.LATEST: "and a later one is made up for",
        Missed.ALL: f"and this schedule makes up for at most {policy.cap}",
    }[policy.missed]
    before = "; those before it were left out too" if earlier else ""
    for due_at in left_out:
        yield Verdict(due_at, TickOutcome.MISSED, f"could be decided {in_words(now - due_at)} late, {why}{before}")
        before = ""


def _in_turn(due: Iterable[datetime], policy: Policy, scene: Scene, now: datetime) -> Iterator[Verdict]:
    """Verdicts on ticks that are to have a job, if the overlap policy lets them."""
    busy, waiting = scene.busy, scene.waiting
    for due_at in due:
        late = f"made up for, {in_words(now - due_at)} late" if now - due_at > ON_TIME else ""
        if policy.once:
            yield Verdict(due_at, TickOutcome.SUBMITTED, late)
            return
        if not busy or policy.overlap is Overlap.ALLOW:
            yield Verdict(due_at, TickOutcome.SUBMITTED, late)
        elif policy.overlap is Overlap.SKIP:
            yield Verdict(due_at, TickOutcome.OVERLAPPED, STILL_RUNS)
        elif waiting:
            yield Verdict(due_at, TickOutcome.OVERLAPPED, f"{STILL_RUNS}, and a tick waited for it already")
        else:
            waiting = True
            yield Verdict(due_at, TickOutcome.WAITING, STILL_RUNS)
        busy = True


def in_words(span: timedelta) -> str:
    """A length of time, roughly: ``6 h 3 min``."""
    seconds = int(span.total_seconds())
    parts = [(seconds // 86_400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    told = [f"{number} {unit}" for number, unit in parts if number]
    return " ".join(told[:2]) or "0 s"
