"""``jobs schedules`` and ``jobs schedule``: look at schedules; run one now, pause it, or let it go on."""

from __future__ import annotations

import argparse

from jobs_app.core import clock
from jobs_app.core.schedules import changes, ticks
from jobs_app.management.cli import parsing
from jobs_app.management.cli.calls import Call
from jobs_app.management.cli.exits import Exit
from jobs_app.management.cli.moments import shown
from jobs_app.reads import schedules
from jobs_app.reads.schedule_views import ScheduleDetailView, ScheduleView, TickView
from jobs_app.reads.schedules import Only

HELP = "List schedules: when each is due, and how its last tick went."
ONE_HELP = "Show a schedule with its next times and last ticks; run it now, pause it, or let it go on."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs schedules``."""
    parser.add_argument("--only", choices=[each.value for each in Only], default=Only.ALL.value, help="Which to list.")
    parsing.add_common(parser)


def run(call: Call) -> int:
    """List them all, by name."""
    found: list[ScheduleView] = []
    cursor: str | None = ""
    while cursor is not None:
        limit = schedules.PAGE_LIMIT
        page = schedules.schedule_page(call.user, Only(call.options["only"]), cursor=cursor, limit=limit)
        found, cursor = [*found, *page.schedules], page.next_cursor
    if call.output.as_json:
        call.output.document(found)
        return Exit.OK
    rows = [
        (each.name, standing(each), shown(each.next_due_at), each.kind, each.timing, last(each.last)) for each in found
    ]
    call.output.table(("NAME", "STANDS", "DUE NEXT", "KIND", "WHEN", "LAST TICK"), rows)
    return Exit.OK


def add_one_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs schedule NAME``."""
    parser.add_argument("name", metavar="NAME", help="The schedule's name, or its number.")
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--run", action="store_true", help="Submit its job now, out of turn, and print the job's id.")
    either.add_argument("--pause", action="store_true", help="Stop it; its jobs that are there go on.")
    either.add_argument("--resume", action="store_true", help="Let it tick again, from its next time on.")
    parsing.add_common(parser)


def run_one(call: Call) -> int:
    """Do what was asked; then show the schedule, or the tick that was asked for."""
    typed, now = call.options, clock.database_now()
    row = schedules.find(call.user, typed["name"])
    if typed["run"]:
        tick = TickView.of(ticks.run_now(row, actor=call.user, now=now))
        if call.output.as_json:
            call.output.document(tick)
        call.output.line(str(tick.job))
        return Exit.OK
    if typed["pause"]:
        changes.pause(row, actor=call.user, now=now)
    if typed["resume"]:
        changes.resume(row, actor=call.user, now=now)
    view = schedules.schedule(call.user, row.pk, now=now)
    if call.output.as_json:
        call.output.document(view)
    else:
        _tell(call, view)
    return Exit.OK


def standing(view: ScheduleView) -> str:
    """Whether it ticks, in a word or two."""
    if view.broken:
        return f"broken: {view.broken}"
    return "paused" if view.paused else f"put off: {view.held_up}" if view.held_up else "ticking"


def last(tick: TickView | None) -> str:
    """What became of a tick, and when it was due."""
    if tick is None:
        return "none yet"
    return f"{tick.state.value if tick.state else tick.outcome.value} {shown(tick.due_at)}"


def _tell(call: Call, view: ScheduleDetailView) -> None:
    call.output.line(f"{view.name}  {standing(view)}")
    call.output.line(f"{view.kind}, {view.timing}")
    for fire in view.fires:
        time = f"({fire.named})" if fire.left_out else f"{fire.local:%Y-%m-%d %H:%M:%S %Z}"
        call.output.line(f"due   {time}{f'  {fire.odd}' if fire.odd else ''}")
    for tick in view.ticks:
        late = tick.decided_late if tick.started_late is None else tick.started_late
        call.output.line(f"tick  {last(tick)}, {max(late, 0):.1f} s late{f'  {tick.reason}' if tick.reason else ''}")
