"""Counting within findtime, as fail2ban estimates it and exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banish import addresses
from banish.evidence import LONGEST_LINE
from banish.failures.crowd import Crowd
from banish.failures.window import Window, WindowSettings
from banish.model import Match


def match(at: float, id_: str = "192.0.2.7", line: str = "") -> Match:
    return Match(0, id_, addresses.parse(id_), at, {"user": f"at{at:.0f}"}, (line or f"line at {at:.0f}",))


def counts(window: Window, *times: float) -> list[int]:
    return [window.count(match(at)).retries for at in times]


def test_failures_add_up_until_maxretry_and_start_again_after_it() -> None:
    window = Window("sshd", WindowSettings(maxretry=3))
    assert counts(window, 0, 10, 20, 30) == [1, 2, 3, 1]
    assert window.total == 4


def test_the_estimate_scales_a_longer_window_down_to_findtime() -> None:
    window = Window("sshd", WindowSettings(maxretry=3, findtime=600))
    assert counts(window, 0, 300, 700) == [1, 2, 3], "2 failures in 700 s are about 2 in 600 s, and this one"


def test_exact_counting_sees_only_what_is_inside_the_window() -> None:
    window = Window("sshd", WindowSettings(maxretry=3, findtime=600, window="exact"))
    assert counts(window, 0, 300, 700) == [1, 2, 2]


def test_exact_counting_counts_a_failure_exactly_findtime_ago() -> None:
    window = Window("sshd", WindowSettings(maxretry=3, findtime=600, window="exact"))
    assert counts(window, 0, 300, 600) == [1, 2, 3]


def test_exact_counting_takes_lines_that_are_out_of_order() -> None:
    window = Window("sshd", WindowSettings(maxretry=9, findtime=10, window="exact"))
    assert counts(window, 100, 95, 108, 89) == [1, 2, 2, 2]


def test_a_slow_attacker_is_not_banned() -> None:
    window = Window("sshd", WindowSettings(maxretry=3, findtime=600))
    assert max(counts(window, *range(0, 20_000, 500))) < 3


def test_an_older_line_counts_without_moving_the_window() -> None:
    window = Window("sshd", WindowSettings(maxretry=9))
    assert counts(window, 1000, 990, 1001) == [1, 2, 3]


def test_the_last_lines_are_kept_and_the_fields_of_the_first_failure() -> None:
    window = Window("sshd", WindowSettings(maxretry=3, maxmatches=2))
    failure = [window.count(match(at)) for at in (1, 2, 3)][-1]
    assert failure.matches == ("line at 2", "line at 3")
    assert failure.fields == {"user": "at1"}
    assert failure.since == 1


def test_a_line_is_kept_up_to_a_length_that_the_attacker_does_not_choose() -> None:
    window = Window("sshd", WindowSettings(maxretry=1))
    [kept] = window.count(match(1, line="x" * 1_000_000)).matches
    assert len(kept) == LONGEST_LINE + 1


def test_no_lines_are_kept_when_maxmatches_is_zero() -> None:
    window = Window("sshd", WindowSettings(maxretry=1, maxmatches=0))
    assert window.count(match(1)).matches == ()


def test_ids_leave_when_their_last_failure_has_left_the_window() -> None:
    window = Window("sshd", WindowSettings(findtime=600))
    counts(window, 0, 500)
    window.tick(1099)
    assert len(window) == 1
    window.tick(1101)
    assert len(window) == 1, "looked at less than five seconds ago"
    window.tick(1104)
    assert len(window) == 0


def test_a_clock_set_back_does_not_stop_the_cleaning() -> None:
    window = Window("sshd", WindowSettings(findtime=600))
    window.tick(1_000_000)
    counts(window, 0)
    window.tick(601)
    assert len(window) == 0


def test_a_full_table_keeps_who_is_about_to_be_banned() -> None:
    crowd = Crowd(evidence=0, ids=100)
    window = Window("sshd", WindowSettings(maxretry=3, findtime=1e6), crowd)
    window.count(match(0, "203.0.113.1"))
    window.count(match(1, "203.0.113.1"))
    for i in range(5000):
        window.count(match(2 + i, f"2001:db8::{i:x}"))
        crowd.settle()
        assert len(window) <= 100
    assert window.count(match(5003, "203.0.113.1")).retries == 3


def test_other_settings_keep_what_was_counted() -> None:
    window = Window("sshd", WindowSettings(maxretry=5))
    counts(window, 0, 1, 2)
    window.reconfigure(WindowSettings(maxretry=4))
    assert counts(window, 3) == [4]
    assert len(window) == 0


def test_forgetting_an_id_counts_it_from_zero() -> None:
    window = Window("sshd", WindowSettings())
    counts(window, 0, 1)
    window.forget("192.0.2.7")
    window.forget("192.0.2.8")
    assert counts(window, 2) == [1]


def test_of_very_many_ids_those_that_are_known_are_counted_from_zero() -> None:
    window = Window("sshd", WindowSettings())
    counts(window, 0, 1)
    window.changed = set()
    window.forget_all(f"192.0.2.{number}" for number in range(256))
    assert window.changed == {"192.0.2.7"}
    assert counts(window, 2) == [1]


@pytest.mark.parametrize("how", ["estimate", "exact"])
def test_the_failures_of_a_known_offender_weigh_more(how: str) -> None:
    window = Window("j", WindowSettings(maxretry=7, window="exact" if how == "exact" else "estimate"))
    failures = [window.count(match(at), weight=3, bans=2) for at in (10, 5, 20)]
    assert [(failure.retries, failure.due) for failure in failures] == [(3, False), (6, False), (9, True)]
    assert (failures[-1].attempts, failures[-1].bans, failures[-1].weight, window.total) == (3, 2, 3, 3)


@pytest.mark.parametrize("how", ["estimate", "exact"])
@given(times=st.lists(st.integers(0, 3000), max_size=60))
def test_within_one_window_both_ways_count_every_failure(how: str, times: list[int]) -> None:
    window = Window("j", WindowSettings(maxretry=1000, findtime=3000, window="exact" if how == "exact" else "estimate"))
    assert counts(window, *times) == list(range(1, len(times) + 1))
