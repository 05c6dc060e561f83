"""What a handler is given to speak to the platform while it runs."""

from __future__ import annotations

import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Child:
    """A job to spawn.

    kind: the name of its kind. key: its name among its parent's children (1 to 100 printable characters); a parent
    that is run again spawns no key twice. queue: default the kind's. priority: default the parent's.
    """

    kind: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    queue: str | None = None
    priority: int | None = None


@dataclass(frozen=True)
class Family:
    """How many children a job has, and how they stand."""

    total: int = 0
    waiting: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    fraction: float = 0.0
    """How far they are in all, from 0 to 1."""

    @property
    def unfinished(self) -> int:
        """Those that have not ended."""
        return self.waiting + self.running

    @property
    def broken(self) -> int:
        """Those that ended otherwise than well."""
        return self.failed + self.cancelled


@dataclass(frozen=True)
class Submitting:
    """What a kind's ``preview`` is told of the job that is being submitted.

    owner: the user (Django's), or None for the system's own jobs. now: the database's time.
    """

    job_id: str
    owner: Any
    now: datetime


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

    @abstractmethod
    def spawn_many(self, children: Sequence[Child]) -> list[str]:
        """Make children of this job, at most 1,000 a call and 10,000 in all; returns their ids, in order.

        For kinds declared with ``children=``. A key that this job has spawned before is left as it is. They wait in
        the ledger until their queue has room, so a full queue loses none and keeps nobody waiting. In an ``atomic``
        kind they commit, or vanish, with the handler's writes.
        """

    def spawn(self, kind: str, parameters: Mapping[str, Any] | None = None, *, key: str) -> str:
        """Make one child of this job; see ``spawn_many``."""
        (made,) = self.spawn_many([Child(kind, parameters or {}, key)])
        return made

    @property
    @abstractmethod
    def children(self) -> Family:
        """How this job's children stand now. After a ``resume`` all of them have ended."""


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
        self.spawned: dict[str, Child] = {}

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

    def spawn_many(self, children: Sequence[Child]) -> list[str]:
        self.check()
        for each in children:
            self.spawned.setdefault(each.key, each)
        return [each.key for each in children]

    @property
    def children(self) -> Family:
        return Family(total=len(self.spawned), waiting=len(self.spawned))
