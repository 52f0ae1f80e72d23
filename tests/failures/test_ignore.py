"""ignoreip and ignoreself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banish import addresses
from banish.addresses import Network
from banish.failures.ignore import IgnoreRules, IgnoreSettings, NetworkSet


def net(text: str) -> Network:
    network = addresses.parse(text)
    assert network is not None
    return network


def rules(*items: str, own: tuple[str, ...] = (), ignoreself: bool = True) -> IgnoreRules:
    made = IgnoreRules(IgnoreSettings(items, ignoreself))
    made.learn_own(net(text) for text in own)
    return made


def asked(made: IgnoreRules, text: str) -> str | None:
    return made.rule(text, addresses.parse(text))


@pytest.mark.parametrize(
    ("item", "spared", "counted"),
    [
        ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
        ("192.0.2.0/255.255.255.0", "192.0.2.9", "192.0.3.9"),
        ("2001:db8::/32", "2001:db8:1::9", "2001:db9::1"),
        ("::ffff:192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("0.0.0.0/0", "203.0.113.1", "2001:db8::1"),
        ("mallory", "mallory", "192.0.2.7"),
    ],
)
def test_an_item_spares_what_it_covers(item: str, spared: str, counted: str) -> None:
    assert asked(rules(item), spared) == "ip"
    assert asked(rules(item), counted) is None


def test_own_addresses_are_spared_unless_told_otherwise() -> None:
    assert asked(rules(own=("192.0.2.1",)), "192.0.2.1") == "ignoreself rule"
    assert asked(rules(own=("192.0.2.1",), ignoreself=False), "192.0.2.1") is None


def test_a_network_is_spared_when_it_would_hit_an_ignored_address() -> None:
    assert asked(rules("192.0.2.9"), "192.0.2.0/24") == "ip"
    assert asked(rules("192.0.2.9"), "192.0.3.0/24") is None


def test_a_name_matches_nothing_until_it_is_resolved() -> None:
    made = rules("office.example.org")
    assert made.names == ("office.example.org",)
    assert asked(made, "198.51.100.4") is None
    made.learn("office.example.org", [net("198.51.100.4")])
    assert asked(made, "198.51.100.4") == "dns"
    made.learn("office.example.org", [net("198.51.100.5")])
    assert asked(made, "198.51.100.4") is None


def test_a_file_brings_its_own_items() -> None:
    made = rules("file:/etc/banish/friends")
    assert made.files == ("file:/etc/banish/friends",)
    made.learn("file:/etc/banish/friends", [net("198.51.100.0/28")], ["alice"])
    assert asked(made, "198.51.100.4") == "file:/etc/banish/friends"
    assert asked(made, "alice") == "file:/etc/banish/friends"


networks = st.builds(
    lambda value, prefix: addresses.parse(
        f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}/{prefix}"
    ),
    st.integers(0, 2**32 - 1),
    st.integers(20, 32),
)


@given(st.lists(networks, max_size=8), networks)
def test_the_set_agrees_with_asking_every_network(ours: list[Network], asked_for: Network) -> None:
    plain = any(addresses.within(asked_for, one) or addresses.within(one, asked_for) for one in ours)
    assert NetworkSet(ours).touches(asked_for) == plain


def test_whoever_is_spared_is_within_reach() -> None:
    made = rules("192.0.2.0/24", "name.example", "file:/a", own=("198.51.100.1",))
    made.learn("name.example", [net("203.0.113.1")])
    made.learn("file:/a", [net("203.0.113.2")], ["text"])
    networks, texts = made.reach
    reach = {net(text) for text in ("192.0.2.0/24", "198.51.100.1", "203.0.113.1", "203.0.113.2")}
    assert networks == reach
    assert texts == {"name.example", "text"}
    assert net("198.51.100.1") not in rules(own=("198.51.100.1",), ignoreself=False).reach[0]


def test_what_was_said_of_an_id_holds_until_a_rule_changes() -> None:
    asked = IgnoreRules(IgnoreSettings(("host.example.org",)))
    one = addresses.parse("192.0.2.7")
    assert one is not None
    said = []
    for own, named in (((), ()), ((one,), ()), ((), (one,)), ((), (one,)), ((), ())):
        asked.learn_own(own)
        asked.learn("host.example.org", named)
        said += [asked.rule("192.0.2.7", one), asked.rule("192.0.2.7", one)]
    assert said == [None, None, "ignoreself rule", "ignoreself rule", "dns", "dns", "dns", "dns", None, None]


def test_an_id_that_is_no_address_here_may_be_one_there() -> None:
    asked = IgnoreRules(IgnoreSettings(("192.0.2.0/24",)))
    assert [asked.rule("192.0.2.7", network) for network in (None, addresses.parse("192.0.2.7"), None)] == [
        None,
        "ip",
        None,
    ]


def test_what_is_remembered_of_ids_is_bounded() -> None:
    asked = IgnoreRules(IgnoreSettings())
    for number in range(5000):
        assert asked.rule(f"id {number}", None) is None
        asked.rule(f"{number}" * 100, None)
    assert len(asked._said) <= 2048
    assert max(map(len, asked._said)) <= 64
