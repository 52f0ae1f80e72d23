"""The dry run is the specification: its text, run by nft, and the netlink enforcer must come to the same table."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from banish.addresses import Network
from banish.enforcement.dryrun import DryRun
from banish.enforcement.nftables import NftablesFirewall
from banish.enforcement.scopes import Record, Scope
from tests.conftest import Nft
from tests.enforcement.listing import plain
from tests.networks import net

NOW = 1_700_000_000.0

SCOPES = (
    Scope("sshd", ("tcp",), ((22, 22),)),
    Scope("web", ("tcp", "udp"), ((80, 90), (443, 443), (65000, 65535))),
    Scope("web", ("sctp",), ((0, 7), (9, 9))),
    Scope("range", ("udp",), ((27030, 27039),)),
    Scope("recidive", ("tcp",), ()),
    Scope("reject all", (), (), "reject"),
    Scope("3proxy", ("tcp", "udp"), ((3128, 3128),), "reject"),
    Scope("ping", ("icmp", "ipv6-icmp", "gre", "esp", "ah"), ()),
    Scope("ping-reject", ("icmp", "ipv6-icmp"), (), "reject"),
    Scope("any", (), ((53, 53), (5353, 5353))),
)

Operations = Sequence[tuple[str, Sequence[Record]]]


def ban(network: str, left: float = 600, jail: str = "sshd") -> Record:
    return Record("ban", jail, net(network), NOW + left)


def test_a_ban_reads_like_a_sentence() -> None:
    told: list[str] = []
    dry = DryRun(told.append)
    dry.replace([Scope("sshd", ("tcp",), ((22, 22), (2200, 2299)))], [], NOW)
    assert told.pop().splitlines() == [
        "add table inet banish",
        "delete table inet banish",
        "add table inet banish",
        "add chain inet banish pre { type filter hook prerouting priority -310; policy accept; }",
        'add rule inet banish pre iifname "lo" accept',
        "add rule inet banish pre icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept",
        "add set inet banish sshd-ip4 { type ipv4_addr; flags timeout; }",
        "add set inet banish sshd-ip6 { type ipv6_addr; flags timeout; }",
        "add rule inet banish pre tcp dport { 22, 2200-2299 } ip saddr @sshd-ip4 counter drop",
        "add rule inet banish pre tcp dport { 22, 2200-2299 } ip6 saddr @sshd-ip6 counter drop",
    ]
    dry.apply([ban("192.0.2.7"), ban("192.0.2.8", math.inf)], NOW)
    assert told.pop() == "add element inet banish sshd-ip4 { 192.0.2.7 timeout 600s, 192.0.2.8 }\n"
    dry.apply([ban("2001:db8::/64", 90.5)], NOW)
    assert told.pop().splitlines() == [
        "add set inet banish sshd-ip6-64 { type ipv6_addr; flags timeout; }",
        "add rule inet banish pre tcp dport { 22, 2200-2299 } ip6 saddr & ffff:ffff:ffff:ffff:: @sshd-ip6-64 counter drop",
        "add element inet banish sshd-ip6-64 { 2001:db8:: timeout 1m30s500ms }",
    ]
    dry.apply([Record("unban", "sshd", net("192.0.2.7"), 0.0)], NOW)
    assert told.pop().splitlines() == [
        "add element inet banish sshd-ip4 { 192.0.2.7 }",
        "delete element inet banish sshd-ip4 { 192.0.2.7 }",
    ]
    dry.apply([Record("unban", "sshd", net("192.0.2.7"), 0.0)], NOW)
    assert told == []


def test_what_stands_can_be_told_at_any_time_without_what_is_over() -> None:
    dry = DryRun()
    dry.replace([Scope("sshd", (), ())], [ban("192.0.2.1", 5), ban("192.0.2.2", 100)], NOW)
    dry.apply([ban("192.0.2.3", math.inf), Record("unban", "sshd", net("192.0.2.2"), NOW)], NOW)
    dry.apply([ban("192.0.2.4")], NOW)
    last = "add element inet banish sshd-ip4 { 192.0.2.3, 192.0.2.4 timeout 590s }"
    assert dry.script(NOW + 10).splitlines()[-1] == last
    dry.stop()
    assert "element" not in dry.script(NOW)


def both_ways(nft: Nft, operations: Operations) -> None:
    told: list[str] = []
    dry = DryRun(told.append)
    firewall = NftablesFirewall()
    for op, records in operations:
        for enforcer in (firewall, dry):
            if op == "replace":
                enforcer.replace(SCOPES, records, NOW)
            else:
                enforcer.apply(records, NOW)
    by_netlink = plain(nft("-j", "list", "table", "inet", "banish"))
    firewall.stop()
    for script in told:
        nft("-f", "-", script=script)
    by_text = plain(nft("-j", "list", "table", "inet", "banish"))
    assert by_netlink == by_text


@pytest.mark.netns
def test_every_kind_of_scope_and_ban_comes_to_the_same_table(nft: Nft) -> None:
    networks = [
        "192.0.2.7",
        "192.0.2.0/24",
        "128.0.0.0/1",
        "0.0.0.0/0",
        "2001:db8::7",
        "2001:db8::/64",
        "2001:db8::/65",
        "::/0",
    ]
    jails = dict.fromkeys(scope.jail for scope in SCOPES)
    everything = [
        ban(network, 86400.0 * (1 + number), jail) for jail in jails for number, network in enumerate(networks)
    ]
    both_ways(nft, [("replace", everything), ("apply", [ban("198.51.100.1", math.inf), ban("203.0.113.0/25", 1.5e9)])])


hosts = st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.0/24", "192.0.2.0/28", "2001:db8::1", "2001:db8::/48"]).map(
    net
)
networks: st.SearchStrategy[Network] = hosts
records = st.builds(
    Record,
    st.sampled_from(["ban", "ban", "unban"]),
    st.sampled_from(["sshd", "web", "3proxy"]),
    networks,
    st.sampled_from([NOW - 1, NOW + 100, NOW + 5000.5, NOW + 3e6, math.inf]),
)
operations = st.lists(
    st.tuples(st.sampled_from(["apply", "apply", "replace"]), st.lists(records, max_size=6)), max_size=6
)


@pytest.mark.netns
@given(operations)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_series_of_operations_comes_to_the_same_table(nft: Nft, series: Operations) -> None:
    both_ways(nft, [("replace", []), *series])


@pytest.mark.netns
@pytest.mark.parametrize("left", [0.004, 1, 59.96, 61, 3599.9, 90000, 99_999_999, 3e9, 1e12])
def test_nft_reads_every_span_as_it_is_meant(nft: Nft, left: float) -> None:
    both_ways(nft, [("replace", [ban("192.0.2.7", left)])] if left >= 30 else [("replace", [])])
    both_ways(nft, [("replace", []), ("apply", [ban("192.0.2.7", 7000 + left)])])
