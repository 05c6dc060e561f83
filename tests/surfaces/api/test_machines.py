"""What machines ask, at the real server: addresses and names are as granian gives them."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

from jobs_app.reads import readiness
from tests.surfaces.api.support import Servers


def test_a_program_on_this_machine_may_look_and_one_behind_a_proxy_may_not(servers: Servers) -> None:
    with httpx.Client(base_url=servers.web, timeout=30, trust_env=False) as local:
        told = local.get("/metrics")
        assert told.status_code == 200
        assert len(list(text_string_to_metric_families(told.text))) > 20
        assert [check["name"] for check in local.get("/readyz").json()["checks"]] == list(readiness.NAMES)
        proxied = {"X-Forwarded-For": "203.0.113.7"}
        assert local.get("/metrics", headers=proxied).status_code == 401
        assert list(local.get("/readyz", headers=proxied).json()) == ["status"]
        assert local.get("/healthz", headers={"X-Request-ID": "caller-4711"}).headers["X-Request-ID"] == "caller-4711"
