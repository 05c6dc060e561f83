"""Traces by OpenTelemetry, from a request or a submission in Python to the attempt in a worker.

Off, and none of its packages imported, unless OTEL_EXPORTER_OTLP_ENDPOINT is set. Spans say which job, kind, queue and
attempt; of errors they say the class, since a message may hold what is secret.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from jobs_app import VERSION, conf

if TYPE_CHECKING:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import Link, SpanContext

logger = logging.getLogger(__name__)

SYSTEM = "weir"
DELAY_MILLISECONDS = 1000
FLUSH_MILLISECONDS = 3000
Role = Literal["SERVER", "PRODUCER", "CONSUMER", "INTERNAL"]
Value = str | int | bool


def on() -> bool:
    """Whether traces are made."""
    return bool(conf.current().otel_exporter_otlp_endpoint)


@contextmanager
def span(
    name: str, role: Role, *, parent: str | None = None, links: Sequence[str] = (), expected: tuple[type, ...] = (),
    **attributes: Value,
) -> Iterator[None]:  # fmt: skip
    """Trace the block, if traces are made. An error in it that is not among ``expected`` marks the span.

    parent: a traceparent that came from elsewhere; default the span around this one. links: traceparents.
    attributes: names with ``__`` for a dot.
    """
    provider = _provider() if on() else None
    if provider is None:
        yield
        return
    from opentelemetry import trace

    around = trace.set_span_in_context(trace.NonRecordingSpan(known)) if (known := _read(parent)) else None
    with provider.get_tracer("weir", VERSION).start_as_current_span(
        name, context=around, kind=trace.SpanKind[role], links=_links(links),
        attributes={key.replace("__", "."): value for key, value in attributes.items()},
        record_exception=False, set_status_on_exception=False,
    ):  # fmt: skip
        try:
            yield
        except BaseException as error:
            if not isinstance(error, expected):
                fail(error)
            raise


def fail(error: BaseException) -> None:
    """Mark the span of now: it ended with this error."""
    if on() and _provider() is not None:
        from opentelemetry import trace

        here = trace.get_current_span()
        here.set_attribute("error.type", type(error).__qualname__)
        here.set_status(trace.StatusCode.ERROR)


def rename(name: str) -> None:
    """Call the span of now by another name, when more is known."""
    if on() and _provider() is not None:
        from opentelemetry import trace

        trace.get_current_span().update_name(name)


def note(**attributes: Value) -> None:
    """Add attributes to the span of now."""
    if on() and _provider() is not None:
        from opentelemetry import trace

        for key, value in attributes.items():
            trace.get_current_span().set_attribute(key.replace("__", "."), value)


def here() -> str | None:
    """The span of now as a traceparent, for a job to keep; None if there is none."""
    if not on() or _provider() is None:
        return None
    from opentelemetry import trace

    seen = trace.get_current_span().get_span_context()
    if not seen.is_valid:
        return None
    return f"00-{seen.trace_id:032x}-{seen.span_id:016x}-{seen.trace_flags:02x}"


def flush() -> None:
    """Send what was not sent yet, waiting a moment for it: this process is about to end."""
    if _made is not None:
        _made.force_flush(FLUSH_MILLISECONDS)


def missing() -> str | None:
    """Which package traces need and is not there; None if they are off or complete."""
    try:
        _import() if on() else None
    except ImportError as error:
        return error.name or str(error)
    return None


def _links(links: Sequence[str]) -> list[Link]:
    from opentelemetry.trace import Link

    return [Link(known) for each in links if (known := _read(each)) is not None]


def _read(traceparent: str | None) -> SpanContext | None:
    """A traceparent (W3C Trace Context), of which anything that is not one counts as none."""
    if not traceparent or len(traceparent) > 200:
        return None
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    found = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    known = trace.get_current_span(found).get_span_context()
    return known if known.is_valid and known.is_remote else None


_made: TracerProvider | None = None
_gave_up = False
_making = threading.Lock()


def _provider() -> TracerProvider | None:
    """This process's, made when first needed: a forked child has none of its parent's threads."""
    global _made, _gave_up
    if _made is not None or _gave_up:
        return _made
    with _making:
        if _made is None:
            try:
                _made = _make()
            except ImportError as error:
                _gave_up = True
                logger.warning("No traces are made: expected the package of %s, see docs/monitoring.md", error.name)
    return _made


def _make() -> TracerProvider:
    exporter, processor, provider, resource = _import()
    name = os.environ.get("OTEL_SERVICE_NAME", SYSTEM)
    made = provider(resource=resource.create({"service.name": name, "service.version": VERSION}))
    address = conf.current().otel_exporter_otlp_endpoint.rstrip("/") + "/v1/traces"
    made.add_span_processor(processor(exporter(endpoint=address), schedule_delay_millis=DELAY_MILLISECONDS))
    return made


def _import() -> tuple[type[OTLPSpanExporter], type[BatchSpanProcessor], type[TracerProvider], type[Resource]]:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return OTLPSpanExporter, BatchSpanProcessor, TracerProvider, Resource


def _forget() -> None:
    global _made, _making
    _made, _making = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)
