"""Growing datasets: what is appended is folded once, late rows into their own bucket, and nothing is rounded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import duckdb
import pytest
from django.contrib.auth.models import User
from pytest_django import DjangoAssertNumQueries

from jobs_app.authoring import DetachedContext, Discard
from jobs_app.core import artifacts, execution, submission
from jobs_app.core.retention import pruning, rules
from jobs_app.core.schedules import work
from jobs_app.core.schedules.work import Work
from jobs_app.errors import Conflict, IdempotencyConflict, InvalidParameters, InvalidRequest, NotFound, ShareExceeded
from jobs_app.models import Artifact, Job
from jobs_app.steps import Step
from tasks.kinds.growing import charts, datasets, folding, reading, store, sums
from tasks.kinds.growing.models import Bucket, Dataset, Part, Rollup
from tasks.kinds.growing.rollup import rollup
from tasks.kinds.growing.rows import BadRows, Layout
from tests.support.growing import BEGIN, LAYOUT, NOW, appended, counted, fold, made, recompute, row, table
from tests.support.ledger import HOLDER, fresh, submitted

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
run_here = pytest.mark.usefixtures("quiet", "nudged")
"""Committed rows, and nobody who runs the jobs but the test: a job's heart asks for it on a connection of its own."""


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, configured: Callable[..., None]) -> None:
    configured(data_dir=tmp_path)


def run(job: Job) -> Job:
    assert execution.run([job.id], holder=HOLDER) == 1
    return fresh(job)


def upload(owner: User, content: bytes, name: str = "rows.csv") -> UUID:
    return artifacts.take_upload(name, [content], owner=owner, now=NOW).id


# Folding


def test_each_run_takes_only_what_is_new_and_late_rows_land_in_their_own_bucket(alice: User) -> None:
    dataset = made(alice)
    rows = [row(0, delay="0.1"), row(1, delay="0.2"), row(1, "LGA", None)]
    appended(dataset, *rows)
    assert fold(dataset) == 5, "three hours, and two days: JFK was there in two of the hours"
    assert fold(dataset) == 0
    late = [row(50, delay=-7), row(2), row(0, delay="0.2"), row(-30, delay=None)]
    appended(dataset, *late)
    fold(dataset)
    assert table(dataset) == counted(rows + late)
    assert table(dataset)["hour", BEGIN, '["JFK"]', "delay"] == (2, 2, "0.3", "0.1", "0.2")
    state = reading.state(dataset)
    assert (state.rows, state.late, state.through, state.waiting) == (7, 2, 2, 0), (
        "two before the newest of earlier parts"
    )
    assert list(Part.objects.order_by("number").values_list("rows", "late")) == [(3, 0), (4, 2)]


def test_a_recomputation_gives_the_same_table_and_mends_another(alice: User) -> None:
    dataset = made(alice)
    for number in range(5):
        appended(dataset, row(number, delay=f"{number}.10"), row(-number, "LGA", number))
        fold(dataset)
    before, state = table(dataset), reading.state(dataset)
    assert recompute(dataset) == 0
    assert table(dataset) == before
    assert (reading.state(dataset).late, reading.state(dataset).rows) == (state.late, state.rows) == (4, 10)
    Bucket.objects.filter(step="day", group='["JFK"]').update(sum="7")
    Bucket.objects.filter(step="hour", group='["LGA"]').first().delete()
    assert recompute(dataset) == 3, "one that is wrong, seen from both sides, and one that is missing"
    assert table(dataset) == before
    assert Rollup.objects.count() == 1
    assert Bucket.objects.count() == len(before)


def test_batches_make_no_difference(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = made(alice)
    rows = [[row(each * number % 7, delay=each) for each in range(3)] for number in range(6)]
    for each in rows:
        appended(dataset, *each)
    for module, name, size in ((folding, "ROWS", 4), (store, "TIMES", 2), (store, "GROUPS", 0)):
        monkeypatch.setattr(module, name, size)
    fold(dataset)
    assert table(dataset) == counted(each for part in rows for each in part)


def test_numbers_are_exact_however_large_or_small(alice: User) -> None:
    dataset = made(alice)
    values = [Decimal("999999999999999999"), "0.000000000000000000000000000001", "-1e17", "1e-9", 10**17, "+.5", "5."]
    rows = [row(0, delay=each) for each in values]
    for each in rows:
        appended(dataset, each)
    fold(dataset)
    assert table(dataset) == counted(rows)
    assert table(dataset)["day", BEGIN.replace(hour=0), '["JFK"]', "delay"][2] == (
        "1000000000000000004.500000001000000000000000000001"
    )


def test_a_dataset_without_measures_or_groups_counts(alice: User) -> None:
    plain = Layout("at", (), ())
    dataset = made(alice, "counts", plain)
    rows = [row(0), row(0.5), row(30)]
    appended(dataset, *rows)
    fold(dataset)
    assert table(dataset) == counted(rows, plain)
    buckets = reading.newest(dataset, Step.DAY, 5)
    assert charts.chart(dataset, Step.DAY, buckets).series[0].values == [2, 1]
    assert charts.table(dataset, Step.DAY, buckets).rows == [["2013-01-02", 1], ["2013-01-01", 2]]


def test_several_measures_are_added_up_side_by_side(alice: User) -> None:
    layout = Layout("at", ("place", "kind"), ("delay", "distance"))
    dataset = made(alice, "two", layout)
    rows = [{**row(each, delay=each), "kind": each % 2, "distance": None if each == 2 else f"{each}.5"}
            for each in range(4)]  # fmt: skip
    appended(dataset, *rows)
    fold(dataset)
    assert table(dataset) == counted(rows, layout)


def test_what_a_fold_costs_follows_what_is_new(alice: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    dataset = made(alice)
    appended(dataset, *(row(each, f"P{each % 5}") for each in range(2000)))
    fold(dataset)
    appended(dataset, row(1999.5, "P4"), row(3, "P3"))
    # The table, its parts and their contents; a savepoint, the watermark, what is there of hours and of days, the
    # buckets, the part, the savepoint's end; a look whether there is more. However large the table is.
    with django_assert_num_queries(12):
        assert fold(dataset) == 4


# Files

CSV = (
    b"place,at,delay,more\n"
    b"JFK,2013-01-01T05:00:00Z,0.1,x\nLGA,2013-01-01 06:30:00,NA,y\n,2013-01-02T00:00:00+01:00,-3,\n"
)
ROWS = [
    {"at": "2013-01-01T05:00:00Z", "place": "JFK", "delay": "0.1"},
    {"at": "2013-01-01T06:30:00", "place": "LGA", "delay": None},
    {"at": "2013-01-02T00:00:00+01:00", "place": None, "delay": -3},
]


def parquet(path: Path) -> bytes:
    source = path / "rows.csv"
    source.write_bytes(CSV)
    with duckdb.connect() as database:
        database.execute(
            f'COPY (SELECT place, CAST("at" AS TIMESTAMPTZ) AS "at", TRY_CAST(delay AS DOUBLE) AS delay FROM '
            f"read_csv('{source}', nullstr = ['NA', ''])) TO '{path / 'rows.parquet'}' (FORMAT parquet)"
        )
    return (path / "rows.parquet").read_bytes()


JSON_LINES = (
    b'{"at": "2013-01-01T05:00:00Z", "place": "JFK", "delay": 0.1, "more": [1]}\n\n'
    b'{"at": "2013-01-01T06:30:00", "place": "LGA", "delay": null}\n'
    b'{"at": "2013-01-02T00:00:00+01:00", "place": null, "delay": -3}\n'
)


@pytest.mark.parametrize("form", ["csv", "utf-16", "jsonl", "parquet"])
def test_a_file_of_any_format_counts_as_its_rows_would(alice: User, tmp_path: Path, form: str) -> None:
    content = {
        "csv": lambda: CSV, "utf-16": lambda: CSV.decode().encode("utf-16"), "jsonl": lambda: JSON_LINES,
        "parquet": lambda: parquet(tmp_path),
    }[form]()  # fmt: skip
    dataset = made(alice)
    datasets.append_file(dataset, upload(alice, content, f"rows.{form}"), key=None, now=NOW)
    assert Part.objects.get().rows is None
    fold(dataset)
    part = Part.objects.get()
    assert (part.fault, part.rows) == ("", 3)
    assert table(dataset) == counted(ROWS)
    assert recompute(dataset) == 0


def test_json_lines_lose_no_digit(alice: User) -> None:
    dataset = made(alice)
    line = b'{"at": "2013-01-01", "place": "JFK", "delay": 0.12345678901234567890123}\n'
    datasets.append_file(dataset, upload(alice, line, "rows.jsonl"), key=None, now=NOW)
    fold(dataset)
    assert {each[2] for each in table(dataset).values()} == {"0.12345678901234567890123"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"place,at\nJFK,2013-01-01\n", "expected one of its columns"),
        (b"place,at,delay\nJFK,2013-01-01,1\nJFK,yesterday,1\n", "row 2, at: expected a time such as"),
        (b"place,at,delay\nJFK,2013-01-01,1\nJFK,2013-01-01,many\n", "row 2, delay: expected a number or null"),
        (b'{"at": "2013-01-01", "place": "JFK", "delay": 1}\n{"at": "2013-01-01"}\n', "row 2, place: expected a value"),
        (b'{"at": "2013-01-01", "place": "JFK", "delay": 1}\nnonsense\n', "something else in line 2"),
    ],
)
def test_a_file_that_cannot_be_taken_is_set_aside_whole_and_stops_nothing(
    alice: User, content: bytes, words: str
) -> None:
    dataset = made(alice)
    appended(dataset, row(0))
    datasets.append_file(dataset, upload(alice, content), key=None, now=NOW)
    appended(dataset, row(1))
    context = DetachedContext()
    folding.fold(dataset, job=None, context=context, now=NOW)
    assert table(dataset) == counted([row(0), row(1)])
    part = Part.objects.get(number=2)
    assert words in part.fault
    assert words in context.lines[0]
    state = reading.state(dataset)
    assert (state.through, state.rows, state.set_aside) == (3, 2, 1)
    assert recompute(dataset) == 0
    assert reading.state(dataset).set_aside == 1


def test_a_file_of_too_many_groups_is_set_aside(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "HOURS", 2)
    dataset = made(alice)
    datasets.append_file(dataset, upload(alice, CSV), key=None, now=NOW)
    fold(dataset)
    assert "at most 2 hours of groups" in Part.objects.get().fault
    assert table(dataset) == {}


def test_a_file_that_has_gone_is_an_error_and_no_empty_part(alice: User) -> None:
    dataset = made(alice)
    file = upload(alice, CSV)
    datasets.append_file(dataset, file, key=None, now=NOW)
    artifacts.path_of(file).unlink()
    with pytest.raises(OSError, match="the file that was appended is not there"):
        fold(dataset)
    assert reading.state(dataset).through == 0


# Appending


def test_a_retried_append_counts_once(alice: User) -> None:
    dataset = made(alice)
    first = appended(dataset, row(0, delay="1.0"), key="k")
    again = appended(dataset, row(0, delay="1.0"), key="k")
    assert (first.replayed, again.replayed, again.part.pk) == (False, True, first.part.pk)
    with pytest.raises(IdempotencyConflict, match="belongs to part 1"):
        appended(dataset, row(1), key="k")
    other = made(alice, "other")
    assert not appended(other, row(1), key="k").replayed, "a key is a dataset's own"
    dataset.refresh_from_db()
    assert (dataset.parts, Part.objects.filter(dataset=dataset).count()) == (1, 1)
    file = upload(alice, CSV)
    assert not datasets.append_file(dataset, file, key="f", now=NOW).replayed
    assert datasets.append_file(dataset, file, key="f", now=NOW).replayed
    with pytest.raises(IdempotencyConflict):
        datasets.append_file(dataset, upload(alice, CSV), key="f", now=NOW)


@pytest.mark.parametrize(
    ("rows", "column", "words"),
    [
        ([row(0), {"at": "2013-01-01", "place": "x"}], "delay", "expected a value, or null, got none"),
        ([row(0), row(0, delay="12x")], "delay", "expected a number or null, got '12x'"),
        ([row(0), row(0, delay=True)], "delay", "expected a number or null"),
        ([row(0), row(0, delay="1_000")], "delay", "expected a number or null"),
        ([row(0), row(0, delay="1e18")], "delay", "expected a number below 10^18"),
        ([row(0), row(0, delay="1e-31")], "delay", "expected at most 30 decimals"),
        ([row(0), {**row(0), "at": 7}], "at", "expected a time as text"),
        ([row(0), {**row(0), "at": "2013-02-30"}], "at", "expected a time such as"),
        ([row(0), {**row(0), "at": "0001-01-01T00:00:00+10:00"}], "at", "expected a time"),
        ([row(0), {**row(0), "at": "2999-01-01"}], "at", "expected a time from 1900 to 2199"),
        ([row(0), row(0, place="x" * 101)], "place", "expected at most 100 characters"),
        ([row(0), row(0, place="a\0b")], "place", "expected printable characters"),
        ([row(0), {**row(0), "place": {}}], "place", "expected a text or a number, got dict"),
        ([row(0), 7], "", "expected an object, got int"),
    ],
)  # fmt: skip
def test_a_bad_row_is_told_with_its_place_and_nothing_is_taken(
    alice: User, rows: list[Any], column: str, words: str
) -> None:
    dataset = made(alice)
    with pytest.raises(BadRows) as caught:
        appended(dataset, *rows)
    (fault,) = caught.value.faults
    assert (fault.row, fault.column) == (1, column)
    assert words in fault.message
    assert not Part.objects.exists()


def test_limits(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = made(alice)
    with pytest.raises(InvalidRequest, match="at least one row"):
        appended(dataset)
    with pytest.raises(InvalidRequest, match="idempotency key"):
        appended(dataset, row(), key="a\n")
    appended(dataset, row())
    monkeypatch.setattr(datasets, "PARTS", 1)
    with pytest.raises(Conflict, match="at most 1 appends"):
        appended(dataset, row())
    monkeypatch.setattr(datasets, "DATASETS", 1)
    with pytest.raises(Conflict, match="at most 1 datasets"):
        made(alice, "another")
    dataset.refresh_from_db()
    assert dataset.parts == 1


def test_columns_never_change(alice: User, bob: User) -> None:
    dataset = made(alice)
    assert made(alice) == dataset
    with pytest.raises(Conflict, match="has the columns at, place, delay"):
        made(alice, layout=Layout("at", (), ()))
    assert made(bob) != dataset
    for wrong in (Layout("at", ("at",), ()), Layout("a\n", (), ()), Layout("at", tuple("abcde"), ())):
        with pytest.raises(InvalidRequest):
            made(alice, "wrong", wrong)


def test_a_file_is_taken_once_and_only_ones_own_upload(alice: User, bob: User) -> None:
    dataset = made(alice)
    mine, bobs = upload(alice, CSV), upload(bob, CSV)
    job = submitted("system.echo", {"text": "x"}, owner=alice)
    made_by_a_job = artifacts.save_output(job, 1, "out.csv", CSV, now=NOW).id
    datasets.append_file(dataset, mine, key=None, now=NOW)
    with pytest.raises(Conflict, match="no dataset has yet"):
        datasets.append_file(made(alice, "other"), mine, key=None, now=NOW)
    for other in (bobs, made_by_a_job, uuid4()):
        with pytest.raises(NotFound):
            datasets.append_file(dataset, other, key=None, now=NOW)
    with pytest.raises(InvalidRequest, match="got a PNG picture"):
        datasets.append_file(dataset, upload(alice, b"\x89PNG\r\n\x1a\n"), key=None, now=NOW)


# Retention


def test_a_file_that_a_dataset_has_taken_is_not_unused(alice: User, configured: Callable[..., None]) -> None:
    configured(keep_uploads_days=1, open_uploads=2)
    dataset = made(alice)
    taken, unused = upload(alice, CSV), upload(alice, CSV)
    with pytest.raises(ShareExceeded):
        upload(alice, CSV)
    datasets.append_file(dataset, taken, key=None, now=NOW)
    upload(alice, CSV)
    assert taken not in rules.unused_uploads(now=NOW + 2 * DAY).values_list("id", flat=True)
    assert pruning.run(now=NOW + 2 * DAY)["uploads"] == 2
    assert not Artifact.objects.filter(id=unused).exists()
    fold(dataset)
    assert reading.state(dataset).rows == 3


@run_here
def test_a_deleted_dataset_leaves_no_row_and_no_file(alice: User, now: datetime) -> None:
    dataset, other = made(alice), made(alice, "other")
    file, shared = upload(alice, CSV), upload(alice, CSV)
    for each in (file, shared):
        datasets.append_file(dataset, each, key=None, now=NOW)
    submitted("datasets.profile", {"dataset": str(shared)}, owner=alice)
    for each in (dataset, other):
        appended(each, row())
        fold(each)
    datasets.delete(dataset, now=now)
    with pytest.raises(NotFound):
        datasets.find(alice, dataset.pk)
    with pytest.raises(Discard, match="was deleted"):
        fold(dataset)
    with pytest.raises(NotFound):
        appended(dataset, row())
    job = run(Job.objects.get(kind="datasets.forget"))
    assert (job.state, job.result, job.owner) == ("succeeded", 3, None)
    assert list(Dataset.objects.all()) == [other]
    assert {each.dataset_id for each in (*Part.objects.all(), *Rollup.objects.all())} == {other.pk}
    assert table(other)
    assert not artifacts.path_of(file).exists()
    assert list(Artifact.objects.values_list("id", flat=True)) == [shared], "a job takes it too"
    assert made(alice).pk != dataset.pk, "its name is free again"


@run_here
def test_what_is_not_deleted_is_not_cleared(alice: User) -> None:
    dataset = made(alice)
    job = run(submitted("datasets.forget", {"dataset": dataset.pk}))
    assert job.state == "failed"
    assert "its owner has deleted" in job.error


# The kind


@run_here
def test_a_job_tells_what_it_folded_and_shows_the_newest_days(alice: User) -> None:
    dataset = made(alice)
    appended(dataset, row(0, delay="1.5"), row(40, "LGA", 2))
    appended(dataset, row(1, delay=3))
    job = submitted("datasets.rollup", {"dataset": dataset.pk}, owner=alice)
    assert Job.objects.whole().get(id=job.id).preview == {"dataset": "flights", "parts_waiting": 2, "rows_folded": 0}
    job = run(job)
    assert (job.state, job.error) == ("succeeded", "")
    facts = job.result["facts"]
    assert {name: facts[name] for name in ("parts", "first_part", "last_part", "rows", "late", "set_aside")} == {
        "parts": 2, "first_part": 1, "last_part": 2, "rows": 3, "late": 1, "set_aside": 0,
    }  # fmt: skip
    assert facts["buckets_touched"] == 5
    assert job.result["chart"]["labels"] == ["2013-01-01", "2013-01-02"]
    assert job.result["chart"]["series"][0] == {"name": "JFK", "values": [2.25, None]}
    assert job.result["table"]["columns"][:4] == ["day", "place", "rows", "numbers"]
    assert job.result["table"]["rows"][0] == ["2013-01-02", "LGA", 1, 1, 2.0, 2, 2, 2]
    appended(dataset, row(2))
    again = run(submitted("datasets.rollup", {"dataset": dataset.pk, "step": "hour"}, owner=alice)).result["facts"]
    assert (again["parts"], again["first_part"], again["rows"], again["rows_in_all"]) == (1, 3, 1, 4)
    whole = run(submitted("datasets.rollup", {"dataset": dataset.pk, "recompute": True})).result["facts"]
    assert (whole["parts"], whole["rows"], whole["late"], whole["differences"]) == (3, 4, 2, 0)
    none = run(submitted("datasets.rollup", {"dataset": dataset.pk})).result["facts"]
    assert (none["parts"], none["rows"], none["buckets_touched"]) == (0, 0, 0)


def test_the_plain_function_folds_too(alice: User) -> None:
    dataset = made(alice)
    appended(dataset, row(0))
    assert rollup(dataset.pk).facts.rows == 1


@run_here
def test_an_empty_dataset_can_be_folded(alice: User) -> None:
    job = run(submitted("datasets.rollup", {"dataset": made(alice).pk}, owner=alice))
    assert (job.state, job.result["facts"]["rows"]) == ("succeeded", 0)
    job = run(submitted("datasets.rollup", {"dataset": made(alice).pk, "recompute": True}, owner=alice))
    assert (job.state, job.result["facts"]["differences"]) == ("succeeded", 0)


def test_only_its_owner_operators_and_the_system_have_a_dataset_folded(alice: User, bob: User, carol: User) -> None:
    dataset = made(alice)
    said = set()
    for number in (dataset.pk, dataset.pk + 1):
        with pytest.raises(InvalidParameters) as caught:
            submission.submit("datasets.rollup", {"dataset": number}, owner=bob)
        said.add(str(caught.value))
    assert len(said) == 1, "others are told nothing of what is there"
    assert not Job.objects.exists()
    for owner in (alice, carol, None):
        submitted("datasets.rollup", {"dataset": dataset.pk}, owner=owner)


@run_here
def test_a_schedule_names_a_dataset_by_its_id_which_is_checked_when_it_is_saved(alice: User, now: datetime) -> None:
    dataset = made(alice)
    appended(dataset, row(0))
    work.check(Work("datasets.rollup", {"dataset": dataset.pk}))
    for wrong in ({"dataset": dataset.pk + 1}, {"dataset": "flights"}, {"dataset": 0}, {}):
        with pytest.raises(InvalidParameters) as caught:
            work.check(Work("datasets.rollup", wrong))
        assert caught.value.problems[0].location == ("dataset",)
    job = work.submit(1, Work("datasets.rollup", {"dataset": dataset.pk}), due_at=now, now=now).job
    assert run(job).result["facts"]["rows"] == 1
    datasets.delete(dataset, now=now)
    with pytest.raises(InvalidParameters):
        work.check(Work("datasets.rollup", {"dataset": dataset.pk}))


@run_here
def test_a_job_whose_dataset_was_deleted_meanwhile_fails_at_once(alice: User, now: datetime) -> None:
    dataset = made(alice)
    job = submitted("datasets.rollup", {"dataset": dataset.pk}, owner=alice)
    datasets.delete(dataset, now=now)
    job = run(job)
    assert (job.state, job.attempt) == ("failed", 1)
    assert "that is there" in job.error


# Reading


def test_buckets_of_a_period(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = made(alice)
    appended(dataset, row(0, delay=1), row(1, delay=2), row(1, "LGA", 4), row(30, delay=8))
    fold(dataset)
    begin = BEGIN.replace(hour=0)
    found = reading.period(dataset, Step.HOUR, BEGIN, BEGIN + timedelta(hours=2))
    assert [(each.at.hour, each.group, each.figures.sum) for each in found] == [
        (5, ("JFK",), Decimal(1)), (6, ("JFK",), Decimal(2)), (6, ("LGA",), Decimal(4)),
    ]  # fmt: skip
    total = reading.period(dataset, Step.DAY, begin, begin + DAY, total=True)
    assert [(each.group, each.figures.rows, each.figures.sum, each.mean) for each in total] == [
        ((), 3, Decimal(7), 7 / 3)
    ]
    assert len(reading.period(dataset, Step.DAY, begin, begin + 9 * DAY, group=["JFK"])) == 2
    with pytest.raises(InvalidRequest, match="a value for each of 1 grouping columns"):
        reading.period(dataset, Step.DAY, begin, begin + DAY, group=["a", "b"])
    monkeypatch.setattr(reading, "MOST", 2)
    with pytest.raises(InvalidRequest, match="ask for a shorter one"):
        reading.period(dataset, Step.HOUR, BEGIN, BEGIN + timedelta(hours=2))
    assert [each.at for each in reading.newest(dataset, Step.DAY, 1)] == [begin + DAY]
    assert [each.at.hour for each in reading.newest(dataset, Step.HOUR, 1, BEGIN + timedelta(hours=1))] == [5]
    assert charts.chart(dataset, Step.HOUR, []).labels == []


def test_layout_is_read_as_it_was_declared(alice: User) -> None:
    assert folding.layout_of(Dataset.objects.get(id=made(alice).pk)) == LAYOUT
    assert datetime(2013, 1, 1, tzinfo=UTC) < BEGIN
