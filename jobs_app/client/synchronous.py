"""The client for programs that wait."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, Unpack
from uuid import UUID

import httpx
from tenacity import Retrying

from jobs_app.client import plans
from jobs_app.client.base import PATIENCE_SECONDS, TIMEOUT_SECONDS, Base, Reading
from jobs_app.client.batches import Bulk
from jobs_app.client.calls import Call, Reply
from jobs_app.client.errors import Refused
from jobs_app.client.files import FILE_LIMIT, Saving, Sending
from jobs_app.client.following import Following, NoStream
from jobs_app.client.patience import OnWait, Patience
from jobs_app.client.shapes import Artifact, Event, Job, Verdict

T = TypeVar("T")


class Client(Base):
    """One user at one server. Threads may share it; close it, or use it in a ``with`` block.

    Every method raises a ClientError: Refused, Unreachable, NotAllowed, NotFound, Invalid, Conflict.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        patience: float = PATIENCE_SECONDS,
        timeout: float = TIMEOUT_SECONDS,
        on_wait: OnWait | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(url, token, patience=patience, timeout=timeout, on_wait=on_wait)
        self._http = httpx.Client(**self._options(), transport=transport)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def submit(self, kind: str, parameters: Mapping[str, Any] | None = None, **options: Unpack[plans.Options]) -> Job:
        """Submit a job; however often the request has to be sent, it makes one job. The options: ``Options``."""
        return self._run(plans.submit(kind, parameters, options))

    def submit_many(
        self, submissions: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> Iterator[Verdict]:
        """Submit many jobs, as many as ``submissions`` has: each the body of one, as the API takes it (``kind``,
        ``parameters``, …). Gives a verdict on each, in order, as they come; nothing is sent before they are asked for.

        What there was no room for is sent again after ``Retry-After``, until nothing has been accepted for the whole of
        the patience. idempotency_key: the same key with the same submissions makes just the jobs that are missing.
        """
        bulk = Bulk(idempotency_key, self._patience)
        for part in bulk.parts(submissions):
            try:
                yield from self._run(bulk.plan(part))
            except Refused as refused:
                yield from bulk.given_up(part, refused)

    def get(self, job: Job | UUID | str) -> Job:
        """A job as it stands."""
        return self._run(plans.get(job))

    def wait(self, job: Job | UUID | str, timeout: float | None = None) -> Job:
        """Wait until a job has ended, whichever way. Raises TimedOut after ``timeout`` seconds."""
        return self._run(plans.wait(job, timeout, patience=self._patience))

    def result(self, job: Job | UUID | str) -> Any:
        """What the handler of a succeeded job returned. Raises Conflict for any other."""
        return self._run(plans.result(job))

    def cancel(self, job: Job | UUID | str) -> Job:
        """Cancel a job: a waiting one ends at once, a running one is told to stop. Twice is no error."""
        return self._run(plans.cancel(job))

    def queues(self) -> list[dict[str, Any]]:
        """Every queue: how deep, how fast, and why its head waits."""
        return self._run(plans.queues())

    def queue(self, name: str) -> dict[str, Any]:
        """One queue."""
        return self._run(plans.queue(name))

    def artifacts(self, job: Job | UUID | str) -> list[Artifact]:
        """The files that a job made, to be downloaded by their names."""
        return self._run(plans.artifacts(job))

    def upload(self, file: str | Path) -> Artifact:
        """Upload a file. Raises OSError if it cannot be read.

        It is sent again only if the server surely has not kept it.
        """
        sending = Sending(Path(file))
        return self._run(plans.upload(Path(file), sending.sha256), sending)

    def download(self, job: Job | UUID | str, name: str, target: str | Path, *, limit: int = FILE_LIMIT) -> Path:
        """Save a file that a job made as ``target``: all of it, or nothing; an existing file is replaced.

        limit: most bytes. The patience counts while nothing comes. Raises OSError if it cannot be written.
        """
        patience = self._patience_for()
        with Saving(job, name, Path(target), limit) as saving:
            Retrying(**patience.loop())(self._fetch, saving, patience)
            return saving.finish()

    def stream(self, job: Job | UUID | str, timeout: float | None = None) -> Iterator[Event]:
        """What happens to a job as it happens, until it has ended. Raises TimedOut after ``timeout`` seconds.

        It reads the live stream; where that is not to be had, it looks at the job now and then.
        """
        following = Following(job, timeout)
        while True:
            if following.streams:
                yield from self._streamed(following)
            if not following.ended:
                yield from self._run(following.look())
            if following.ended:
                return
            self._pause(following.pause())

    def _streamed(self, following: Following) -> Iterator[Event]:
        address = self._run(following.address())
        try:
            with self._http.stream(**following.request(address, self._server)) as answer:
                following.check(answer)
                for block in answer.iter_bytes():
                    yield from following.take(block)
                    if following.ended or following.late:
                        return
        except (httpx.HTTPError, NoStream):
            return

    def _run(self, plan: plans.Plan[T], sending: Sending | None = None) -> T:
        try:
            step = next(plan)
            while True:
                if isinstance(step, Call):
                    step = plan.send(self._ask(step, sending))
                else:
                    self._pause(step)
                    step = next(plan)
        except StopIteration as done:
            value: T = done.value
            return value

    def _ask(self, call: Call, sending: Sending | None) -> Reply:
        patience = self._patience_for(call)
        return Retrying(**patience.loop())(self._try, call, patience, sending)

    def _try(self, call: Call, patience: Patience, sending: Sending | None) -> Reply:
        arguments = self._arguments(call, patience)
        if sending is not None:
            arguments["content"] = iter(sending)
        try:
            with self._http.stream(**arguments) as answer:
                return self._reply(call, answer, self._body(answer, Reading(call, patience)))
        except httpx.HTTPError as error:
            raise call.setback(error) from None

    def _fetch(self, saving: Saving, patience: Patience) -> None:
        call = saving.call()
        try:
            with self._http.stream(**self._arguments(call, patience)) as answer:
                if not answer.is_success:
                    self._reply(call, answer, self._body(answer, Reading(call, patience)))
                saving.begin(answer)
                for block in answer.iter_bytes():
                    saving.take(block)
                    patience.renew()
        except httpx.HTTPError as error:
            raise call.setback(error) from None

    def _body(self, answer: httpx.Response, reading: Reading) -> bytes:
        for block in answer.iter_bytes():
            reading.take(block)
        return reading.body()

    def _pause(self, seconds: float) -> None:
        threading.Event().wait(seconds)
