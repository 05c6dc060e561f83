"""Traces: one from the request to the attempt, through real processes, to a real collector."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from jobs_app import tracing
from jobs_app.checks import packages_of_traces
from jobs_app.core import submission, traces
from jobs_app.lifecycle import State
from jobs_app.models import Job
from tests.support.collector import Collector, Seen
from tests.support.processes import ROOT, Workers, eventually, finished
from tests.surfaces.api.support import client_of

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECRET = "hunter2-is-no-secret-to-be-told"


@pytest.fixture
def collector(configured: Callable[..., None]) -> Iterator[Collector]:
    with Collector() as found:
        configured(otel_exporter_otlp_endpoint=found.url)
        yield found
        if tracing._made is not None:
            tracing._made.shutdown()
            tracing._forget()


@pytest.fixture
def traced(
    quiet: None, collector: Collector, worker_environment: dict[str, str], tmp_path: Path
) -> Iterator[Collector]:
    """A worker process that traces."""
    workers = Workers({**worker_environment, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}, tmp_path)
    workers.start("worker")
    yield collector
    workers.settle()
    workers.stop()


def spans_of(collector: Collector, job: Job, *names: str) -> dict[str, Seen]:
    """The spans of a job's trace, once those of that name have arrived."""
    trace = Job.objects.whole().get(id=job.id).trace
    assert trace
    tracing.flush()
    return eventually(
        lambda: found if set(names) <= set(found := collector.of_trace(trace.split("-")[1])) else None,
        what=f"the spans {names}",
    )


def test_one_trace_from_the_request_to_the_handler(traced: Collector, alice: User) -> None:
    answer = client_of(alice).post(
        "/api/jobs", {"kind": "system.echo", "parameters": {"text": "a"}}, content_type="application/json",
        headers={"traceparent": CALLER},
    )  # fmt: skip
    assert answer.status_code == 202
    job = finished(UUID(answer.json()["id"]))
    found = spans_of(traced, job, "POST /api/jobs", "create default", "process default", "run system.echo")
    web, made, run, handler = (
        found[name] for name in ("POST /api/jobs", "create default", "process default", "run system.echo")
    )
    assert (web.trace, web.parent) == (CALLER.split("-")[1], CALLER.split("-")[2]), "the caller's trace goes on"
    assert [made.parent, run.parent, handler.parent] == [web.span, made.span, run.span]
    assert [each.kind for each in (web, made, run, handler)] == [
        Span.SPAN_KIND_SERVER, Span.SPAN_KIND_PRODUCER, Span.SPAN_KIND_CONSUMER, Span.SPAN_KIND_INTERNAL,
    ]  # fmt: skip
    assert not any(each.failed for each in found.values())
    assert web.attributes["http.response.status_code"] == 202
    assert made.attributes["messaging.message.id"] == run.attributes["messaging.message.id"] == str(job.id)
    assert run.attributes["messaging.destination.name"] == "default"
    assert (run.attributes["weir.kind"], run.attributes["weir.attempt"]) == ("system.echo", 1)
    sent = eventually(lambda: [span for span in traced.spans if span.name == "send default"], what="the sending")
    assert f"{made.trace}-{made.span}" in {link for span in sent for link in span.links}


def test_an_error_is_marked_and_what_it_says_is_nowhere(traced: Collector, quiet: None) -> None:
    job = finished(submission.submit("probe.secretive", {"token": SECRET}).id)
    assert job.state == State.FAILED
    found = spans_of(traced, job, "process default", "run probe.secretive")
    assert found["run probe.secretive"].failed
    assert found["process default"].failed
    assert found["process default"].attributes["error.type"]
    assert not any(SECRET.encode() in body for body in traced.bodies)


def test_children_are_in_the_trace_of_their_parent(traced: Collector) -> None:
    parent = finished(submission.submit("family.parent", {"count": 2, "failing": []}).id)
    child = parent.children.whole().first()
    assert child is not None
    found = spans_of(traced, parent, "run family.parent", "run family.child")
    (handler,) = [span for span in traced.spans if span.name == "run family.parent"]
    assert str(child.trace).startswith(f"00-{handler.trace}-{handler.span}-")

    def runs() -> set[tuple[str, str]]:
        of_child = [span for span in traced.spans if span.attributes.get("messaging.message.id") == str(child.id)]
        return {(span.trace, span.parent) for span in of_child if span.name == "process default"}

    assert eventually(runs, what="the child's attempt to be traced") == {(handler.trace, handler.span)}
    assert found["run family.child"].trace == handler.trace


@pytest.mark.django_db
def test_a_traceparent_that_is_none_begins_a_trace(collector: Collector) -> None:
    job = submission.submit("probe.nothing", {})
    with tracing.span("around", "INTERNAL", parent="no traceparent"):
        pass
    assert traces.kept([job.id])[job.id].startswith("00-")
    tracing.flush()
    around = next(span for span in collector.spans if span.name == "around")
    assert around.parent == ""


@pytest.mark.django_db
def test_without_the_column_jobs_run_all_the_same(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    job = submission.submit("probe.nothing", {})
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE jobs_app_job RENAME COLUMN trace TO later")
    try:
        assert traces.kept([job.id]) == {}
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE jobs_app_job RENAME COLUMN later TO trace")
    assert set(traces.kept([job.id])) == {job.id}


OFF = """
import sys
import django; django.setup()
from jobs_app import tracing
from jobs_app.core import execution, traces
from jobs_app.models import Job
import project.urls, tasks.run, tasks.beat
job = Job(kind="a", queue="b")
with traces.made("a", "b"), traces.attempt(job), traces.handler(job), traces.sent("b", [job.id]):
    tracing.note(a=1), tracing.fail(ValueError()), tracing.rename("a")
    assert tracing.here() is None
tracing.flush()
# The client of Redis imports the interface, and the SDK's metrics, by itself where they are installed.
ours = ("opentelemetry.sdk.trace", "opentelemetry.exporter", "opentelemetry.proto")
print(sorted(name for name in sys.modules if name.startswith(ours)))
"""


def test_nothing_of_it_is_imported_or_asked_while_it_is_off(worker_environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OFF], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**worker_environment, "DJANGO_SETTINGS_MODULE": "project.settings"},
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


@pytest.mark.django_db
def test_a_job_costs_no_more_queries_while_it_is_off(django_assert_num_queries: object) -> None:
    job = submission.submit("probe.nothing", {})
    with django_assert_num_queries(0), traces.attempt(job), traces.sent("default", [job.id]):  # type: ignore[operator]
        pass
    assert Job.objects.whole().get(id=job.id).trace is None
    assert Client().get("/healthz").status_code == 200


def test_packages_that_are_missing_are_told(configured: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_gave_up", False)
    assert packages_of_traces() == []
    configured(otel_exporter_otlp_endpoint="http://127.0.0.1:4318")
    assert packages_of_traces() == []
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    (warning,) = packages_of_traces()
    assert warning.id == "weir.W002"
    with tracing.span("a", "INTERNAL"):
        assert tracing.here() is None
