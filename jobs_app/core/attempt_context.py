"""The context of a real attempt: reports go to the heart thread, files to the artifact store."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from jobs_app.context import Child, Family, JobContext, Level
from jobs_app.core import artifacts, checkpoints, families, secrecy
from jobs_app.core.clock import database_now
from jobs_app.core.held import Held
from jobs_app.core.secrecy import scrub, secrets_in
from jobs_app.models import Job
from jobs_app.parameters import Artifact

UNREAD = object()

Spawn = Callable[[Sequence[Child]], list[UUID]]


class AttemptContext(JobContext):
    """What a handler gets when a worker runs it."""

    def __init__(self, job: Job, held: Held, spawn: Spawn) -> None:
        self.job_id = str(job.id)
        self.attempt = job.attempt
        self.deadline = job.deadline_at
        self.timeout_seconds = job.timeout.total_seconds()
        self.secrets: tuple[str, ...] = ()
        self._job = job
        self._held = held
        self._spawn = spawn
        self._checkpoint: Any = UNREAD
        self._workspace: Path | None = None

    @property
    def workspace(self) -> Path:  # type: ignore[override]
        """Made when it is first asked for."""
        if self._workspace is None:
            self._workspace = Path(tempfile.mkdtemp(prefix="weir-"))
        return self._workspace

    def close(self) -> None:
        """Remove the directory, if there is one."""
        if self._workspace is not None:
            shutil.rmtree(self._workspace, ignore_errors=True)

    def progress(self, done: float, total: float = 1.0, message: str = "") -> None:
        self.check()
        fraction = done / total if total > 0 else 0.0
        bounded = min(max(fraction, 0.0), 1.0) if math.isfinite(fraction) else 0.0
        self._held.progress = (bounded, scrub(message, self.secrets)[:200])

    def log(self, message: str, level: Level = "info") -> None:
        # The worker's own clock: a line's time is for reading, no decision rests on it.
        self._held.log(scrub(str(message), self.secrets), level, datetime.now(UTC))

    @property
    def should_stop(self) -> bool:
        return self._held.should_stop

    def check(self) -> None:
        self._held.check()

    @property
    def checkpoint(self) -> Any:
        if self._checkpoint is UNREAD:
            self._checkpoint = checkpoints.load(self._job)
        return self._checkpoint

    def save_checkpoint(self, value: Any) -> None:
        self.check()
        checkpoints.save(self._job, value, secrets=self.secrets, now=database_now())
        self._checkpoint = value

    def save_artifact(self, name: str, source: Path | bytes, content_type: str = "") -> Artifact:
        self.check()
        row = artifacts.save_output(
            self._job, self.attempt, secrecy.starred(name, self.secrets), source,
            content_type=secrecy.starred(content_type, self.secrets), now=database_now(),
        )  # fmt: skip
        return artifacts.as_parameter(row)

    def spawn_many(self, children: Sequence[Child]) -> list[str]:
        self.check()
        return [str(each) for each in self._spawn(children)]

    @property
    def children(self) -> Family:
        return families.standing(self._job.id)

    def hide_secrets_of(self, model: BaseModel) -> None:
        """Star out this job's secrets in everything it reports from now on."""
        self.secrets = secrets_in(model)
        secrecy.remember(self.secrets)
