"""What others do to our table is heard, with their name; what they do elsewhere is not looked into."""

from __future__ import annotations

import select
from collections.abc import Iterator

import pytest

from banish.enforcement.nftables import NftablesFirewall
from banish.enforcement.roster import Disturbance, TableLost
from banish.enforcement.scopes import Record, Scope
from tests.conftest import Nft
from tests.networks import hosts, net

pytestmark = pytest.mark.netns

NOW = 1_700_000_000.0
SCOPES = [Scope("sshd", ("tcp",), ((22, 22),))]


def ban(network: str, left: float = 600) -> Record:
    return Record("ban", "sshd", net(network), NOW + left)


@pytest.fixture
def firewall() -> Iterator[NftablesFirewall]:
    firewall = NftablesFirewall()
    firewall.replace(SCOPES, [ban("192.0.2.1"), ban("192.0.2.2"), ban("2001:db8::/64")], NOW)
    assert firewall.listen() is not None
    yield firewall
    firewall.stop()


def readable(firewall: NftablesFirewall) -> bool:
    descriptor = firewall.listen()
    assert descriptor is not None
    return bool(select.select([descriptor], [], [], 0.0)[0])


def heard(firewall: NftablesFirewall) -> Disturbance:
    assert readable(firewall)
    found = firewall.heard()
    assert found is not None
    assert firewall.heard() is None
    assert not readable(firewall)
    return found


@pytest.mark.parametrize(
    "words",
    [
        "flush ruleset",
        "delete table inet banish",
        "flush chain inet banish pre",
        "add rule inet banish pre accept",
        "add chain inet banish more",
    ],
)
def test_whoever_touches_the_table_is_named(firewall: NftablesFirewall, nft: Nft, words: str) -> None:
    nft(*words.split())
    found = heard(firewall)
    assert found.more
    assert found.culprit.startswith("nft (process ")


def test_bans_that_are_removed_are_named_one_by_one(firewall: NftablesFirewall, nft: Nft) -> None:
    nft("-f", "-", script="delete element inet banish sshd-ip4 { 192.0.2.1 }\nflush set inet banish sshd-ip6-64\n")
    found = heard(firewall)
    assert set(found.touched) == {("sshd", net("192.0.2.1")), ("sshd", net("2001:db8::/64"))}
    assert not found.more


def test_what_we_do_ourselves_is_no_disturbance(firewall: NftablesFirewall) -> None:
    firewall.apply([ban("192.0.2.3"), ban("192.0.2.1", 900), Record("unban", "sshd", net("192.0.2.2"), NOW)], NOW)
    assert firewall.heard() is None
    many = [Record("ban", "sshd", network, NOW + 600) for network in hosts("198.18.0.0", 20_000)]
    firewall.apply(many, NOW)
    firewall.replace(SCOPES, many, NOW)
    assert firewall.heard() is None
    assert not readable(firewall)
    assert firewall.intact()
    assert not firewall.disturbed()


def test_another_table_may_change_as_often_as_it_likes(
    firewall: NftablesFirewall, nft: Nft, monkeypatch: pytest.MonkeyPatch
) -> None:
    nft("add", "table", "inet", "banish2")
    firewall.apply([ban("192.0.2.3")], NOW)
    nft("-f", "-", script="add table ip banish\nadd chain ip banish pre\n")
    firewall.apply([ban("192.0.2.4")], NOW)
    assert firewall.heard() is None
    monkeypatch.setattr("banish.enforcement.netlink.Netlink.dump", lambda *_: pytest.fail("nothing is to be listed"))
    assert firewall.intact()
    assert not firewall.disturbed()


def test_what_was_done_before_anybody_listened_is_looked_into(nft: Nft) -> None:
    firewall = NftablesFirewall()
    firewall.replace(SCOPES, [ban("192.0.2.1")], NOW)
    nft("flush", "set", "inet", "banish", "sshd-ip4")
    firewall.listen()
    found = firewall.heard()
    assert found is not None
    assert (found.more, found.culprit) == (True, "")
    assert firewall.intact()
    assert firewall.disturbed()
    firewall.stop()


def test_more_than_there_is_room_for_means_look(firewall: NftablesFirewall, nft: Nft) -> None:
    many = [Record("ban", "sshd", network, NOW + 600) for network in hosts("198.18.0.0", 60_000)]
    firewall.apply(many, NOW)
    nft("flush", "set", "inet", "banish", "sshd-ip4")
    found = heard(firewall)
    assert found.more
    assert firewall.intact()
    assert firewall.disturbed()
    assert len(firewall.missing([*many, ban("192.0.2.1")], NOW)) == 60_001


def test_it_goes_on_listening_after_a_transaction_that_was_refused(firewall: NftablesFirewall, nft: Nft) -> None:
    nft("delete", "table", "inet", "banish")
    many = [Record("ban", "sshd", network, NOW + 600) for network in hosts("198.18.0.0", 20_000)]
    with pytest.raises(TableLost):
        firewall.apply(many, NOW)
    found = firewall.heard()  # perhaps read already, when it stopped listening for the transaction
    assert found is not None
    assert found.more
    firewall.replace(SCOPES, many, NOW)
    nft("delete", "table", "inet", "banish")
    assert heard(firewall).culprit.startswith("nft ")
