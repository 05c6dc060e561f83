"""Folds, appends and recomputations on connections of their own."""

from __future__ import annotations

from functools import partial

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from jobs_app.authoring import DetachedContext
from tasks.kinds.growing import contents, folding, reading, store
from tasks.kinds.growing.models import CURRENT, Dataset, Part, Rollup
from tasks.kinds.growing.sums import Sums
from tests.support.growing import NOW, appended, counted, fold, made, recompute, row, table
from tests.support.together import HELD_SECONDS, against, at_once

pytestmark = pytest.mark.usefixtures("quiet", "nudged")


def test_of_two_folds_at_once_one_counts_and_the_other_writes_nothing(alice: User) -> None:
    dataset = made(alice)
    rows = [row(each) for each in range(5)]
    appended(dataset, *rows)
    mine = Rollup.objects.get(state=CURRENT)
    with against(partial(fold, dataset)) as rival:
        assert folding.advance(mine, dataset, job=None, context=DetachedContext(), now=NOW) == 0
    assert rival.waited >= HELD_SECONDS, "they met at the watermark's row"
    assert table(dataset) == counted(rows)
    assert reading.state(dataset).rows == 5


def test_many_folds_and_appends_at_once_count_each_row_once(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "ROWS", 3)
    dataset = made(alice)
    batches = [[row(number * 5 % 17, delay=f"{number}.1"), row(-number, "LGA", number)] for number in range(24)]

    def append(own: list[list[dict[str, object]]]) -> None:
        for each in own:
            appended(dataset, *each)

    def fold_often() -> None:
        for _ in range(8):
            fold(Dataset.objects.get(id=dataset.pk))

    at_once(partial(append, batches[::2]), partial(append, batches[1::2]), fold_often, fold_often)
    fold(dataset)
    assert list(Part.objects.order_by("number").values_list("number", flat=True)) == list(range(1, 25))
    assert table(dataset) == counted(each for batch in batches for each in batch)
    assert reading.state(dataset).rows == 48
    assert recompute(dataset) == 0


def test_the_same_append_sent_twice_at_once_counts_once(alice: User) -> None:
    dataset = made(alice)
    done = at_once(*(partial(appended, dataset, row(0), key="k") for _ in range(3)))
    assert sorted(each.replayed for each in done) == [False, True, True]
    assert {each.part.number for each in done} == {1}
    dataset.refresh_from_db()
    assert (dataset.parts, Part.objects.count()) == (1, 1)


def test_a_part_that_commits_late_is_not_passed_over(alice: User) -> None:
    dataset = made(alice)
    with against(partial(appended, dataset, row(0))) as rival:
        assert fold(dataset) == 0, "it is not there yet"
        appended(dataset, row(1))
    assert rival.waited >= HELD_SECONDS, "the second had to wait for its number"
    fold(dataset)
    assert table(dataset) == counted([row(0), row(1)])


def test_what_is_folded_while_the_table_is_built_anew_is_in_the_new_one(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = made(alice)
    appended(dataset, row(0))
    fold(dataset)
    exchange, left = folding._exchange, [row(1), row(2)]

    def meanwhile(old: Rollup, built: Rollup) -> bool:
        if left:
            appended(dataset, left.pop())
            fold(dataset)
        return exchange(old, built)

    monkeypatch.setattr(folding, "_exchange", meanwhile)
    recompute(dataset)
    assert table(dataset) == counted([row(0), row(1), row(2)])
    assert Rollup.objects.count() == 1


def test_of_two_recomputations_the_later_goes_on(alice: User) -> None:
    dataset = made(alice)
    appended(dataset, *(row(each) for each in range(9)))
    fold(dataset)

    def build() -> str:
        try:
            return str(recompute(Dataset.objects.get(id=dataset.pk)))
        except Exception as error:
            return type(error).__name__

    done = at_once(build, build, build)
    assert set(done) <= {"0", "Discard"}
    assert "0" in done
    recompute(dataset)
    assert table(dataset) == counted([row(each) for each in range(9)])
    assert Rollup.objects.count() == 1


def test_buckets_are_written_under_the_watermark_alone(alice: User) -> None:
    """Not the buckets themselves keep two apart: without the watermark they would be added up twice."""
    dataset = made(alice)
    appended(dataset, row(0, delay=2))
    fold(dataset)
    sums = Sums(folding.layout_of(dataset), None)
    sums.add(contents.unpack(bytes(Part.objects.get().content), folding.layout_of(dataset)))
    with transaction.atomic():
        store.add(Rollup.objects.get(), sums.buckets())
    assert {each[:3] for each in table(dataset).values()} == {(2, 2, "4")}
    assert recompute(dataset) == 4, "both buckets were wrong, seen from both sides"
