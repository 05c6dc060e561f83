"""What tests of the API share: clients, problems, real servers, and how much a process uses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
from django.contrib.auth.models import User
from django.test import Client

from jobs_app.core import clock, execution, tokens
from jobs_app.models import Job
from jobs_app.platform import ports
from jobs_app.scopes import Scope
from tests.support.processes import ROOT, eventually

JSON = "application/json"
PROBLEM = "application/problem+json"


def token_of(user: User) -> str:
    """A new token of this user, for everything that they may do."""
    return tokens.issue(user, "tests", now=clock.database_now(), grants=list(Scope))[1]


def client_of(user: User) -> Client:
    """A client that sends a token of this user."""
    return Client(headers={"Authorization": f"Bearer {token_of(user)}"})


def problem(response: Any, status: int, code: str = "") -> dict[str, Any]:
    """The problem in a response, after a look at its form."""
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == PROBLEM
    body: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "code"} <= set(body)
    assert body["status"] == status
    assert body["detail"]
    assert "Traceback" not in response.content.decode()
    if code:
        assert body["code"] == code
    return body


def submit(client: Client, kind: str = "system.echo", headers: Any = None, **body: Any) -> Any:
    """Submit a job over the API."""
    body.setdefault("parameters", {"text": "hello"} if kind == "system.echo" else {})
    return client.post("/api/jobs", {"kind": kind, **body}, content_type=JSON, headers=headers)


def run(job_id: Any) -> Job:
    """Run a job here and now, as a worker would.

    A claim skips a row that the publisher's thread has locked, so it is tried until it has the job.
    """
    job = Job.objects.get(id=job_id)
    eventually(lambda: execution.run([job.id], holder="tests"), what="the claim")
    job.refresh_from_db()
    return job


class Servers:
    """The API's and the stream's processes, each on a port of its own."""

    def __init__(self, environment: dict[str, str], logs: Path) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._reserved = {name: ports.Reservation(0) for name in ("web", "stream")}
        self.web = f"http://127.0.0.1:{self._reserved['web'].port}"
        self.stream = f"http://127.0.0.1:{self._reserved['stream'].port}"
        self._environment = {**environment, "STREAM_URL": self.stream}
        self._logs = logs
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start_web(self) -> None:
        """Start the API's server."""
        self.start("web", "wsgi", "project.wsgi:application", "--blocking-threads", "2")

    def start_stream(self, target: str = "project.asgi:application") -> None:
        """Start the stream's server."""
        self.start("stream", "asgi", target, "--workers-kill-timeout", "1s")

    def start(self, name: str, interface: str, target: str, *more: str) -> None:
        """Start one, and wait until it answers."""
        reserved = self._reserved[name]
        command = [sys.executable, "-m", "granian", "--interface", interface, "--host", "127.0.0.1", "--no-ws"]
        with (self._logs / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*command, "--port", str(reserved.port), "--workers", "1", *more, target],
                cwd=ROOT, env=self._environment, stdout=log, stderr=log,
            )  # fmt: skip
        url = getattr(self, name)
        process = self.processes[name]
        eventually(lambda: process.poll() is not None or _answers(f"{url}/healthz"), what=f"an answer of {name}")
        assert process.poll() is None, self.log(name)

    def log(self, name: str) -> str:
        """What one has logged."""
        return (self._logs / f"{name}.log").read_text()

    def stop(self) -> None:
        """End both."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(20)
        for reserved in self._reserved.values():
            reserved.close()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def processes_below(pid: int) -> list[int]:
    """The process and its children, from /proc."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += processes_below(int(child))
    return found


def memory_of(pid: int) -> int:
    """Bytes of memory, at their highest, that a process and its children hold."""
    return sum(_status(each, "VmHWM") * 1024 for each in processes_below(pid))


def threads_of(pid: int) -> int:
    """Threads of a process and its children."""
    return sum(_status(each, "Threads") for each in processes_below(pid))


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])
