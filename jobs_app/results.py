"""Shapes a handler may return so that pages, API and CLI can draw them. Each is plain JSON with a ``shape`` field."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """Rows under named columns. ``total_rows`` may exceed ``len(rows)`` when only the first are kept."""

    model_config = ConfigDict(frozen=True)

    shape: Literal["table"] = "table"
    title: str = ""
    columns: list[str]
    rows: list[list[Any]]
    total_rows: int


class Series(BaseModel):
    """One line or set of bars in a chart; ``values`` are aligned with the chart's labels."""

    model_config = ConfigDict(frozen=True)

    name: str
    values: list[float | None]


class Chart(BaseModel):
    """A bar or line chart."""

    model_config = ConfigDict(frozen=True)

    shape: Literal["chart"] = "chart"
    style: Literal["bar", "line"] = "bar"
    title: str = ""
    labels: list[str]
    series: list[Series]
    unit: str = ""


class ArtifactLink(BaseModel):
    """A file the job made, by the name under which it was saved."""

    model_config = ConfigDict(frozen=True)

    shape: Literal["artifact"] = "artifact"
    name: str
