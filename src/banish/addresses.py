"""Addresses and networks: text becomes typed here, once, at the edge.

An *address* is one host, a *network* has a prefix; the package passes networks (a host is a /32 or /128) and shows a host
without its prefix. IPv4-mapped IPv6 (``::ffff:192.0.2.7``, RFC 4291 section 2.5.5.2) is the IPv4 address, because that is how
the packet arrives. Parsing is strict as inet_pton(3) is: no leading zeros, no ``1.2.3``, no zone index.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_MAPPED_PREFIX = 96


def network_of(packed: bytes, prefixlen: int | None = None) -> Network:
    """Return the network that *packed* (4 or 16 bytes, as in a packet) lies in; without *prefixlen* that one address.

    >>> network_of(bytes((192, 0, 2, 9)), 24)
    IPv4Network('192.0.2.0/24')
    """
    bits = len(packed) * 8 if prefixlen is None else prefixlen
    if len(packed) == 4:
        return IPv4Network((packed, bits), strict=False)
    return IPv6Network((packed, bits), strict=False)


@lru_cache(maxsize=65536)
def parse(text: str) -> Network | None:
    """Return the network *text* names, or None when it is neither an address nor a network (a host name, for one).

    Accepts an address, CIDR, ``IP/netmask`` and IPv6 in brackets. Host bits beyond the prefix are cut.

    >>> parse("192.0.2.7"), parse("::ffff:192.0.2.7"), parse("[2001:db8::1]"), parse("192.0.2.9/24"), parse("example.org")
    (IPv4Network('192.0.2.7/32'), IPv4Network('192.0.2.7/32'), IPv6Network('2001:db8::1/128'), IPv4Network('192.0.2.0/24'), None)
    """
    text = _bare(text)
    if "%" in text:
        return None
    try:
        if ":" not in text:
            return IPv4Network(text, strict=False)
        network = IPv6Network(text, strict=False)
    except ValueError:
        return None
    mapped = network.network_address.ipv4_mapped
    if mapped is not None and network.prefixlen >= _MAPPED_PREFIX:
        return IPv4Network((mapped, network.prefixlen - _MAPPED_PREFIX), strict=False)
    return network


def has_host_bits(text: str) -> bool:
    """True when *text* is a network with bits set beyond its prefix, which ``parse`` cuts: was it meant so wide?

    False for what is no network at all.

    >>> has_host_bits("198.51.100.9/8"), has_host_bits("198.0.0.0/8"), has_host_bits("198.51.100.9")
    (True, False, False)
    """
    if parse(text) is None:
        return False
    text = _bare(text)
    interface = IPv6Interface(text) if ":" in text else IPv4Interface(text)
    return interface.ip != interface.network.network_address


def show(network: Network) -> str:
    """Return *network* as people read it: a host without its prefix, anything wider with it.

    >>> show(parse("192.0.2.7/32")), show(parse("2001:db8::/64"))
    ('192.0.2.7', '2001:db8::/64')
    """
    if network.prefixlen == network.max_prefixlen:
        return str(network.network_address)
    return str(network)


def within(inner: Network, outer: Network) -> bool:
    """True when every address of *inner* is in *outer*; networks of different families never are."""
    if isinstance(inner, IPv4Network):
        return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and inner.subnet_of(outer)


def _bare(text: str) -> str:
    """Return *text* without the brackets of an IPv6 address; empty when one is missing."""
    text = text.strip()
    if not text.startswith("["):
        return text
    closing = text.find("]")
    return text[1:closing] + text[closing + 1 :] if closing > 0 else ""
