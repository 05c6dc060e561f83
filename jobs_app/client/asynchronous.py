"""The client for programs on an event loop (asyncio). It writes and reads files in blocks, without a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar, Unpack
from uuid import UUID

import httpx
from tenacity import AsyncRetrying

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


class AsyncClient(Base):
    """One user at one server. Tasks may share it; close it, or use it in an ``async with`` block.

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
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(url, token, patience=patience, timeout=timeout, on_wait=on_wait)
        self._http = httpx.AsyncClient(**self._options(), transport=transport)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def submit(
        self, kind: str, parameters: Mapping[str, Any] | None = None, **options: Unpack[plans.Options]
    ) -> Job:
        """Submit a job; however often the request has to be sent, it makes one job. The options: ``Options``."""
        return await self._run(plans.submit(kind, parameters, options))

    async def submit_many(
        self, submissions: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> AsyncIterator[Verdict]:
        """Submit many jobs, as many as ``submissions`` has: each the body of one, as the API takes it (``kind``,
        ``parameters``, …). Gives a verdict on each, in order, as they come; nothing is sent before they are asked for.

        What there was no room for is sent again after ``Retry-After``, until nothing has been accepted for the whole of
        the patience. idempotency_key: the same key with the same submissions makes just the jobs that are missing.
        """
        bulk = Bulk(idempotency_key, self._patience)
        for part in bulk.parts(submissions):
            try:
                found = await self._run(bulk.plan(part))
            except Refused as refused:
                found = list(bulk.given_up(part, refused))
            for each in found:
                yield each

    async def get(self, job: Job | UUID | str) -> Job:
        """A job as it stands."""
        return await self._run(plans.get(job))

    async def wait(self, job: Job | UUID | str, timeout: float | None = None) -> Job:
        """Wait until a job has ended, whichever way. Raises TimedOut after ``timeout`` seconds."""
        return await self._run(plans.wait(job, timeout, patience=self._patience))

    async def result(self, job: Job | UUID | str) -> Any:
        """What the handler of a succeeded job returned. Raises Conflict for any other."""
        return await self._run(plans.result(job))

    async def cancel(self, job: Job | UUID | str) -> Job:
        """Cancel a job: a waiting one ends at once, a running one is told to stop. Twice is no error."""
        return await self._run(plans.cancel(job))

    async def queues(self) -> list[dict[str, Any]]:
        """Every queue: how deep, how fast, and why its head waits."""
        return await self._run(plans.queues())

    async def queue(self, name: str) -> dict[str, Any]:
        """One queue."""
        return await self._run(plans.queue(name))

    async def artifacts(self, job: Job | UUID | str) -> list[Artifact]:
        """The files that a job made, to be downloaded by their names."""
        return await self._run(plans.artifacts(job))

    async def upload(self, file: str | Path) -> Artifact:
        """Upload a file. Raises OSError if it cannot be read.

        It is sent again only if the server surely has not kept it.
        """
        sending = Sending(Path(file))
        return await self._run(plans.upload(Path(file), sending.sha256), sending)

    async def download(self, job: Job | UUID | str, name: str, target: str | Path, *, limit: int = FILE_LIMIT) -> Path:
        """Save a file that a job made as ``target``: all of it, or nothing; an existing file is replaced.

        limit: most bytes. The patience counts while nothing comes. Raises OSError if it cannot be written.
        """
        patience = self._patience_for()
        with Saving(job, name, Path(target), limit) as saving:
            await AsyncRetrying(**patience.loop())(self._fetch, saving, patience)
            return saving.finish()

    async def stream(self, job: Job | UUID | str, timeout: float | None = None) -> AsyncIterator[Event]:
        """What happens to a job as it happens, until it has ended. Raises TimedOut after ``timeout`` seconds.

        It reads the live stream; where that is not to be had, it looks at the job now and then.
        """
        following = Following(job, timeout)
        while True:
            if following.streams:
                async with aclosing(self._streamed(following)) as events:
                    async for event in events:
                        yield event
            if not following.ended:
                for event in await self._run(following.look()):
                    yield event
            if following.ended:
                return
            await self._pause(following.pause())

    async def _streamed(self, following: Following) -> AsyncGenerator[Event, None]:
        address = await self._run(following.address())
        try:
            async with self._http.stream(**following.request(address, self._server)) as answer:
                following.check(answer)
                async for block in answer.aiter_bytes():
                    for event in following.take(block):
                        yield event
                    if following.ended or following.late:
                        return
        except (httpx.HTTPError, NoStream):
            return

    async def _run(self, plan: plans.Plan[T], sending: Sending | None = None) -> T:
        try:
            step = next(plan)
            while True:
                if isinstance(step, Call):
                    step = plan.send(await self._ask(step, sending))
                else:
                    await self._pause(step)
                    step = next(plan)
        except StopIteration as done:
            value: T = done.value
            return value

    async def _ask(self, call: Call, sending: Sending | None) -> Reply:
        patience = self._patience_for(call)
        return await AsyncRetrying(**patience.loop())(self._try, call, patience, sending)

    async def _try(self, call: Call, patience: Patience, sending: Sending | None) -> Reply:
        arguments = self._arguments(call, patience)
        if sending is not None:
            arguments["content"] = aiter(sending)
        try:
            async with self._http.stream(**arguments) as answer:
                return self._reply(call, answer, await self._body(answer, Reading(call, patience)))
        except httpx.HTTPError as error:
            raise call.setback(error) from None

    async def _fetch(self, saving: Saving, patience: Patience) -> None:
        call = saving.call()
        try:
            async with self._http.stream(**self._arguments(call, patience)) as answer:
                if not answer.is_success:
                    self._reply(call, answer, await self._body(answer, Reading(call, patience)))
                saving.begin(answer)
                async for block in answer.aiter_bytes():
                    saving.take(block)
                    patience.renew()
        except httpx.HTTPError as error:
            raise call.setback(error) from None

    async def _body(self, answer: httpx.Response, reading: Reading) -> bytes:
        async for block in answer.aiter_bytes():
            reading.take(block)
        return reading.body()

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
