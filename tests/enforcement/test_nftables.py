"""The kernel holds what it was told: netlink on our side, nft on the other."""

from __future__ import annotations

import ctypes
import math
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from banish.enforcement import owner, rules
from banish.enforcement.netlink import Netlink
from banish.enforcement.nftables import NftablesFirewall
from banish.enforcement.roster import TableLost
from banish.enforcement.scopes import Record, Scope
from banish.errors import FirewallError
from tests.conftest import Nft
from tests.enforcement.listing import elements
from tests.networks import hosts, net

pytestmark = pytest.mark.netns

NOW = 1_700_000_000.0
SSHD = Scope("sshd", ("tcp",), ((22, 22),))


@pytest.fixture
def firewall() -> Iterator[NftablesFirewall]:
    one = NftablesFirewall()
    yield one
    one.stop()


def ban(network: str, left: float = 600, jail: str = "sshd") -> Record:
    return Record("ban", jail, net(network), NOW + left)


def unban(network: str) -> Record:
    return Record("unban", "sshd", net(network), 0.0)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what comes by itself: the end of a ban; or all of a large set in a listing (see ``holds``)."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def rules_of(nft: Nft) -> list[str]:
    """The rules of our chain as nft prints them, without counts."""
    lines = [line.strip() for line in nft("list", "chain", "inet", "banish", "pre").splitlines()]
    return [
        line.replace(" packets 0 bytes 0", "")
        for line in lines
        if line.startswith(("iif", "tcp", "udp", "ip", "ic", "meta"))
    ]


def test_a_person_can_read_the_table(firewall: NftablesFirewall, nft: Nft) -> None:
    web = Scope("web", ("tcp", "udp"), ((443, 443), (80, 80), (8000, 8080)), "reject")
    firewall.replace(
        [SSHD, web, Scope("recidive", (), ())], [ban("192.0.2.0/24"), ban("2001:db8::/64", jail="web")], NOW
    )
    assert "type filter hook prerouting priority raw - 10; policy accept;" in nft("list", "table", "inet", "banish")
    masked = "ip6 saddr & ffff:ffff:ffff:ffff:: == @web-ip6-64"
    assert rules_of(nft) == [
        'iifname "lo" accept',
        "icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept",
        "tcp dport 22 ip saddr @sshd-ip4 counter drop",
        "tcp dport 22 ip6 saddr @sshd-ip6 counter drop",
        "tcp dport { 80, 443, 8000-8080 } ip saddr @web-ip4 counter reject with tcp reset",
        "udp dport { 80, 443, 8000-8080 } ip saddr @web-ip4 counter reject with icmp port-unreachable",
        "tcp dport { 80, 443, 8000-8080 } ip6 saddr @web-ip6 counter reject with tcp reset",
        "udp dport { 80, 443, 8000-8080 } ip6 saddr @web-ip6 counter reject with icmpv6 port-unreachable",
        "ip saddr @recidive-ip4 counter drop",
        "ip6 saddr @recidive-ip6 counter drop",
        "tcp dport 22 ip saddr & 255.255.255.0 == @sshd-ip4-24 counter drop",
        f"tcp dport {{ 80, 443, 8000-8080 }} {masked} counter reject with tcp reset",
        f"udp dport {{ 80, 443, 8000-8080 }} {masked} counter reject with icmpv6 port-unreachable",
    ]


def test_the_kernel_ends_a_ban_by_itself(firewall: NftablesFirewall, nft: Nft) -> None:
    firewall.replace([SSHD], [ban("192.0.2.1", 1.5), ban("192.0.2.2")], NOW)
    assert set(elements(nft("-j", "list", "table", "inet", "banish"), "sshd-ip4")) == {"192.0.2.1", "192.0.2.2"}
    wait_until(lambda: len(firewall.holds(NOW)) == 1)
    assert elements(nft("-j", "list", "table", "inet", "banish"), "sshd-ip4") == {"192.0.2.2": 600}
    # And what it has ended can be unbanned and banned like anything else.
    firewall.apply([unban("192.0.2.1")], NOW)
    firewall.apply([ban("192.0.2.1", math.inf)], NOW)
    assert elements(nft("-j", "list", "table", "inet", "banish"), "sshd-ip4") == {"192.0.2.1": None, "192.0.2.2": 600}


def test_ends_move_to_either_side_and_to_for_ever_and_back(firewall: NftablesFirewall, nft: Nft) -> None:
    firewall.replace([SSHD], [ban("192.0.2.1"), ban("2001:db8::/64")], NOW)
    for left, timeout in ((60.0, 60), (6000.0, 6000), (math.inf, None), (math.inf, None), (60.0, 60)):
        firewall.apply([ban("192.0.2.1", left), ban("2001:db8::/64", left)], NOW)
        listing = nft("-j", "list", "table", "inet", "banish")
        assert elements(listing, "sshd-ip4") == {"192.0.2.1": timeout}
        assert elements(listing, "sshd-ip6-64") == {"2001:db8::": timeout}


def test_ten_thousand_bans_are_one_transaction(firewall: NftablesFirewall, nft: Nft) -> None:
    records = [Record("ban", "sshd", network, NOW + 600) for network in hosts("198.18.0.0", 10_000)]
    firewall.replace([SSHD], records[:5000], NOW)
    link = Netlink()
    before = link.get(rules.NFT_MSG_GETGEN, rules.NFTA_GEN_ID, "generation")  # the kernel counts transactions
    firewall.apply(records, NOW)
    after = link.get(rules.NFT_MSG_GETGEN, rules.NFTA_GEN_ID, "generation")
    link.close()
    assert int.from_bytes(after, "big") == int.from_bytes(before, "big") + 1
    wait_until(lambda: len(firewall.holds(NOW)) == 10_000)
    wait_until(lambda: len(elements(nft("-j", "list", "table", "inet", "banish"), "sshd-ip4")) == 10_000)
    firewall.apply([record._replace(op="unban") for record in records], NOW)
    assert firewall.holds(NOW) == {}


def test_one_hundred_thousand_bans_of_both_families_at_start(firewall: NftablesFirewall, nft: Nft) -> None:
    records = [Record("ban", "sshd", network, math.inf) for network in hosts("198.18.0.0", 50_000)]
    records += [Record("ban", "sshd", network, NOW + 3600) for network in hosts("2001:db8::", 50_000)]
    firewall.replace([SSHD], records, NOW)
    wait_until(lambda: len(elements(nft("-j", "list", "set", "inet", "banish", "sshd-ip4"), "sshd-ip4")) == 50_000)
    wait_until(lambda: len(elements(nft("-j", "list", "set", "inet", "banish", "sshd-ip6"), "sshd-ip6")) == 50_000)


def test_what_the_kernel_does_not_take_at_once_goes_in_parts(nft: Nft) -> None:
    narrow = NftablesFirewall(largest=100_000)
    records = [Record("ban", "sshd", network, NOW + 600) for network in hosts("198.18.0.0", 20_000)]
    narrow.replace([SSHD], records, NOW)
    wait_until(lambda: len(elements(nft("-j", "list", "table", "inet", "banish"), "sshd-ip4")) == 20_000)
    narrow.apply(
        [ban("203.0.113.0/24"), *(record._replace(op="unban") for record in records), ban("203.0.113.0/28")], NOW
    )
    assert {str(network) for _, network in narrow.holds(NOW)} == {"203.0.113.0/24", "203.0.113.0/28"}
    assert narrow.intact()
    narrow.stop()


@pytest.mark.parametrize(
    "damage",
    ["delete table inet banish", "flush ruleset", "delete table inet banish; add table inet banish"],
)
def test_a_lost_table_is_told_from_other_errors_and_can_be_replaced(
    firewall: NftablesFirewall, nft: Nft, damage: str
) -> None:
    firewall.replace([SSHD], [ban("192.0.2.1")], NOW)
    nft(damage)
    assert not firewall.intact()
    for records in ([ban("192.0.2.2")], [unban("192.0.2.1")], [ban("192.0.2.0/24")]):
        with pytest.raises(TableLost):
            firewall.apply(records, NOW)
    with pytest.raises(TableLost):
        firewall.holds(NOW)
    firewall.replace([SSHD], [ban("192.0.2.3")], NOW)
    firewall.apply([ban("192.0.2.0/24")], NOW)
    assert {str(network) for _, network in firewall.holds(NOW)} == {"192.0.2.3/32", "192.0.2.0/24"}


@pytest.mark.parametrize("ranges", [1639, 2000, 32_767])
def test_a_list_of_thousands_of_ports_is_one_rule(firewall: NftablesFirewall, nft: Nft, ranges: int) -> None:
    ports = tuple((number, number) for number in range(1, 2 * ranges, 2))
    firewall.replace([Scope("web", ("tcp",), ports)], [ban("192.0.2.1", jail="web")], NOW)
    listing = nft("list", "chain", "inet", "banish", "pre")
    listed = re.findall(r"tcp dport \{ ([\d, \n\t-]+) \} ip saddr @web-ip4", listing)
    assert [[int(port) for port in one.split(",")] for one in listed] == [[low for low, _ in ports]]
    assert firewall.intact()


def test_only_a_change_of_somebody_elses_disturbs(firewall: NftablesFirewall, nft: Nft) -> None:
    records = [ban("192.0.2.1"), ban("198.51.100.0/24", math.inf), ban("2001:db8::1")]
    firewall.replace([SSHD], records, NOW)
    firewall.apply([ban("192.0.2.2")], NOW)
    assert (firewall.intact(), firewall.disturbed()) == (True, False)
    nft("add table inet filter")
    assert (firewall.intact(), firewall.disturbed()) == (True, True)
    assert firewall.missing(records, NOW) == []
    assert (firewall.intact(), firewall.disturbed()) == (True, False)
    nft("delete element inet banish sshd-ip4-24 { 198.51.100.0 }")
    firewall.apply([ban("192.0.2.3")], NOW)  # does not hide what came before it
    assert (firewall.intact(), firewall.disturbed()) == (True, True)
    assert firewall.missing(records, NOW) == [records[1]]
    assert firewall.disturbed()
    firewall.apply(records, NOW)
    assert firewall.missing(records, NOW) == []
    assert not firewall.disturbed()


@pytest.mark.parametrize("damage", ["flush chain inet banish pre", "delete chain inet banish pre"])
def test_lost_rules_are_noticed_though_the_sets_stand(firewall: NftablesFirewall, nft: Nft, damage: str) -> None:
    firewall.replace([SSHD], [ban("192.0.2.1")], NOW)
    if damage.startswith("delete"):
        nft("flush chain inet banish pre")
    nft(damage)
    assert not firewall.intact()
    firewall.replace([SSHD], [ban("192.0.2.1")], NOW)
    assert firewall.intact()


def test_the_tables_of_others_are_left_alone_and_do_not_matter(firewall: NftablesFirewall, nft: Nft) -> None:
    script = (
        "table inet filter {\n set banned {\n type ipv4_addr\n elements = { 192.0.2.9 }\n }\n chain input {\n }\n}\n"
    )
    nft("-f", "-", script=script)
    before = nft("-j", "list", "table", "inet", "filter")
    firewall.replace([SSHD], [ban("192.0.2.1")], NOW)
    nft("add element inet filter banned { 192.0.2.10 }")
    assert firewall.intact()
    nft("delete element inet filter banned { 192.0.2.10 }")
    firewall.stop()
    assert nft("-j", "list", "table", "inet", "filter") == before
    assert "banish" not in nft("list", "tables")


def test_one_command_undoes_everything(firewall: NftablesFirewall, nft: Nft) -> None:
    firewall.replace([SSHD], [ban("192.0.2.1"), ban("192.0.2.0/24")], NOW)
    nft("delete", "table", "inet", "banish")
    assert nft("list", "ruleset") == ""


def test_a_table_left_by_an_earlier_run_makes_way(firewall: NftablesFirewall) -> None:
    earlier = NftablesFirewall()
    earlier.replace([Scope("old", (), ())], [ban("192.0.2.1", math.inf, "old")], NOW)
    earlier.close()
    firewall.replace([SSHD], [ban("192.0.2.2")], NOW)
    assert set(firewall.holds(NOW)) == {("sshd", net("192.0.2.2"))}


def test_the_table_of_another_process_is_left_alone_for_as_long_as_it_runs(nft: Nft) -> None:
    firewall = NftablesFirewall()
    with subprocess.Popen(["sleep", "60"]) as other:
        started = Path(f"/proc/{other.pid}/stat").read_text().split()[21]
        theirs = f"process {other.pid} started {started}"
        nft("-f", "-", script=f'table inet banish {{ comment "{theirs}"\n }}\n')
        with pytest.raises(FirewallError, match=rf"another banishd \(process {other.pid}\) owns table inet banish"):
            firewall.replace([SSHD], [ban("192.0.2.1")], NOW)
        firewall.stop()
        assert theirs in nft("list", "table", "inet", "banish")
        other.kill()
    firewall.replace([SSHD], [ban("192.0.2.1")], NOW)
    assert owner.mark() in nft("list", "table", "inet", "banish")
    assert owner.running(owner.mark()) is None
    firewall.stop()
    assert nft("list", "ruleset") == ""


def test_a_number_that_another_process_has_now_is_no_owner(firewall: NftablesFirewall, nft: Nft) -> None:
    nft("-f", "-", script='table inet banish { comment "process 1 started 0"\n }\n')
    firewall.replace([SSHD], [ban("192.0.2.1")], NOW)
    assert firewall.intact()


def test_without_the_capability_it_says_which_one_is_needed() -> None:
    assert "Operation not permitted" in (said := without_capabilities(refused_words))
    assert "CAP_NET_ADMIN" in said


def refused_words() -> str:
    try:
        NftablesFirewall().replace([SSHD], [ban("192.0.2.1")], NOW)
    except FirewallError as error:
        return str(error)
    return "no error"


def without_capabilities(run: Callable[[], str]) -> str:
    """Return what *run* returns in a child process that has dropped every capability (capset(2))."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
            dropped = ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)()) == 0
            os.write(sending, (run() if dropped else "capset failed").encode())
        finally:
            os._exit(0)
    os.close(sending)
    with os.fdopen(receiving, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said
