"""Dates in lines: every default format, the places where dates stand, what must not be taken for one, and what state does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from banish.lines.detector import DateDetector, Found

NOW = datetime(2026, 11, 22, 12, 50, 52, tzinfo=UTC).timestamp()
PLUS_ONE = timezone(timedelta(hours=1))


def at(*parts: int, zone: timezone = UTC) -> float:
    return datetime(*parts, tzinfo=zone).timestamp()  # type: ignore[arg-type,misc]


EVENING = at(2005, 1, 23, 21, 59, 59)
THIS_YEAR = at(2026, 1, 23, 21, 59, 59)


def found(text: str, now: float = NOW, patterns: tuple[str, ...] = ()) -> Found | None:
    return DateDetector(patterns, UTC).find(text, now)


def cut(text: str, now: float = NOW, patterns: tuple[str, ...] = ()) -> tuple[str, float | None] | None:
    date = found(text, now, patterns)
    return date and (text[date.start : date.end], date.at)


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("2005-01-23T21:59:59.981746Z", EVENING),
        ("2005-01-23T21:59:59.981746+01:00", EVENING - 3600),
        ("2005-01-23T21:59:59+0100", EVENING - 3600),
        ("2005-01-23 21:59:59,123", EVENING),
        ("2005-01-23 21:59:59.5", EVENING),
        ("2005-01-23  21:59:59", EVENING),
        ("2005-01-23 21:59:59 -03", EVENING + 10800),
        ("2005-01-23 21:59:59 GMT", EVENING),
        ("2005/01/23 21:59:59", EVENING),
        ("2005.01.23 21:59:59", EVENING),
        ("2005-1-3 1:59:59", at(2005, 1, 3, 1, 59, 59)),
        ("1999-12-31 23:59:59", at(1999, 12, 31, 23, 59, 59)),
        ("Jan 23 21:59:59", THIS_YEAR),
        ("jan 23 21:59:59", THIS_YEAR),
        ("Jan  3  1:59:59", at(2026, 1, 3, 1, 59, 59)),
        ("Sun Jan 23 21:59:59 2005", EVENING),
        ("Sun Jan 23 21:59:59.011 2005", EVENING),
        ("Jan 23 2005 21:59:59.011", EVENING),
        ("Sun Jan 23 2005 21:59:59.011", EVENING),
        ("23/01/2005 21:59:59", EVENING),
        ("23-01-2005 21:59:59", EVENING),
        ("23/01/05 21:59:59", EVENING),
        ("23/Jan/2005:21:59:59", EVENING),
        ("23/Jan/2005:21:59:59 +0100", EVENING - 3600),
        ("23-Jan-2005 21:59:59.02", EVENING),
        ("01/23/2005:21:59:59", EVENING),
        ("01-23-2005 21:59:59.252", EVENING),
        ("1106517599", EVENING),
        ("1106517599.123", EVENING + 0.123),
        ("1106517599.123456", EVENING + 0.123456),
        ("12:50:51", at(2026, 11, 22, 12, 50, 51)),
        ("<01/23/05@21:59:59>", EVENING),
        ("050123 21:59:59", EVENING),
        ("050123  1:59:59", at(2005, 1, 23, 1, 59, 59)),
        ("Jan 23, 2005 9:59:59 PM", EVENING),
        ("Jan 23, 2005 12:59:59 AM", at(2005, 1, 23, 0, 59, 59)),
        ("Jan 23, 2005 12:59:59 pm", at(2005, 1, 23, 12, 59, 59)),
        ("Jan-23-05 21:59:59", EVENING),
        ("20050123T215959", EVENING),
        ("20050123T215959.5Z", EVENING),
        ("20050123-21:59:59", EVENING),
        ("20050123 215959 +0100", EVENING - 3600),
        ("20050123215959", EVENING),
        ("PST Jan 23 21:59:59 2005", EVENING + 8 * 3600),
        ("CEST Sun Jan 23 21:59:59", THIS_YEAR - 2 * 3600),
        ("+01:00 Jan 23 21:59:59 2005", EVENING - 3600),
        ("-0330 Sun Jan 23 21:59:59.5", THIS_YEAR + 3.5 * 3600),
        ("@4000000041f41e5f00000000", EVENING),
    ],
)
def test_each_default_format_is_found_at_the_line_begin_and_cut_out_whole(date: str, expected: float) -> None:
    assert cut(date + " host sshd[1]: hello") == (date, expected)


@pytest.mark.parametrize(
    ("line", "date"),
    [
        ("[Sun Jan 23 21:59:59.012345 2005] [error] x", "Sun Jan 23 21:59:59.012345 2005"),
        ("<34>Jan 23 21:59:59 2005 host x", "Jan 23 21:59:59 2005"),
        ("<34>1 2005-01-23T21:59:59Z host x", "2005-01-23T21:59:59Z"),
        ('192.0.2.7 - - [23/Jan/2005:21:59:59 +0000] "GET / HTTP/1.1" 200', "23/Jan/2005:21:59:59 +0000"),
        ("host 2005-01-23 21:59:59 x", "2005-01-23 21:59:59"),
        ("host Jan 23 21:59:59 2005: x", "Jan 23 21:59:59 2005"),
        ("Sunday Jan 23 21:59:59 2005 x", "Jan 23 21:59:59 2005"),
        ("x 2005-01-23 21:59:59 then Jan 24 10:00:00", "2005-01-23 21:59:59"),
        ("x Jan 23 21:59:59 2005 then 2005-01-24 10:00:00", "Jan 23 21:59:59 2005"),
        ("type=AVC msg=audit(1106517599:987): x", "1106517599"),
        ("[1106517599] x", "1106517599"),
        ("svc @4000000041f41e5f00000000 x", "@4000000041f41e5f00000000"),
        ("2005-01-23 21:59:59: x", "2005-01-23 21:59:59"),
        ("2005-01-23 21:59:59", "2005-01-23 21:59:59"),
        ("x PST Jan 23 13:59:59 2005 x", "PST Jan 23 13:59:59 2005"),
    ],
)
def test_dates_at_odd_places(line: str, date: str) -> None:
    assert cut(line) == (date, EVENING)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Failed password for root from 192.0.2.7 port 22 ssh2",
        "client 192.0.2.7#53: query 10.11.12.13",
        "version 2.4.56.1-2+deb12u1, revision 20230115",
        "sshd[1106517599]: pid, not date",
        "took 1106517599 ms",
        "id 1106517599123 (13 digits)",
        "1106517599123 is milliseconds",
        "x 21:59:59 in the middle",
        "mac aa:bb:cc:dd:ee:ff and 11:22:33:44:55:66",
        "2001:db8::1 connected",
        "xJan 23 21:59:59",
        "Jan 23 21:59:59x",
        "éJan 23 21:59:59",
        "2005-01/23 21:59:59",
        "12005-01-23 21:59:59",
        "2005-01-23 24:00:00",
        "2005-13-23 21:59:59 x",
        "Jan   3 01:59:59",
        "4000000041f4104f00000000",
        "x Jan-23-05 21:59:59".replace("21:59:59", "21.59.59"),
    ],
)
def test_what_looks_like_a_date_and_is_none(line: str) -> None:
    assert found(line) is None


def test_a_day_that_does_not_exist_is_cut_out_and_has_no_time() -> None:
    assert cut("2005-02-30 10:00:00 x") == ("2005-02-30 10:00:00", None)
    assert cut("Feb 30 10:00:00 x") == ("Feb 30 10:00:00", None)


def test_an_empty_group_says_that_such_a_line_has_no_date_of_its_own() -> None:
    patterns = ("^WARNING:()**", "{^LN-BEG}")
    assert cut("WARNING: at 2005-01-23 21:59:59 from 192.0.2.7", patterns=patterns) == ("", None)
    assert cut("2005-01-23 21:59:59 WARNING:", patterns=patterns) == ("2005-01-23 21:59:59", EVENING)


def test_a_leap_second_is_the_next_minute() -> None:
    assert cut("2016-12-31T23:59:60Z x") == ("2016-12-31T23:59:60Z", at(2017, 1, 1))


def test_a_word_in_capitals_is_no_zone_unless_it_is_known_as_one() -> None:
    assert cut("HOST Jan 23 21:59:59 2005 x") == ("Jan 23 21:59:59 2005", EVENING)
    assert cut("sshd Jan 23 21:59:59 2005 x") == ("Jan 23 21:59:59 2005", EVENING)


def test_a_log_that_showed_its_order_of_day_and_month_keeps_it() -> None:
    """04-05 alone is the 4th of May, but not after 01-23."""
    assert cut("04-05-2005 10:00:00.5") == ("04-05-2005 10:00:00", at(2005, 5, 4, 10))
    detector = DateDetector((), UTC)
    detector.find("01-23-2005 10:00:00.5", NOW)
    for line in ("04-05-2005 10:00:00.5", " 04-05-2005 10:00:00.5"):
        date = detector.find(line, NOW)
        assert date is not None
        assert date.at == at(2005, 4, 5, 10)


def test_a_log_of_two_formats_keeps_its_order_of_day_and_month() -> None:
    detector = DateDetector((), UTC)

    def text(line: str) -> str | None:
        date = detector.find(line, NOW)
        return date and line[date.start : date.end]

    assert text("01-23-2005 10:00:00.5 started") == "01-23-2005 10:00:00.5"
    assert text("Jan 24 10:00:00 host other") == "Jan 24 10:00:00"
    assert text("04-05-2005 10:00:00.5 again") == "04-05-2005 10:00:00.5"


def test_the_last_winner_is_left_for_a_date_further_left() -> None:
    detector = DateDetector((), UTC)
    lines = {
        "x Jan 24 10:00:00 a": "Jan 24 10:00:00",
        "2005-01-23 10:00:00 Jan 24 10:00:00": "2005-01-23 10:00:00",
        "x 2005-01-23 10:00:00 Jan 24 10:00:00": "2005-01-23 10:00:00",
        "12:00:00 Jan 24 10:00:00": "12:00:00",
        "x Jan 24 10:00:01 2005-01-23 10:00:00": "Jan 24 10:00:01 2005",
    }
    for line, date in lines.items():
        result = detector.find(line, NOW)
        assert result is not None
        assert line[result.start : result.end] == date


def test_what_follows_is_no_year_in_a_log_whose_dates_have_had_none() -> None:
    detector = DateDetector((), UTC)
    for line in ("<13>Jan 24 10:00:00 ten times", "<13>Jan 24 10:00:00 2005 times"):
        date = detector.find(line, NOW)
        assert date is not None
        assert date.at == at(2026, 1, 24, 10)


def test_a_line_without_date_does_not_unsettle_the_detector() -> None:
    detector = DateDetector((), UTC)
    assert detector.find("Jan 23 21:59:59 host x", NOW) is not None
    assert detector.find("no date here", NOW) is None
    assert detector.find("Jan 23 21:59:59 host x", NOW) is not None


@pytest.mark.parametrize(
    ("timezone", "expected"),
    [("", EVENING), ("+0100", EVENING - 3600), ("UTC-03:30", EVENING + 12600), ("CET", EVENING - 3600)],
)
def test_logtimezone_holds_where_the_line_states_no_zone(timezone: str, expected: float) -> None:
    detector = DateDetector((), UTC, timezone)
    for line, time in {"2005-01-23 21:59:59 x": expected, "2005-01-23 21:59:59 +0200 x": EVENING - 7200}.items():
        date = detector.find(line, NOW)
        assert date is not None
        assert date.at == time


SECONDS = st.datetimes(datetime(2001, 9, 10), datetime(2099, 12, 31)).map(lambda moment: moment.replace(microsecond=0))
FULL = [
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%Y/%m/%d %H:%M:%S",
    "%a %b %d %H:%M:%S %Y",
    "%b %d %H:%M:%S.%f %Y",
    "%b %d %Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%y %H:%M:%S",
    "%d/%b/%Y:%H:%M:%S",
    "%m/%d/%Y:%H:%M:%S",
    "<%m/%d/%y@%H:%M:%S>",
    "%y%m%d %H:%M:%S",
    "%b %d, %Y %I:%M:%S %p",
    "%b-%d-%y %H:%M:%S",
    "%Y%m%dT%H%M%S",
    "%Y%m%d-%H:%M:%S",
]


@settings(max_examples=60)
@given(moment=SECONDS, form=st.sampled_from(FULL))
def test_any_moment_written_in_a_default_format_is_read_back(moment: datetime, form: str) -> None:
    date = moment.strftime(form)
    assert cut(date + " host x") == (date, moment.replace(tzinfo=UTC).timestamp())


@settings(max_examples=40)
@given(
    moment=SECONDS, hours=st.integers(-12, 14), form=st.sampled_from(["%Y-%m-%d %H:%M:%S%z", "%d/%b/%Y:%H:%M:%S %z"])
)
def test_any_moment_in_any_zone_is_read_back(moment: datetime, hours: int, form: str) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    date = zoned.strftime(form)
    assert cut(f"[{date}] x") == (date, zoned.timestamp())


@settings(max_examples=40)
@given(now=SECONDS, ago=st.integers(-86400, 86400 * 365 - 86400 * 2))
def test_a_date_without_year_is_at_most_a_day_ahead_and_less_than_a_year_old(now: datetime, ago: int) -> None:
    now = now.replace(tzinfo=UTC)
    moment = now - timedelta(seconds=ago)
    if moment.year > now.year or (moment.month, moment.day) == (2, 29):
        return
    date = moment.strftime("%b %d %H:%M:%S")
    assert cut(date + " x", now.timestamp()) == (date, moment.timestamp())


DATES = st.one_of(
    SECONDS.flatmap(
        lambda moment: st.sampled_from([moment.strftime(form) for form in [*FULL, "%b %d %H:%M:%S", "%H:%M:%S"]])
    ),
    st.sampled_from(
        ["1106517599", "Feb 30 10:00:00", "Feb 29 10:00:00", "12:50:51", "12:50:59", "Nov 23 12:50:30", ""]
    ),
)


@settings(max_examples=60)
@given(
    lines=st.lists(st.tuples(DATES, st.integers(-90_000, 90_000)), min_size=2, max_size=8),
    prefix=st.sampled_from(["", "[", "host "]),
)
@example(lines=[("12:50:51", 0), ("12:50:51", -1), ("12:50:51", 0), ("12:50:52", -1), ("12:50:53", 0)], prefix="")
@example(
    lines=[("Nov 23 12:50:52", 0), ("Nov 23 12:50:53", 0), ("Nov 23 12:50:53", 1), ("Nov 23 12:50:52", -1)], prefix=""
)
@example(lines=[("12:50:51", 0), ("12:50:51", 86_400), ("12:50:51", 172_800), ("Feb 29 10:00:00", 0)], prefix="[")
def test_remembering_what_texts_mean_changes_nothing(lines: list[tuple[str, int]], prefix: str) -> None:
    remembering = DateDetector((), UTC)
    forgetful = DateDetector((), UTC)
    for date, shift in lines:
        text = f"{prefix}{date} x"
        for memory in forgetful._memories.values():
            memory.texts.clear()
            memory.minutes.clear()
        assert remembering.find(text, NOW + shift) == forgetful.find(text, NOW + shift)


PIECES = st.sampled_from(
    ["2005-01-23", "23/Jan/2005", "Jan 23", "23/01/05", "2005", "050123", "20050123", "01-23-2005", "PST", "+01:00", "Sun", "21:59:59",
     "T", ":", " ", "  ", " ", "[", "x", "host", "/", "-", ".5", "Z", "215959", "1106517599", "audit(", "@4000000041f41e5f00000000"]
)  # fmt: skip


@settings(max_examples=150)
@given(lines=st.lists(st.lists(PIECES, max_size=9).map("".join), min_size=1, max_size=4))
@example(lines=["x 2005-01/23 21:59:59 2005-01-23 21:59:59"])
def test_one_pass_for_all_formats_finds_what_a_pass_for_each_finds(lines: list[str]) -> None:
    quick, thorough = DateDetector((), UTC), DateDetector((), UTC)
    thorough._gates.clear()
    for line in lines:
        assert quick.find(line, NOW) == thorough.find(line, NOW)


@settings(max_examples=150)
@given(text=st.text(max_size=60), now=st.floats(0, 4e9))
def test_no_text_ever_raises(text: str, now: float) -> None:
    date = found(text, now)
    assert date is None or 0 <= date.start <= date.end <= len(text)


@settings(max_examples=100)
@given(text=st.text(alphabet="0123456789:-/. TJanFebPMAZ+[]<@(", max_size=40))
def test_no_text_made_of_the_stuff_of_dates_ever_raises(text: str) -> None:
    date = found(text)
    assert date is None or 0 <= date.start <= date.end <= len(text)


@pytest.mark.parametrize(
    ("date", "begin", "tail", "alike"),
    [
        ("Jan 23 21:59:59", "Jan 23 21:59:", "", False),
        ("2005/01/23 21:59:59", "2005/01/23 21:59:", "", False),
        ("2005-01-23 21:59:59.123", "2005-01-23 21:59:", ".123", True),
        ("Sun Jan 23 21:59:59 2005", "Sun Jan 23 21:59:", " 2005", False),
        ("Sun Jan 23 21:59:59.123456 2005", "Sun Jan 23 21:59:", ".123456 2005", True),
    ],
)
def test_what_the_dates_of_a_minute_have_in_common_is_told(date: str, begin: str, tail: str, alike: bool) -> None:
    detector = DateDetector((), UTC)
    assert detector.find(f"{date} x", NOW) is not None
    template = detector.locked
    assert template is not None
    moment = detector.moment(template, date, f"{date} x", NOW)
    assert moment is not None
    stated, minute = moment
    assert minute[:3] == (begin, stated - 59, tail)
    other = tail.replace("1", "7")
    assert bool(minute.like(other)) == alike
    later = detector.moment(template, f"{begin}05{other}", f"{begin}05{other} x", NOW)
    assert later is not None
    assert later[0] == minute.at + 5
    for strange in (
        f"{tail}0",
        f" {tail}",
        tail.replace("2005", "2006") if "2005" in tail else "x",
        tail.replace("123", "12"),
    ):
        assert strange == tail or not minute.like(strange)
