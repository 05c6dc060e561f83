"""Whether the demo's jobs did what they should: against the source, counted and measured independently."""

from __future__ import annotations

import csv
import io
import math
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from jobs_app.platform.demo_data import FLIGHTS_ROWS, GROUP_BY, Group, Tally
from jobs_app.platform.faults import PlatformError

CLOSE = 1e-9
ENTRY = re.compile(r"\d+-(?P<stem>.+)-(?P<size>\d+)\.jpg")


def check_summary(path: Path, expected: Mapping[Group, Tally]) -> str:
    """Compare the summary that the job wrote with Python's own count; returns what was found right.

    Raises PlatformError naming the first group that differs.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = {tuple(row[name] for name in GROUP_BY): row for row in csv.DictReader(file)}
    if rows.keys() != expected.keys():
        odd = sorted(rows.keys() ^ expected.keys())[:5]
        raise PlatformError(f"{path.name}: expected {len(expected)} groups, got {len(rows)}; different: {odd}")
    for group, tally in expected.items():
        row = rows[group]
        if int(row["count"]) != tally.rows or not math.isclose(float(row["sum"]), tally.total, rel_tol=CLOSE):
            raise PlatformError(
                f"{path.name}: expected for {group} the count {tally.rows} and the sum {tally.total:g}, "
                f"got {row['count']} and {row['sum']}"
            )
    total = sum(int(row["count"]) for row in rows.values())
    if total != FLIGHTS_ROWS:
        raise PlatformError(f"{path.name}: expected {FLIGHTS_ROWS:,} flights in all, got {total:,}")
    return f"{total:,} flights in {len(rows)} groups; count and sum of each group agree with Python's own"


def check_thumbnails(path: Path, pictures: Mapping[str, tuple[int, int]], sizes: Sequence[int]) -> str:
    """Open every thumbnail of the archive and measure it; returns what was found right.

    Raises PlatformError for one that is missing, damaged or of the wrong size.
    """
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if len(names) != len(pictures) * len(sizes):
            raise PlatformError(f"{path.name}: expected {len(pictures) * len(sizes)} thumbnails, got {len(names)}")
        for name in names:
            found = ENTRY.fullmatch(name)
            original = pictures.get(found["stem"].replace("-", "_")) if found else None
            if found is None or original is None:
                raise PlatformError(f"{path.name}: expected a thumbnail of one of the pictures, got {name!r}")
            with Image.open(io.BytesIO(archive.read(name))) as picture:
                picture.load()
                _check_size(name, picture.size, original, int(found["size"]))
    return f"{len(names)} thumbnails of {len(pictures)} pictures; each opens and has the right size"


def _check_size(name: str, got: tuple[int, int], original: tuple[int, int], size: int) -> None:
    factor = min(1.0, size / max(original))
    expected = [side * factor for side in original]
    if any(abs(side - wanted) > 1 for side, wanted in zip(got, expected, strict=True)):
        shown = " x ".join(f"{side:.0f}" for side in expected)
        raise PlatformError(f"{name}: expected {shown} pixels, got {got[0]} x {got[1]}")
