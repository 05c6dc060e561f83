"""A program that holds live streams open, as so many browsers do, and says how much came.

``python -m benchmarks.listeners PORT TOKEN JOB COUNT``: half of them on one job, half on the list of jobs. It says
``open`` when all are, and when its standard input ends, how many events each sort got, as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys

import httpx

TIMEOUT = 60.0


async def listen(reader: httpx.AsyncClient, address: str, counts: list[int], opened: asyncio.Semaphore) -> None:
    """Read one stream until it is cancelled; ``counts`` gets one more for each event."""
    async with reader.stream("GET", address) as answer:
        if answer.status_code != 200:
            raise SystemExit(f"expected a stream, got {answer.status_code}")
        opened.release()
        async for line in answer.aiter_lines():
            counts[0] += line.startswith("event:")


def address_of(client: httpx.Client, path: str) -> str:
    """Where a stream is, with a ticket for it."""
    answer = client.get(path)
    if not answer.is_redirect:
        raise SystemExit(f"expected a redirect to the stream, got {answer.status_code}: {answer.text[:200]}")
    return answer.headers["location"]


async def main(port: int, token: str, job: str, count: int) -> None:
    """Open all of them, and hold them until the input ends."""
    job_events, list_events = [0], [0]
    opened = asyncio.Semaphore(0)
    headers = {"Authorization": f"Bearer {token}"}
    reader = httpx.AsyncClient(timeout=httpx.Timeout(TIMEOUT, read=None), limits=httpx.Limits(max_connections=None))
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=TIMEOUT) as client:
        listeners = []
        for number in range(count):
            path, counts = (f"/api/jobs/{job}/events", job_events) if number % 2 else ("/api/jobs/events", list_events)
            listeners.append(asyncio.create_task(listen(reader, address_of(client, path), counts, opened)))
            await asyncio.wait_for(opened.acquire(), TIMEOUT)
    print("open", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    alive = sum(not each.done() for each in listeners)
    for each in listeners:
        each.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*listeners, return_exceptions=True)
    print(json.dumps({"open": alive, "of the job": job_events[0], "of the list": list_events[0]}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
