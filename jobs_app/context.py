"""What a handler is given to speak to the platform while it runs."""

from __future__ import annotations

import shutil
import tempfile
from abc import ABC, abstractmethod
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from jobs_app.parameters import Artifact

Level = Literal["debug", "info", "warning", "error"]


class Cancelled(BaseException):
    """Raised inside a handler when its job is to stop. Let it pass; use ``finally`` to clean up.

    A ``BaseException``, so that ``except Exception`` in a handler does not swallow it.
    """


class TimedOut(Exception):
    """Raised inside a handler when its time is up."""


class JobContext(ABC):
    """The running attempt, as its handler sees it.

    job_id, attempt: which run this is (``attempt`` counts from 1).
    workspace: a private directory, removed after the attempt.
    deadline: when the attempt will be stopped, or None.
    """

    job_id: str
    attempt: int
    workspace: Path
    deadline: datetime | None

    @abstractmethod
    def progress(self, done: float, total: float = 1.0, message: str = "") -> None:
        """Say how far the work is: ``done`` out of ``total``. Cheap: written at most twice a second."""

    @abstractmethod
    def log(self, message: str, level: Level = "info") -> None:
        """Add a line to the job's log (at most 10,000 characters; longer is cut)."""

    @property
    @abstractmethod
    def should_stop(self) -> bool:
        """Whether the job was cancelled, timed out or taken over."""

    @abstractmethod
    def check(self) -> None:
        """Raise ``Cancelled`` or ``TimedOut`` if the job should stop; else do nothing. Call it in loops."""

    @property
    @abstractmethod
    def checkpoint(self) -> Any:
        """What an earlier attempt of this job passed to ``save_checkpoint`` last, or None: where to go on from."""

    @abstractmethod
    def save_checkpoint(self, value: Any) -> None:
        """Keep how far this job got (JSON-ready, at most 64 KiB), for the next attempt if this one does not end well.

        It is in the ledger when this returns; in an ``atomic`` kind it commits, or vanishes, with the handler's writes.
        """

    @abstractmethod
    def save_artifact(self, name: str, source: Path | bytes, content_type: str = "") -> Artifact:
        """Keep a file as an output of this job; saving the same name again in one attempt replaces it."""


class DetachedContext(JobContext):
    """A context that keeps everything in memory: what a handler gets when it is called as a plain function."""

    checkpoint: Any = None

    def __init__(self, workspace: Path | None = None, checkpoint: Any = None) -> None:
        self.checkpoint = checkpoint
        self.job_id = "detached"
        self.attempt = 1
        self.deadline = None
        self.workspace = workspace or Path(tempfile.mkdtemp(prefix="weir-"))
        self.fractions: list[float] = []
        self.lines: list[str] = []
        self.artifacts: dict[str, Artifact] = {}
        self.stop = False

    def progress(self, done: float, total: float = 1.0, message: str = "") -> None:
        self.check()
        self.fractions.append(done / total if total else 0.0)

    def log(self, message: str, level: Level = "info") -> None:
        self.lines.append(message)

    @property
    def should_stop(self) -> bool:
        return self.stop

    def check(self) -> None:
        if self.stop:
            raise Cancelled("cancelled")

    def save_checkpoint(self, value: Any) -> None:
        self.check()
        self.checkpoint = value

    def save_artifact(self, name: str, source: Path | bytes, content_type: str = "") -> Artifact:
        target = Path(tempfile.mkdtemp(dir=self.workspace)) / "artifact"
        if isinstance(source, bytes):
            target.write_bytes(source)
        else:
            shutil.copyfile(source, target)
        saved = Artifact.local(target, name=name, content_type=content_type)
        self.artifacts[name] = saved
        return saved
