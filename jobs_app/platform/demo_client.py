"""The demo's client: what any program does that uses Weir's HTTP API."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from jobs_app.platform.faults import PlatformError

CHUNK = 1 << 18
TIMEOUT = httpx.Timeout(60, connect=10)
READS = 5
"""How often a live stream is opened again when it breaks off."""

Job = dict[str, Any]


class Api:
    """The API of one user, by token. Every method raises PlatformError saying what was asked and what came."""

    def __init__(self, url: str, token: str) -> None:
        # A proxy from the environment has no business between two processes of one machine.
        self._client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT, trust_env=False
        )

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def upload(self, path: Path, sent: Callable[[int], None]) -> Mapping[str, Any]:
        """Upload a file as it is read; ``sent`` hears of every chunk. Returns its id, size and SHA-256."""

        def chunks() -> Iterator[bytes]:
            with path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk
                    sent(len(chunk))

        headers = {"Content-Length": str(path.stat().st_size), "Content-Type": "application/octet-stream"}
        answer = self._ask("POST", "/api/artifacts", 201, params={"name": path.name}, content=chunks(), headers=headers)
        return _object(answer)

    def submit(self, kind: str, parameters: Mapping[str, Any]) -> Job:
        """Submit a job and send the very same request again: the second answer must be the same job."""
        request: dict[str, Any] = {
            "json": {"kind": kind, "parameters": parameters},
            "headers": {"Idempotency-Key": str(uuid4())},
        }
        accepted = self._ask("POST", "/api/jobs", 202, **request)
        job = _object(accepted)
        if _object(self._ask("POST", "/api/jobs", 200, **request))["id"] != job["id"]:
            raise PlatformError(f"{kind}: expected the same job for the same Idempotency-Key, got another one")
        return _object(self._ask("GET", accepted.headers["Location"], 200))

    def follow(self, job_id: str) -> Iterator[Job]:
        """The job each time it changes, from the live stream, until it has ended."""
        for _ in range(READS):
            try:
                for event, text in self._events(f"/api/jobs/{job_id}/events"):
                    if event == "job":
                        yield json.loads(text)
                    elif event == "end":
                        return
            except httpx.TransportError:
                continue
        raise PlatformError(f"expected the live stream of job {job_id} to tell its end; it broke off {READS} times")

    def job(self, job_id: str) -> Job:
        """The job as it stands."""
        return _object(self._ask("GET", f"/api/jobs/{job_id}", 200))

    def result(self, job_id: str) -> Mapping[str, Any]:
        """What the handler returned."""
        return _object(self._ask("GET", f"/api/jobs/{job_id}/result", 200))

    def send(self, method: str, path: str, expected: int, **arguments: Any) -> dict[str, Any]:
        """Any other request; returns the answer's object."""
        return _object(self._ask(method, path, expected, **arguments))

    def fetch_artifacts(self, job_id: str, directory: Path) -> list[Path]:
        """Download every file the job made into ``directory``."""
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        saved = []
        listed = _object(self._ask("GET", f"/api/jobs/{job_id}/artifacts", 200))
        for artifact in listed["artifacts"]:
            target = directory / Path(artifact["name"]).name
            with self._client.stream("GET", artifact["url"]) as answer, target.open("wb") as file:
                if answer.status_code != httpx.codes.OK:
                    raise PlatformError(f"expected 200 for {artifact['url']}, got {answer.status_code}")
                for chunk in answer.iter_bytes(CHUNK):
                    file.write(chunk)
            saved.append(target)
        return saved

    def _events(self, path: str) -> Iterator[tuple[str, str]]:
        """Server-sent events: name and data of each."""
        with self._client.stream("GET", path, follow_redirects=True) as answer:
            if answer.status_code != httpx.codes.OK:
                raise PlatformError(f"expected a live stream from {path}, got {answer.status_code}")
            name, data = "message", list[str]()
            for line in answer.iter_lines():
                field, _, value = line.partition(":")
                if not line:
                    if data:
                        yield name, "\n".join(data)
                    name, data = "message", []
                elif field == "event":
                    name = value.strip()
                elif field == "data":
                    data.append(value.removeprefix(" "))

    def _ask(self, method: str, path: str, expected: int, **arguments: Any) -> httpx.Response:
        started = time.monotonic()
        try:
            answer = self._client.request(method, path, **arguments)
        except httpx.HTTPError as error:
            waited = time.monotonic() - started
            raise PlatformError(f"{method} {path}: expected {expected}, got {error!r} after {waited:.1f} s") from None
        if answer.status_code != expected:
            raise PlatformError(f"{method} {path}: expected {expected}, got {answer.status_code}: {answer.text[:1000]}")
        return answer


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise PlatformError(f"{answer.request.url}: expected a JSON object, got {answer.text[:200]!r}")
    return found
