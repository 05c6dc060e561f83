from __future__ import annotations

import csv
import json
import math
import random
from collections import defaultdict

import duckdb
import pytest

from jobs_app.authoring import DetachedContext, Discard
from tasks.kinds.datasets.aggregate import Summary, aggregate
from tests.core.kinds.conftest import Put

ALL = ["count", "sum", "mean", "minimum", "maximum"]

FLIGHTS = """carrier,month,delay
UA,1,11
UA,1,-4
UA,10,NA
UA,2,
AA,2,2
AA,2,3.5
,2,7
"""


def run(detached: DetachedContext, dataset: object, *group_by: str, measure: str = "delay", **more: object) -> Summary:
    return aggregate(dataset, list(group_by), measure, context=detached, **{"statistics": ALL, **more})  # type: ignore[arg-type]


def test_groups_come_in_order_with_their_statistics(put: Put, detached: DetachedContext) -> None:
    summary = run(detached, put(FLIGHTS), "carrier", "month")
    assert summary.table.columns == ["carrier", "month", *ALL]
    assert summary.table.rows == [
        ["AA", 2, 2, 5.5, 2.75, 2.0, 3.5],
        ["UA", 1, 2, 7.0, 3.5, -4.0, 11.0],
        ["UA", 2, 1, None, None, None, None],
        ["UA", 10, 1, None, None, None, None],
        [None, 2, 1, 7.0, 7.0, 7.0, 7.0],
    ]
    assert summary.facts.model_dump() == {
        "format": "text separated by commas",
        "bytes": len(FLIGHTS),
        "rows": 7,
        "groups": 5,
        "missing": 2,
    }


def test_whole_numbers_are_shown_as_such(put: Put, detached: DetachedContext) -> None:
    summary = run(detached, put("g,n\na,1\na,2\nb,-3\n"), "g", measure="n")
    assert json.dumps(summary.table.rows) == '[["a", 2, 3, 1.5, 1, 2], ["b", 1, -3, -3.0, -3, -3]]'


def test_keys_with_leading_zeros_stay_texts(put: Put, detached: DetachedContext) -> None:
    summary = run(detached, put("plz,n\n01067,1\n80331,2\n"), "plz", measure="n", statistics=["count"])
    assert summary.table.rows == [["01067", 1], ["80331", 1]]


def test_both_files_hold_every_group_however_short_the_table(put: Put, detached: DetachedContext) -> None:
    dataset = put("g,n\n" + "".join(f"g{index % 300:03d},{index}\n" for index in range(3000)))
    summary = run(detached, dataset, "g", measure="n", limit=5)
    assert len(summary.table.rows) == 5
    assert summary.table.total_rows == summary.facts.groups == 300
    rows = list(csv.DictReader(detached.artifacts["summary.csv"].path.open(newline="")))
    assert len(rows) == 300
    assert sum(int(row["count"]) for row in rows) == 3000
    path = str(detached.artifacts["summary.parquet"].path)
    assert duckdb.execute("SELECT sum(count), sum(sum) FROM read_parquet(?)", [path]).fetchone() == (3000, 4498500)


@pytest.mark.parametrize("form", ["csv", "tsv", "semicolons", "json", "parquet", "utf-16"])
def test_every_format_gives_the_same_summary(put: Put, detached: DetachedContext, form: str) -> None:
    rows = [("North", 1, 10.5), ("North", 2, None), ("Süd, alt", 1, 3.25), ('"x"', 3, -7.0)]
    lines = [("region", "k", "v"), *[tuple("" if cell is None else str(cell) for cell in row) for row in rows]]

    def joined(mark: str) -> str:
        return "".join(mark.join('"' + cell.replace('"', '""') + '"' for cell in line) + "\r\n" for line in lines)

    if form == "parquet":
        path = detached.workspace / "made.parquet"
        duckdb.execute("CREATE OR REPLACE TEMP TABLE t (region VARCHAR, k INT, v DOUBLE)")
        duckdb.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        duckdb.execute(f"COPY t TO '{str(path).replace(chr(39), chr(39) * 2)}'")
        content = path.read_bytes()
    else:
        content = {
            "csv": joined(",").encode(),
            "tsv": joined("\t").encode(),
            "semicolons": joined(";").encode("utf-8-sig"),
            "utf-16": joined("\t").encode("utf-16"),
            "json": "\n".join(
                json.dumps(dict(zip(("region", "k", "v"), row, strict=True), extra=[1])) for row in rows
            ).encode(),
        }[form]
    # The name lies on purpose: the content decides.
    summary = run(detached, put(content, "data.csv"), "region", measure="v")
    assert summary.table.rows == [
        ['"x"', 1, -7.0, -7.0, -7.0, -7.0],
        ["North", 2, 10.5, 10.5, 10.5, 10.5],
        ["Süd, alt", 1, 3.25, 3.25, 3.25, 3.25],
    ]


def test_sums_agree_with_python_on_a_wild_file(put: Put, detached: DetachedContext) -> None:
    chance = random.Random(5)
    sizes: dict[str, int] = defaultdict(int)
    numbers: dict[str, list[float]] = defaultdict(list)
    lines = []
    for index in range(60_000):
        key = chance.choice(["a", "b, c", 'say "so"', "two\nlines", "", "ü"])
        value = chance.choice(["", "NA", f"{chance.uniform(-1e6, 1e6):.6f}", str(chance.randrange(10**6)), "1e-3"])
        sizes[key] += 1
        if value not in {"", "NA"}:
            numbers[key].append(float(value))
        quoted = key.replace('"', '""')
        lines.append(f'{index},"{quoted}",{value},"{chance.choice(["x", "y,y", "z" + chr(10) + "z"]) * 3}"\n')
    summary = run(detached, put("id,key,value,note\n" + "".join(lines)), "key", measure="value")
    assert summary.facts.rows == sum(sizes.values())
    assert summary.facts.missing == sum(sizes.values()) - sum(map(len, numbers.values()))
    for key, count, total, mean, low, high in summary.table.rows:
        values = numbers[key or ""]
        assert (count, low, high) == (sizes[key or ""], min(values), max(values))
        assert total == pytest.approx(math.fsum(values), rel=1e-12)
        assert mean == pytest.approx(math.fsum(values) / len(values), rel=1e-12)


def test_names_that_look_like_sql_are_only_names(put: Put, detached: DetachedContext) -> None:
    content = '"a""; DROP TABLE summary; --","count",Count,\'{source}\'\nx,1,2,3\nx,1,4,5\n'
    summary = run(detached, put(content), 'a"; DROP TABLE summary; --', "count", "Count", measure="'{source}'")
    assert summary.table.columns[:4] == ['a"; DROP TABLE summary; --', "count", "Count again", "count of '{source}'"]
    assert summary.table.rows == [["x", 1, 2, 1, 3, 3.0, 3, 3], ["x", 1, 4, 1, 5, 5.0, 5, 5]]


def test_a_json_key_may_hold_anything(put: Put, detached: DetachedContext) -> None:
    rows = [{"a/b~c'\"d": "x", "A": 1, "a": 5}, {"a/b~c'\"d": "x", "A": 2}, {}]
    summary = run(
        detached, put("\n".join(map(json.dumps, rows))), "a/b~c'\"d", measure="A", statistics=["count", "sum"]
    )
    assert summary.table.rows == [["x", 2, 3], [None, 1, None]]
    assert summary.facts.rows == 3


def test_two_keys_draw_lines_and_one_draws_bars(put: Put, detached: DetachedContext) -> None:
    lines = run(detached, put(FLIGHTS), "carrier", "month").chart
    assert (lines.style, lines.labels) == ("line", ["1", "2", "10"])
    assert {series.name: series.values for series in lines.series}["UA"] == [3.5, None, None]
    bars = run(detached, put(FLIGHTS), "carrier").chart
    assert (bars.style, bars.labels) == ("bar", ["AA", "UA", "(none)"])


def test_median_is_offered(put: Put, detached: DetachedContext) -> None:
    assert run(detached, put(FLIGHTS), "carrier", statistics=["median"]).table.rows[0] == ["AA", 2.75]


def test_a_column_without_any_number_is_said_so(put: Put, detached: DetachedContext) -> None:
    summary = run(detached, put("g,n\na,\nb,NA\n"), "g", measure="n")
    assert summary.table.rows == [["a", 1, None, None, None, None], ["b", 1, None, None, None, None]]
    assert detached.lines == ["n holds no number in any of the 2 rows"]


def test_a_header_alone_gives_no_groups(put: Put, detached: DetachedContext) -> None:
    summary = run(detached, put("g,n\n"), "g", measure="n")
    assert (summary.facts.rows, summary.table.rows, summary.chart.labels) == (0, [], [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("g,n\na,1\nb,twelve\n", "expected numbers in the column 'n', got 'twelve' among them"),
        ("g;n\na;1,5\n", "Write decimals with a point"),
        ("g,n\na,inf\n", "got 'inf' among them"),
        ('{"g": "a", "n": true}', "got 'true' among them"),
        ('{"g": "a", "n": [1]}', "got '[1]' among them"),
    ],
)
def test_a_value_that_is_no_number_is_named(put: Put, detached: DetachedContext, content: str, said: str) -> None:
    with pytest.raises(Discard, match=r"data\.csv: ") as raised:
        run(detached, put(content), "g", measure="n")
    assert said in str(raised.value)
    assert not detached.artifacts


def test_parquet_keys_of_any_type_fit_into_json(put: Put, detached: DetachedContext) -> None:
    path = detached.workspace / "made.parquet"
    quoted = str(path).replace("'", "''")
    duckdb.execute(
        f"COPY (SELECT DATE '2026-01-01' AS d, [1, 2] AS l, 1.50::DECIMAL(5, 2) AS x, 'nan'::FLOAT AS f, true AS b, "
        f"'\\x00\\xFF'::BLOB AS o, 2::HUGEINT AS n) TO '{quoted}'"
    )
    dataset = put(path.read_bytes(), "made.parquet")
    summary = run(detached, dataset, "d", "l", "x", "f", "b", "o", "n", measure="n", statistics=["count", "sum"])
    row = ["2026-01-01", "[1, 2]", "1.50", "nan", True, "b'\\x00\\xff'", 2, 1, 2]
    assert json.loads(summary.model_dump_json())["table"]["rows"] == [row]
    # NaN is a missing number, not a bad one.
    assert run(detached, dataset, "b", measure="f").facts.missing == 1


def test_a_measure_of_another_type_is_refused(put: Put, detached: DetachedContext) -> None:
    path = detached.workspace / "made.parquet"
    quoted = str(path).replace("'", "''")
    duckdb.execute(f"COPY (SELECT 'a' AS g, DATE '2026-01-01' AS d, [1] AS l) TO '{quoted}'")
    dataset = put(path.read_bytes(), "made.parquet")
    for column, kind in (("d", "DATE"), ("l", "INTEGER")):
        with pytest.raises(Discard, match=f"expected numbers in the column '{column}', got values of type {kind}"):
            run(detached, dataset, "g", measure=column)
