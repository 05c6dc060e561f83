"""What tests of the client share: both clients under one face, a server that answers as told, a network that severs."""

from __future__ import annotations

import inspect
import itertools
import socket
import threading
import time
from asyncio import Runner
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from jobs_app.client import AsyncClient, Client

TOKEN = "weir_only-for-tests-0123456789"
JOB = "01940000-0000-7000-8000-000000000001"


class Waiting:
    """The async client, called as the sync one is. Its loop runs in a thread of its own: this one may have another."""

    def __init__(self, url: str, token: str, **options: Any) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._runner = Runner()
        self._client = AsyncClient(url, token, **options)

    def __repr__(self) -> str:
        return repr(self._client)

    def close(self) -> None:
        self._run(self._client.close())
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*given: Any, **options: Any) -> Any:
            asked = getattr(self._client, name)(*given, **options)
            return self._run(asked if inspect.isawaitable(asked) else _listed(asked))

        return call

    def _run(self, awaited: Any) -> Any:
        return self._thread.submit(self._runner.run, awaited).result()


async def _listed(generator: Any) -> list[Any]:
    return [each async for each in generator]


MAKERS: Mapping[str, Callable[..., Any]] = {"sync": Client, "async": Waiting}


@dataclass(frozen=True)
class Answer:
    """What the server answers. drop: closes the connection after so many bytes of the body."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: int | None = None
    trickle: float = 0.0


@dataclass(frozen=True)
class Seen:
    """A request that came in."""

    at: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Scripted:
    """A real HTTP server that gives one answer after the other; the last again and again."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.seen: list[Seen] = []
        lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with lock:
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    outer.seen.append(Seen(time.monotonic(), self.command, self.path, headers, body))
                    answer = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                self.send_response_only(answer.status)
                for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                with suppress(OSError):
                    self._send(answer)
                if answer.drop is not None:
                    self.close_connection = True

            def _send(self, answer: Answer) -> None:
                body = answer.body if answer.drop is None else answer.body[: answer.drop]
                if not answer.trickle:
                    self.wfile.write(body)
                    return
                for place in range(len(body)):
                    self.wfile.write(body[place : place + 1])
                    threading.Event().wait(answer.trickle)

            do_GET = do_POST = handle_one  # noqa: N815 - the base's names

            def log_message(self, *_: Any) -> None:
                """Silence."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def gaps(self) -> list[float]:
        """Seconds between one request and the next."""
        times = [each.at for each in self.seen]
        return [after - before for before, after in itertools.pairwise(times)]


class Severing:
    """A network to a server that drops the first connections after some bytes of their answer have passed."""

    def __init__(self, url: str, *, times: int, after: int) -> None:
        address = urlsplit(url)
        self._target = (address.hostname or "", address.port or 0)
        self._times, self._after = times, after
        self.severed = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            threading.Thread(target=self._pass, args=(near, far), daemon=True).start()
            threading.Thread(target=self._answer, args=(far, near), daemon=True).start()

    def _answer(self, far: socket.socket, near: socket.socket) -> None:
        if self.severed >= self._times:
            self._pass(far, near)
            return
        self.severed += 1
        with suppress(OSError):
            first = far.recv(65_536)  # the server has done its work by now
            near.sendall(first[: self._after])
        self._end(far, near)

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while block := source.recv(65_536):
                sink.sendall(block)
        self._end(source, sink)

    def _end(self, *ends: socket.socket) -> None:
        for each in ends:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
