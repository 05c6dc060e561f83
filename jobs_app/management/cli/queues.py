"""``jobs queues`` and ``jobs queue``: look at queues; pause one, or change its bounds."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from jobs_app.core import clock, lane_control
from jobs_app.management.cli import parsing
from jobs_app.management.cli.calls import Call
from jobs_app.management.cli.exits import Exit
from jobs_app.reads import lanes
from jobs_app.reads.lanes import LaneView

HELP = "List queues: whether they are paused, their bounds, who takes their jobs."
ONE_HELP = "Show a queue; pause it, let it go on, or change its bounds."

SETTING = "setting"
JOBS = {
    "limit": "Jobs that may wait; more are refused.",
    "hard-limit": "Jobs that may wait with children of running jobs and overflow.",
    "low-water": "A full queue takes jobs again from here on.",
    "window": "Messages on the broker at once.",
}
SHARES = {
    "user-share": "Part of the limit, such as 0.3, that one user may hold.",
    "token-share": "Part of the limit, such as 0.3, that one token may hold.",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs queues``."""
    parsing.add_common(parser)


def run(call: Call) -> int:
    """List them, by name."""
    found = lanes.lanes()
    if call.output.as_json:
        call.output.document(found)
        return Exit.OK
    columns = ("NAME", "STANDS", "LIMIT", "LOW WATER", "HARD LIMIT", "A USER", "A TOKEN", "WINDOW", "WORKERS", "SLOTS")
    rows = []
    for lane in found:
        held = lane.in_force
        numbers = (held.limit, held.low_water, held.hard_limit, held.user_limit, held.token_limit, held.window)
        counts = (*numbers, lane.processes, lane.slots)
        rows.append((lane.name, standing(lane), *(f"{each:,}" for each in counts)))
    call.output.table(columns, rows)
    return Exit.OK


def add_one_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs queue NAME``."""
    parser.add_argument("name", metavar="NAME", help="The queue's name, such as default.")
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--pause", action="store_true", help="Put no more of its jobs on the broker.")
    either.add_argument("--resume", action="store_true", help="Let it go on.")
    bounds = parser.add_argument_group("bounds", f"“{SETTING}” instead of a number: whatever the setting says.")
    for flag, words in JOBS.items():
        bounds.add_argument(f"--{flag}", type=_or_setting(int), metavar="N", default=argparse.SUPPRESS, help=words)
    for flag, words in SHARES.items():
        bounds.add_argument(f"--{flag}", type=_or_setting(float), metavar="X", default=argparse.SUPPRESS, help=words)
    parsing.add_common(parser)


def run_one(call: Call) -> int:
    """Change what was asked, bounds first; then show the queue."""
    typed, name, now = call.options, call.options["name"], clock.database_now()
    bounds = {bound: typed[bound] for bound in lane_control.BOUNDS if bound in typed}
    if bounds:
        lane_control.set_limits(name, actor=call.user, now=now, **bounds)
    if typed["pause"]:
        lane_control.pause(name, call.user, now)
    if typed["resume"]:
        lane_control.resume(name, call.user, now)
    lane = lanes.lane(name)
    if call.output.as_json:
        call.output.document(lane)
        return Exit.OK
    call.output.line(f"{lane.name}  {standing(lane)}")
    held = lane.in_force
    for words, number, own in (
        ("limit", held.limit, lane.limit),
        ("low water", held.low_water, lane.low_water),
        ("hard limit", held.hard_limit, lane.hard_limit),
        ("a user may hold", held.user_limit, lane.user_share),
        ("a token may hold", held.token_limit, lane.token_share),
        ("window", held.window, lane.window),
    ):
        whose = "by the settings" if own is None else f"share {own:g}" if isinstance(own, float) else "its own"
        call.output.line(f"{words:<17}{number:>11,}  ({whose})")
    call.output.line(f"{'worker processes':<17}{lane.processes:>11,}  ({lane.slots:,} slots)")
    return Exit.OK


def standing(lane: LaneView) -> str:
    """Whether jobs leave it, in words."""
    return f"paused since {lane.paused_at:%Y-%m-%d %H:%M:%S} UTC" if lane.paused_at else "open"


def _or_setting(number: Callable[[str], float]) -> Callable[[str], float | None]:
    def read(text: str) -> float | None:
        if text == SETTING:
            return None
        try:
            return number(text)
        except ValueError:
            what = "a whole number" if number is int else "a number"
            raise argparse.ArgumentTypeError(f"expected {what} or “{SETTING}”, got {text[:40]!r}") from None

    return read
