"""``jobs bulk``: one thing done to many jobs, by a job."""

from __future__ import annotations

import argparse

from jobs_app.core import clock
from jobs_app.core.bulk import planning
from jobs_app.core.bulk.orders import Action, Order
from jobs_app.core.bulk.planning import Plan
from jobs_app.errors import InvalidRequest
from jobs_app.lifecycle import Via
from jobs_app.management.cli import calls, following, parsing
from jobs_app.management.cli.calls import Call
from jobs_app.management.cli.exits import Exit
from jobs_app.reads import bulk
from jobs_app.reads.views import JobView

HELP = "Cancel, retry, run again or reprioritise many jobs: those of a search, or some by their ids."
MANY = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``jobs bulk ACTION --search TEXT``."""
    parser.add_argument("action", metavar="ACTION", choices=list(Action), help=", ".join(Action))
    parser.add_argument("jobs", metavar="ID", nargs="*", help="Ids of jobs, or their first digits; at most 1,000.")
    parser.add_argument(
        "--search", metavar="TEXT", default="", help="Which jobs: 'state:failed kind:system.echo since:2d'."
    )
    parser.add_argument("--priority", type=int, help="The new priority, for reprioritise: -100 to 100.")
    parser.add_argument("--dry-run", action="store_true", help="Tell what would be done, and do nothing.")
    parser.add_argument("--yes", action="store_true", help=f"Needed for more than {MANY} jobs.")
    parser.add_argument("--idempotency-key", metavar="KEY", help="The same key again gives the same bulk action.")
    parser.add_argument(
        "--follow", action="store_true", help="Wait for the end and show how it goes; the exit code tells the outcome."
    )
    following.add_timeout(parser)
    parsing.add_common(parser)


def run(call: Call) -> int:
    """Show what would be done, and submit it."""
    typed, now = call.options, clock.database_now()
    ids = [calls.job_id(call.user, each) for each in typed["jobs"]]
    order = Order.of(
        {"action": typed["action"], "query": typed["search"], "ids": ids, "priority": typed.get("priority")}
    )
    plan = bulk.preview(call.user, order, now=now).plan
    if typed["dry_run"]:
        _tell(call, plan)
        return Exit.OK
    if plan.counted > MANY and not typed["yes"]:
        raise InvalidRequest(f"expected --yes, since this means {plan.count_words} jobs; --dry-run tells what it does")
    key = typed.get("idempotency_key")
    # With a key the order itself must be the same each time; the moment is then that of its first submission.
    accepted = planning.submit(order if key else plan.order, actor=call.user, now=now, via=Via.CLI, idempotency_key=key)
    view = JobView.of(accepted.job, call.user)
    call.output.line(str(view.id))
    if typed["follow"]:
        return following.follow(call, view.id, timeout=following.timeout_of(typed), streamed=False)
    if call.output.as_json:
        call.output.document(view)
    call.output.say(f"Accepted: it means {plan.count_words} jobs. Follow it with: {call.command('follow')} {view.id}")
    return Exit.OK


def _tell(call: Call, plan: Plan) -> None:
    if call.output.as_json:
        call.output.document(
            {
                "action": plan.order.action, "which": plan.order.which, "as_of": plan.order.as_of,
                "counted": plan.counted, "more": plan.more, "acting": plan.acting, "states": plan.states,
                "what_would_be_done": plan.verdicts, "left_alone": plan.refused,
            }
        )  # fmt: skip
        return
    call.output.line(f"{plan.order.action.words} {plan.count_words} jobs: {plan.order.which}")
    rows = [(f"{count:,}", verdict.plan) for verdict, count in plan.verdicts.items()]
    rows += [(f"{count:,}", f"left alone: {why}") for why, count in plan.refused.items()]
    call.output.table(("jobs", "what"), rows)
