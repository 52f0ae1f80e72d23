"""What is nobody else's business does not leave the house."""

from __future__ import annotations

import pytest

from banish.errors import ConfigError
from banish.reporting.redaction import Redaction, parse

ALL = parse("all")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Failed password for alice from 192.0.2.7 port 22", "Failed password for [user] from 192.0.2.7 port 22"),
        ("alice.b and malice are others", "[user].b and malice are others"),
        ("www1 sshd[1]: to 198.51.100.1:22, from 192.0.2.7.", "[host] sshd[1]: to [address]:22, from 192.0.2.7."),
        ("[2001:db8::1]:443 <- ::ffff:198.51.100.9, fe80::1%eth0", "[[address]]:443 <- [address], [address]%eth0"),
        (
            "at 12:30:45, version 1.2.3, 999.1.1.1, :: and a::b",
            "at 12:30:45, version 1.2.3, 999.1.1.1, [address] and [address]",
        ),
        ("abc:198.51.100.1 ::ffff:192.0.2.7", "abc:[address] ::ffff:192.0.2.7"),
        ("www1.example.org said hello", "[host] said hello"),
    ],
)
def test_all(line: str, told: str) -> None:
    redact = Redaction(ALL, offender="192.0.2.7", users=["alice"], hosts=["www1.example.org", "www1"])
    assert redact(line) == told


def test_the_offenders_network_may_be_told() -> None:
    redact = Redaction(parse("addresses"), offender="2001:db8:7::/64", users=["alice"])
    assert redact("alice 2001:db8:7::5 2001:db8:8::5") == "alice 2001:db8:7::5 [address]"


def test_nothing_is_taken_out_unless_asked_for() -> None:
    assert Redaction(parse("no"), offender="192.0.2.7", users=["a"])("a 198.51.100.1") == "a 198.51.100.1"
    assert Redaction(parse(""))("a") == "a"
    with pytest.raises(ConfigError, match="asks for what is not known"):
        parse("names")
