"""Dates as fail2ban itself finds them: the same lines through both detectors.

See ``oracle`` for how fail2ban is asked. Where the two differ on purpose, the case says why, and the test insists that they
still do.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from banish.errors import ConfigError
from banish.lines.detector import DateDetector
from tests.conformance.oracle import Oracle

NOW = datetime(2026, 11, 22, 12, 50, 52, tzinfo=UTC).timestamp()


class Case(NamedTuple):
    """Lines that one detector reads in turn; *because* tells why the last of them is read differently on purpose."""

    lines: list[str]
    patterns: list[str] = []  # noqa: RUF012 -- never changed
    machine: str = "UTC"
    timezone: str = ""
    now: float = NOW
    because: str = ""


def one(line: str, because: str = "", **others: Any) -> Case:
    return Case([line], because=because, **others)


MOMENTS = [
    datetime(2026, 11, 22, 12, 50, 51, 981746),
    datetime(2026, 1, 2, 3, 4, 5, 11000),
    datetime(2024, 2, 29, 23, 59, 59, 500000),
    datetime(2025, 12, 31, 0, 0, 0),
    datetime(2005, 1, 23, 21, 59, 59, 123456),
]
FORMATS = [
    "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%M:%S+01:00", "%Y-%m-%d %H:%M:%S,%f -0330", "%Y/%m/%d  %H:%M:%S", "%Y.%m.%d %H:%M:%S GMT",
    "%b %e %H:%M:%S", "%b %d %H:%M:%S.%f", "%a %b %e %H:%M:%S %Y", "%a %b %d %H:%M:%S.%f %Y", "%b %d %Y %k:%M:%S.%f",
    "%a %b %d %Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%d-%m-%y %k:%M:%S", "%d/%b/%Y:%H:%M:%S +0100", "%d-%b-%Y %H:%M:%S.%f",
    "%d/%b/%Y %H:%M:%S", "%m/%d/%Y:%H:%M:%S", "%m-%d-%Y %H:%M:%S.%f", "EPOCH", "EPOCH.%f", "%H:%M:%S", "<%m/%d/%y@%H:%M:%S>",
    "%y%m%d %H:%M:%S", "%y%m%d  %k:%M:%S", "%b %d, %Y %I:%M:%S %p", "%b-%d-%y %H:%M:%S", "%Y%m%dT%H%M%S", "%Y%m%d %H%M%S,%f +0200",
    "PST %b %d %H:%M:%S %Y", "CEST %a %b %d %H:%M:%S", "+01:00 %b %d %H:%M:%S %Y", "-0330 %a %b %d %H:%M:%S.%f", "@40000000LABEL00000000",
]  # fmt: skip
PLACES = [
    "{} host sshd[1]: x",
    "[{}] [error] x",
    "<34>{} host x",
    'host 192.0.2.7 - - [{}] "GET / HTTP/1.1"',
    "audit({}): x",
    "{}",
]


def written(moment: datetime, form: str) -> str:
    stamp = int(moment.replace(tzinfo=UTC).timestamp())
    return moment.strftime(form.replace("LABEL", f"{stamp:08x}").replace("EPOCH", str(stamp)))


def everywhere() -> Iterator[Case]:
    for moment in MOMENTS:
        for form in FORMATS:
            for place in PLACES:
                yield one(place.format(written(moment, form)), _next_day(moment, form))


def _next_day(moment: datetime, form: str) -> str:
    """fail2ban 1.0 is a day late when a date without year falls on another day in UTC and belongs to last year."""
    late = form.startswith("CEST") and moment.hour < 2 and (moment.month, moment.day) > (11, 23)
    return "the zone does not move a date of last year by a day" if late else ""


CLOCK_CHANGES = {
    # Summer begins and ends: the last second before, what is skipped or comes twice, the first second after.
    "Europe/Berlin": (
        ["2026-03-29 01:59:59", "2026-03-29 02:00:00", "2026-03-29 02:30:00", "2026-03-29 03:00:00"],
        ["2026-10-25 01:59:59", "2026-10-25 02:00:00", "2026-10-25 02:59:59", "2026-10-25 03:00:00"],
    ),
    "America/New_York": (
        ["2026-03-08 01:59:59", "2026-03-08 02:00:00", "2026-03-08 02:30:00", "2026-03-08 03:00:00"],
        ["2026-11-01 00:59:59", "2026-11-01 01:00:00", "2026-11-01 01:59:59", "2026-11-01 02:00:00"],
    ),
    "Australia/Lord_Howe": (  # by half an hour, and their summer is the northern winter
        ["2026-10-04 01:59:59", "2026-10-04 02:00:00", "2026-10-04 02:15:00", "2026-10-04 02:30:00"],
        ["2026-04-05 01:29:59", "2026-04-05 01:30:00", "2026-04-05 01:59:59", "2026-04-05 02:00:00"],
    ),
    "Asia/Kolkata": (["2026-03-29 02:30:00"], ["2026-10-25 02:30:00"]),
}
SUMMER, WINTER = "2026-07-01 12:00:00 x", "2026-01-15 12:00:00 x"


def zones() -> Iterator[Case]:
    for machine, (begins, ends) in CLOCK_CHANGES.items():
        warm, cold = (WINTER, SUMMER) if machine.startswith("Australia") else (SUMMER, WINTER)
        for text in begins:
            yield one(f"{text} x", machine=machine)
            yield Case([cold, f"{text} x"], machine=machine)
        for number, text in enumerate(ends):
            # What comes twice: mktime(3) goes by the offset it used last; read in order that gives the first of the two.
            yield Case([warm, f"{text} x"], machine=machine)
            doubled = len(ends) > 1 and number in (1, 2)
            because = "what the clock shows twice is the first of the two, whatever was read before" if doubled else ""
            yield Case([cold, f"{text} x"], machine=machine, because=because)
        for form in FORMATS:
            for moment in (datetime(2026, 7, 1, 4, 5, 6), datetime(2026, 1, 15, 22, 23, 24)):
                yield one(f"{written(moment, form)} x", machine=machine)
        for text in (
            "Jul  1 12:00:00",
            "Nov 22 12:00:00",
            "07:00:00",
            "23:30:00",
            "2026-07-01 12:00:00 +0200",
            "EST Jan 23 12:00:00 2005",
        ):
            yield one(f"{text} x", machine=machine)
        for timezone in ("UTC", "+0930", "EST"):
            for text in ("2026-07-01 12:00:00", "2026-01-15 12:00:00", "2026-07-01 12:00:00 +0200", "Jul  1 12:00:00"):
                yield one(f"{text} x", machine=machine, timezone=timezone)
    for timezone in ("Z", "UTC", "+0100", "UTC+0100", "CET", "EST", "-03:30"):
        for text in ("2005-01-23 10:00:00", "2005-01-23 10:00:00 +0200", "Jan 23 10:00:00", "10:00:00"):
            yield one(text + " x", timezone=timezone)
    yield one("13:30:00 x", timezone="+0100")
    ahead = "a time that lies ahead is yesterday's (fail2ban lets it be ahead by the machine's distance from Greenwich)"
    yield one("15:50:51 x", machine="Europe/Berlin", timezone="+0200", because=ahead)
    yield one("15:50:53 x", machine="Europe/Berlin", timezone="+0200")
    yield one("11:50:51 x", machine="Europe/Berlin", timezone="+0200")
    own = "a year that is missing is that of the date's own zone"
    yield one("Jan  1 01:00:30 x", machine="America/New_York", timezone="CET", now=1798761640.0, because=own)


def zones_at_year_ends() -> Iterator[Case]:
    """The minutes around New Year, here and in Greenwich, for machines in all zones."""
    for machine in CLOCK_CHANGES:
        here = datetime(2027, 1, 1, tzinfo=ZoneInfo(machine))
        for midnight in (here, datetime(2027, 1, 1, tzinfo=UTC)):
            for distance in (-30, 30):
                now = midnight.timestamp() + distance
                shown = [
                    datetime.fromtimestamp(now + off, ZoneInfo(machine))
                    for off in (0, -40, -86400, 80000, 86390, 86410)
                ]
                for moment in shown:
                    for form in ("%b %d %H:%M:%S x", "%Y-%m-%d %H:%M:%S x", "%H:%M:%S x"):
                        yield one(moment.strftime(form), machine=machine, now=now)


def year_ends() -> Iterator[Case]:
    for now in (
        datetime(2027, 1, 1, 0, 0, 5),
        datetime(2026, 12, 31, 23, 59, 58),
        datetime(2024, 3, 1),
        datetime(2024, 12, 31),
    ):
        for text in (
            "Dec 31 23:59:57",
            "Jan  1 00:00:03",
            "Jan  1 23:59:59",
            "Jan  2 00:00:06",
            "Feb 28 12:00:00",
            "23:59:59",
            "00:00:01",
        ):
            yield one(text + " x", now=now.replace(tzinfo=UTC).timestamp())
    for text in ("Nov 23 12:50:52", "Nov 23 12:50:53", "12:50:52", "12:50:53"):
        yield one(text + " x")
    yield one("Feb 29 12:00:00 x", now=datetime(2024, 3, 1, tzinfo=UTC).timestamp())
    yield one("Feb 29 12:00:00 x")
    yield one(
        "Feb 29 12:00:00 x",
        now=datetime(2025, 1, 5, tzinfo=UTC).timestamp(),
        because="a leap day that this year does not have was last year's",
    )


NEAR_MISSES = """\
no date~client 192.0.2.7#53: 10.11.12.13~sshd[1106517599]: x~x 1106517599 y~x [1106517599] y~1106517599123 x~110651759 x~\
1106517599x~1106517599-x~1106517599,123 x~1106517599.12 x~   1106517599~[ 1106517599] x~--1106517599~(1106517599) x~\
x 21:59:59~21:59:59.123 x~[[21:59:59~[[[21:59:59~21:59:59x~11:22:33:44:55:66~xJan 23 21:59:59~x_Jan 23 21:59:59~\
.Jan 23 21:59:59~Jan 23 21:59:59x~Jan 23 21:59:5912~éJan 23 21:59:59~Jan 23 21:59:59é~Jan 23 21:59:59.123x~\
Jan 23 21:59:59.1234567 x~Jan 23 21:59:59 2005x~Jan 23 21:59:59 20055~2005-01-23 21:59:59.123456789Z x~\
2005-01-23 21:59:59z~2005-01-23t21:59:59~2005-01-23 21:59~2005-01/23 21:59:59~12005-01-23 21:59:59~1-2005-01-23 21:59:59~\
2005-01-23 24:00:00~2005-01-23 23:60:00~2005-02-30 10:00:00 x~Feb 30 10:00:00~Jan   3 01:59:59~January 23 21:59:59~\
Sunday Jan 23 21:59:59 2005~2005-01-23 21:59:59 CET x~2005-01-23 21:59:59 UTC+02 x~4000000041f4104f00000000~\
@4000000041F4104F00000000~x@4000000041f4104f00000000~x Jan-23-05 21.59.59~xaudit(1106517599:~audit( 1106517599~\
Jan 23, 2005 9:59:59 x~50123 21:59:59~23/Jan/200521:59:59~<<<Jan 24 10:00:00~٢٠٠٥-01-23 21:59:59~2001:db8::1 x~\
version 2.4.56.1-2+deb12u1~2005-01-23 21:59:59 Jan 24 10:00:00~x Jan 24 10:00:00 2005-01-23 21:59:59~\
10:00:00 2005-01-23 21:59:59~1106517599 Jan 24 10:00:00~x PST Jan 23 21:59:59 2005 x"""


def near_misses() -> Iterator[Case]:
    for text in NEAR_MISSES.split("~"):
        yield one(text)
    yield one(
        "1999-01-23 21:59:59 x", because="years of the last century are read too: old logs use the same templates"
    )
    yield one("2055-01-23 21:59:59 x", because="years are not narrowed to the present decades")
    yield one("2016-12-31 23:59:60 x", because="a leap second is the next minute, not an invalid date")
    for text in ("", "2005-01-23\t21:59:59 x"):
        yield one(text)
    unknown = "a word that is no known zone is not taken for one (fail2ban fails on it)"
    yield one("HOST Jan 24 10:00:00 x", because=unknown)
    yield one("host Jan 24 10:00:00 x", because=unknown)
    for text in ("20050123-21:59:59 x", "20050123215959 x", "20050123 21:59:59 x"):
        yield one(text, because="this separator came with fail2ban 1.1")


def memory() -> Iterator[Case]:
    ambiguous, clear = "04-05-2005 10:00:00.5 x", "01-23-2005 10:00:00.5 x"
    yield Case([ambiguous, clear, ambiguous, " " + ambiguous, "x " + ambiguous, ambiguous])
    yield Case(["Jan 24 10:00:00 a", "Jan 24 10:00:01 2005 a", "Jan 24 10:00:00 a", "Jan 24 10:00:01 +0200 a"])
    yield Case(
        [
            "2005-01-23 21:59:59 x",
            "2005-01-23 21:59:59 +0200 x",
            "[2005-01-23 21:59:59,5 +0200] x",
            "2005-01-23 21:59:59Z x",
        ]
    )
    yield Case(
        ["x [23/Jan/2005:21:59:59 ] a", "x [23/Jan/2005:21:59:59 +0100] a", "host [23/Jan/2005:21:59:59 +0100] a"]
    )
    yield Case(["h " + clear, "host " + ambiguous])
    yield Case([clear, "Jan 24 10:00:00 a", ambiguous, "Jan 24 10:00:00 a", ambiguous])
    yield Case(["23-01-2005 10:00:00 x", clear, "Jan 24 10:00:00 a", ambiguous])
    yield Case([clear, "Jan 24 10:00:00 a", clear, "23-01-2005 10:00:00 x", "Jan 24 10:00:00 a", ambiguous])
    yield Case(["x Jan 24 10:00:00 a", "x Jan 24 10:00:01 2005-01-23 10:00:00", "2005-01-23 10:00:00 Jan 24 10:00:00",
                "x 2005-01-23 10:00:00 Jan 24 10:00:00", "x Jan 24 10:00:00 a", "none", "x Jan 24 10:00:00 a"])  # fmt: skip
    yield Case(["12:00:00 x", "12:00:01 2005-01-23 10:00:00", "Jan 24 10:00:00 12:00:00", "12:00:00 Jan 24 10:00:00"])
    yield Case(
        [
            *["a Jan 24 10:00:00 a"] * 6,
            "10:00:00 x Jan 24 10:00:00",
            "1106517599 Jan 24 10:00:00",
            "[1106517599] Jan 24 10:00:00",
        ]
    )


PATTERNS = r"""
{^LN-BEG} ~ 2005-01-23 21:59:59 ~ [2005-01-23 21:59:59 ~ x 2005-01-23 21:59:59
{DATE} ~ x 2005-01-23 21:59:59 ~ 1106517599 x ~ x 10:00:00 ~ <01/23/05@21:59:59>
^<\d+>\d+\s+{DATE} ~ <34>1 2005-01-23T21:59:59Z x ~ <34>1 Jan 23 21:59:59 x ~ <34>1 1106517599 x
^<\d+>\d+\s+({DATE}) ~ <34>1 2005-01-23T21:59:59Z x ~ <34>1 Sun Jan 23 21:59:59 2005 x ~ <34>1 21:59:59 x
{^LN-BEG}{DATE} ~ 2005-01-23 21:59:59 ~ x 2005-01-23 21:59:59 ~ <34>2005-01-23 21:59:59
\[{DATE} ~ a [23/Jan/2005:21:59:59 +0100] x
^[^\[]*\[({DATE}) ~ a [23/Jan/2005:21:59:59 +0100] x
^[^\[]*\[({DATE})\s ~ a [23/Jan/2005:21:59:59 +0100] x
^{DATE} ~ 2005-01-23 21:59:59 ~  2005-01-23 21:59:59
x {DATE} ~ x 2005-01-23 21:59:59 ~ x 1106517599 ~ x 10:00:00 ~ x Jan-23-05 21:59:59
%d/%m/%Y ~ x23/01/2005x ~ x 23/01/2005 x
**%d/%m/%Y** ~ x23/01/2005x
**%d/%m/%Y ~ x23/01/2005x ~ x23/01/2005 x
{UNB}%d/%m/%Y ~ x23/01/2005x
{UNB}^%Y ~ 2005x
^%Y$ ~ 2005 ~ 2005x
{^LN-BEG}%Y-%m-%d ~ [ 2005-01-23 ~ [[[2005-01-23
^%Y-%m-(%d) ~ 2005-01-23 x
%Y-%m-%d\(x\) ~ 2005-01-23(x)
(?:^|x)%Y-%m-%d ~ 2005-01-23 ~ x2005-01-23
(?P<foo>x)%Y-%m-%d ~ x2005-01-23
(?P<Y>20..)-%m-%d ~ 2005-01-23
100%% %Y ~ 100% 2005
%Y ~ 2005 x
EPOCH ~ 1106517599 x ~ x 1106517599 ~ x1106517599
^EPOCH ~ 1106517599 x ~ [1106517599 ~  1106517599 x
epoch ~ 1106517599
{EPOCH} ~ x 1106517599 x
^{EPOCH} ~ 1106517599
"ts":{EPOCH} ~ {"ts":1106517599.123,"x"}
ts={EPOCH} ~ ts=1106517599 x
LEPOCH ~ 1106517599 x ~ 1106517599123 x ~ 1106517599123456 ~ 1106517599.123 x ~ 1106517599123.25 ~ 110651759912 ~ 11065175991 ~ x 1106517599
{LEPOCH} ~ x 1106517599123 x ~ x 1106517599123456 x ~ x 1106517599123.456 x
TAI64N ~ x @4000000041f4104f00000000 x
^TAI64N ~ @4000000041f4104f00000000 x ~ x @4000000041f4104f00000000
{^LN-BEG}LEPOCH ~ [1106517599123 x
%Y %b %d ~ 2005 jan 3 ~ 2005 JAN 03 ~ 2005 Jan  3
%H:%M ~ 10:11 x ~ 23:11 x
%M:%S ~ 10:11 x
%m/%d ~ 10/11 ~ 12/30 ~ 2/29
%y%j ~ 05023 x ~ 05366 x ~ 05000
%Y-%U-%w ~ 2005-04-0 ~ 2005-04-6 ~ 2005-00-1
%Y-%W-%w ~ 2005-04-0 ~ 2005-04-6 ~ 2005-53-1
%Y-%W %a ~ 2005-04 Sun ~ 2005-04 Mon
%U %w ~ 04 0
%j ~ 023 ~ 366
%A %B %d %Y ~ sunday january 3 2005
%c ~ Sun Jan 23 21:59:59 2005
%x %X ~ 01/23/05 21:59:59
%I:%M %p ~ 09:10 PM ~ 12:10 AM ~ 9:10 pm
%I:%M ~ 12:10
%l:%M %p ~  9:10 PM ~ 12:10 AM
%Y-%m-%d %H %z ~ 2005-01-23 21 Z ~ 2005-01-23 21 +0130 ~ 2005-01-23 21 CET ~ 2005-01-23 21 +1
%Y-%m-%d %H %Z ~ 2005-01-23 21 CEST ~ 2005-01-23 21 CET+01
%Y-%m-%d %H %Exz ~ 2005-01-23 21 CET+01 ~ 2005-01-23 21 UTC-02:00 ~ 2005-01-23 21 +0100
%ExY-%Exm-%Exd %Exk:%M:%S ~ 2005-01-23 1:00:00 ~ 2005-01-23  1:00:00 ~ 2005-1-23 10:00:00
%Exd/%Exm/%Exy %ExH.%ExM.%ExS ~ 23/01/05 10.00.00
%Y-%m-%d %H:%M:%S.%f ~ 2005-01-23 10:00:00.5 ~ 2005-01-23 10:00:00.1234567
%Q ~ x
% ~ x
(%Y ~ x
%Y-%Y ~ x
"""
"""A pattern, and the texts it is tried on."""


def patterns() -> Iterator[Case]:
    moment = "2005-01-23 21:59:59"
    for row in PATTERNS.strip().splitlines():
        pattern, *texts = row.split(" ~ ")
        for text in texts:
            yield one(text, patterns=[pattern])
    yield Case(["10:00 2005-01-23", "2005-01-23 10:00"], patterns=["%Y-%m-%d", "%H:%M"])
    yield one("[(2005-01-23", patterns=["[(]%Y-%m-%d"], because="a parenthesis within a set begins no group")
    yield one(
        "2005 Jan", patterns=["%Y %b"], because="without a day it is the first of the month (fail2ban fails on it)"
    )
    yield one("10 11", patterns=["%d %H"], because="without a month it is this one (fail2ban fails on it)")
    yield one("2005-W04-7", patterns=["%G-W%V-%u"], because="weeks of ISO 8601 are understood")
    yield one("[1106517599", patterns=["{^LN-BEG}{EPOCH}"], because="{^LN-BEG} allows for a bracket before {EPOCH} too")
    yield one("x @4000000041f4104f00000000", patterns=["x {TAI64N}"], because="{TAI64N} is understood within patterns")
    yield one("2005 JAN", patterns=["(?i)%Y x?"])
    yield one(moment, patterns=["{DEFAULT}"])


CASES = [*everywhere(), *zones(), *zones_at_year_ends(), *year_ends(), *near_misses(), *memory(), *patterns()]


@pytest.fixture(scope="module")
def answers(oracle: Oracle) -> list[Any]:
    """What fail2ban found, case by case."""
    return [oracle.dates(case._asdict()) for case in CASES]


@pytest.fixture
def machine_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    with monkeypatch.context() as patch:

        def use(name: str) -> None:
            if os.environ.get("TZ") != name:
                patch.setenv("TZ", name)
                time.tzset()

        yield use
    time.tzset()


def ours(case: Case) -> list[Any]:
    try:
        detector = DateDetector(case.patterns, None, case.timezone)
    except ConfigError:
        return ["refused"] * len(case.lines)
    found = (detector.find(line, case.now) for line in case.lines)
    return [date and [date.at, date.start, date.end] for date in found]


def same(mine: list[Any], theirs: list[Any]) -> bool:
    # fail2ban compiles a pattern when the first line comes, and trips over a bad one then.
    return mine == theirs or (mine[0] == "refused" and theirs[0] == "crashed")


def test_the_same_dates_are_found(answers: list[Any], machine_zone: Callable[[str], None]) -> None:
    unexplained = []
    for case, theirs in zip(CASES, answers, strict=True):
        machine_zone(case.machine)
        mine = ours(case)
        if same(mine, theirs) == bool(case.because):
            unexplained.append((case, theirs, mine))
    assert not unexplained, "\n".join(
        f"{case}\n  fail2ban {theirs}\n  banish   {mine}" for case, theirs, mine in unexplained
    )
