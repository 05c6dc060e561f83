"""The clients: they submit what the plan says and ask again with the same key until they have an answer.

So what was accepted is known exactly, whatever was killed in between.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
from django.contrib.auth.models import User
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from jobs_app.core import submission
from tests.chaos.plan import Order

THREADS = 4
PAUSE_SECONDS = 0.2
ANSWER_SECONDS = 15.0
REPLAYED = 20
"""One in so many accepted submissions is sent once more, to see that it gives the same job."""


@dataclass
class Known:
    """What the clients know, each for sure: an id is here only when it was answered."""

    accepted: dict[str, UUID] = field(default_factory=dict)
    cancelled: set[UUID] = field(default_factory=set)
    ended_before_cancel: set[UUID] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    tries: int = 0
    slowest: float = 0.0


class Load:
    """Threads that submit and cancel on time."""

    def __init__(self, orders: tuple[Order, ...], *, url: str, token: str, owner: User) -> None:
        self.known = Known()
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        for order in orders:
            self._orders.put(order)
        self._cancels: queue.PriorityQueue[tuple[float, UUID]] = queue.PriorityQueue()
        self._url, self._owner = url, owner
        self._headers = {"Authorization": f"Bearer {token}"}
        self._began = 0.0
        self._stop = threading.Event()
        self._submitters: list[threading.Thread] = []
        self._canceller = threading.Thread(target=self._cancel_all, name="cancels", daemon=True)

    def start(self) -> None:
        """Begin; the plan's times count from here."""
        self._began = time.monotonic()
        self._submitters = [
            threading.Thread(target=self._submit_all, name=f"client {number}", daemon=True) for number in range(THREADS)
        ]
        for thread in (*self._submitters, self._canceller):
            thread.start()

    @property
    def done(self) -> bool:
        """Whether every order has its answer and every cancel was sent."""
        return not any(thread.is_alive() for thread in (*self._submitters, self._canceller))

    def stop(self) -> None:
        """Give up what has no answer yet."""
        self._stop.set()
        for thread in (*self._submitters, self._canceller):
            thread.join(ANSWER_SECONDS + 5)

    def _submit_all(self) -> None:
        with self._client() as client:
            while not self._stop.is_set():
                try:
                    order = self._orders.get_nowait()
                except queue.Empty:
                    return
                self._stop.wait(max(self._began + order.at - time.monotonic(), 0))
                job_id = self._submit(client, order)
                if job_id is None:
                    continue
                self.known.accepted[order.key] = job_id
                if order.cancel_after is not None:
                    self._cancels.put((time.monotonic() + order.cancel_after, job_id))
                if len(self.known.accepted) % REPLAYED == 0:
                    again = self._submit(client, order)
                    if again not in {job_id, None}:
                        self.known.doubled.append(f"{order.key}: {job_id} and {again}")
        connection.close()

    def _submit(self, client: httpx.Client, order: Order) -> UUID | None:
        began = time.monotonic()
        send = self._by_http if order.by_http else self._by_python
        found = self._until_answered(lambda: send(client, order))
        self.known.slowest = max(self.known.slowest, time.monotonic() - began)
        return found

    def _until_answered(self, ask: Callable[[], UUID | None]) -> UUID | None:
        """Ask until there is an answer: what cannot be known now is asked again."""
        while not self._stop.is_set():
            self.known.tries += 1
            with contextlib.suppress(httpx.TransportError, _TryAgain):
                return ask()
            self._stop.wait(PAUSE_SECONDS)
        return None

    def _by_http(self, client: httpx.Client, order: Order) -> UUID | None:
        body: dict[str, Any] = {"kind": order.kind, "parameters": dict(order.parameters)}
        if order.max_attempts is not None:
            body["max_attempts"] = order.max_attempts
        answer = client.post("/api/jobs", json=body, headers={"Idempotency-Key": order.key})
        if answer.status_code in {200, 202}:
            return UUID(answer.json()["id"])
        if answer.status_code >= 500:
            raise _TryAgain
        self.known.refused.append(f"{order.key}: {answer.status_code} {answer.text[:300]}")
        return None

    def _by_python(self, client: httpx.Client, order: Order) -> UUID | None:
        try:
            close_old_connections()
            return submission.submit(
                order.kind, order.parameters, owner=self._owner, idempotency_key=order.key,
                max_attempts=order.max_attempts,
            ).id  # fmt: skip
        except (DatabaseError, InterfaceError):
            connection.close()
            raise _TryAgain from None

    def _cancel_all(self) -> None:
        with self._client() as client:
            while not self._stop.is_set():
                try:
                    at, job_id = self._cancels.get_nowait()
                except queue.Empty:
                    if not any(thread.is_alive() for thread in self._submitters):
                        return
                    self._stop.wait(PAUSE_SECONDS)
                    continue
                self._stop.wait(max(at - time.monotonic(), 0))
                self._until_answered(lambda: self._cancel(client, job_id))  # noqa: B023 - called at once

    def _cancel(self, client: httpx.Client, job_id: UUID) -> None:
        # Counted before it is sent: a lost answer may have cancelled.
        self.known.cancelled.add(job_id)
        answer = client.post(f"/api/jobs/{job_id}/cancel")
        if answer.status_code == 409:
            self.known.ended_before_cancel.add(job_id)
        elif answer.status_code >= 500:
            raise _TryAgain
        elif answer.status_code != 200:
            self.known.refused.append(f"cancel of {job_id}: {answer.status_code} {answer.text[:300]}")

    def _client(self) -> httpx.Client:
        # A proxy from the environment has no business between two processes of one machine.
        return httpx.Client(base_url=self._url, headers=self._headers, timeout=ANSWER_SECONDS, trust_env=False)


class _TryAgain(Exception):
    """There was no answer that tells anything."""
