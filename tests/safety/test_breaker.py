"""A jail that bans the world is told from one under attack."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from banish.addresses import Network, network_of, parse
from banish.safety.breaker import MINUTE, SETTLING, WINDOW, Breaker, BreakerSettings, Peers

NOW = 1_800_000_000.0


def host(number: int) -> Network:
    return network_of(IPv4Address("198.51.0.0").packed[:2] + number.to_bytes(2))


def packed(*networks: Network) -> list[bytes]:
    return [network.network_address.packed for network in networks]


def settled(*networks: Network) -> Peers:
    peers = Peers()
    peers.look(packed(*networks), NOW)
    return peers


def test_so_many_bans_within_a_minute_are_too_many() -> None:
    breaker = Breaker(BreakerSettings(bans=100))
    for number in range(100):
        assert breaker.banned(host(number), NOW + number / 2, Peers()) == ""
    assert breaker.banned(host(100), NOW + 50, Peers()) == "101 bans within a minute (breaker.bans = 100)"


def test_the_same_number_over_a_longer_time_is_not() -> None:
    breaker = Breaker(BreakerSettings(bans=100))
    assert all(not breaker.banned(host(number), NOW + number, Peers()) for number in range(1000))


def test_a_clock_that_jumps_does_not_trip_it() -> None:
    breaker = Breaker(BreakerSettings(bans=10))
    for at in (NOW, NOW - 1e6, NOW + 1e6):
        assert all(not breaker.banned(host(number), at, Peers()) for number in range(10))


def test_half_of_those_who_were_there_all_along_are_too_many() -> None:
    friends = [host(number) for number in range(20)]
    breaker, peers = Breaker(BreakerSettings()), settled(*friends)
    assert [breaker.banned(friend, NOW, peers) for friend in friends[:9]] == [""] * 9
    assert breaker.banned(friends[9], NOW, peers) == (
        "10 of 20 peers that were connected are banned (breaker.peers = 50)"
    )


def test_a_network_hits_everybody_in_it() -> None:
    breaker, peers = Breaker(BreakerSettings()), settled(*(host(number) for number in range(20)))
    assert breaker.banned(parse("198.51.0.0/30"), NOW, peers) == ""
    assert breaker.banned(parse("198.51.0.0/28"), NOW, peers).startswith("16 of 20")
    assert breaker.banned(parse("2001:db8::/32"), NOW, settled()) == ""


def test_a_botnet_that_fills_all_connections_is_no_sign() -> None:
    breaker, peers = Breaker(BreakerSettings()), settled(host(1))
    bots = [host(number) for number in range(1000, 4000)]
    peers.look(packed(host(1), *bots), NOW + 60)
    assert all(not breaker.banned(bot, NOW + 61, peers) for bot in bots)


def test_who_stays_connected_settles_and_who_leaves_begins_anew() -> None:
    friends = [host(number) for number in range(20)]
    breaker, peers = Breaker(BreakerSettings()), settled()
    for at in (0.0, SETTLING / 2, SETTLING):
        peers.look(packed(*friends), NOW + 1 + at)
    peers.look(packed(*friends[:10]), NOW + 2 + SETTLING)
    peers.look(packed(*friends), NOW + 3 + SETTLING)
    assert peers.settled(NOW + 3 + SETTLING) == set(packed(*friends[:10]))
    assert all(not breaker.banned(friend, NOW + 3 + SETTLING, peers) for friend in friends[10:])


def test_those_who_were_hit_are_counted_though_their_connections_have_ended() -> None:
    friends = [host(number) for number in range(20)]
    breaker, peers = Breaker(BreakerSettings()), settled(*friends)
    for number in range(9):
        assert breaker.banned(friends[number], NOW + number, peers) == ""
        peers.look(packed(*friends[number + 1 :]), NOW + number)
    assert breaker.banned(friends[9], NOW + 9, peers).startswith("10 of 20")


def test_hits_of_long_ago_do_not_count() -> None:
    friends = [host(number) for number in range(20)]
    breaker, peers = Breaker(BreakerSettings()), settled(*friends)
    assert all(not breaker.banned(friend, NOW, peers) for friend in friends[:9])
    assert all(not breaker.banned(friend, NOW + WINDOW, peers) for friend in friends[9:18])


def test_among_few_peers_the_share_says_nothing() -> None:
    friends = [host(number) for number in range(9)]
    assert all(not Breaker(BreakerSettings()).banned(friend, NOW, settled(*friends)) for friend in friends)


def test_zero_switches_a_sign_off() -> None:
    friends = [host(number) for number in range(100)]
    breaker, peers = Breaker(BreakerSettings(bans=0, peers=0)), settled(*friends)
    assert all(not breaker.banned(friend, NOW, peers) for friend in friends * 200)


def test_after_a_reset_it_counts_anew() -> None:
    breaker = Breaker(BreakerSettings(bans=2))
    assert [bool(breaker.banned(host(number), NOW, Peers())) for number in range(3)] == [False, False, True]
    breaker.reset()
    assert not breaker.banned(host(4), NOW + MINUTE / 2, Peers())


@pytest.mark.parametrize(
    ("new", "old", "more"),
    [
        (BreakerSettings(bans=20), BreakerSettings(bans=10), True),
        (BreakerSettings(bans=0), BreakerSettings(bans=10), True),
        (BreakerSettings(bans=10), BreakerSettings(bans=0), False),
        (BreakerSettings(bans=5), BreakerSettings(bans=10), False),
        (BreakerSettings(peers=80), BreakerSettings(peers=50), True),
        (BreakerSettings(peers=0), BreakerSettings(peers=50), True),
        (BreakerSettings(leastpeers=99), BreakerSettings(), True),
        (BreakerSettings(leastpeers=99), BreakerSettings(peers=0), False),
        (BreakerSettings(), BreakerSettings(), False),
    ],
)
def test_which_limits_allow_more(new: BreakerSettings, old: BreakerSettings, more: bool) -> None:
    assert new.allows_more_than(old) is more
