"""The tables of all jails within one limit, and nobody lost who is about to be banned."""

from __future__ import annotations

import gc
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banish import addresses
from banish.evidence import LONGEST_LINE
from banish.failures.crowd import STEP, Crowd
from banish.failures.window import Window, WindowSettings
from banish.model import Failure, Match


def match(at: float, id_: str, line: str = "x" * 100) -> Match:
    return Match(0, id_, addresses.parse(id_), at, {"user": "root"}, (line,))


def test_the_largest_table_makes_room() -> None:
    crowd = Crowd(evidence=0, ids=1000)
    small, large = (Window(name, WindowSettings(), crowd) for name in ("small", "large"))
    for number in range(100):
        small.count(match(number, f"192.0.2.{number}"))
    for number in range(5000):
        large.count(match(200, f"2001:db8::{number:x}"))
    crowd.settle()
    assert len(small) == 100
    assert 800 < len(large) <= 900


def test_a_table_that_nobody_uses_takes_no_room() -> None:
    crowd = Crowd(evidence=0, ids=1000)
    left = Window("left", WindowSettings(), crowd)
    for number in range(900):
        left.count(match(0, f"2001:db8::{number:x}"))
    del left
    gc.collect()
    stays = Window("stays", WindowSettings(), crowd)
    for number in range(900):
        stays.count(match(0, f"2001:db8::{number:x}"))
    crowd.settle()
    assert len(stays) == 900


def test_long_lines_do_not_grow_the_table() -> None:
    crowd = Crowd(evidence=1_000_000)
    window = Window("sshd", WindowSettings(maxretry=100, maxmatches=5), crowd)
    dice = random.Random(5)
    for number in range(5000):
        window.count(match(number, f"2001:db8::{dice.randrange(2000):x}", "x" * dice.choice((50, 2000, 100_000))))
        assert window.evidence <= 1_000_000 + STEP + 4 * 100_000
    assert window.evidence > 500_000
    assert len(window) > 800, "the count of who has no evidence any more goes on"


def test_evidence_is_reckoned_to_the_character() -> None:
    window = Window("sshd", WindowSettings(maxretry=3, findtime=100, maxmatches=2))
    dice = random.Random(5)
    for number in range(3000):
        window.count(match(number, f"192.0.2.{dice.randrange(200)}", "x" * dice.randrange(2 * LONGEST_LINE)))
        if number % 100 == 0:
            window.tick(number)
            window.forget(f"192.0.2.{dice.randrange(200)}")
            window.fade(dice.randrange(50_000))
    window.tick(9999)
    assert (len(window), window.evidence) == (0, 0)


def test_the_evidence_of_a_faded_id_begins_anew() -> None:
    window = Window("sshd", WindowSettings(maxretry=3))
    window.count(match(0, "192.0.2.7", "first"))
    window.fade(1)
    window.count(match(1, "192.0.2.7", "second"))
    failure = window.count(match(2, "192.0.2.7", "third"))
    assert (failure.due, failure.retries, failure.attempts, failure.since) == (True, 3, 3, 0)
    assert failure.matches == ("second", "third")


def test_who_is_forgotten_by_time_leaves_no_trace() -> None:
    window = Window("sshd", WindowSettings(findtime=600))
    window.count(match(0, "192.0.2.7"))
    window.fade(1)
    assert len(window) == 1
    window.tick(601)
    assert len(window) == 0
    assert window.count(match(602, "192.0.2.7")).attempts == 1


@pytest.mark.parametrize("how", ["estimate", "exact"])
@given(
    steps=st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from((0, 1, 7, 90)), st.sampled_from((0, 0, 0, 40)), st.booleans())
    )
)
def test_fading_changes_no_count(how: str, steps: list[tuple[int, int, int, bool]]) -> None:
    settings = WindowSettings(maxretry=4, findtime=100, window="exact" if how == "exact" else "estimate")
    plain, faded = Window("j", settings), Window("j", settings)

    def told(failure: Failure) -> Failure:
        return failure._replace(matches=())

    now = 1000.0
    for host, later, late, fades in steps:
        now += later
        one = match(now - late, f"192.0.2.{host}")
        assert told(plain.count(one)) == told(faded.count(one))
        if fades:
            faded.fade(faded.evidence)
        plain.tick(now)
        faded.tick(now)
