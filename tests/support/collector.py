"""A collector of traces: takes OTLP over HTTP as any would, and keeps the spans."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """A span as it arrived; ids in hexadecimal."""

    name: str
    kind: int
    trace: str
    span: str
    parent: str
    links: tuple[str, ...]
    failed: bool
    attributes: dict[str, Any]


class Collector:
    """On a port of loopback, from entering to leaving."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Collector:
        threading.Thread(target=self._server.serve_forever, name="collector", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def spans(self) -> list[Seen]:
        """Every span that has arrived."""
        found = []
        for body in list(self.bodies):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                found += [_seen(span) for scope in resource.scope_spans for span in scope.spans]
        return found

    def of_trace(self, trace: str) -> dict[str, Seen]:
        """The spans of one trace, by name."""
        return {span.name: span for span in self.spans if span.trace == trace}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/v1/traces"
                collector.bodies.append(body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                """Nothing: it would be in the middle of the tests' output."""

        return Handler


def _seen(span: Any) -> Seen:
    values = {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}
    links = tuple(f"{link.trace_id.hex()}-{link.span_id.hex()}" for link in span.links)
    return Seen(
        span.name, span.kind, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), links,
        span.status.code == 2, values,
    )  # fmt: skip
