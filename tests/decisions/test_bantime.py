"""How long bans last; fail2ban's own answers are in tests/conformance/test_counting.py."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from banish.decisions import bantime, formula
from banish.decisions.bantime import CLEAN, BanTimeSettings, History
from banish.model import Basis, Decision, Increase

HOUR = BanTimeSettings(3600.0, increment=True)


def seconds(settings: BanTimeSettings, bans: int, random: float = 0.5) -> float:
    return bantime.term(settings, History(bans, 100.0), lambda: random).seconds


def test_each_ban_lasts_twice_as_long_as_the_last() -> None:
    assert [seconds(HOUR, bans) for bans in (0, 1, 2, 3)] == [3600, 7200, 14400, 28800]


def test_a_longer_ban_says_why() -> None:
    term = bantime.term(HOUR, History(2, 100.0), lambda: 0.5)
    assert term.increase == Increase(bans=2, last_at=100.0, base=3600.0)
    assert bantime.term(HOUR, CLEAN, lambda: 0.5) == bantime.Term(3600.0)


def test_nothing_grows_unless_it_is_wanted() -> None:
    assert seconds(replace(HOUR, increment=False), 9) == 3600


def test_for_ever_stays_for_ever() -> None:
    assert bantime.term(replace(HOUR, bantime=math.inf), History(3), lambda: 0.5) == bantime.Term(math.inf)


def test_a_decision_while_the_ban_stands_is_worth_bantime() -> None:
    assert bantime.term(HOUR, History(3, 100.0, standing=True), lambda: 0.5) == bantime.Term(3600.0)


def test_random_time_comes_after_the_limit() -> None:
    settings = replace(HOUR, maxtime=7200.0, rndtime=600.0)
    assert [seconds(settings, 5, random) for random in (0.0, 0.5)] == [7200, 7500]
    assert seconds(settings, 0) == 3600, "not for a first ban, as in fail2ban"


def test_multipliers_replace_the_formula_and_the_last_one_goes_on() -> None:
    settings = replace(HOUR, multipliers=(1.0, 2.0, 6.0), formula=formula.parse("1/0"))
    assert [seconds(settings, bans) for bans in (0, 1, 2, 3, 9)] == [3600, 7200, 21600, 21600, 21600]


@pytest.mark.parametrize(("text", "why"), [("1/0", "division by zero"), ("1 << 9999", "a shift is too wide")])
def test_a_formula_that_fails_costs_no_ban(text: str, why: str) -> None:
    term = bantime.term(replace(HOUR, formula=formula.parse(text)), History(1), lambda: 0.5)
    assert (term.seconds, term.problem) == (3600, why)


@pytest.mark.parametrize(("text", "expected"), [("-5", 3600), ("1e300", bantime.LONGEST)])
def test_results_stay_within_reason(text: str, expected: float) -> None:
    assert seconds(replace(HOUR, formula=formula.parse(text)), 1) == expected


def test_who_was_banned_before_reaches_maxretry_sooner() -> None:
    assert [bantime.weight(HOUR, History(bans), 6) for bans in (0, 1, 2, 3, 4, 10_000)] == [1, 2, 3, 5, 6, 6]
    assert bantime.weight(replace(HOUR, increment=False), History(3), 6) == 1
    assert bantime.weight(HOUR, History(3), 1) == 1


def restored(basis: Basis, at: float, end: float, set_at: float | None = None) -> Decision:
    return Decision("sshd", "192.0.2.7", None, at, end, "restored", basis=basis, set_at=set_at)


@pytest.mark.parametrize(
    ("settings", "decision", "end"),
    [
        # What fail2ban does, measured: 3600 s under a bantime of 600, 7200, -1; 300 s under 600.
        (BanTimeSettings(600), restored("bantime", 100, 3700), 700),
        (BanTimeSettings(7200), restored("bantime", 100, 3700), 3700),
        (BanTimeSettings(math.inf), restored("bantime", 100, 3700), 3700),
        (BanTimeSettings(600), restored("bantime", 100, 400), 400),
        (BanTimeSettings(600), restored("bantime", 100, math.inf), 700),
        (BanTimeSettings(math.inf), restored("bantime", 100, math.inf), math.inf),
        # With increments it is maxtime that counts, and there is none by default.
        (BanTimeSettings(600, increment=True), restored("bantime", 100, 3700), 3700),
        (BanTimeSettings(600, increment=True), restored("increased", 100, 86500), 86500),
        (BanTimeSettings(600, increment=True, maxtime=1800), restored("increased", 100, 86500), 1900),
        (BanTimeSettings(600, increment=True, maxtime=1800), restored("bantime", 100, 3700), 1900),
        (BanTimeSettings(600, increment=True, maxtime=1800, rndtime=60), restored("increased", 100, 1950), 1950),
        # A ban that was prolonged counts from when it was: it is older than its end is long.
        (BanTimeSettings(3600), restored("bantime", 100, 6600, set_at=3000), 6600),
        (BanTimeSettings(600), restored("bantime", 100, 6600, set_at=3000), 3600),
        # No ban is lost that somebody wanted so: by hand, or by increments that are switched off now.
        (BanTimeSettings(600), restored("said", 100, 86500), 86500),
        (BanTimeSettings(600, increment=True, maxtime=1800), restored("said", 100, math.inf), math.inf),
        (BanTimeSettings(600), restored("increased", 100, 86500), 86500),
    ],
)
def test_a_lower_bantime_shortens_bans_of_an_earlier_run(
    settings: BanTimeSettings, decision: Decision, end: float
) -> None:
    assert bantime.shortened(settings, decision) == decision._replace(expires_at=end)
    assert list(bantime.all_shortened(settings, [decision])) == [decision._replace(expires_at=end)]
