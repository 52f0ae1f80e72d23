"""Which time a line counts for, and what is said about odd ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banish.lines.clock import Clock
from banish.model import Line

NOW = 1_795_351_852.0
HOUR = 3600.0


def line(at: float | None, text: str = "a line") -> Line:
    return Line(text, text, at)


@pytest.fixture
def clock() -> Clock:
    return Clock("sshd", 600)


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0, 0), (30, -30), (60, -60), (61, -61), (600, -600), (601, None), (86400 * 40, None), (-30, 0), (-3600, 0)],
)
def test_catching_up_passes_over_what_is_older_than_findtime(clock: Clock, age: float, expected: float | None) -> None:
    timing = clock.judge(line(NOW - age), NOW, live=False)
    assert timing.at == (None if expected is None else NOW + expected)
    assert bool(timing.notices) == (expected is None)


@pytest.mark.parametrize(
    ("age", "expected", "words"),
    [
        (0, 0, ""),
        (60, -60, ""),
        (61, 0, "1m 1s before the current time in operation mode. This looks like a latency problem."),
        (3300, 0, "55m before the current time in operation mode. This looks like a latency problem."),
        (3301, 0, "55m 1s before the current time in operation mode. This looks like a timezone problem."),
        (3600, 0, "1h before the current time in operation mode. This looks like a timezone problem."),
        (-60, 0, ""),
        (-61, 0, "1m 1s after the current time in operation mode. This looks like a timezone problem."),
    ],
)
def test_live_lines_happened_just_now_when_their_date_is_off(
    clock: Clock, age: float, expected: float, words: str
) -> None:
    timing = clock.judge(line(NOW - age), NOW, live=True)
    assert timing.at == NOW + expected
    if not words:
        assert timing.notices == ()
        return
    first, second = timing.notices
    assert first.text == f"[sshd] Detected a log entry {words} Treating such entries as if they just happened."
    assert second.text == "[sshd] Please check a jail for a timing issue. Line with odd timestamp: a line"
    assert {(notice.level, notice.logger) for notice in timing.notices} == {("WARNING", "filter")}


def test_the_text_about_old_lines(clock: Clock) -> None:
    first, second = clock.judge(line(0), NOW, live=False).notices
    assert first.text == (
        "[sshd] Ignoring all log entries older than 600s; "
        "these are probably messages generated while fail2ban was not running."
    )
    assert second.text.endswith("odd timestamp: a line")


def test_each_warning_comes_once_a_day(clock: Clock) -> None:
    assert clock.judge(line(NOW - HOUR), NOW, live=True).notices
    assert not clock.judge(line(NOW - 100), NOW + 1, live=True).notices
    assert clock.judge(line(0), NOW, live=False).notices, "another kind of trouble"
    assert not clock.judge(line(NOW - HOUR), NOW + 86399, live=True).notices
    assert clock.judge(line(NOW - HOUR), NOW + 86401, live=True).notices


def test_an_undated_line_has_the_last_date_if_that_is_less_than_a_minute_old(clock: Clock) -> None:
    clock.judge(line(NOW - 59), NOW, live=False)
    assert clock.judge(line(None), NOW, live=False).at == NOW - 59
    assert clock.judge(line(None), NOW + 1, live=True).at == NOW + 1
    assert clock.judge(line(None), NOW + 1, live=False).at is None


def test_an_impossible_date_is_part_of_the_text_where_the_last_date_is_taken(clock: Clock) -> None:
    impossible = Line("Feb 30 10:00:00 z", " z", None)
    assert clock.judge(impossible, NOW, live=True).line(impossible).message == " z"
    clock.judge(line(NOW - 5), NOW, live=True)
    assert clock.judge(impossible, NOW, live=True).line(impossible).message == "Feb 30 10:00:00 z"
    assert clock.judge(impossible, NOW + 60, live=True).line(impossible).message == " z"


def test_an_undated_line_of_unknown_age_counts_now_when_live_and_not_while_catching_up(clock: Clock) -> None:
    assert clock.judge(line(None), NOW, live=True).at == NOW
    assert clock.judge(line(None), NOW, live=False).at is None


def test_lines_without_dates_by_configuration_count_now() -> None:
    clock = Clock("app", 600, dated=False)
    assert clock.judge(line(None), NOW, live=False).at == NOW
    assert clock.unknown_date(line(None), NOW) == ()


def test_a_line_that_is_not_meant_to_have_a_date_counts_with_the_line_before_or_now(clock: Clock) -> None:
    second = Line("WARNING: failed", "WARNING: failed", None, timeless=True)
    assert clock.judge(second, NOW, live=False).at == NOW
    clock.judge(line(NOW - 20), NOW, live=False)
    assert clock.judge(second, NOW + 30, live=False).at == NOW - 20
    assert clock.judge(second, NOW + 90, live=False).at == NOW + 90
    assert clock.unknown_date(second, NOW) == ()


def test_what_follows_an_old_line_without_a_date_is_old(clock: Clock) -> None:
    assert clock.judge(line(NOW - 5), NOW, live=False).at == NOW - 5
    assert clock.judge(line(None), NOW, live=False).at == NOW - 5
    assert clock.judge(line(NOW - 4000), NOW, live=False).at is None
    assert clock.judge(line(None), NOW, live=False).at is None


def test_a_line_taken_to_be_now_is_the_last_date_of_what_follows(clock: Clock) -> None:
    clock.judge(line(NOW - HOUR), NOW, live=True)
    assert clock.judge(line(None), NOW + 10, live=True).at == NOW


def test_a_failure_without_date_is_warned_of_once_a_day(clock: Clock) -> None:
    assert clock.unknown_date(line(NOW), NOW) == ()
    first, second = clock.unknown_date(line(None, "fail 192.0.2.7"), NOW)
    assert first.text == "[sshd] Found a match but no valid date/time found for 'fail 192.0.2.7'."
    assert "custom date pattern" in second.text
    assert clock.unknown_date(line(None), NOW + 1) == ()


def test_the_tolerance_counts_whole_seconds() -> None:
    clock = Clock("web", 600.0)
    assert clock.judge(Line("x", "x", NOW - 60.9998), NOW, live=True).at == NOW - 60.9998
    assert clock.judge(Line("x", "x", NOW - 61.0), NOW, live=True).at == NOW


def test_a_clock_with_bounds_leaves_the_rest_to_another(clock: Clock) -> None:
    clock.since, clock.until = NOW - 10, NOW
    times = [clock.judge(line(NOW + offset), NOW + 5, live=True).at for offset in (-10.5, -10, -0.5, 0, 1)]
    assert times == [None, NOW - 10, NOW - 0.5, None, None]


def test_bounds_count_for_a_line_like_the_one_before(clock: Clock) -> None:
    assert clock.judge(line(NOW), NOW, live=True).at == NOW
    clock.until = NOW
    assert clock.judge(line(NOW), NOW, live=True).at is None


@given(
    st.lists(
        st.tuples(st.sampled_from((0, 5, 70, 4000, -10, -90, None)), st.sampled_from((0, 0, 1, 50)), st.booleans()),
        max_size=40,
    )
)
def test_a_line_like_the_one_before_is_judged_as_if_by_itself(story: list[tuple[int | None, int, bool]]) -> None:
    clock, forgetful = Clock("sshd", 600), Clock("sshd", 600)
    now = NOW
    for age, later, live in story:
        now += later
        one = line(None if age is None else now - age)
        for _ in range(2):
            forgetful._same = None
            assert clock.judge(one, now, live=live) == forgetful.judge(one, now, live=live)
            assert clock.last_at == forgetful.last_at
