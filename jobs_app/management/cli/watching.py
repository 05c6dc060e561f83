"""How a followed job is shown: a moving bar at a terminal, plain lines in a log, lines of JSON for a program."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from jobs_app.lifecycle import State
from jobs_app.management.cli import rendering
from jobs_app.management.cli.output import COLOURS, Output, safe
from jobs_app.management.cli.showing import log_text
from jobs_app.reads.views import JobView, LogLineView

STEP = 10
"""In a log, progress is told when it has grown by so many percent."""


class Watcher(ABC):
    """Is shown the job each time it was looked at, and each log line once."""

    @abstractmethod
    def job(self, job: JobView) -> None:
        """The job as it stands."""

    @abstractmethod
    def line(self, line: LogLineView) -> None:
        """A new log line."""


@contextmanager
def watcher(output: Output, *, streamed: bool) -> Iterator[Watcher]:
    """The watcher that fits the output."""
    if output.as_json:
        yield _Records(output) if streamed else _Silent()
    elif output.live:
        with Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(), TextColumn("{task.fields[note]}", markup=False),
            console=output.console, redirect_stdout=False, redirect_stderr=False,
        ) as bar:  # fmt: skip
            yield _Bar(bar)
    else:
        yield _Lines(output)


class _Silent(Watcher):
    def job(self, job: JobView) -> None:
        """Only the end is of interest, and it is told elsewhere."""

    def line(self, line: LogLineView) -> None:
        """Nothing."""


class _Records(Watcher):
    def __init__(self, output: Output) -> None:
        self._output = output
        self._seen: JobView | None = None

    def job(self, job: JobView) -> None:
        if job != self._seen:
            self._seen = job
            self._output.record({"type": "job", "job": job})

    def line(self, line: LogLineView) -> None:
        self._output.record({"type": "log", "line": line})


class _Lines(Watcher):
    def __init__(self, output: Output) -> None:
        self._output = output
        self._state: tuple[State, int] | None = None
        self._told = 0

    def job(self, job: JobView) -> None:
        if (job.state, job.attempt) != self._state:
            self._state, self._told = (job.state, job.attempt), 0
            attempt = f", attempt {job.attempt}" if job.attempt > 1 else ""
            note = "" if job.final else rendering.note(job)
            self._output.line(f"{job.state.value} ({job.meaning}{attempt})" + (f": {note}" if note else ""))
        elif (percent := round(job.progress.fraction * 100)) >= self._told + STEP:
            self._told = percent
            self._output.line(f"{rendering.progress(job)} {job.progress.message}".rstrip())

    def line(self, line: LogLineView) -> None:
        self._output.line(log_text(line))


class _Bar(Watcher):
    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task: TaskID | None = None

    def job(self, job: JobView) -> None:
        colour = COLOURS.get(job.state)
        state = f"[{colour}]{job.state.value}[/]" if colour else job.state.value
        fields = {
            "description": f"{job.kind} {state}",
            "completed": job.progress.fraction,
            "note": safe("" if job.final else rendering.note(job)),
        }
        if self._task is None:
            self._task = self._bar.add_task(total=1.0, **fields)  # type: ignore[arg-type]
        else:
            self._bar.update(self._task, **fields)  # type: ignore[arg-type]

    def line(self, line: LogLineView) -> None:
        style = {"warning": "yellow", "error": "red", "debug": "dim"}.get(line.level, "")
        self._bar.console.print(Text(safe(log_text(line), lines=True), style=style), soft_wrap=True)
