"""A crowd that is larger than the table, and those in it who must be banned."""

from __future__ import annotations

from dataclasses import replace

from banish.failures.crowd import Crowd
from bench import flood


def test_in_a_crowd_exactly_those_are_banned_who_failed_often_enough() -> None:
    attackers = flood.attackers(500)
    assert len(set(attackers)) == 500
    found = flood.flood(40_000, attackers, [flood.settings()], Crowd(evidence=300_000, ids=40_500))
    assert found.lines == 42_500
    assert found.banned == {"sshd": set(attackers)}
    assert 39_000 < found.remembered < 42_000


def test_a_crowd_that_is_far_too_large_gets_nobody_banned_and_leaves_the_table_bounded() -> None:
    one = flood.settings()
    attackers = flood.attackers(100)
    crowd = Crowd(evidence=300_000, ids=4_000)
    found = flood.flood(12_000, attackers, [replace(one, name=name) for name in ("one", "other")], crowd)
    assert all(banned <= set(attackers) for banned in found.banned.values())
    assert found.remembered < 4_000 + 2_000
