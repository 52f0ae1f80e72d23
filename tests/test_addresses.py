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
    assert network.of_one_host
    assert network.network_address == address or address.version == 6


@given(st.ip_addresses(), st.integers(0, 128))
def test_a_network_is_what_ipaddress_says_of_it(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, prefixlen: int
) -> None:
    prefixlen = min(prefixlen, address.max_prefixlen)
    theirs = ipaddress.ip_network((address, prefixlen), strict=False)
    ours = addresses.network_of(address.packed, prefixlen)
    assert (ours.version, ours.prefixlen, ours.max_prefixlen) == (theirs.version, prefixlen, theirs.max_prefixlen)
    assert (ours.packed, ours.value) == (theirs.network_address.packed, int(theirs.network_address))
    assert (ours.network_address, str(ours)) == (theirs.network_address, str(theirs))
    assert ours.of_one_host is (theirs.num_addresses == 1)
    assert addresses.stored(bytes(ours)) == ours
    if getattr(theirs.network_address, "ipv4_mapped", None) is None:
        assert addresses.parse(str(theirs)) == ours
        assert hash(addresses.parse(str(theirs))) == hash(ours)


@given(st.data(), st.ip_addresses())
def test_within_agrees_with_ipaddress(
    data: st.DataObject, address: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> None:
    outer_bits = data.draw(st.integers(0, address.max_prefixlen))
    inner_bits = data.draw(st.integers(0, address.max_prefixlen))
    near = data.draw(st.integers(0, 2**address.max_prefixlen - 1)) >> data.draw(st.integers(0, address.max_prefixlen))
    other = (int(address) ^ near).to_bytes(address.max_prefixlen // 8, "big")
    inner, outer = addresses.network_of(other, inner_bits), addresses.network_of(address.packed, outer_bits)
    pair = ipaddress.ip_network(str(inner)), ipaddress.ip_network(str(outer))
    assert addresses.within(inner, outer) is pair[0].subnet_of(pair[1])  # type: ignore[arg-type]


@given(st.text(alphabet="0123456789.", max_size=16))
def test_dotted_quads_are_read_as_ipaddress_reads_them(text: str) -> None:
    try:
        theirs = ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        assert addresses.parse(text) is None
    else:
        assert addresses.parse(text) == addresses.network_of(theirs.network_address.packed, theirs.prefixlen)


@given(st.text(alphabet="0123456789abcdefF:.", max_size=40) | st.ip_addresses(v=6).map(str), st.data())
def test_ipv6_is_read_and_shown_as_ipaddress_has_it(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(text)))
    text = text[:cut] + data.draw(st.sampled_from(["", "0", ":", "::", "192.0.2.7", "."])) + text[cut:]
    if ":" not in text:
        return
    network = addresses.parse(text)
    try:
        theirs = ipaddress.IPv6Address(text)
    except ValueError:
        assert network is None
        return
    shown: ipaddress.IPv4Address | ipaddress.IPv6Address = theirs.ipv4_mapped or theirs
    assert network is not None
    assert (network.packed, network.of_one_host, addresses.show(network)) == (shown.packed, True, str(shown))


def test_bytes_of_a_database_that_are_no_network_are_none() -> None:
    for value in (None, "192.0.2.7", 7, b"", b"\xc0\0\2\7", b"\xc0\0\2\7\x18", b"\xc0\0\2\7\x21", bytes(16) + b"\xff"):
        assert addresses.stored(value) is None


def test_what_cannot_be_a_network_is_refused() -> None:
    for packed, prefixlen in ((bytes(5), 8), (bytes(4), 33), (bytes(16), -1)):
        with pytest.raises(ValueError, match="no network"):
            addresses.network_of(packed, prefixlen)
