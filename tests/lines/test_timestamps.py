"""What a date leaves out is completed: years, days, zones; and the days when clocks change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest

from banish.lines.detector import DateDetector

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")


def at(*parts: int, zone: tzinfo = UTC) -> float:
    return datetime(*parts, tzinfo=zone).timestamp()  # type: ignore[arg-type,misc]


def read(
    date: str, now: float, zone: tzinfo | None = UTC, patterns: tuple[str, ...] = (), timezone: str = ""
) -> float | None:
    found = DateDetector(patterns, zone, timezone).find(date + " host x", now)
    assert found is not None
    return found.at


@pytest.fixture
def tz(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the machine's zone for the test."""
    with monkeypatch.context() as patch:

        def use(name: str) -> None:
            patch.setenv("TZ", name)
            time.tzset()

        yield use
    time.tzset()


@pytest.mark.parametrize(
    ("date", "now", "expected"),
    [
        ("Dec 31 23:59:58", at(2027, 1, 1, 0, 0, 5), at(2026, 12, 31, 23, 59, 58)),
        ("Jan  1 00:00:03", at(2027, 1, 1, 0, 0, 5), at(2027, 1, 1, 0, 0, 3)),
        # up to a day ahead is a clock that is off, more is last year
        ("Nov 23 12:00:00", at(2026, 11, 22, 12), at(2026, 11, 23, 12)),
        ("Nov 23 12:00:01", at(2026, 11, 22, 12), at(2025, 11, 23, 12, 0, 1)),
        ("Feb 29 12:00:00", at(2024, 3, 1), at(2024, 2, 29, 12)),
        ("Feb 29 12:00:00", at(2025, 1, 5), at(2024, 2, 29, 12)),
        ("Feb 29 12:00:00", at(2026, 1, 5), None),
        ("Feb 28 12:00:00", at(2025, 1, 5), at(2024, 2, 28, 12)),
    ],
)
def test_a_date_without_year(date: str, now: float, expected: float | None) -> None:
    assert read(date, now) == expected


@pytest.mark.parametrize(
    ("date", "now", "expected"),
    [
        ("12:50:52", at(2026, 11, 22, 12, 50, 52), at(2026, 11, 22, 12, 50, 52)),
        ("12:50:53", at(2026, 11, 22, 12, 50, 52), at(2026, 11, 21, 12, 50, 53)),
        ("23:59:59", at(2027, 1, 1, 0, 0, 1), at(2026, 12, 31, 23, 59, 59)),
        ("00:00:00", at(2027, 1, 1, 0, 0, 1), at(2027, 1, 1)),
    ],
)
def test_a_time_without_date_is_today_or_yesterday(date: str, now: float, expected: float) -> None:
    assert read(date, now) == expected


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("%y%j", "05023", at(2005, 1, 23)),
        ("%Y-%U-%w", "2005-04-0", at(2005, 1, 23)),
        ("%Y-%U-%w", "2005-00-1", at(2004, 12, 27)),
        ("%Y-%W-%w", "2005-04-0", at(2005, 1, 30)),
        ("%Y-%W %a", "2005-04 mon", at(2005, 1, 24)),
        ("%G-W%V-%u", "2005-W04-7", at(2005, 1, 30)),
        ("%j", "023", at(2026, 1, 23)),
        ("%U %w", "04 0", at(2026, 1, 25)),
        ("%Y", "2005", at(2005, 11, 22)),
        ("%m/%d", "12/30", at(2025, 12, 30)),
        ("%A %B %d %Y", "sunday january 23 2005", at(2005, 1, 23)),
        ("%I:%M %p", "09:10 PM", at(2026, 11, 21, 21, 10)),
        ("%I:%M %p", "12:10 am", at(2026, 11, 22, 0, 10)),
        ("%I:%M", "12:10", at(2026, 11, 22, 0, 10)),
        ("%l:%M %p", " 9:10 PM", at(2026, 11, 21, 21, 10)),
        ("%c", "Sun Jan 23 21:59:59 2005", at(2005, 1, 23, 21, 59, 59)),
        ("%x %X", "01/23/05 21:59:59", at(2005, 1, 23, 21, 59, 59)),
        ("%Y-%m-%d %H %Z", "2005-01-23 21 CEST", at(2005, 1, 23, 19)),
        ("%Y-%m-%d %H %Exz", "2005-01-23 21 CET+01", at(2005, 1, 23, 19)),
        ("%Y-%m-%d %H %Exz", "2005-01-23 21 UTC-02:00", at(2005, 1, 23, 23)),
        ("%Y-%m-%d", "0000-01-23", None),
        ("%m/%d", "2/30", None),
    ],
)
def test_tokens_mean_what_strptime_says(pattern: str, text: str, expected: float | None) -> None:
    assert read(text, at(2026, 11, 22, 12, 50, 52), patterns=(pattern,)) == expected


@pytest.mark.parametrize(
    ("zone", "date", "expected"),
    [
        (BERLIN, "2026-03-29 01:59:59", at(2026, 3, 29, 0, 59, 59)),
        (BERLIN, "2026-03-29 02:30:00", at(2026, 3, 29, 1, 30)),  # skipped
        (BERLIN, "2026-03-29 03:00:00", at(2026, 3, 29, 1)),
        (BERLIN, "2026-10-25 01:59:59", at(2026, 10, 24, 23, 59, 59)),
        (BERLIN, "2026-10-25 02:30:00", at(2026, 10, 25, 0, 30)),  # twice
        (BERLIN, "2026-10-25 03:00:00", at(2026, 10, 25, 2)),
        (NEW_YORK, "2026-03-08 01:59:59", at(2026, 3, 8, 6, 59, 59)),
        (NEW_YORK, "2026-03-08 02:30:00", at(2026, 3, 8, 7, 30)),  # skipped
        (NEW_YORK, "2026-03-08 03:00:00", at(2026, 3, 8, 7)),
        (NEW_YORK, "2026-11-01 01:30:00", at(2026, 11, 1, 5, 30)),  # twice
        (NEW_YORK, "2026-11-01 02:00:00", at(2026, 11, 1, 7)),
    ],
)
@pytest.mark.parametrize("machine", [False, True], ids=["zone given", "zone of the machine"])
def test_the_days_when_clocks_change(
    zone: ZoneInfo, date: str, expected: float, *, machine: bool, tz: Callable[[str], None]
) -> None:
    tz(zone.key if machine else "UTC")
    assert read(date, expected, None if machine else zone) == expected


def test_a_zone_in_the_line_wins_over_the_machines(tz: Callable[[str], None]) -> None:
    tz("America/New_York")
    assert read("2026-07-01 12:00:00 +0200", 0, None) == at(2026, 7, 1, 10)


def test_logtimezone_may_name_a_zone_with_summer_time() -> None:
    assert read("2026-07-01 12:00:00", 0, timezone="Europe/Berlin") == at(2026, 7, 1, 10)
    assert read("2026-01-01 12:00:00", 0, timezone="Europe/Berlin") == at(2026, 1, 1, 11)


def test_yesterday_is_a_calendar_day_even_when_it_has_25_hours() -> None:
    assert read("12:00:00", at(2026, 10, 25, 9, zone=BERLIN), BERLIN) == at(2026, 10, 24, 12, zone=BERLIN)


def test_the_day_of_a_time_alone_is_the_one_in_the_logs_zone() -> None:
    """It is half past eleven in the evening in London, and half past midnight where the log is written."""
    assert read("00:30:00", at(2026, 11, 21, 23, 30), timezone="+0100") == at(2026, 11, 21, 23, 30)
