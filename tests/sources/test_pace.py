"""How long lines gather: nothing for who writes little, more for who writes more, and never beyond the bound."""

from __future__ import annotations

import pytest

from banish.sources.pace import BUSY, ENOUGH, LEAST, MOST, Pace


def settled(rate: float, seconds: float = 20.0, load: float = 0.0) -> tuple[Pace, float]:
    """Return the pace of a reader who has had *rate* bytes a second for a while, just woken up, and the time.

    *load*: what part of the time he has worked on them.
    """
    pace, now = Pace(0.0), 0.0
    while now < seconds:
        past = max(pace.rest(now), 0.001)
        now += past
        pace.read += round(rate * past)
        pace.worked += load * past
        pace.wake(now)
    return pace, now


@pytest.mark.parametrize(
    ("rate", "gathered"),
    [(0, LEAST), (1000, 0.0129), (BUSY / 100, MOST / 25.1), (BUSY / 10, MOST / 5.01), (10 * BUSY, MOST)],
)
def test_the_time_grows_with_what_is_written(rate: float, gathered: float) -> None:
    pace, now = settled(rate)
    assert pace.rest(now) == pytest.approx(gathered, rel=0.15)


@pytest.mark.parametrize(("load", "gathered"), [(0.005, MOST), (0.02, ENOUGH / 0.02), (0.5, ENOUGH / 0.5)])
def test_the_more_there_is_to_do_the_sooner_it_is_done(load: float, gathered: float) -> None:
    pace, now = settled(BUSY, load=load)
    assert pace.rest(now) == pytest.approx(gathered, rel=0.15)


def test_the_first_line_after_a_pause_is_read_at_once() -> None:
    pace, now = settled(BUSY)
    assert pace.rest(now + MOST) <= 0


def test_after_a_pause_a_little_is_little_again() -> None:
    pace, now = settled(BUSY)
    pace.read = 100
    pace.wake(now + 10.0)
    assert pace.rest(now + 10.0) < 2 * LEAST


def test_a_clock_that_goes_back_keeps_nobody_waiting() -> None:
    pace, now = settled(BUSY)
    assert pace.rest(now - 3600.0) <= MOST
