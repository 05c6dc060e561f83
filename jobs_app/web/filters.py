"""The template library ``weir``: times, durations, icons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.template.context import Context
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from jobs_app.forms.questions import label_of
from jobs_app.lifecycle import EventName, State
from jobs_app.reads.views import AttemptView, EventView, FamilyView, JobView, KindView
from jobs_app.web import navigation as ways
from jobs_app.web import words
from jobs_app.web.charts import Chart
from jobs_app.web.palette import Place, pages

register = template.Library()


@dataclass(frozen=True)
class Share:
    """A part of a bar: where it begins and how wide it is, in per cent."""

    state: State
    word: str
    count: int
    start: float
    width: float


ICONS = {
    State.BLOCKED: "lock",
    State.SCHEDULED: "clock",
    State.QUEUED: "queue",
    State.RUNNING: "play",
    State.RETRYING: "again",
    State.SUCCEEDED: "check",
    State.FAILED: "cross",
    State.CANCELLED: "stop",
}


@register.simple_tag(takes_context=True)
def navigation(context: Context) -> list[tuple[str, list[ways.Way]]]:
    """The ways through the console that this user may take, in groups."""
    return ways.groups_for(context["user"])


@register.simple_tag(takes_context=True)
def shortcuts(context: Context) -> list[Place]:
    """The pages that this user may go to, with their letters."""
    return pages(context["user"])


@register.simple_tag
def icon(name: str) -> SafeString:
    """A picture from icons.svg, for the eye only: what it means stands beside it in words."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', static("jobs_app/icons.svg"), name
    )


@register.simple_tag
def state(value: str) -> SafeString:
    """A state as a badge: picture, word and colour."""
    known = State(value)
    return format_html(
        '<span class="state state-{}" title="{}">{}{}</span>', known, known.meaning, icon(ICONS[known]), known
    )


@register.simple_tag
def moment(value: datetime | None) -> SafeString | str:
    """A time: how long ago in words, kept up to date by page.js; the exact time as a title."""
    if value is None:
        return ""
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>',
        value.isoformat(timespec="milliseconds"),
        f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}",
        words.distance(value, timezone.now()),
    )


@register.simple_tag
def clock(value: datetime) -> SafeString:
    """A time of day, exact; the date as a title."""
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(timespec="milliseconds"),
        f"{local:%Y-%m-%d %H:%M:%S.%f} {local.tzname()}",
        f"{local:%H:%M:%S}",
    )


@register.simple_tag
def chart_spots(chart: Chart) -> SafeString:
    """Every bucket of a chart under the pointer. Written here: a template takes ten times as long for so many."""
    rows = ((spot.x, chart.top, spot.width, chart.thickness, spot.text) for spot in chart.spots)
    shape = '<rect class="chart-spot" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>'
    return format_html_join("\n", shape, rows)


@register.simple_tag
def chart_rows(chart: Chart) -> SafeString:
    """The rows of a chart's table."""
    still = mark_safe(' <span class="muted">still filling</span>')
    rows = (
        (row.when, "" if row.complete else still, format_html_join("", '<td class="number">{}</td>', zip(row.cells)))
        for row in chart.rows
    )
    return format_html_join("\n", '<tr><th scope="row">{}{}</th>{}</tr>', rows)


@register.filter
def duration(value: timedelta | float | None) -> str:
    """A duration in words."""
    return "" if value is None else words.length(value)


@register.filter
def rate(a_second: float | None) -> str:
    """Jobs a second in words; empty if it is not known."""
    return "" if a_second is None else words.rate(a_second)


@register.filter
def took(job: JobView) -> timedelta | None:
    """From the first start to the end; None for a job that never began."""
    return job.finished_at - job.started_at if job.finished_at and job.started_at else None


@register.filter
def waited(job: JobView) -> timedelta | None:
    """From when it was due to the first start; None for a job that never began."""
    return job.started_at - job.due_at if job.started_at else None


@register.filter
def ran(attempt: AttemptView) -> timedelta | None:
    """How long an attempt took; None while it runs."""
    return attempt.finished_at - attempt.started_at if attempt.finished_at else None


@register.filter
def telling(event: EventView) -> bool:
    """Whether an event's reason says something that the page does not say elsewhere."""
    return bool(event.reason) and event.name not in {EventName.SUBMITTED, EventName.CLAIMED, EventName.FAILED}


@register.filter
def worker(holder: str) -> str:
    """The name of the worker in a holder, as Celery has it: without process and message."""
    return holder.partition("/")[0] or holder


@register.filter
def shares(family: FamilyView) -> list[Share]:
    """How a family stands, as parts of a bar; states that none is in are left out."""
    counts = [
        (State.SUCCEEDED, "succeeded", family.succeeded), (State.FAILED, "failed", family.failed),
        (State.CANCELLED, "cancelled", family.cancelled), (State.RUNNING, "running", family.running),
        (State.QUEUED, "waiting", family.waiting),
    ]  # fmt: skip
    found: list[Share] = []
    for state, word, count in counts:
        if count:
            start = found[-1].start + found[-1].width if found else 0.0
            found.append(Share(state, word, count, start, 100 * count / family.total))
    return found


@register.filter
def percent(value: float) -> int:
    """A fraction as per cent."""
    return words.percent(value)


@register.filter
def excerpt(value: dict[str, Any]) -> str:
    """Parameters in one line."""
    return words.excerpt(value)


@register.filter
def paragraphs(kind: KindView) -> list[str]:
    """A kind's description after its summary, without the line breaks of the source; lists keep theirs."""
    found = []
    for block in kind.description.removeprefix(kind.summary).split("\n\n"):
        lines = [line.strip() for line in block.splitlines() if line.strip()]
        if lines:
            found.append("".join(("\n" if line[:2] in {"- ", "* "} else " ") + line for line in lines).strip())
    return found


@register.filter
def label(value: str) -> str:
    """A name as a label, as forms have it."""
    return label_of(str(value))
