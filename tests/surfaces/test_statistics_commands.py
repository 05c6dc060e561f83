"""``manage.py rollups`` and ``manage.py retention``: what they say, and what they end with."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from jobs_app.core import clock
from jobs_app.core.rollups import cursor, rolling
from jobs_app.lifecycle import State
from jobs_app.models import Job, Rollup
from jobs_app.models.guard import writing
from jobs_app.steps import Step
from tests.support.ledger import reaching
from tests.support.rollups import Diary, counted

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 4, 12, 0, 30, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, configured: Callable[..., None]) -> None:
    for command in ("rollups", "retention"):
        monkeypatch.setattr(f"jobs_app.management.commands.{command}.database_now", lambda: NOW)
    configured(data_dir=tmp_path)


def said(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def ended(*arguments: str) -> tuple[int, str, str]:
    """The exit code, what was printed, and the error."""
    out = StringIO()
    with pytest.raises(CommandError) as raised:
        call_command(*arguments, stdout=out)
    return raised.value.returncode, out.getvalue(), str(raised.value)


def history() -> None:
    for days in range(3):
        for state in (State.SUCCEEDED, State.FAILED, State.QUEUED):
            reaching(state, now=NOW - days * DAY)


def test_an_empty_ledger_is_no_error() -> None:
    assert said("rollups", "verify") == "There is nothing in the ledger.\n"
    assert "never" in said("rollups", "status")
    assert said("retention", "run") == "Nothing was due.\n"
    assert "0 files without a row" in said("retention", "report")


def test_status_says_how_far_they_are() -> None:
    history()
    assert "not counted     21 rows" in said("rollups", "status")
    rolling.roll(now=NOW)
    text = said("rollups", "status")
    assert "counted up to   2026-03-04 12:00:30" in text
    assert "not counted     0 rows" in text
    assert "days            6 rows" in text, "of each owner, and of all"


def test_verify_ends_with_1_and_says_where_and_rebuild_mends_that_period_alone() -> None:
    history()
    rolling.roll(now=NOW)
    assert said("rollups", "verify") == "The statistics of 3 days equal the ledger.\n"
    with writing():
        Rollup.objects.filter(step=Step.HOUR, owner=0).update(submitted=77)
    code, text, error = ended("rollups", "verify")
    assert (code, len(text.splitlines())) == (1, 3)
    assert text.startswith("hour 2026-03-02 12:00 of queue 'default', kind 'probe.nothing', owner 0: submitted: ")
    assert "3 rows do not" in error
    assert ended("rollups", "verify", "--from", "2026-03-04")[1].count("\n") == 1
    mended = said("rollups", "rebuild", "--from", "2026-03-03", "--to", "2026-03-03T23:00")
    assert mended == "2026-03-03 1 rows were wrong\n"
    assert ended("rollups", "verify")[1].count("\n") == 2
    said("rollups", "rebuild")
    assert said("rollups", "verify").startswith("The statistics of 3 days")
    assert counted() == Diary().look().counts()


def test_rebuild_from_nothing_counts_everything() -> None:
    history()
    said("rollups", "rebuild")
    assert counted() == Diary().look().counts()
    with writing():
        Rollup.objects.all().delete()
    said("rollups", "rebuild")
    assert counted() == Diary().look().counts()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "soon"), "--from: expected a time"),
        (("--from", "2026-03-04", "--to", "2026-03-01"), "--to after --from"),
    ],
)
def test_a_period_that_makes_no_sense_is_wrong_usage(arguments: tuple[str, ...], words: str) -> None:
    history()
    code, _, error = ended("rollups", "verify", *arguments)
    assert code == 2
    assert words in error


def test_who_finds_the_aggregators_held_off_is_told() -> None:
    history()
    cursor.hold("another", now=clock.database_now() + 9000 * DAY, seconds=60)
    code, _, error = ended("rollups", "verify")
    assert code == 5
    assert "another command" in error
    assert "held until" in said("rollups", "status")


def test_retention_reports_and_runs(configured: Callable[..., None], tmp_path: Path) -> None:
    configured(data_dir=tmp_path, keep_succeeded_days=1, keep_failed_days=0)
    history()
    text = said("retention", "report")
    assert "        3         1         0  1 days    succeeded probe.nothing" in text
    assert "        3         0         0  for ever  failed probe.nothing" in text
    assert said("retention", "run") == "Nothing was due.\n", "nothing is counted yet"
    rolling.roll(now=NOW)
    text = said("retention", "run", "--orphans")
    assert re.fullmatch(r"( +\d+ counts of failures\n)? +1 jobs\nNothing more is due.\n", text)
    assert Job.objects.filter(state="succeeded").count() == 2
    assert "rows without their file" not in said("retention", "report", "--no-files")
