"""When schedules are due: odd nights of four time zones by table, everything else against a count by the minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs_app.core.timing import ALL_HOURS, Crontab, Fire, Gap, Repeat
from jobs_app.errors import InvalidRequest

ALL_MINUTES = frozenset(range(60))
ALL_DAYS, ALL_MONTHS, ALL_WEEK = frozenset(range(1, 32)), frozenset(range(1, 13)), frozenset(range(7))


def crontab(
    minutes: object = ALL_MINUTES, hours: object = ALL_HOURS, *, zone: str = "UTC", gap: Gap = Gap.AFTER,
    repeat: Repeat = Repeat.USUAL, days: object = ALL_DAYS, months: object = ALL_MONTHS, week: object = ALL_WEEK,
) -> Crontab:  # fmt: skip
    def numbers(given: object) -> frozenset[int]:
        return frozenset({given}) if isinstance(given, int) else frozenset(given)  # type: ignore[call-overload]

    return Crontab(
        numbers(minutes), numbers(hours), numbers(week), numbers(days), numbers(months), ZoneInfo(zone), gap, repeat
    )


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def between(timing: Crontab, begin: str, end: str) -> list[Fire]:
    found = []
    for fire in timing.after(moment(begin) - timedelta(microseconds=1)):
        if fire.at >= moment(end):
            return found
        found.append(fire)
    return found


def times(fires: list[Fire]) -> list[str]:
    return [f"{each.at:%H:%M}" for each in fires]


NIGHTS = [
    # New York, 8 March 2026: 02:00 EST becomes 03:00 EDT at 07:00 UTC.
    ("America/New_York", "2026-03-08T05:00", "2026-03-08T09:00", 30, 2, Gap.AFTER, Repeat.USUAL, ["07:00"]),
    ("America/New_York", "2026-03-08T05:00", "2026-03-08T09:00", 30, 2, Gap.SKIP, Repeat.USUAL, []),
    ("America/New_York", "2026-03-08T05:00", "2026-03-08T09:00", 0, ALL_HOURS, Gap.AFTER, Repeat.USUAL,
     ["05:00", "06:00", "07:00", "08:00"]),
    # 1 November 2026: 02:00 EDT becomes 01:00 EST at 06:00 UTC.
    ("America/New_York", "2026-11-01T04:00", "2026-11-01T08:00", 30, 1, Gap.AFTER, Repeat.USUAL, ["05:30"]),
    ("America/New_York", "2026-11-01T04:00", "2026-11-01T08:00", 30, 1, Gap.AFTER, Repeat.BOTH, ["05:30", "06:30"]),
    ("America/New_York", "2026-11-01T04:00", "2026-11-01T08:00", 0, ALL_HOURS, Gap.AFTER, Repeat.USUAL,
     ["04:00", "05:00", "06:00", "07:00"]),
    ("America/New_York", "2026-11-01T04:00", "2026-11-01T08:00", 0, ALL_HOURS, Gap.AFTER, Repeat.FIRST,
     ["04:00", "05:00", "07:00"]),
    # Berlin, 29 March 2026: 02:00 CET becomes 03:00 CEST at 01:00 UTC; 25 October: 03:00 CEST becomes 02:00 CET.
    ("Europe/Berlin", "2026-03-29T00:00", "2026-03-29T03:00", 30, 2, Gap.AFTER, Repeat.USUAL, ["01:00"]),
    ("Europe/Berlin", "2026-03-29T00:00", "2026-03-29T02:00", (0, 20, 40), ALL_HOURS, Gap.AFTER, Repeat.USUAL,
     ["00:00", "00:20", "00:40", "01:00", "01:20", "01:40"]),
    ("Europe/Berlin", "2026-10-25T00:00", "2026-10-25T02:00", (0, 20, 40), ALL_HOURS, Gap.AFTER, Repeat.USUAL,
     ["00:00", "00:20", "00:40", "01:00", "01:20", "01:40"]),
    ("Europe/Berlin", "2026-10-25T00:00", "2026-10-25T03:00", 0, 2, Gap.AFTER, Repeat.FIRST, ["00:00"]),
    ("Europe/Berlin", "2026-10-25T00:00", "2026-10-25T03:00", 0, 2, Gap.AFTER, Repeat.BOTH, ["00:00", "01:00"]),
    # Lord Howe, 4 October 2026: 02:00 becomes 02:30 at 15:30 UTC of the 3rd; 5 April: 02:00 becomes 01:30, 15:00 UTC.
    ("Australia/Lord_Howe", "2026-10-03T15:00", "2026-10-03T17:00", 15, 2, Gap.AFTER, Repeat.USUAL, ["15:30"]),
    ("Australia/Lord_Howe", "2026-10-03T15:00", "2026-10-03T17:00", 45, 2, Gap.AFTER, Repeat.USUAL, ["15:45"]),
    ("Australia/Lord_Howe", "2026-10-03T15:00", "2026-10-03T17:00", 15, 2, Gap.SKIP, Repeat.USUAL, []),
    ("Australia/Lord_Howe", "2026-04-04T14:00", "2026-04-04T16:00", 45, 1, Gap.AFTER, Repeat.BOTH, ["14:45", "15:15"]),
    ("Australia/Lord_Howe", "2026-04-04T14:00", "2026-04-04T16:00", 45, 1, Gap.AFTER, Repeat.USUAL, ["14:45"]),
    ("Australia/Lord_Howe", "2026-04-04T14:00", "2026-04-04T16:00", 15, 1, Gap.AFTER, Repeat.BOTH, ["14:15"]),
    # Casablanca goes back for Ramadan: 15 February 2026, 03:00 becomes 02:00; 22 March, 02:00 becomes 03:00.
    ("Africa/Casablanca", "2026-02-15T00:00", "2026-02-15T04:00", 30, 2, Gap.AFTER, Repeat.BOTH, ["01:30", "02:30"]),
    ("Africa/Casablanca", "2026-02-15T00:00", "2026-02-15T04:00", 30, 2, Gap.AFTER, Repeat.FIRST, ["01:30"]),
    ("Africa/Casablanca", "2026-03-22T00:00", "2026-03-22T04:00", 30, 2, Gap.AFTER, Repeat.USUAL, ["02:00"]),
    ("Africa/Casablanca", "2026-03-22T00:00", "2026-03-22T04:00", 30, 2, Gap.SKIP, Repeat.USUAL, []),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "begin", "end", "minutes", "hours", "gap", "repeat", "expected"), NIGHTS)
def test_nights_when_clocks_change(
    zone: str, begin: str, end: str, minutes: object, hours: object, gap: Gap, repeat: Repeat, expected: list[str]
) -> None:
    timing = crontab(minutes, hours, zone=zone, gap=gap, repeat=repeat)
    assert times(between(timing, begin, end)) == expected


def test_an_odd_time_says_so() -> None:
    night = crontab(30, 2, zone="America/New_York")
    (skipped,) = between(night, "2026-03-08T05:00", "2026-03-08T09:00")
    assert (skipped.named, skipped.odd) == (
        datetime.fromisoformat("2026-03-08T02:30"), "this time is skipped: due when the clocks have changed",
    )  # fmt: skip
    both = between(crontab(30, 1, zone="America/New_York", repeat=Repeat.BOTH), "2026-11-01T04:00", "2026-11-01T08:00")
    assert [each.odd for each in both] == ["this time comes twice: the first", "this time comes twice: the second"]
    (plain,) = between(night, "2026-03-09T05:00", "2026-03-09T09:00")
    assert plain.odd == ""


def test_several_skipped_times_are_due_once() -> None:
    timing = crontab((0, 15, 30, 45), 2, zone="Europe/Berlin")
    assert times(between(timing, "2026-03-29T00:00", "2026-03-29T12:00")) == ["01:00"]


def test_a_day_that_did_not_exist() -> None:
    timing = crontab(0, 12, zone="Pacific/Apia")
    begin, end = "2011-12-29T00:00", "2011-12-31T12:00"
    assert [f"{each.named:%d %H:%M}" for each in between(timing, begin, end)] == ["29 12:00", "30 12:00", "31 12:00"]
    skipping = crontab(0, 12, zone="Pacific/Apia", gap=Gap.SKIP)
    assert [f"{each.named:%d %H:%M}" for each in between(skipping, begin, end)] == ["29 12:00", "31 12:00"]


def test_leap_days_come_after_eight_years_at_the_latest() -> None:
    leap = crontab(0, 0, days=29, months=2)
    fires = islice(leap.after(moment("2093-01-01")), 2)
    assert [f"{each.at:%Y-%m-%d}" for each in fires] == ["2096-02-29", "2104-02-29"]


def test_a_leap_day_on_a_certain_day_of_the_week_comes_late_but_comes() -> None:
    monday = crontab(0, 0, days=29, months=2, week=1)
    assert [f"{each.at:%Y-%m-%d}" for each in islice(monday.after(moment("2073-01-01")), 2)] == [
        "2112-02-29",
        "2140-02-29",
    ]


@pytest.mark.parametrize(
    "never",
    [
        crontab(0, 0, days=30, months=2),
        crontab(0, 0, days=31, months=(4, 6, 9, 11)),
        crontab(0, 0, days=(30, 31), months=2, week=1),
    ],
)
def test_a_crontab_that_never_fires_says_so_in_bounded_time(never: Crontab) -> None:
    with pytest.raises(InvalidRequest, match="never does"):
        next(never.after(moment("2026-01-01")))


ZONES = ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu", "UTC")
SOME_MINUTES = st.frozensets(st.integers(0, 59), min_size=1, max_size=4)
SOME_HOURS = st.frozensets(st.integers(0, 23), min_size=1) | st.just(ALL_HOURS)


@settings(deadline=None, max_examples=150)
@given(
    zone=st.sampled_from(ZONES), minutes=SOME_MINUTES, hours=SOME_HOURS,
    week=st.frozensets(st.integers(0, 6), min_size=1),
    gap=st.sampled_from(Gap), repeat=st.sampled_from(Repeat),
    minute=st.integers(0, 2 * 365 * 24 * 60),
)  # fmt: skip
def test_any_two_days_equal_a_count_by_the_minute(
    zone: str, minutes: frozenset[int], hours: frozenset[int], week: frozenset[int], gap: Gap, repeat: Repeat,
    minute: int,
) -> None:  # fmt: skip
    """Each minute of UTC is looked at: its local time, and whether that comes for the second time, or after a gap."""
    timing = crontab(minutes, hours, zone=zone, gap=gap, repeat=repeat, week=week)
    start = moment("2025-01-01") + timedelta(minutes=minute)
    both = repeat is Repeat.BOTH or (repeat is Repeat.USUAL and hours == ALL_HOURS)
    expected = []
    for each in range(2 * 24 * 60):
        at = start + timedelta(minutes=each)
        local, before = (moment.astimezone(ZoneInfo(zone)) for moment in (at, at - timedelta(minutes=1)))
        plain = local.replace(tzinfo=None)
        names = [plain] if both or not local.fold else []
        if gap is Gap.AFTER:
            names += _skipped(before.replace(tzinfo=None) + timedelta(minutes=1), plain)
        if any(_named(name, minutes, hours, week) for name in names):
            expected.append(at)
    end = start + timedelta(days=2)
    found = []
    for fire in timing.after(start - timedelta(seconds=1)):
        if fire.at >= end:
            break
        found.append(fire.at)
    assert found == expected


def _skipped(begin: datetime, end: datetime) -> list[datetime]:
    """The local times that do not exist between two that follow each other."""
    return [begin + timedelta(minutes=each) for each in range(max(int((end - begin) / timedelta(minutes=1)), 0))]


def _named(local: datetime, minutes: frozenset[int], hours: frozenset[int], week: frozenset[int]) -> bool:
    return local.minute in minutes and local.hour in hours and local.isoweekday() % 7 in week
