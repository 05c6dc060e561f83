"""A program that submits jobs over HTTP, one after the other, and prints how long each answer took.

``python -m benchmarks.client PORT TOKEN COUNT PAUSE``: a process of its own, so that nothing else in the measuring
program adds to the times. Prints JSON: pairs of the status and the milliseconds.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time

BODY = json.dumps({"kind": "probe.nothing", "parameters": {}})


def main(port: int, token: str, count: int, pause: float) -> None:
    """Submit ``count`` jobs with ``pause`` seconds between an answer and the next request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    measured = []
    for _ in range(count):
        threading.Event().wait(pause)
        began = time.perf_counter()
        connection.request("POST", "/api/jobs", BODY, headers)
        answer = connection.getresponse()
        answer.read()
        measured.append((answer.status, round((time.perf_counter() - began) * 1000, 2)))
    json.dump(measured, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
