"""What every enforcer promises, whoever it is: the suite over the roster."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from banish.addresses import Network
from banish.enforcement.roster import ENFORCERS, Enforcer, load
from banish.enforcement.scopes import Record, Scope
from banish.errors import ConfigError
from tests.networks import net

pytestmark = pytest.mark.netns

NOW = 1_700_000_000.0
SSHD = Scope("sshd", ("tcp",), ((22, 22),))
WEB = Scope("web", ("tcp", "udp"), ((80, 80), (443, 443), (8000, 8080)), "reject")


@pytest.fixture(params=list(ENFORCERS))
def enforcer(request: pytest.FixtureRequest) -> Iterator[Enforcer]:
    one = load(request.param)
    yield one
    one.stop()


def ban(network: str, until: float = NOW + 600, jail: str = "sshd") -> Record:
    return Record("ban", jail, net(network), until)


def unban(network: str, jail: str = "sshd") -> Record:
    return Record("unban", jail, net(network), NOW)


def held(enforcer: Enforcer) -> dict[tuple[str, str], float]:
    """What is blocked, with the ends to the nearest ten seconds (the kernel's clock goes on)."""
    return {(jail, str(network)): round(ends, -1) for (jail, network), ends in enforcer.holds(NOW).items()}


def test_replace_makes_what_it_is_told_all_that_stands(enforcer: Enforcer) -> None:
    enforcer.replace([SSHD], [ban("192.0.2.1"), ban("2001:db8::1")], NOW)
    assert enforcer.replace([SSHD, WEB], [ban("192.0.2.2"), ban("192.0.2.2", math.inf, "web")], NOW) == []
    assert held(enforcer) == {("sshd", "192.0.2.2/32"): NOW + 600, ("web", "192.0.2.2/32"): math.inf}


def test_hosts_and_networks_of_both_families_are_blocked(enforcer: Enforcer) -> None:
    networks = [
        "192.0.2.7",
        "198.51.100.0/24",
        "198.51.100.128/25",
        "2001:db8::7",
        "2001:db8:1::/48",
        "2001:db8:1:2::/64",
    ]
    enforcer.replace([SSHD], [], NOW)
    assert enforcer.apply([ban(network) for network in networks], NOW) == []
    assert held(enforcer) == {("sshd", str(net(network))): NOW + 600 for network in networks}


@pytest.mark.parametrize("first", [NOW + 600, math.inf])
@pytest.mark.parametrize("second", [NOW + 60, NOW + 6000, math.inf])
def test_a_ban_of_what_is_banned_sets_its_end_anew(enforcer: Enforcer, first: float, second: float) -> None:
    enforcer.replace([SSHD], [ban("192.0.2.7", first), ban("203.0.113.0/24", first)], NOW)
    enforcer.apply([ban("192.0.2.7", second), ban("203.0.113.0/24", second)], NOW)
    assert held(enforcer) == {("sshd", "192.0.2.7/32"): second, ("sshd", "203.0.113.0/24"): second}


def test_an_unban_opens_one_jail_alone(enforcer: Enforcer) -> None:
    enforcer.replace([SSHD, WEB], [ban("192.0.2.7"), ban("192.0.2.7", jail="web"), ban("192.0.2.0/24")], NOW)
    enforcer.apply([unban("192.0.2.7")], NOW)
    assert set(held(enforcer)) == {("web", "192.0.2.7/32"), ("sshd", "192.0.2.0/24")}


def test_an_unban_of_what_is_not_banned_is_done(enforcer: Enforcer) -> None:
    enforcer.replace([SSHD], [], NOW)
    assert enforcer.apply([unban("192.0.2.7"), unban("192.0.2.0/24"), unban("2001:db8::/33")], NOW) == []
    assert held(enforcer) == {}


def test_the_last_word_of_a_batch_counts(enforcer: Enforcer) -> None:
    enforcer.replace([SSHD], [ban("192.0.2.1"), ban("192.0.2.1", math.inf), ban("192.0.2.2"), unban("192.0.2.2")], NOW)
    enforcer.apply([ban("192.0.2.3"), unban("192.0.2.3"), unban("192.0.2.4"), ban("192.0.2.4")], NOW)
    assert held(enforcer) == {("sshd", "192.0.2.1/32"): math.inf, ("sshd", "192.0.2.4/32"): NOW + 600}


def test_what_is_over_is_not_blocked(enforcer: Enforcer) -> None:
    enforcer.replace([SSHD], [ban("192.0.2.1", NOW), ban("192.0.2.2", NOW - 5), ban("192.0.2.3")], NOW)
    enforcer.apply([ban("192.0.2.3", NOW), ban("192.0.2.4", NOW), ban("198.51.100.0/24", NOW - 1)], NOW)
    assert held(enforcer) == {}


def test_a_ban_of_ten_thousand_years_is_a_long_ban(enforcer: Enforcer) -> None:
    enforcer.replace([SSHD], [ban("192.0.2.1", NOW + 10_000 * 365 * 86400)], NOW)
    assert held(enforcer)["sshd", "192.0.2.1/32"] > NOW + 99 * 365 * 86400


def test_a_record_for_a_jail_that_guards_nothing_is_returned_and_the_others_are_carried_out(enforcer: Enforcer) -> None:
    stray = ban("192.0.2.1", jail="nobody")
    enforcer.replace([SSHD], [], NOW)
    refused = enforcer.apply([stray, ban("192.0.2.2")], NOW)
    assert [record for record, _ in refused] == [stray]
    assert "nobody" in refused[0].why
    assert set(held(enforcer)) == {("sshd", "192.0.2.2/32")}


def test_saying_it_again_does_no_harm(enforcer: Enforcer) -> None:
    records = [ban("192.0.2.1"), unban("192.0.2.2"), ban("198.51.100.0/24")]
    enforcer.replace([SSHD], [], NOW)
    enforcer.apply(records, NOW)
    once = held(enforcer)
    enforcer.apply(records, NOW)
    assert held(enforcer) == once


def test_what_is_missing_is_named(enforcer: Enforcer) -> None:
    records = [
        ban("192.0.2.1"),
        ban("192.0.2.0/24"),
        ban("2001:db8::1", math.inf),
        ban("192.0.2.5", NOW + 10_000 * 365 * 86400),
        ban("192.0.2.6", NOW + 2),
    ]
    enforcer.replace([SSHD], records, NOW)
    assert enforcer.intact()
    assert not enforcer.disturbed()
    assert enforcer.missing(records, NOW) == []
    others = [ban("192.0.2.1", math.inf), ban("192.0.2.2"), ban("192.0.0.0/16"), ban("192.0.2.3", NOW - 5)]
    assert sorted(enforcer.missing(others, NOW), key=str) == sorted(others[:3], key=str)
    assert enforcer.missing([ban("192.0.2.2", NOW + 1), unban("192.0.2.2")], NOW) == []


def test_stop_removes_everything_may_come_twice_and_is_not_the_end(enforcer: Enforcer) -> None:
    enforcer.stop()
    enforcer.replace([SSHD], [ban("192.0.2.1")], NOW)
    enforcer.stop()
    enforcer.stop()
    enforcer.replace([SSHD], [ban("192.0.2.2")], NOW)
    assert set(held(enforcer)) == {("sshd", "192.0.2.2/32")}


def test_jails_are_told_apart_whatever_they_are_called(enforcer: Enforcer) -> None:
    names = [
        "sshd",
        "3proxy",
        "a b",
        "a_b",
        "a\tb",
        'quo"te',
        "back\\slash",
        "ünï",
        "x" * 300,
        "x" * 301,
        "sshd-ip4",
        "-",
        "jail.a",
    ]
    scopes = [Scope(name, ("tcp",), ((22, 22),)) for name in names]
    records: list[Record] = []
    expected: set[tuple[str, str]] = set()
    for number, name in enumerate(names):
        for network in (f"192.0.2.{number}/32", f"198.51.{number}.0/24"):
            records.append(ban(network, jail=name))
            expected.add((name, network))
    enforcer.replace(scopes, records, NOW)
    assert set(held(enforcer)) == expected
    assert enforcer.intact()


def test_a_roster_of_one_hundred_jails_is_no_trouble(enforcer: Enforcer) -> None:
    scopes = [Scope(f"jail{number}", ("tcp", "udp"), ((number, number), (1000, 2000))) for number in range(1, 101)]
    network: Network = net("192.0.2.1")
    enforcer.replace(scopes, [Record("ban", scope.jail, network, math.inf) for scope in scopes], NOW)
    assert len(held(enforcer)) == 100


def test_an_unknown_enforcer_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"enforcer = iptables: unknown enforcer \(one of nftables, dryrun\)"):
        load("iptables")
