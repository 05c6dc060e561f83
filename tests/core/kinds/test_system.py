from __future__ import annotations

import threading
import time

import pytest
from pydantic import ValidationError

from jobs_app.authoring import Cancelled, DetachedContext
from tasks.kinds.system import echo, sleep


def test_echo_returns_the_text_unchanged() -> None:
    assert echo("Grüße, \u202e\n").text == "Grüße, \u202e\n"


def test_sleep_takes_its_time_and_its_progress_moves(detached: DetachedContext) -> None:
    began = time.monotonic()
    slept = sleep(0.5, context=detached)
    assert 0.5 <= slept.seconds <= time.monotonic() - began + 0.01
    assert detached.fractions == sorted(detached.fractions)
    assert len(set(detached.fractions)) >= 3
    assert detached.fractions[-1] == 1


def test_sleep_of_nothing_ends_at_once(detached: DetachedContext) -> None:
    assert sleep(0, context=detached).seconds < 1


def test_sleep_stops_within_a_moment_when_cancelled(detached: DetachedContext) -> None:
    stopped_at = []

    def stop() -> None:
        stopped_at.append(time.monotonic())
        detached.stop = True

    threading.Timer(0.3, stop).start()
    with pytest.raises(Cancelled):
        sleep(60, context=detached)
    assert time.monotonic() - stopped_at[0] < 1


@pytest.mark.parametrize("seconds", [-1, 3601, float("nan"), float("inf"), "soon"])
def test_sleep_is_bounded(seconds: object) -> None:
    with pytest.raises(ValidationError):
        sleep.kind.parameters.model_validate({"seconds": seconds})
