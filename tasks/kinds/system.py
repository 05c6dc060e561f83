"""Kinds for trying things out."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from jobs_app.authoring import JobContext, job

STEP_SECONDS = 0.2
"""The longest pause between two looks at whether to stop."""


class Slept(BaseModel):
    """How long the job really slept."""

    model_config = ConfigDict(frozen=True)

    seconds: float


@job("system.sleep", timeout=timedelta(hours=2))
def sleep(
    seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False, description="How long, in seconds.")] = 5,
    *,
    context: JobContext,
) -> Slept:
    """Do nothing for a while, with progress; stops within a moment when cancelled."""
    pause = threading.Event()
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        context.check()
        context.progress(elapsed, seconds, f"{seconds - elapsed:.0f} s left")
        pause.wait(min(STEP_SECONDS, seconds - elapsed))
    context.progress(1, 1, "awake")
    return Slept(seconds=round(time.monotonic() - began, 3))


class Echoed(BaseModel):
    """The text, unchanged."""

    model_config = ConfigDict(frozen=True)

    text: str


@job("system.echo", inline=timedelta(milliseconds=250))
def echo(text: Annotated[str, Field(max_length=10_000, description="Any text.")]) -> Echoed:
    """Return the text: the smallest job there is."""
    return Echoed(text=text)
