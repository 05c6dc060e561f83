"""``jobs deployed``: say that something was deployed, so that charts show it."""

from __future__ import annotations

import argparse

from jobs_app.core import clock, deploys
from jobs_app.management.cli import moments, parsing
from jobs_app.management.cli.calls import Call
from jobs_app.management.cli.exits import Exit
from jobs_app.reads.deploys import DeployView

HELP = "Mark a deploy in the charts of statistics."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs deployed LABEL``."""
    parser.add_argument("label", metavar="LABEL", help="What stands at the line: web, v2.4, “new index”.")
    parser.add_argument("--version", dest="released", metavar="TEXT", default="", help="Its version, such as a commit.")
    parser.add_argument("--link", metavar="URL", default="", help="A web address where more is told of it.")
    parser.add_argument("--at", metavar="TIME", help="When, or how long ago (2h). Default: now.")
    parsing.add_common(parser)


def run(call: Call) -> int:
    """Mark it; said again within five minutes it is the deploy that is there."""
    typed = call.options
    at = moments.past(typed["at"], "--at") if typed["at"] else None
    told = deploys.Told(typed["label"], typed["released"], typed["link"], at)
    view = DeployView.of(deploys.mark(told, actor=call.user, now=clock.database_now()), call.user)
    if call.output.as_json:
        call.output.document(view)
    else:
        call.output.line(f"{f'{view.label} {view.version}'.strip()}  {moments.shown(view.at)}")
    return Exit.OK
