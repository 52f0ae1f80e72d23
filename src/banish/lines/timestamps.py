"""From the parts of a date to Unix seconds.

A template's regex hands over named groups, one for each token of strptime(3) it contains (``Y m d H M S`` ...). What a date leaves
out is taken from the present: a date without a year lies in the current one, or in the last if that would be more than a day
ahead; a time without a date is today's, or yesterday's if that would be in the future. Such a reading holds for a while only
(at New Year, or at midnight, the same text means something else), therefore a reading says for which ``now`` it is true.

A zone in the date wins over the caller's. Seconds 60 and 61 (leap seconds) are the first of the next minute, as in POSIX.
Fractions are dropped, except in Unix time stamps. What cannot be (February 30) is no date, never an exception.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta, tzinfo
from typing import NamedTuple

from banish.lines import zones
from banish.lines.datepattern import DAYS, MONTHS

Groups = Mapping[str, str | None]

_DAY = 86400.0
_MINUTE = 62.0  # the longest there is: seconds count to 61
_LAST = 253402300799.0  # the end of the year 9999
_MONTH_NUMBER = {name[:3].lower(): number for number, name in enumerate(MONTHS, 1)}
_WEEKDAY_NUMBER = {name[:3].lower(): number for number, name in enumerate(DAYS)}
# "@4" is 2**62, the label of 1970; what follows counts seconds. TAI's distance from UTC is left in, as fail2ban leaves it.
_TAI_SECONDS = slice(2, 17)
_CALENDAR = ("Y", "y", "G", "m", "b", "B", "d", "j", "U", "W", "V")


class Reading(NamedTuple):
    """What a date means, for every ``now`` with ``since <= now < until``."""

    at: float | None
    """Unix seconds; None when the text has a date's form but is none."""
    since: float = -math.inf
    until: float = math.inf


def read(groups: Groups, now: float, zone: tzinfo | None, second: int) -> Reading:
    """Return the reading of *groups* down to the minute; the caller adds the seconds.

    At this *now* it is true for *second*; whenever it holds it is true for any second, so that it can be kept by the minute.
    *zone* applies when the groups state none (None: the machine's, see ``zones``).
    """
    try:
        return _read(groups, now, zone, second)
    # Days that do not exist, years beyond the calendar, and whatever a pattern's own named groups let through.
    except (ValueError, OverflowError, OSError, KeyError):
        return Reading(None, now, now)


def _read(groups: Groups, now: float, zone: tzinfo | None, second: int) -> Reading:
    get = groups.get
    stamp = _stamp(groups)
    if stamp is not None:
        return Reading(stamp if stamp <= _LAST else None)
    stated = get("z") or get("Z")
    if stated:
        zone = zones.fixed(stated) or zone
    hour = int(get("H") or 0) if get("I") is None else _hour(groups)
    minute = int(get("M") or 0)

    def at(year: int, month: int, day: int) -> float:
        return datetime(year, month, day, hour, minute, tzinfo=zone).timestamp()

    year = _year(groups)
    name = get("b") or get("B")
    month = _MONTH_NUMBER[name[:3].lower()] if name else int(get("m") or 0)
    if year is not None and month and (day := get("d")):
        return Reading(at(year, month, int(day)))
    present = _Present(now, zone, second)
    today = present.today()
    if not any(get(part) for part in _CALENDAR):
        return _today(at, present)
    if year is not None:
        return Reading(at(*_day(groups, year, month, today)), now, now)
    reading = _this_year(at, lambda year: _day(groups, year, month, today), present)
    # What is completed with today's month or day is for this now only.
    return reading if month or get("j") else reading._replace(since=now, until=now)


_At = Callable[[int, int, int], float]


class _Present(NamedTuple):
    now: float
    zone: tzinfo | None
    second: int

    def today(self) -> date:
        return datetime.fromtimestamp(self.now, self.zone).date()

    def midnight(self, day: date) -> float:
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp()


# A reading without date or year depends on whether the time lies ahead of now. Where the seconds could decide that, it is for
# this now only.
def _today(at: _At, present: _Present) -> Reading:
    today = present.today()
    stamp = at(today.year, today.month, today.day)
    if stamp + present.second > present.now:
        before = today - timedelta(days=1)
        return Reading(at(before.year, before.month, before.day), present.midnight(today), stamp)
    return Reading(stamp, stamp + _MINUTE, present.midnight(today + timedelta(days=1)))


def _this_year(at: _At, day: Callable[[int], tuple[int, int, int]], present: _Present) -> Reading:
    year = present.today().year
    since, until = present.midnight(date(year, 1, 1)), present.midnight(date(year + 1, 1, 1))
    try:
        stamp = at(*day(year))
    except ValueError:  # February 29 in a year that has none
        return Reading(at(*day(year - 1)), since, until)
    if stamp + present.second > present.now + _DAY:
        return Reading(at(*day(year - 1)), since, stamp - _DAY)
    return Reading(stamp, max(since, stamp + _MINUTE - _DAY), until)


def _stamp(groups: Groups) -> float | None:
    get = groups.get
    if seconds := get("epoch"):
        return float(seconds)
    if digits := get("lepoch"):
        return _long_epoch(digits)
    if label := get("tai64n"):
        return float(int(label[_TAI_SECONDS], 16))
    return None


def _long_epoch(text: str) -> float:
    """Tell seconds, thousandths and millionths apart by the number of digits."""
    digits, _, fraction = text.partition(".")
    if len(digits) >= 16:
        return int(digits) / 1_000_000
    if len(digits) >= 13:
        return float(f"{digits[:-3]}.{digits[-3:]}{fraction}")
    return float(text)


def _hour(groups: Groups) -> int:
    return int(groups["I"] or 0) % 12 + (12 if (groups.get("p") or "").lower() == "pm" else 0)


def _year(groups: Groups) -> int | None:
    get = groups.get
    if (text := get("Y") or get("G")) is not None:
        return int(text)
    return 2000 + int(text) if (text := get("y")) is not None else None


def _day(groups: Groups, year: int, month: int, today: date) -> tuple[int, int, int]:
    """Return (year, month, day): by day of the year, by week, or by month and day, today's where one is missing."""
    get = groups.get
    weekday = _weekday(groups)
    if text := get("j"):
        found = date(year, 1, 1) + timedelta(days=int(text) - 1)
    elif (text := get("V")) and get("G"):
        found = date.fromisocalendar(year, int(text), 1 + (weekday or 0))
    elif (text := get("U")) and weekday is not None:
        found = _week(year, 6) + timedelta(weeks=int(text) - 1, days=(weekday + 1) % 7)
    elif (text := get("W")) and weekday is not None:
        found = _week(year, 0) + timedelta(weeks=int(text) - 1, days=weekday)
    else:
        return year, month or today.month, int(get("d") or (1 if month else today.day))
    return found.year, found.month, found.day


def _week(year: int, first: int) -> date:
    """Return the first *first* (Monday 0 ... Sunday 6) of *year*, with which its week 1 begins."""
    new_year = date(year, 1, 1)
    return new_year + timedelta(days=(first - new_year.weekday()) % 7)


def _weekday(groups: Groups) -> int | None:
    get = groups.get
    if name := get("a") or get("A"):
        return _WEEKDAY_NUMBER[name[:3].lower()]
    if text := get("w"):
        return (int(text) - 1) % 7
    if text := get("u"):
        return int(text) - 1
    return None
