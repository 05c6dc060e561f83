"""The capacity planner's page: a form, the answer as sentences, a chart, a table, and what speaks against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils.datastructures import MultiValueDict
from django.views.decorators.http import require_safe

from jobs_app import queueing
from jobs_app.core import clock
from jobs_app.errors import InvalidRequest
from jobs_app.reads import planner as reads
from jobs_app.reads.planner import Known, PlanView, Question, SlotsView, Source
from jobs_app.web import words
from jobs_app.web.pages import page, render, user_of
from jobs_app.web.planner_chart import draw

MEASURED = {
    "arrival_rate": "Jobs a second",
    "service_seconds": "Service time",
    "service_deviation": "Its deviation",
    "slots": "Slots",
    "backlog": "Waiting now",
}


class PlannerForm(forms.Form):
    """What is left empty is taken from what was measured of the queue."""

    queue = forms.ChoiceField(required=False, label="Measures of queue")
    arrival_rate = forms.FloatField(
        required=False, min_value=0, max_value=queueing.RATE, label="Arrivals, jobs a second"
    )
    service_seconds = forms.FloatField(
        required=False, min_value=queueing.SECONDS_LEAST, max_value=queueing.SECONDS_MOST, label="Service time, seconds"
    )
    slots = forms.IntegerField(
        required=False, min_value=1, max_value=queueing.SLOTS, label="Slots", help_text="Jobs that run at once."
    )
    target_seconds = forms.FloatField(
        required=False, min_value=0, max_value=queueing.SECONDS_MOST, label="Target, seconds",
        help_text="What 95 of 100 jobs are to wait at most.",
    )  # fmt: skip
    service_deviation = forms.FloatField(
        required=False, min_value=0, max_value=queueing.SECONDS_MOST, label="Deviation of the service time, seconds",
        help_text="How much it varies (standard deviation).",
    )  # fmt: skip
    backlog = forms.IntegerField(required=False, min_value=0, max_value=queueing.BACKLOG, label="Jobs that wait now")

    MORE = ("service_deviation", "backlog")

    def __init__(self, data: MultiValueDict[str, Any], queues: list[str]) -> None:
        # A queue to begin with, until one (or none) was chosen.
        given = {name: data.get(name, "") for name in self.base_fields}
        super().__init__({**given, "queue": data.get("queue", queues[0] if queues else "")})
        choices = self.fields["queue"]
        assert isinstance(choices, forms.ChoiceField)
        choices.choices = [("", "none: all is typed in"), *((name, name) for name in queues)]

    @property
    def first(self) -> list[forms.BoundField]:
        """The fields that are always shown."""
        return [field for field in self if field.name not in self.MORE]

    @property
    def more(self) -> list[forms.BoundField]:
        """Those that most people leave empty."""
        return [self[name] for name in self.MORE]

    @property
    def opened(self) -> bool:
        """Whether one of them says something."""
        return any(field.errors or field.value() for field in self.more)

    def hint(self, known: Known) -> None:
        """Show what was measured where nothing was typed."""
        for name, field in self.fields.items():
            given = getattr(known.inputs, name, None)
            if given is not None and given.source is Source.MEASURED:
                field.widget.attrs["placeholder"] = f"measured: {given.value:.6g}"


@dataclass(frozen=True)
class Figure:
    """A figure that the plan rests on, in words."""

    label: str
    text: str
    source: str


@page
@require_safe
def planner(request: HttpRequest) -> HttpResponse:
    """The form and, as soon as enough is known, the plan."""
    user_of(request)
    form = PlannerForm(request.GET, reads.queue_names())
    context: dict[str, Any] = {"section": "planner", "form": form}
    if not form.is_valid():
        return render(request, "planner.html", context, status=InvalidRequest.status)
    known = reads.gather(Question(**form.cleaned_data), now=clock.database_now())
    form.hint(known)
    missing = [str(form.fields[name].label).lower() for name in known.inputs.missing]
    context |= {"figures": figures(known), "missing": missing}
    if not missing:
        plan = reads.plan(known)
        target = known.inputs.target_seconds.value
        context |= {"plan": plan, "sentences": sentences(plan), "chart": draw(plan.table, plan.forecast.slots, target)}
    return render(request, "planner.html", context)


def sentences(plan: PlanView) -> list[str]:
    """The plan in words: what the slots give, what the target takes, when the backlog is gone."""
    told, many = plan.forecast, number(plan.forecast.slots, "slot")
    said = [_waits(told, many)]
    if told.queue_length is not None and told.wait_mean is not None:
        wait = words.length(told.wait_mean)
        said.append(f"On average {told.queue_length:,.1f} jobs wait at a time, and a job waits for {wait}.")
    target = plan.inputs.target_seconds.value
    if target is not None:
        under = "let 95 % start at once" if target == 0 else f"keep the wait of 95 % under {words.length(target)}"
        said.append(
            f"More than {number(queueing.SLOTS, 'slot')} would be needed to {under}."
            if plan.slots_for_target is None
            else f"To {under}, it takes {number(plan.slots_for_target, 'slot')}."
        )
    backlog = int(plan.inputs.backlog.value or 0)
    if backlog:
        gone = told.drain_seconds
        end = "is never gone" if gone is None else f"is gone in {words.length(gone)} while others go on coming"
        said.append(f"A backlog of {number(backlog, 'job')} {end}.")
    return said


def figures(known: Known) -> list[Figure]:
    """What the plan rests on, and where it came from."""
    found = []
    for name, label in MEASURED.items():
        given = getattr(known.inputs, name)
        if given.value is not None and given.source is not Source.ASSUMED:
            seconds = name.startswith("service")
            text = (
                words.length(given.value)
                if seconds
                else f"{given.value:,.4g}"
                if given.value % 1
                else f"{given.value:,.0f}"
            )
            found.append(Figure(label, text, given.source))
    return found


def number(many: int, what: str) -> str:
    """``1 slot``, ``1,000 slots``."""
    return f"{many:,} {what}" + ("" if many == 1 else "s")


def _waits(told: SlotsView, many: str) -> str:
    busy = f"With {many} {'it' if told.slots == 1 else 'each'} is busy {told.utilisation * 100:.3g} % of the time"
    if told.wait_p50 is None or told.wait_p95 is None:
        return (
            f"With {many} the queue grows without bound: {told.utilisation * 100:,.0f} % of what they can do comes in."
        )
    if not told.wait_p95:
        return f"{busy}; at least 95 % of the jobs start at once."
    half = f"wait under {words.length(told.wait_p50)}" if told.wait_p50 else "start at once"
    return f"{busy}; half of the jobs {half}, 95 % {'wait ' * (not told.wait_p50)}under {words.length(told.wait_p95)}."
