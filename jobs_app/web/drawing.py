"""A result as blocks to draw: tables, charts, links to files, facts, and a tree for everything else.

A result is drawn by the ``shape`` its parts carry (see ``jobs_app.results``); a part that claims a shape and does not
have it falls back to the tree. Everything is bounded: what is left out is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from jobs_app.forms.questions import label_of
from jobs_app.results import ArtifactLink, Chart, Table
from jobs_app.web import cells

ROWS = 200
COLUMNS = 60
LABELS = 500
SERIES = 12
BRANCHES = 100
DEPTH = 6
TEXT = 2000
SHORT = 20


@dataclass(frozen=True)
class Node:
    """One value in a tree; ``more`` is how many children were left out."""

    key: str
    text: str = ""
    kind: str = "text"
    children: tuple[Node, ...] = ()
    more: int = 0

    @property
    def simple(self) -> str:
        """A short list of plain values in one line; empty for anything richer."""
        if self.kind != "list" or self.more or any(each.children or len(each.text) > 60 for each in self.children):
            return ""
        return ", ".join(each.text for each in self.children)


@dataclass(frozen=True)
class Block:
    """One thing to draw. ``shape``: table, chart, artifact, facts or tree; ``data`` is what that template takes."""

    shape: str
    title: str = ""
    data: Any = None
    note: str = ""
    id: str = ""


@dataclass
class _Plain:
    """Plain values of a result, gathered to stand together."""

    facts: list[tuple[str, cells.Cell]] = field(default_factory=list)


def blocks(result: Any) -> list[Block]:
    """What to draw for a result, in its own order; plain values come first, together."""
    if result is None:
        return []
    plain = _Plain()
    drawn = list(_walk(result, "", plain, depth=0))
    ordered = ([Block("facts", data=plain.facts)] if plain.facts else []) + _pictures_first(_files_together(drawn))
    if ordered and ordered[0].shape == "facts":
        ordered[0] = replace(ordered[0], title="")
    return [replace(block, id=f"block-{place}") for place, block in enumerate(ordered)]


def _files_together(drawn: list[Block]) -> list[Block]:
    """Links to files that follow one another become one list: ``data`` is then their names."""
    joined: list[Block] = []
    for block in drawn:
        if block.shape == "artifact":
            if joined and joined[-1].shape == "artifact":
                joined[-1] = replace(joined[-1], data=[*joined[-1].data, block.data])
                continue
            block = replace(block, title="Files", data=[block.data])
        joined.append(block)
    return joined


def _pictures_first(drawn: list[Block]) -> list[Block]:
    """A chart that follows its table is drawn above it: the picture first, then the numbers."""
    for place in range(1, len(drawn)):
        if drawn[place].shape == "chart" and drawn[place - 1].shape == "table":
            drawn[place - 1 : place + 1] = [drawn[place], drawn[place - 1]]
    return drawn


def _walk(value: Any, title: str, plain: _Plain, depth: int) -> Iterator[Block]:
    shaped = _shaped(value, title)
    if shaped is not None:
        yield shaped
    elif isinstance(value, Mapping) and depth < 3 and (depth == 0 or _holds_shapes(value)):
        for name, inner in list(value.items())[:BRANCHES]:
            if _is_plain(inner):
                plain.facts.append((label_of(str(name)), cells.cell(inner)))
            elif _is_short(inner):
                plain.facts.append((label_of(str(name)), cells.Cell(tree(inner).simple or "none")))
            else:
                yield from _walk(inner, label_of(str(name)), plain, depth + 1)
    elif isinstance(value, list) and depth < 3 and value and all(_shape_of(each) for each in value):
        for inner in value[:BRANCHES]:
            yield from _walk(inner, title, plain, depth + 1)
    elif isinstance(value, Mapping) and 0 < len(value) <= BRANCHES and all(map(_is_plain, value.values())):
        yield Block("facts", title, [(label_of(str(name)), cells.cell(inner)) for name, inner in value.items()])
    elif _is_plain(value):
        plain.facts.append((title or "Result", cells.cell(value)))
    else:
        yield Block("tree", title, tree(value))


def _shaped(value: Any, title: str) -> Block | None:
    try:
        match _shape_of(value):
            case "table":
                table = Table.model_validate(value)
                return _table(table, table.title or title)
            case "chart":
                chart = Chart.model_validate(value)
                return _chart(chart, chart.title or title)
            case "artifact":
                return Block("artifact", title, ArtifactLink.model_validate(value).name)
    except ValidationError:
        return Block("tree", title, tree(value))
    return None


def _table(table: Table, title: str) -> Block:
    columns = table.columns[:COLUMNS]
    rows = [row[: len(columns)] for row in table.rows[:ROWS]]
    left_out = []
    if table.total_rows > len(rows):
        left_out.append(f"the first {len(rows):,} of {table.total_rows:,} rows")
    if len(table.columns) > len(columns):
        left_out.append(f"the first {len(columns)} of {len(table.columns)} columns")
    note = f"Shown: {' and '.join(left_out)}." if left_out else ""
    return Block("table", title, cells.Grid.of(columns, rows), note)


def _chart(chart: Chart, title: str) -> Block:
    labels = chart.labels[:LABELS]
    series = [{"name": each.name, "values": each.values[: len(labels)]} for each in chart.series[:SERIES]]
    rows = [[label, *(_at(each["values"], place) for each in series)] for place, label in enumerate(labels)]
    data = {
        "config": {"style": chart.style, "title": title, "labels": labels, "series": series, "unit": chart.unit},
        "grid": cells.Grid.of(["", *(str(each["name"]) for each in series)], rows),
    }
    cut = len(chart.labels) > len(labels) or len(chart.series) > len(series)
    note = f"Shown: at most {LABELS} points of at most {SERIES} series." if cut else ""
    return Block("chart", title, data, note)


def tree(value: Any, key: str = "", depth: int = 0) -> Node:
    """A value as a tree, bounded in depth and breadth."""
    if isinstance(value, (Mapping, list)):
        if depth >= DEPTH:
            return Node(key, "…", "cut")
        pairs = list(value.items()) if isinstance(value, Mapping) else list(enumerate(value))
        children = tuple(tree(inner, str(name), depth + 1) for name, inner in pairs[:BRANCHES])
        kind = "object" if isinstance(value, Mapping) else "list"
        words = f"{len(pairs):,} {'value' if len(pairs) == 1 else 'values'}"
        return Node(key, words, kind, children, len(pairs) - len(children))
    text = value if isinstance(value, str) else cells.cell(value).text
    return Node(key, text[:TEXT] + ("…" if len(text) > TEXT else ""), "text" if isinstance(value, str) else "number")


def _shape_of(value: Any) -> str:
    shape = value.get("shape") if isinstance(value, Mapping) else None
    return shape if isinstance(shape, str) and shape in {"table", "chart", "artifact"} else ""


def _holds_shapes(value: Mapping[str, Any]) -> bool:
    return any(_shape_of(each) or (isinstance(each, list) and any(map(_shape_of, each))) for each in value.values())


def _is_plain(value: Any) -> bool:
    return value is None or (isinstance(value, (bool, int, float, str)) and len(str(value)) <= TEXT)


def _is_short(value: Any) -> bool:
    """Whether it is a list of few plain values, which fit in one line."""
    return isinstance(value, list) and len(value) <= SHORT and (not value or bool(tree(value).simple))


def _at(values: Any, place: int) -> Any:
    return values[place] if place < len(values) else None
