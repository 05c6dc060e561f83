"""Random appends, folds, recomputations, kills: a growing dataset's table equals a count by brute force, to the digit.

Rows come late, twice by a retry, in files and as JSON; folds end in the middle, meet each other, and take as much as
they like at once. After every step the table is that of the parts up to its watermark; a table built anew is the same.
"""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from jobs_app.authoring import DetachedContext
from jobs_app.core import artifacts
from jobs_app.errors import IdempotencyConflict
from tasks.kinds.growing import datasets, folding, reading, store
from tasks.kinds.growing.models import CURRENT, Rollup
from tests.support.growing import BEGIN, NOW, appended, counted, fold, made, recompute, table

NUMBERS = st.one_of(
    st.none(),
    st.integers(-(10**17), 10**17),
    st.decimals(min_value=-(10**6), max_value=10**6, places=12),
    st.sampled_from(["1e-30", "999999999999999999.999999999999", "-0", "NA"]),
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "at": st.integers(-70, 70).map(lambda halves: (BEGIN + halves * timedelta(minutes=30)).isoformat()),
            "place": st.sampled_from(["JFK", "LGA", "“EWR”, \n", None]),
            "delay": NUMBERS,
        }
    ),
    min_size=1,
    max_size=6,
)
ROWS = ROWS.map(lambda rows: [{**each, "place": each["place"] and each["place"].strip()} for each in rows])


class Killed(Exception):
    """The fold ends here."""


class Growing(RuleBasedStateMachine):
    """The steps."""

    owner: User

    @initialize()
    def begin(self) -> None:
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.dataset = made(self.owner)
        self.parts: list[list[dict[str, Any]]] = []
        self.keys: dict[str, int] = {}

    def teardown(self) -> None:
        if not hasattr(self, "transaction"):
            return
        try:
            fold(self.dataset)
            assert reading.state(self.dataset).waiting == 0
            assert table(self.dataset) == counted(self.rows(len(self.parts)))
            assert reading.state(self.dataset).late == self.late()
            assert recompute(self.dataset) == 0
            assert reading.state(self.dataset).late == self.late()
        finally:
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)

    def rows(self, through: int) -> list[dict[str, Any]]:
        return [row for part in self.parts[:through] for row in part]

    def late(self) -> int:
        """By the definition: of an hour before the newest of any earlier part."""
        count = 0
        for number, part in enumerate(self.parts):
            earlier = [each["at"][:13] for each in self.rows(number)]
            count += sum(each["at"][:13] < max(earlier) for each in part) if earlier else 0
        return count

    @rule(rows=ROWS)
    def append(self, rows: list[dict[str, Any]]) -> None:
        appended(self.dataset, *rows)
        self.parts.append(rows)

    @rule(rows=ROWS, key=st.sampled_from("ab"))
    def retry(self, rows: list[dict[str, Any]], key: str) -> None:
        """The same append twice; and other rows under a key that was used."""
        if key in self.keys:
            with pytest.raises(IdempotencyConflict):
                appended(self.dataset, *rows, {**rows[0], "place": "other"}, key=key)
            return
        self.keys[key] = len(self.parts)
        for _ in range(2):
            appended(self.dataset, *rows, key=key)
        self.parts.append(rows)

    @rule(rows=ROWS)
    def append_file(self, rows: list[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(each, default=str) + "\n" for each in rows).encode()
        file = artifacts.take_upload("rows.jsonl", [lines], owner=self.owner, now=NOW)
        datasets.append_file(self.dataset, file.id, key=None, now=NOW)
        self.parts.append(rows)

    @rule(batch=st.sampled_from([1, 3, 50_000]))
    def fold_some(self, batch: int) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(folding, "ROWS", batch)
            rollup = Rollup.objects.get(dataset=self.dataset, state=CURRENT)
            folding.advance(rollup, self.dataset, job=None, context=DetachedContext(), now=NOW)

    @rule()
    def fold_all(self) -> None:
        fold(self.dataset)

    @rule(after=st.integers(0, 2))
    def killed(self, after: int) -> None:
        """A fold ends in the middle of its transaction, after so many writes of buckets."""
        with pytest.MonkeyPatch.context() as patch:
            left, write = [after], store._add

            def end(*arguments: Any) -> None:
                if not left[0]:
                    raise Killed
                left[0] -= 1
                write(*arguments)

            patch.setattr(store, "_add", end)
            patch.setattr(store, "TIMES", 1)
            try:
                fold(self.dataset)
            except Killed:
                return

    @rule()
    def two_at_once(self) -> None:
        """A second fold has read the same watermark, and comes too late: it writes nothing."""
        rollup = Rollup.objects.get(dataset=self.dataset, state=CURRENT)
        if fold(self.dataset):
            second = folding.advance(rollup, self.dataset, job=None, context=DetachedContext(), now=NOW)
            assert second == 0

    @rule()
    def build_anew(self) -> None:
        before, waited = table(self.dataset), reading.state(self.dataset).waiting
        assert recompute(self.dataset) == 0
        assert waited or table(self.dataset) == before

    @invariant()
    def the_table_is_that_of_the_parts_up_to_its_watermark(self) -> None:
        if hasattr(self, "dataset"):
            state = reading.state(self.dataset)
            assert state.through + state.waiting == len(self.parts)
            assert table(self.dataset) == counted(self.rows(state.through))


def test_every_history_gives_the_table_of_its_rows(db: None, alice: User, configured: Any, tmp_path: Path) -> None:
    configured(data_dir=tmp_path)
    Growing.owner = alice
    run_state_machine_as_test(
        Growing,
        settings=settings(
            phases=[Phase.generate], max_examples=25, stateful_step_count=15, deadline=None, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


def test_the_brute_force_itself_counts_right() -> None:
    rows = [{"at": "2013-01-01T05:10:00", "place": "x", "delay": each} for each in ("0.10", Decimal("0.2"), None)]
    assert list(counted(rows).values()) == [(3, 2, "0.3", "0.1", "0.2")] * 2
