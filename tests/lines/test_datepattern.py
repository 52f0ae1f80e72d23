"""The language of datepattern: words, anchors, boundaries, groups, and what cannot be used."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.errors import ConfigError
from banish.lines.datepattern import compile_patterns
from banish.lines.detector import DateDetector

NOW = datetime(2026, 11, 22, 12, 50, 52, tzinfo=UTC).timestamp()
DAY = datetime(2005, 1, 23, tzinfo=UTC).timestamp()
HEARTBEAT = 1106517599


def cut(text: str, *patterns: str) -> tuple[str, float | None] | None:
    date = DateDetector(patterns, UTC).find(text, NOW)
    return date and (text[date.start : date.end], date.at)


def test_there_are_31_default_templates_and_17_of_them_at_the_line_begin() -> None:
    assert len(compile_patterns(())) == len(compile_patterns(("{DEFAULT}",))) == 31
    assert len(compile_patterns(("{^LN-BEG}",))) == 17


@pytest.mark.parametrize(
    ("pattern", "line", "date"),
    [
        ("%Y-%m-%d", "x 2005-01-23 x", "2005-01-23"),
        ("%d/%m/%Y", "x23/01/2005 x", None),
        ("%d/%m/%Y", "x 23/01/2005x", None),
        ("**%d/%m/%Y", "x23/01/2005 x", "23/01/2005"),
        ("**%d/%m/%Y", "x23/01/2005x", None),
        ("%d/%m/%Y**", "x 23/01/2005x", "23/01/2005"),
        ("**%d/%m/%Y**", "x23/01/2005x", "23/01/2005"),
        ("{UNB}%d/%m/%Y", "x23/01/2005x", "23/01/2005"),
        ("{UNB}^%Y-%m-%d", "2005-01-23x", "2005-01-23"),
        ("^%Y-%m-%d", "2005-01-23x", None),
        ("^%Y-%m-%d", " 2005-01-23", None),
        ("^%Y-%m-%d$", "2005-01-23", "2005-01-23"),
        ("{^LN-BEG}%Y-%m-%d", "[ 2005-01-23", "2005-01-23"),
        ("{^LN-BEG}%Y-%m-%d", "[[[2005-01-23", None),
        ("{^LN-BEG}%Y-%m-%d", "x 2005-01-23", None),
        (r"^<\d+>(%Y-%m-%d)", "<34>2005-01-23 x", "2005-01-23"),
        (r"^<\d+>%Y-%m-%d", "<34>2005-01-23 x", "<34>2005-01-23"),
        (r"%Y-%m-%d\(x\)", "2005-01-23(x)", "2005-01-23(x)"),
        (r"[(]%Y-%m-%d", "(2005-01-23)", "(2005-01-23"),
        (r"(?:^|x)%Y-%m-%d", "x2005-01-23", "x2005-01-23"),
        (r"^a|%Y-%m-%d", "b 2005-01-23", "2005-01-23"),
        (r"(?P<foo>x)%Y-%m-%d", "x2005-01-23", "x2005-01-23"),
        (r"(?P<Y>20..)-%m-%d", "2005-01-23", "2005-01-23"),
        (r"%Y-%m-(%d)", "2005-01-23", "2005"),
        (r"(?:(x)|y)%Y-%m-%d", "x2005-01-23", "x"),
        (r"(?:(x)|y)%Y-%m-%d", "y2005-01-23", ""),
        ("%Y %b %d", "2005 JAN 23", "2005 JAN 23"),
        ("%Y-%m-%d x", "2005-01-23 X", None),
        ("(?i)%Y-%m-%d x", "2005-01-23 X", "2005-01-23 X"),
        ("%ExY-%Exm-%Exd", "2005-01-23", "2005-01-23"),
        ("%ExY-%Exm-%Exd", "2005-1-23", None),
        ("100%% %Y-%m-%d", "100% 2005-01-23", "100% 2005-01-23"),
        ("  %Y-%m-%d\n", "2005-01-23", "2005-01-23"),
    ],
)
def test_what_a_pattern_finds_and_cuts(pattern: str, line: str, date: str | None) -> None:
    assert cut(line, pattern) == (None if date is None else (date, DAY))


@pytest.mark.parametrize(
    ("pattern", "line", "date"),
    [
        ("{DEFAULT}", "x 2005-01-23 21:59:59 x", "2005-01-23 21:59:59"),
        ("{^LN-BEG}", "x 2005-01-23 21:59:59 x", None),
        ("{^LN-BEG}", "[2005-01-23 21:59:59] x", "2005-01-23 21:59:59"),
        (r"^<\d+>\d+\s+{DATE}", "<34>1 2005-01-23T21:59:59Z x", "<34>1 2005-01-23T21:59:59Z"),
        (r"^<\d+>\d+\s+({DATE})", "<34>1 Sun Jan 23 21:59:59 2005 x", "Sun Jan 23 21:59:59 2005"),
        (r"^[^\[]*\[({DATE})", "192.0.2.7 - - [23/Jan/2005:21:59:59 +0000] x", "23/Jan/2005:21:59:59 +0000"),
        (r"^[^\[]*\[({DATE})\s", "192.0.2.7 - - [23/Jan/2005:21:59:59 +0000] x", "23/Jan/2005:21:59:59"),
        (r"\[{DATE}", "192.0.2.7 - - [23/Jan/2005:21:59:59 +0000] x", "[23/Jan/2005:21:59:59 +0000"),
        ("{^LN-BEG}{DATE}", "[2005-01-23 21:59:59] x", "2005-01-23 21:59:59"),
        ("{^LN-BEG}{DATE}", "x 2005-01-23 21:59:59", None),
        ("{DATE}", "1106517599 x", "1106517599"),
        ("x {DATE}", "x 1106517599", None),
    ],
)
def test_the_default_formats_within_patterns(pattern: str, line: str, date: str | None) -> None:
    assert cut(line, pattern) == (date and (date, float(HEARTBEAT)))


@pytest.mark.parametrize(
    ("pattern", "line", "date", "fraction"),
    [
        ("EPOCH", "1106517599 x", "1106517599", 0),
        ("EPOCH", "1106517599.123 x", "1106517599.123", 0.123),
        ("epoch", "1106517599 x", "1106517599", 0),
        ("EPOCH", "x 1106517599 x", None, 0),
        ("EPOCH", "x audit(1106517599.5678:1)", "1106517599.5678", 0.5678),
        ("EPOCH", "1106517599x", None, 0),
        ("^EPOCH", "[1106517599] x", "1106517599", 0),
        ("{^LN-BEG}EPOCH", "[1106517599] x", "1106517599", 0),
        ("{EPOCH}", "x 1106517599 x", "1106517599", 0),
        ('"ts":{EPOCH}', '{"ts":1106517599.123,"x":1}', '"ts":1106517599.123', 0.123),
        ('"ts":({EPOCH})', '{"ts":1106517599.123,"x":1}', "1106517599.123", 0.123),
        ("LEPOCH", "1106517599 x", "1106517599", 0),
        ("LEPOCH", "1106517599123 x", "1106517599123", 0.123),
        ("LEPOCH", "1106517599123456 x", "1106517599123456", 0.123456),
        ("LEPOCH", "1106517599123.456 x", "1106517599123.456", 0.123456),
        ("LEPOCH", "110651759912 x", None, 0),
        ("^{LEPOCH}", "1106517599123 x", "1106517599123", 0.123),
        ('"ts":({LEPOCH})', '{"ts":1106517599123}', "1106517599123", 0.123),
        ("TAI64N", "x @4000000041f41e5f00000000 x", "@4000000041f41e5f00000000", 0),
        ("^TAI64N", "x @4000000041f41e5f00000000 x", None, 0),
        ("x {TAI64N}", "x @4000000041f41e5f00000000 x", "x @4000000041f41e5f00000000", 0),
    ],
)
def test_stamps(pattern: str, line: str, date: str | None, fraction: float) -> None:
    assert cut(line, pattern) == (date and (date, HEARTBEAT + fraction))


def test_none_means_that_lines_have_no_date() -> None:
    assert compile_patterns(("{NONE}",)) == ()
    assert cut("2005-01-23 21:59:59 x", "{NONE}") is None


def test_of_several_patterns_the_one_further_left_wins() -> None:
    patterns = ("%Y-%m-%d", "%d/%m/%Y")
    assert cut("x 2005-01-23 24/01/2005", *patterns) == ("2005-01-23", DAY)
    assert cut("x 23/01/2005 2005-01-24", *patterns) == ("23/01/2005", DAY)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("%Q", "unknown token %Q"),
        ("%ExQ", "unknown token %ExQ"),
        ("%Y %", "single %"),
        ("% d", "a percent sign itself is %%"),
        ("(%Y", "unterminated"),
        ("%Y)", "unbalanced"),
        ("%Y-%Y", "redefinition"),
        ("[%Y", "unbalanced"),
        ("%Y[", "unterminated"),
        ("%Y{99999999999999999999}", "repetition"),
        ("(?<!%Y+)x", "look-behind"),
        ("^**%Y**", "nothing to repeat"),
    ],
)
def test_what_cannot_be_used_is_refused_with_pattern_and_reason(pattern: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as error:
        compile_patterns((pattern,))
    assert error.value.problem.option == "datepattern"
    assert error.value.problem.value == pattern


PIECES = st.sampled_from(
    ["%Y", "%m", "%d", "%H", "%b", "%z", "%Z", "%Exz", "%", "%%", "%c", "{DATE}", "{EPOCH}", "{^LN-BEG}", "{UNB}", "**", "^", "$",
     "(", ")", "[", "]", "[[", "|", "\\", "?", "+", "*", "(?:", "(?P<x>", "(?i)", "{2}", "-", " ", "x", "\\d"]
)  # fmt: skip


@settings(max_examples=120)
@given(pattern=st.one_of(st.text(max_size=12), st.lists(PIECES, max_size=6).map("".join)), text=st.text(max_size=20))
def test_patterns_never_raise_anything_but_configerror(pattern: str, text: str) -> None:
    try:
        detector = DateDetector((pattern,), UTC)
    except ConfigError:
        return
    for line in (text, "2005-01-23 21:59:59 " + text):
        date = detector.find(line, NOW)
        assert date is None or 0 <= date.start <= date.end <= len(line)
