"""The demo's growing dataset: a year of flights as they came in, folded in between, and compared with the source.

Eleven months are a file; December comes as rows, each append sent twice; one flight in a thousand comes late, when all
the others are folded. Then each hour and each day is compared with Python's own count, to the digit.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

from jobs_app.platform.demo_client import Api, Job
from jobs_app.platform.demo_data import MISSING
from jobs_app.platform.faults import PlatformError

TIME, GROUP, MEASURE = "time_hour", "origin", "arr_delay"
LAST_MONTH = "2013-12"
LATE = 1000
AT_ONCE = 10_000
QUARTERS = ("2013-01-01", "2013-04-01", "2013-07-01", "2013-10-01", "2014-01-02")
"""The whole year, in periods of no more hours than one answer holds."""

Flight = dict[str, str]
Follow = Callable[[Sequence[Job]], None]
Bucket = tuple[int, int, Decimal]


def grow(api: Api, flights: Path, directory: Path, follow: Follow) -> tuple[str, dict[str, Any]]:
    """Append, fold, compare. Returns what was found right, and the result of the last fold.

    follow: waits until jobs have succeeded. Raises PlatformError naming the first bucket that differs.
    """
    rows = _flights(flights)
    late, timely = rows[::LATE], [row for place, row in enumerate(rows) if place % LATE]
    layout = {"name": f"flights {uuid4().hex[:6]}", "time": TIME, "groups": [GROUP], "measures": [MEASURE]}
    dataset = api.send("POST", "/api/datasets", 201, json=layout)

    def fold(**options: Any) -> dict[str, Any]:
        job = api.submit("datasets.rollup", {"dataset": dataset["id"], **options})
        follow([job])
        return dict(api.result(job["id"]))

    path = directory / "until-november.csv"
    _write(path, (row for row in timely if row[TIME] < LAST_MONTH))
    file = api.upload(path, lambda _: None)["id"]
    api.send("POST", dataset["links"]["files"], 202, json={"file": file})
    fold()
    december = [row for row in timely if row[TIME] >= LAST_MONTH]
    for begin in range(0, len(december), AT_ONCE):
        _append(api, dataset, december[begin : begin + AT_ONCE])
        fold(step="hour")
    _append(api, dataset, late)
    last = fold()
    differences = fold(recompute=True)["facts"]["differences"]
    if differences != 0:
        raise PlatformError(f"expected the table that is built anew to be the same, got {differences} differences")
    counted = sum(_compare(api, dataset, rows, step) for step in ("hour", "day"))
    came_late = api.send("GET", dataset["links"]["self"], 200)["late"]
    return (
        f"{len(rows):,} flights appended in pieces and folded as they came, {came_late:,} of them late: "
        f"{counted:,} hours and days agree with Python's own to the digit, and so does a recomputation"
    ), last


def _append(api: Api, dataset: dict[str, Any], rows: Sequence[Flight]) -> None:
    """Append rows, and send the very same request again: they must count once."""
    lines = "\n".join(json.dumps(row) for row in rows)
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": str(uuid4())}
    for status in (201, 200):
        api.send("POST", dataset["links"]["rows"], status, content=lines.encode(), headers=headers)


def _compare(api: Api, dataset: dict[str, Any], rows: Sequence[Flight], step: str) -> int:
    expected = _counted(rows, step)
    found: dict[tuple[str, str], Bucket] = {}
    for begin, end in pairwise(QUARTERS):
        asked = {"step": step, "begin": begin, "end": end}
        for each in api.send("GET", dataset["links"]["buckets"], 200, params=asked)["buckets"]:
            figures = (each["rows"], each["numbers"], Decimal(each["sum"] or 0))
            found[each["at"], each["group"][GROUP]] = figures
    for key in sorted(found.keys() | expected.keys()):
        if found.get(key) != expected.get(key):
            raise PlatformError(f"expected for the {step} {key} {expected.get(key)}, got {found.get(key)}")
    return len(found)


def _counted(rows: Sequence[Flight], step: str) -> dict[tuple[str, str], Bucket]:
    """Rows, numbers and sum of each bucket, by brute force. The times of the source are hours of UTC."""
    counts: defaultdict[tuple[str, str], Bucket] = defaultdict(lambda: (0, 0, Decimal(0)))
    for row in rows:
        at = row[TIME] if step == "hour" else f"{row[TIME][:10]}T00:00:00Z"
        flown = row[MEASURE] not in MISSING
        count, numbers, total = counts[at, row[GROUP]]
        counts[at, row[GROUP]] = (count + 1, numbers + flown, total + (Decimal(row[MEASURE]) if flown else 0))
    return dict(counts)


def _flights(path: Path) -> list[Flight]:
    """The columns that count, in the order in which the flights were to leave."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [{name: row[name] for name in (TIME, GROUP, MEASURE)} for row in csv.DictReader(file)]
    return sorted(rows, key=lambda row: row[TIME])


def _write(path: Path, rows: Iterator[Flight]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, (TIME, GROUP, MEASURE))
        writer.writeheader()
        writer.writerows(rows)
