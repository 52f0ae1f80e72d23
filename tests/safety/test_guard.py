"""Who is never banned."""

from __future__ import annotations

import pytest

from banish.addresses import Network, parse
from banish.safety.guard import RULES, Guard, Rule, SpareSettings


def net(text: str) -> Network:
    network = parse(text)
    assert network is not None
    return network


def guard(**off: bool) -> Guard:
    made = Guard(SpareSettings(**off))
    made.learn("spare_own", [net("127.0.0.0/8"), net("::1"), net("192.0.2.1"), net("2001:db8::1")])
    made.learn("spare_gateways", [net("192.0.2.254")])
    made.learn("spare_resolvers", [net("198.51.100.53")])
    made.learn("spare_sessions", [net("203.0.113.7"), net("2001:db8:1::7")])
    return made


@pytest.mark.parametrize(
    ("banned", "rule"),
    [
        ("192.0.2.1", "spare_own"),
        ("127.9.9.9", "spare_own"),
        ("::1", "spare_own"),
        ("192.0.2.254", "spare_gateways"),
        ("198.51.100.53", "spare_resolvers"),
        ("203.0.113.7", "spare_sessions"),
        ("::ffff:203.0.113.7", "spare_sessions"),
        ("203.0.113.0/24", "spare_sessions"),
        ("2001:db8:1::/64", "spare_sessions"),
        ("0.0.0.0/0", "spare_own"),
        ("198.51.100.54", None),
        ("203.0.113.8/29", None),
        ("2001:db8:2::/64", None),
    ],
)
def test_each_rule_refuses_what_it_protects_and_networks_that_hold_it(banned: str, rule: Rule | None) -> None:
    refusal = guard().refusal(net(banned))
    assert (refusal and refusal.rule) == rule


@pytest.mark.parametrize(
    ("rule", "banned"), [*zip(RULES, ["192.0.2.1", "192.0.2.254", "198.51.100.53", "203.0.113.7"], strict=True)]
)
def test_each_rule_can_be_switched_off_alone(rule: Rule, banned: str) -> None:
    assert guard(**{rule: False}).refusal(net(banned)) is None
    others = {other: False for other in RULES if other != rule}
    assert guard(**others).refusal(net(banned)) is not None


def test_the_reason_names_what_is_protected_and_how_to_allow_it() -> None:
    refusal = guard().refusal(net("203.0.113.0/24"))
    assert refusal is not None
    assert refusal.reason(net("203.0.113.0/24")) == (
        "holds 203.0.113.7, the peer of an ssh session that is logged in (spare_sessions = no in banish.local allows it)"
    )


def test_what_is_learned_replaces_what_was_known_and_only_news_is_told() -> None:
    made = guard()
    assert made.learn("spare_sessions", [net("203.0.113.7"), net("203.0.113.9")]) == {net("203.0.113.9")}
    assert made.learn("spare_sessions", [net("203.0.113.9")]) == frozenset()
    assert made.refusal(net("203.0.113.7")) is None
    made.configure(SpareSettings(spare_sessions=False))
    assert made.learn("spare_sessions", [net("203.0.113.8")]) == frozenset(), "a rule that is off has nothing to tell"
    assert made.refusal(net("203.0.113.8")) is None
    made.configure(SpareSettings())
    assert made.refusal(net("203.0.113.8")) is not None
