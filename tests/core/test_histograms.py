"""Histograms: bins add up exactly, and every quantile is within the stated error."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs_app.histograms import ERROR, LEAST, bin_of, micros_of, quantile, seconds_of
from tests.support.rollups import nearest_rank

MICROS = st.integers(0, 10**14) | st.floats(0, 14).map(lambda power: int(10**power))
CLOSE = 1 + 1e-9


@settings(max_examples=400, deadline=None)
@given(st.lists(MICROS, min_size=1, max_size=60), st.floats(0, 1))
def test_a_quantile_is_within_the_error_of_the_true_one(values: list[int], part: float) -> None:
    true = nearest_rank(sorted(values), part) / 1e6
    found = quantile(Counter(map(bin_of, values)), part)
    assert found is not None
    assert abs(found - true) <= max(ERROR * true * CLOSE, LEAST / 2e6)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(MICROS, max_size=20), max_size=6))
def test_histograms_added_up_are_the_histogram_of_all(parts: list[list[int]]) -> None:
    total: Counter[int] = Counter()
    for part in parts:
        total.update(Counter(map(bin_of, part)))
    assert total == Counter(bin_of(each) for part in parts for each in part)


@pytest.mark.parametrize("micros", [1, 999, 1000, 1001, 10**6, 3_600_000_000, 86_400_000_000 * 400])
def test_the_middle_of_a_bin_stands_for_what_lies_in_it(micros: int) -> None:
    assert seconds_of(bin_of(micros)) * 1e6 == pytest.approx(micros, rel=ERROR * CLOSE, abs=LEAST / 2)


def test_nothing_measured_has_no_quantile() -> None:
    assert quantile({}, 0.5) is None


def test_a_clock_that_was_set_back_makes_no_negative_duration() -> None:
    assert (micros_of(timedelta(seconds=-3)), bin_of(0)) == (0, 0)


def test_a_month_of_milliseconds_has_few_bins() -> None:
    assert bin_of(micros_of(timedelta(days=31))) < 400
    assert not math.isnan(seconds_of(400))
