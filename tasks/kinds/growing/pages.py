"""The pages of growing datasets. The project mounts these views as the site's own: for people who are logged in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from jobs_app.authoring import desk
from jobs_app.errors import InvalidRequest, WeirError
from jobs_app.lifecycle import Via
from jobs_app.steps import Step
from tasks.kinds.growing import charts, datasets, reading, schedules
from tasks.kinds.growing.models import NAME_LENGTH, Dataset
from tasks.kinds.growing.rows import Layout

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TIMES: dict[Step, int] = {Step.HOUR: 7 * 24, Step.DAY: 366}
"""Hours, or days, of one chart."""

PARTS = 8


class DatasetForm(forms.Form):
    """A dataset to be made; several columns are separated by commas."""

    name = forms.CharField(max_length=NAME_LENGTH)
    time = forms.CharField(max_length=NAME_LENGTH, label="Column that says when")
    groups = forms.CharField(max_length=1000, required=False, label="Columns that tell rows apart")
    measures = forms.CharField(max_length=1000, required=False, label="Columns of numbers")

    @property
    def layout(self) -> Layout:
        """The columns."""
        names = {
            key: tuple(part.strip() for part in self.cleaned_data[key].split(",") if part.strip())
            for key in ("groups", "measures")
        }
        return Layout(self.cleaned_data["time"], names["groups"], names["measures"])


class FileForm(forms.Form):
    """A file to be appended."""

    file = forms.FileField(label="CSV, TSV, JSON lines or Parquet", widget=forms.FileInput(attrs={"required": True}))


@dataclass(frozen=True)
class View:
    """What a chart is to show. ``end``: the time before which it ends; None: the newest."""

    step: Literal[Step.HOUR, Step.DAY]
    figure: str
    end: datetime | None

    def address(self, **changes: Any) -> str:
        """The query string of this view, or one that differs."""
        values = {"step": self.step, "show": self.figure, "end": self.end and self.end.isoformat(), **changes}
        return "?" + urlencode({name: str(value) for name, value in values.items() if value})


@require_http_methods(["GET", "HEAD", "POST"])
def listing(request: HttpRequest) -> HttpResponse:
    """My datasets, and the form for another."""
    form, status = DatasetForm(), 200
    if request.method == "POST":
        form, status = DatasetForm(request.POST), 422
        if form.is_valid():
            try:
                made, _ = datasets.create(_user(request), form.cleaned_data["name"], form.layout, now=timezone.now())
                return redirect("dataset", made.pk)
            except WeirError as error:
                form.add_error(None, f"{error.title}: {error}")
                status = error.status
    rows = datasets.mine(_user(request))
    states = reading.states(rows)
    context = {"section": "datasets", "form": form, "rows": [(each, states[each.pk]) for each in rows]}
    return render(request, "growing/datasets.html", context, status=status)


@require_safe
def dataset(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """A dataset: its chart, and how it stands."""
    return _page(request, datasets.find(_user(request), dataset_id), FileForm())


@require_POST
def fold(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """Have what is new folded now; leads to the job."""
    found = datasets.find(_user(request), dataset_id)
    job = desk.submit("datasets.rollup", {"dataset": found.pk}, owner=_user(request), via=Via.WEB)
    return redirect("job", job.id)


@require_POST
def append(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """Append a file."""
    found = datasets.own(_user(request), dataset_id)
    form = FileForm(request.POST, request.FILES)
    if form.is_valid():
        sent = form.cleaned_data["file"]
        try:
            file = desk.take_upload(sent.name, sent.chunks(), owner=found.owner, content_type=sent.content_type or "")
            part = datasets.append_file(found, file.id, key=None, now=timezone.now()).part
            messages.success(
                request, f"{file.name} is appended as part {part.number}. It counts from the next fold on."
            )
            return redirect("dataset", found.pk)
        except WeirError as error:
            form.add_error("file", f"{error.title}: {error}")
    return _page(request, found, form, status=422)


@require_POST
def delete(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """Delete a dataset."""
    found = datasets.own(_user(request), dataset_id)
    datasets.delete(found, now=timezone.now())
    messages.success(request, f"{found.name} is deleted, with all that was appended to it.")
    return redirect("datasets")


def _page(request: HttpRequest, found: Dataset, form: FileForm, status: int = 200) -> HttpResponse:
    view = _view(request, found)
    buckets = reading.newest(found, view.step, TIMES[view.step], view.end)
    chart = charts.chart(found, view.step, buckets, view.figure)
    state = reading.state(found)
    context = {
        "section": "datasets", "dataset": found, "state": state, "form": form, "view": view,
        "own": found.owner_id == _user(request).pk, "parts": reading.newest_parts(found)[:PARTS],
        "timings": schedules.of(found), "buckets": len(buckets), "table": charts.table(found, view.step, buckets),
        "chart": chart, "config": chart.model_dump(mode="json"),
        "steps": [(each, view.address(step=each, end=None)) for each in TIMES],
        "figures": [(each, view.address(show=each)) for each in (*found.measures, charts.ROWS)],
        "earlier": view.address(end=buckets[0].at.isoformat()) if buckets else "",
        "newest": view.address(end=None) if view.end is not None and state.newest else "",
    }  # fmt: skip
    return render(request, "growing/dataset.html", context, status=status)


def _view(request: HttpRequest, found: Dataset) -> View:
    """What is asked for. Raises InvalidRequest."""
    asked = request.GET
    step, figure = asked.get("step", Step.DAY), asked.get("show") or next(iter(found.measures), charts.ROWS)
    if step not in TIMES:
        raise InvalidRequest(f"expected the step hour or day, got {step[:40]!r}")
    if figure not in (*found.measures, charts.ROWS):
        raise InvalidRequest(f"expected one of the measures, or rows, got {figure[:40]!r}")
    try:
        end = datetime.fromisoformat(asked["end"]).astimezone(UTC) if asked.get("end") else None
    except (ValueError, OverflowError):
        raise InvalidRequest(f"expected end to be a time, got {asked['end'][:40]!r}") from None
    if end is not None and not 1900 <= end.year < 2200:
        raise InvalidRequest("expected end to be a time of this era")
    return View(cast("Literal[Step.HOUR, Step.DAY]", Step(step)), figure, end)


def _user(request: HttpRequest) -> User:
    return cast("User", request.user)
