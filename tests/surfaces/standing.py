"""Who may what: one line for every page and every operation of the API. A route that has none fails test_standing.py.

alice owns what is asked for; carol is a teammate who sees and acts on everybody's; bob is a stranger to all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from jobs_app.api.routes import api

EVERYBODY = {"alice": True, "carol": True, "bob": True}
OWNERS = {"alice": True, "carol": True, "bob": False}
OWNER_ALONE = {"alice": True, "carol": False, "bob": False}
OPERATORS = {"alice": False, "carol": True, "bob": False}
NOBODY = {"alice": False, "carol": False, "bob": False}
"""Not even an operator: it needs a permission of its own."""

PAGES: dict[str, dict[str, bool]] = {
    "home": EVERYBODY,
    "overview-now": EVERYBODY,
    "overview-charts": EVERYBODY,
    "overview-recent": EVERYBODY,
    "statistics": EVERYBODY,
    "statistics-csv": EVERYBODY,
    "jobs": EVERYBODY,
    "job-counts": EVERYBODY,
    "views": EVERYBODY,
    "view-save": EVERYBODY,
    "view-rename": OWNER_ALONE,
    "view-delete": OWNER_ALONE,
    "webhooks": EVERYBODY,
    "webhook": OWNER_ALONE,
    "webhook-renew": OWNER_ALONE,
    "webhook-remove": OWNER_ALONE,
    "webhook-replay": OWNER_ALONE,
    "job-rows": EVERYBODY,
    "bulk-preview": EVERYBODY,
    "bulk-act": EVERYBODY,
    "bulk-count": EVERYBODY,
    "job": OWNERS,
    "job-live": OWNERS,
    "job-estimate": OWNERS,
    "job-log": OWNERS,
    "job-cancel": OWNERS,
    "job-retry": OWNERS,
    "job-priority": OWNERS,
    "job-rerun": OWNERS,
    "job-change": OWNERS,
    "kinds": EVERYBODY,
    "submit": EVERYBODY,
    "submit-expected": EVERYBODY,
    "palette": EVERYBODY,
    "palette-jobs": EVERYBODY,
    "flower": NOBODY,
    "flower-page": NOBODY,
    "flower-table": NOBODY,
    "queues": EVERYBODY,
    "queue": EVERYBODY,
    "failures": EVERYBODY,
    "failure": OWNERS,
    "failure-resolve": OPERATORS,
    "failure-ignore": OPERATORS,
    "failure-reopen": OPERATORS,
    "queue-pause": OPERATORS,
    "queue-resume": OPERATORS,
    "queue-limits": OPERATORS,
    "workers": OPERATORS,
    "worker-drain": OPERATORS,
    "worker-resume": OPERATORS,
    "schedules": OPERATORS,
    "schedule": OPERATORS,
    "schedule-run": OPERATORS,
    "schedule-pause": OPERATORS,
    "schedule-resume": OPERATORS,
    "reports": EVERYBODY,
    "report": OWNERS,
    "planner": EVERYBODY,
    "tokens": EVERYBODY,
    "token-revoke": OWNER_ALONE,
    "audit": OPERATORS,
    "audit-export": OPERATORS,
    "timeline": EVERYBODY,
    "timeline-progress": EVERYBODY,
    "timeline-follow": EVERYBODY,
    "timeline-delete": OWNER_ALONE,
    "datasets": EVERYBODY,
    "dataset": OWNERS,
    "dataset-fold": OWNERS,
    "dataset-append": OWNER_ALONE,
    "dataset-delete": OWNER_ALONE,
}

OPERATIONS: dict[str, dict[str, bool]] = {
    "GET /api/kinds": EVERYBODY,
    "GET /api/kinds/{name}": EVERYBODY,
    "GET /api/jobs": EVERYBODY,
    "GET /api/jobs/events": EVERYBODY,
    "GET /api/deploys": EVERYBODY,
    "POST /api/deploys": OPERATORS,
    "GET /api/webhooks": EVERYBODY,
    "POST /api/webhooks": EVERYBODY,
    "GET /api/webhooks/{webhook_id}": OWNER_ALONE,
    "PUT /api/webhooks/{webhook_id}": OWNER_ALONE,
    "DELETE /api/webhooks/{webhook_id}": OWNER_ALONE,
    "POST /api/webhooks/{webhook_id}/secret": OWNER_ALONE,
    "GET /api/webhooks/{webhook_id}/deliveries": OWNER_ALONE,
    "POST /api/webhooks/deliveries/{delivery_id}/replay": OWNER_ALONE,
    "POST /api/jobs": EVERYBODY,
    "GET /api/jobs/{job_id}": OWNERS,
    "GET /api/jobs/{job_id}/attempts": OWNERS,
    "GET /api/jobs/{job_id}/logs": OWNERS,
    "GET /api/jobs/{job_id}/result": OWNERS,
    "GET /api/jobs/{job_id}/artifacts": OWNERS,
    "GET /api/jobs/{job_id}/artifacts/{name}": OWNERS,
    "HEAD /api/jobs/{job_id}/artifacts/{name}": OWNERS,
    "POST /api/jobs/{job_id}/cancel": OWNERS,
    "POST /api/jobs/{job_id}/retry": OWNERS,
    "POST /api/jobs/{job_id}/priority": OWNERS,
    "POST /api/jobs/bulk": EVERYBODY,
    "POST /api/jobs/bulk-actions": EVERYBODY,
    "POST /api/jobs/{job_id}/rerun": OWNERS,
    "GET /api/jobs/{job_id}/events": OWNERS,
    "POST /api/artifacts": EVERYBODY,
    "GET /api/artifacts/{artifact_id}": OWNERS,
    "GET /api/artifacts/{artifact_id}/content": OWNERS,
    "HEAD /api/artifacts/{artifact_id}/content": OWNERS,
    "GET /api/tokens": EVERYBODY,
    "POST /api/tokens": EVERYBODY,
    "DELETE /api/tokens/{token_id}": OWNER_ALONE,
    "GET /api/audit": OPERATORS,
    "GET /api/audit/export": OPERATORS,
    "GET /api/planner": EVERYBODY,
    "GET /api/queues": EVERYBODY,
    "GET /api/queues/{name}": EVERYBODY,
    "PATCH /api/queues/{name}": OPERATORS,
    "POST /api/queues/{name}/pause": OPERATORS,
    "POST /api/queues/{name}/resume": OPERATORS,
    "GET /api/failures": EVERYBODY,
    "GET /api/failures/{fingerprint}": OWNERS,
    "POST /api/failures/{fingerprint}/resolve": OPERATORS,
    "POST /api/failures/{fingerprint}/ignore": OPERATORS,
    "POST /api/failures/{fingerprint}/reopen": OPERATORS,
    "GET /api/workers": OPERATORS,
    "POST /api/workers/{run}/drain": OPERATORS,
    "POST /api/workers/{run}/resume": OPERATORS,
    "GET /api/schedules": OPERATORS,
    "GET /api/schedules/{schedule}": OPERATORS,
    "POST /api/schedules/{schedule}/run": OPERATORS,
    "POST /api/schedules/{schedule}/pause": OPERATORS,
    "POST /api/schedules/{schedule}/resume": OPERATORS,
    "GET /api/reports": EVERYBODY,
    "GET /api/reports/{schedule}": OWNERS,
    "HEAD /api/reports/{schedule}": OWNERS,
    "GET /api/reports/{schedule}/result": OWNERS,
    "HEAD /api/reports/{schedule}/result": OWNERS,
    "GET /api/reports/{schedule}/artifacts/{name}": OWNERS,
    "HEAD /api/reports/{schedule}/artifacts/{name}": OWNERS,
    "GET /api/statistics": EVERYBODY,
    "GET /api/timeline": EVERYBODY,
    "POST /api/timeline/posts": EVERYBODY,
    "DELETE /api/timeline/posts/{post_id}": OWNER_ALONE,
    "GET /api/timeline/following": EVERYBODY,
    "PUT /api/timeline/following/{name}": EVERYBODY,
    "DELETE /api/timeline/following/{name}": EVERYBODY,
    "GET /api/datasets": EVERYBODY,
    "POST /api/datasets": EVERYBODY,
    "GET /api/datasets/{dataset_id}": OWNERS,
    "DELETE /api/datasets/{dataset_id}": OWNER_ALONE,
    "POST /api/datasets/{dataset_id}/rows": OWNER_ALONE,
    "POST /api/datasets/{dataset_id}/files": OWNER_ALONE,
    "GET /api/datasets/{dataset_id}/parts": OWNERS,
    "GET /api/datasets/{dataset_id}/buckets": OWNERS,
}

BODIES: dict[str, object] = {
    "PUT /api/webhooks/{webhook_id}": {"name": "another", "url": "https://example.org/hook"},
    "POST /api/deploys": {"label": "release 7"},
    "PATCH /api/queues/{name}": {"limit": 10},
    "POST /api/jobs/{job_id}/priority": {"priority": 10},
    "POST /api/jobs/bulk-actions": {"action": "cancel", "query": "state:queued"},
    "POST /api/datasets/{dataset_id}/files": {"file": "ARTIFACT"},
    "POST /api/datasets/{dataset_id}/rows": {"rows": [{"at": "2026-01-01T00:00:00Z", "place": "here", "delay": 1}]},
}
"""What is sent, where nothing would be told to be wrong before it is asked who may."""

QUERIES = {
    "GET /api/planner": "?arrival_rate=1&service_seconds=1&slots=4",
    "GET /api/datasets/{dataset_id}/buckets": "?step=hour&begin=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z",
}

OPEN = {"healthz", "metrics", "readyz", "login", "logout"}
"""For those who are not logged in: test_metrics.py and test_probes.py tell what machines are told, and which."""

DESCRIBING = {"openapi-json", "openapi-view", "no_such_route", "api-root"}
"""Routes of the API that its description does not name: test_closed.py asks them."""


@dataclass(frozen=True)
class Route:
    """A route of the URLconf: ``names`` of its parameters, and its address with them in braces."""

    space: str
    name: str
    address: str
    names: tuple[str, ...]


def routes() -> Iterator[Route]:
    """Every route of the URLconf."""
    yield from _below(get_resolver().url_patterns, "/", "")


def _below(patterns: list[Any], address: str, space: str) -> Iterator[Route]:
    for each in patterns:
        place = address + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _below(each.url_patterns, place, each.namespace or space)
        elif isinstance(each, URLPattern):
            yield Route(space, each.name or "", place, tuple(each.pattern.converters))


def operations() -> list[str]:
    """Every operation of the API's description, such as ``GET /api/jobs``."""
    paths = api.get_openapi_schema(path_prefix="/api/")["paths"]
    return sorted(f"{method.upper()} {path}" for path, methods in paths.items() for method in methods)
