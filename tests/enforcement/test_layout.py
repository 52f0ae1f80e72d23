from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.enforcement.layout import FOR_EVER, LIFTED, AddressSet, Layout, Rule, printable, rules_for
from banish.enforcement.scopes import Record, Scope, Standing
from banish.model import Decision
from tests.networks import net

HOSTS4 = AddressSet("sshd", 4, 32)
HOSTS6 = AddressSet("sshd", 6, 128)
NET24 = AddressSet("sshd", 4, 24)
SSH = ((22, 22),)


def ban(network: str, until: float) -> Record:
    return Record("ban", "sshd", net(network), until)


@pytest.mark.parametrize(
    ("scope", "rules"),
    [
        (Scope("sshd", ("tcp",), SSH), [("tcp", SSH, "drop")]),
        (Scope("sshd", ("tcp", "udp"), SSH), [("tcp", SSH, "drop"), ("udp", SSH, "drop")]),
        (Scope("sshd", ("tcp",), SSH, "reject"), [("tcp", SSH, "reset")]),
        (Scope("sshd", ("udp",), SSH, "reject"), [("udp", SSH, "unreachable")]),
        (Scope("sshd", ("tcp",), ()), [("", (), "drop")]),
        (Scope("sshd", ("tcp",), ((0, 65535),)), [("", (), "drop")]),
        (Scope("sshd", (), ()), [("", (), "drop")]),
        (Scope("sshd", (), (), "reject"), [("tcp", (), "reset"), ("", (), "unreachable")]),
        (Scope("sshd", ("icmp", "ipv6-icmp"), SSH), [("icmp", (), "drop")]),
        (Scope("sshd", ("tcp", "icmp"), SSH), [("tcp", SSH, "drop"), ("icmp", (), "drop")]),
        (Scope("sshd", (), SSH), [(name, SSH, "drop") for name in ("tcp", "udp", "dccp", "sctp", "udplite")]),
    ],
)
def test_what_a_scope_closes(scope: Scope, rules: list[tuple[str, tuple[tuple[int, int], ...], str]]) -> None:
    found = rules_for([scope], HOSTS4)
    assert {(rule.protocol, rule.ports, rule.answer) for rule in found} == set(rules)
    assert len(found) == len(rules)


def test_two_scopes_of_a_jail_share_its_sets_and_what_both_say_is_said_once() -> None:
    tcp, both = Scope("sshd", ("tcp",), SSH), Scope("sshd", ("tcp", "udp"), SSH)
    assert rules_for([tcp, both], HOSTS4) == (Rule(HOSTS4, "tcp", SSH, "drop"), Rule(HOSTS4, "udp", SSH, "drop"))


def test_the_set_of_a_prefix_length_is_made_with_its_first_network_and_only_then() -> None:
    layout = Layout([Scope("sshd", ("tcp",), SSH)])
    first = layout.plan_all([], 0.0)
    assert first.created == [HOSTS4, HOSTS6]
    layout.adopt(first)

    asked = layout.plan([ban("192.0.2.0/24", 60.0)], 0.0)
    assert (asked.created, [rule.addresses for rule in asked.rules]) == ([NET24], [NET24])
    assert layout.plan([ban("192.0.2.0/24", 60.0)], 0.0) == asked  # planning alone changes nothing

    layout.adopt(asked)
    assert layout.plan([ban("198.51.100.0/24", 60.0)], 0.0).created == []


def test_ends_become_the_time_that_remains() -> None:
    layout = Layout([Scope("sshd", ("tcp",), SSH)])
    ends = {"192.0.2.1": 10.0005, "192.0.2.2": math.inf, "192.0.2.3": 9.0, "192.0.2.4": math.nan, "192.0.2.5": 9.00001}
    layout.adopt(layout.plan_all([], 9.0))
    plan = layout.plan([ban(address, until) for address, until in ends.items()], 9.0)
    assert list(plan.elements[HOSTS4].values()) == [1001, FOR_EVER, LIFTED, LIFTED, 1]


def test_usual_names_stay_and_unusual_ones_can_still_be_read_by_nft() -> None:
    assert (HOSTS4.name, HOSTS6.name, NET24.name) == ("sshd-ip4", "sshd-ip6", "sshd-ip4-24")
    assert (HOSTS4.comment, AddressSet('we"b', 4, 32).comment) == ("", "jail we?b")
    assert re.fullmatch(r"jail\.3proxy\.[0-9a-f]{16}-ip4", AddressSet("3proxy", 4, 32).name)


jails = st.one_of(st.text(max_size=8), st.sampled_from(["a", "a-ip4", "a-ip4-24", "a-ip6", "jail.a", printable("a b")]))
sets = st.builds(AddressSet, jails, st.sampled_from([4]), st.sampled_from([24, 25, 32])) | st.builds(
    AddressSet, jails, st.sampled_from([6]), st.sampled_from([24, 64, 128])
)


@given(sets, sets)
@settings(max_examples=300)
def test_different_sets_have_different_names(one: AddressSet, other: AddressSet) -> None:
    assert (one.name == other.name) == (one == other)
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}", one.name)


def test_a_mask_and_back() -> None:
    assert NET24.mask == bytes((255, 255, 255, 0))
    assert AddressSet("sshd", 6, 65).mask == b"\xff" * 8 + b"\x80" + bytes(7)
    assert AddressSet("sshd", 4, 0).mask == bytes(4)
    assert NET24.network(bytes((192, 0, 2, 0))) == net("192.0.2.0/24")


def test_standing_bans_are_records_and_what_waits_comes_behind_them() -> None:
    bans = [
        Decision("sshd", "192.0.2.7", net("192.0.2.7"), 0.0, 60.0),
        Decision("web", "net", net("192.0.2.0/24"), 0.0, math.inf),
    ]
    waiting = Record("unban", "sshd", net("192.0.2.7"), 60.0)
    standing = Standing(bans, [waiting])
    assert list(standing) == [
        Record("ban", "sshd", net("192.0.2.7"), 60.0),
        Record("ban", "web", net("192.0.2.0/24"), math.inf),
        waiting,
    ]
    assert {type(record) for record in standing} == {Record}
    assert (len(standing), standing[0].jail, standing[-1], standing[1:]) == (3, "sshd", waiting, list(standing)[1:])
