"""Text to addresses and networks, once, at the edge."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banish import addresses


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("192.0.2.7", "192.0.2.7"),
        (" 192.0.2.7 ", "192.0.2.7"),
        ("192.0.2.7/32", "192.0.2.7"),
        ("192.0.2.9/24", "192.0.2.0/24"),
        ("192.0.2.0/255.255.255.0", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("[2001:db8::]/64", "2001:db8::/64"),
        ("2001:0db8:0:0::0001", "2001:db8::1"),
    ],
)
def test_addresses_are_shown_in_their_one_form(text: str, shown: str) -> None:
    network = addresses.parse(text)
    assert network is not None
    assert addresses.show(network) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.org",
        "1.2.3",
        "192.0.2.007",
        "192.0.2.256",
        "999.1.1.1",
        "192.0.2.7/33",
        "fe80::1%eth0",
        "[",
        "[]",
        "1234",
        "/8",
    ],
)
def test_what_is_neither_address_nor_network(text: str) -> None:
    assert addresses.parse(text) is None


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("198.51.100.9/8", True), ("192.0.2.9/255.255.255.0", True), ("[2001:db8::1]/64", True), ("::ffff:192.0.2.9/120", True),
        ("192.0.2.0/24", False), ("192.0.2.9", False), ("192.0.2.9/32", False), ("2001:db8::/32", False), ("0.0.0.0/0", False),
        ("::ffff:192.0.2.0/120", False), ("192.0.2.9/33", False), ("example.org/8", False), ("", False), ("[", False),
    ],
)  # fmt: skip
def test_a_network_written_with_the_address_of_a_host_is_told(text: str, cut: bool) -> None:
    assert addresses.has_host_bits(text) is cut


@given(st.text(alphabet="0123456789abcdef.:/[]% ", max_size=40))
def test_host_bits_of_any_text_are_answered(text: str) -> None:
    assert not addresses.has_host_bits(text) or addresses.parse(text) is not None


@given(st.text(max_size=40))
def test_any_text_is_answered(text: str) -> None:
    network = addresses.parse(text)
    if network is not None:
        assert addresses.parse(addresses.show(network)) == network


@given(st.ip_addresses())
def test_every_address_is_a_host(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    network = addresses.parse(str(address))
    assert network is not None
    assert network.num_addresses == 1
