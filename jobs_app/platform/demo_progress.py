"""Progress of several things at once: live bars on a terminal, a line each quarter elsewhere (a CI log)."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

STEP = 0.25


class Bars:
    """Bars by key; use it as a context manager. ``unit`` "bytes" shows amounts of data, else percent."""

    def __init__(self, console: Console, unit: str = "") -> None:
        amount: ProgressColumn = DownloadColumn() if unit == "bytes" else TaskProgressColumn()
        self._console = console
        self._live = Progress(
            TextColumn("{task.fields[title]}", markup=False),
            BarColumn(30),
            amount,
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._titles: dict[str, str] = {}
        self._totals: dict[str, float] = {}
        self._done: dict[str, float] = {}
        self._said: dict[str, float] = {}

    def __enter__(self) -> Bars:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def add(self, key: str, title: str, total: float) -> None:
        """A new bar."""
        self._titles[key], self._totals[key], self._done[key], self._said[key] = title, total, 0.0, -1.0
        self._tasks[key] = self._live.add_task("", total=total, title=title)

    def advance(self, key: str, amount: float) -> None:
        """So much more is done."""
        self.set(key, self._done[key] + amount)

    def set(self, key: str, done: float, message: str = "") -> None:
        """So much is done in all."""
        self._done[key] = done
        self._live.update(self._tasks[key], completed=done, description=message)
        if not self._console.is_terminal:
            fraction = min(1.0, done / self._totals[key]) if self._totals[key] else 1.0
            if fraction - self._said[key] >= STEP or (fraction == 1.0 and self._said[key] < 1.0):
                self._said[key] = fraction
                self._console.print(f"  {self._titles[key]}: {fraction:.0%} {message}", markup=False, soft_wrap=True)
