"""The clients that do not listen: locust offers jobs at a steady rate, whatever is answered.

``python -m benchmarks.overload.clients URL KIND RATE SECONDS RESULT`` is a process of its own, since locust replaces
Python's sockets by gevent's. One client for each token, a line each on the standard input. An open load: each client
sends at its own pace and does not wait longer because it was refused. RESULT becomes JSON: for each request its key,
when it was sent (seconds since 1970), the milliseconds to the answer, the status (0: none), the job's id, Retry-After.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import gevent
from gevent.event import Event
from locust import FastHttpUser, events, task
from locust.env import Environment

STOP_SECONDS = 60
UNANSWERED = "no answer yet"


def main(url: str, kind: str, rate: float, seconds: float, result: Path, tokens: list[str]) -> None:
    """Offer ``rate`` jobs a second in all, for so many seconds."""
    sent: dict[str, dict[str, Any]] = {}
    clients, unused, over = len(tokens), list(tokens), Event()

    class Submitter(FastHttpUser):
        """One client, with a pace that begins at a random moment: locust's own would have them all march in step."""

        host = url
        network_timeout = connection_timeout = 60.0

        def on_start(self) -> None:
            self.token = unused.pop()
            self.due = time.monotonic() + random.uniform(0, clients / rate)  # noqa: S311 - no secret
            gevent.sleep(max(self.due - time.monotonic(), 0.0))

        def wait_time(self) -> float:
            self.due += clients / rate
            return max(self.due - time.monotonic(), 0.0)

        @task
        def submit(self) -> None:
            if over.is_set():
                return
            key = str(uuid4())
            headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": key}
            sent[key] = {"at": time.time(), "status": 0, "error": UNANSWERED}
            self.client.post(
                "/api/jobs", json={"kind": kind, "parameters": {}}, headers=headers, context={"key": key}
            )  # fmt: skip

    def record(
        start_time: float, response_time: float, response: Any, context: dict[str, str],
        exception: BaseException | None, **_: Any,
    ) -> None:  # fmt: skip
        status = getattr(response, "status_code", 0) or 0
        sent[context["key"]] = {
            "at": start_time, "milliseconds": round(response_time, 2), "status": status,
            "job": response.json()["id"] if status in (200, 202) else None,
            "retry_after": response.headers.get("Retry-After") if status else None,
            "error": "" if status else repr(exception),
        }  # fmt: skip

    environment = Environment(user_classes=[Submitter], events=events)
    environment.events.request.add_listener(record)
    runner = environment.create_local_runner()
    runner.start(clients, spawn_rate=clients)
    gevent.sleep(seconds)
    # locust may end a client in the midst of a request: so there are none when it does.
    over.set()
    with gevent.Timeout(STOP_SECONDS, False):
        while any(each["error"] == UNANSWERED for each in sent.values()):
            gevent.sleep(0.1)
    runner.quit()
    runner.greenlet.join()
    result.write_text(json.dumps([{"key": key, **each} for key, each in sent.items()]))


if __name__ == "__main__":
    _url, _kind, _rate, _seconds, _result = sys.argv[1:]
    main(_url, _kind, float(_rate), float(_seconds), Path(_result), sys.stdin.read().split())
