from __future__ import annotations

import csv
import json

import duckdb
import pytest

from jobs_app.authoring import DetachedContext
from tasks.kinds.datasets.profile import BATCH, profile
from tests.core.kinds.conftest import Put

CONTENT = """id,price,name,when,open,mixed,gone,code
1,1.5,Ann,2026-01-01,true,1,,007
2,NA,Bob,2026-01-02 10:00:00,false,x,,008
3,,,2026-01-03,TRUE,3,,-
4,-2,Bob,,true,NA,,009
"""


def test_each_column_has_its_type_range_and_gaps(put: Put, detached: DetachedContext) -> None:
    result = profile(put(CONTENT), context=detached)
    assert result.rows == 4
    assert result.table.columns[:3] == ["column", "type", "missing"]
    assert result.table.rows == [
        ["id", "whole number", 0, 4, 1, 4, 2.5, "1, 2, 3"],
        ["price", "number", 2, 3, -2.0, 1.5, -0.25, "1.5, NA, -2"],
        ["name", "text", 1, 2, "Ann", "Bob", None, "Ann, Bob"],
        ["when", "date or time", 1, 3, "2026-01-01", "2026-01-03", None, "2026-01-01, 2026-01-02 10:00:00, 2026-01-03"],
        ["open", "true or false", 0, 3, "TRUE", "true", None, "true, false, TRUE"],
        ["mixed", "text", 0, 4, "1", "x", None, "1, x, 3"],
        ["gone", "empty", 4, 0, None, None, None, ""],
        ["code", "whole number", 1, 4, 7, 9, 8.0, "007, 008, -"],
    ]


def test_the_artifact_holds_the_same_rows(put: Put, detached: DetachedContext) -> None:
    result = profile(put(CONTENT), context=detached)
    rows = list(csv.reader(detached.artifacts["profile.csv"].path.open(newline="", encoding="utf-8")))
    assert rows[0] == result.table.columns
    assert rows[1:] == [["" if cell is None else str(cell) for cell in row] for row in result.table.rows]


def test_many_columns_take_several_passes_and_progress_moves(put: Put, detached: DetachedContext) -> None:
    width = 2 * BATCH + 5
    content = ",".join(f"c{i}" for i in range(width)) + "\n"
    content += "".join(",".join(str(i * j) for i in range(width)) + "\n" for j in range(3000))
    result = profile(put(content), context=detached)
    assert [row[0] for row in result.table.rows] == [f"c{i}" for i in range(width)]
    assert [row[5] for row in result.table.rows] == [i * 2999 for i in range(width)]
    assert detached.fractions == sorted(detached.fractions)


def test_parquet_keeps_its_own_types(put: Put, detached: DetachedContext) -> None:
    path = str(detached.workspace / "made.parquet").replace("'", "''")
    duckdb.execute(
        "COPY (SELECT i AS id, [i] AS list, {'a': i} AS struct, DATE '2026-01-01' + i::INT AS day, "
        f"NULL::INT AS gone FROM range(10) AS r(i)) TO '{path}'"
    )
    result = profile(put((detached.workspace / "made.parquet").read_bytes(), "x.parquet"), context=detached)
    types = {row[0]: row[1] for row in result.table.rows}
    assert types == {"id": "bigint", "list": "bigint[]", "struct": "struct(a bigint)", "day": "date", "gone": "integer"}
    assert json.loads(result.model_dump_json())["table"]["rows"][0][:7] == ["id", "bigint", 0, 10, 0, 9, 4.5]


@pytest.mark.parametrize("distinct", [1, 50, 20_000])
def test_distinct_is_near_the_truth(put: Put, detached: DetachedContext, distinct: int) -> None:
    content = "n\n" + "".join(f"v{index % distinct}\n" for index in range(40_000))
    ((*_, found, _, _, _, _),) = profile(put(content), context=detached).table.rows
    assert found == pytest.approx(distinct, rel=0.15)
