"""What is shipped for Prometheus and Grafana speaks of series that there are, in sound files."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from jobs_app.models import Total
from jobs_app.models.guard import writing
from jobs_app.web import metrics

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DURATION = re.compile(r"\d+[smhd]")
SERIES = re.compile(r"\bweir_\w+|\bup\b")
VARIABLES = {"$__rate_interval": "5m", "$queue": ".*", "$kind": ".*"}
OF_PROMETHEUS = {"up": {"job", "instance"}}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
    assert all(set(group) == {"name", "rules"} for group in groups)
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return json.loads((DEPLOY / "grafana/weir.json").read_text())["panels"]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    for target in itertools.chain.from_iterable(panel.get("targets", []) for panel in panels()):
        expression = target["expr"]
        for name, text in VARIABLES.items():
            expression = expression.replace(name, text)
        yield expression


@pytest.fixture
def told(db: None) -> dict[str, set[str]]:
    """Every series of /metrics, with its labels."""
    with writing():
        Total.objects.create(queue="default", kind="", refused={"full": 1})
    found: dict[str, set[str]] = dict(OF_PROMETHEUS)
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_expression_is_promql_over_series_and_labels_that_there_are(told: dict[str, set[str]]) -> None:
    used = set()
    for expression in expressions():
        promql_parser.parse(expression)
        names = set(SERIES.findall(expression))
        assert names, expression
        assert names <= set(told), expression
        used |= names
        for labels in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
            wanted = {each.strip() for each in labels.split(",")}
            assert wanted <= set().union(*(told[name] for name in names)), expression
        for name, matchers in re.findall(r"(weir_\w+|\bup)\{([^}]*)\}", expression):
            assert set(re.findall(r"(\w+)=", matchers)) <= told[name], expression
    gauges = {name for name in told if name.startswith("weir_") and not name.endswith(("_sum", "_count"))}
    assert gauges - used == {"weir_build_info", "weir_queue_hard_limit_jobs", "weir_queue_window_messages"}


def test_the_page_about_monitoring_names_every_alert_and_no_series_that_there_is_not(told: dict[str, set[str]]) -> None:
    page = (DEPLOY.parent / "docs/monitoring.md").read_text()
    series = set(re.findall(r"`(weir_\w+)`", page))
    assert len(series) > 10
    for name in series:
        assert name in told or f"{name}_bucket" in told, name
    assert set(re.findall(r"`(Weir\w+)`", page)) == {rule["alert"] for rule in rules()}


def test_alerts_are_as_prometheus_reads_them() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) > 10
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}, rule
        assert DURATION.fullmatch(rule.get("for", "1m")), rule
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]
        for text in rule["annotations"].values():
            assert text.count("{{") == text.count("}}")
            for label in re.findall(r"\$labels\.(\w+)", text):
                assert re.search(rf"by \([^)]*\b{label}\b", rule["expr"]), rule["alert"]


def test_the_dashboards_panels_do_not_overlap() -> None:
    places: set[tuple[int, int]] = set()
    assert len({panel["id"] for panel in panels()}) == len(panels())
    for panel in panels():
        at = panel["gridPos"]
        mine = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not mine & places, panel["title"]
        assert max(x for x, _ in mine) < 24
        places |= mine
        assert panel["type"] == "row" or panel["targets"]


def test_the_example_scrapes_our_address() -> None:
    found = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    assert [each["metrics_path"] for each in found["scrape_configs"]] == ["/metrics"]
    assert (DEPLOY / "prometheus" / found["rule_files"][0]).exists()
    assert "credentials" not in str(found).replace("credentials_file", "")
