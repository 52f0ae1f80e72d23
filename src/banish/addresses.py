"""Addresses and networks: text becomes typed here, once, at the edge.

An *address* is one host, a *network* has a prefix; the package passes networks (a host is a /32 or /128) and shows a host
without its prefix. IPv4-mapped IPv6 (``::ffff:192.0.2.7``, RFC 4291 section 2.5.5.2) is the IPv4 address, because that is how
the packet arrives. Parsing is strict as inet_pton(3) is: no leading zeros, no ``1.2.3``, no zone index.

There may be half a million networks at once, so `Network` is a type of our own: a fifth of the size of those of ``ipaddress``,
and made in a tenth of the time (docs/decisions/0005-half-a-million-bans.md).
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from socket import AF_INET6, inet_ntop, inet_pton
from typing import Final

Address = IPv4Address | IPv6Address

_MAPPED_PREFIX, _MAPPED = 96, bytes(10) + b"\xff\xff"
_REMEMBERED = 1024
"""Texts whose meaning is remembered, the longest unused forgotten first."""
_LONGEST = 64
"""Characters of a text that is remembered; no address is longer, and who writes a log line may write more."""
_OCTETS: Final = frozenset(map(str, range(256)))


class Network(bytes):
    """A network: its first address in network order, and one byte with the length of its prefix.

    Those bytes are the value: networks are equal when they are, and a database keeps them as they are. `parse` makes one of
    text, `network_of` of an address as a packet has it; bits beyond the prefix are never set.
    """

    __slots__ = ()

    @property
    def version(self) -> int:
        """4 or 6."""
        return 4 if len(self) == 5 else 6

    @property
    def prefixlen(self) -> int:
        """The bits that are given: 0 to `max_prefixlen`."""
        return self[-1]

    @property
    def max_prefixlen(self) -> int:
        """The bits of an address: 32 or 128."""
        return len(self) * 8 - 8

    @property
    def packed(self) -> bytes:
        """The first address as in a packet: 4 or 16 bytes, network order."""
        return self[:-1]

    @property
    def value(self) -> int:
        """The first address as a number."""
        return int.from_bytes(self[:-1], "big")

    @property
    def of_one_host(self) -> bool:
        """Whether it is one address: a /32 or /128."""
        return self[-1] == len(self) * 8 - 8

    @property
    def network_address(self) -> Address:
        """The first address, as ``ipaddress`` has it."""
        return IPv4Address(self[:-1]) if len(self) == 5 else IPv6Address(self[:-1])

    def __str__(self) -> str:
        if len(self) == 5:
            return f"{'.'.join(map(str, self[:-1]))}/{self[-1]}"
        return f"{_show6(self[:-1])}/{self[-1]}"

    def __repr__(self) -> str:
        return f"Network({str(self)!r})"


def network_of(packed: bytes, prefixlen: int | None = None) -> Network:
    """Return the network that *packed* (4 or 16 bytes, as in a packet) lies in; without *prefixlen* that one address.

    Raises ValueError for what can be none: another length, or a prefix that does not fit.

    >>> network_of(bytes((192, 0, 2, 9)), 24)
    Network('192.0.2.0/24')
    """
    bits = len(packed) * 8
    if bits not in (32, 128) or (prefixlen is not None and not 0 <= prefixlen <= bits):
        raise ValueError(f"{packed!r}/{prefixlen} is no network")
    if prefixlen is None or prefixlen == bits:
        return Network(packed + bytes((bits,)))
    beyond = bits - prefixlen
    return Network((int.from_bytes(packed, "big") >> beyond << beyond).to_bytes(bits // 8, "big") + bytes((prefixlen,)))


def stored(value: object) -> Network | None:
    """Return the network whose bytes *value* are, as a database gives them back; None when it is not one.

    >>> stored(bytes((192, 0, 2, 0, 24))), stored(bytes((192, 0, 2, 0, 33)))
    (Network('192.0.2.0/24'), None)
    """
    if not isinstance(value, bytes) or len(value) not in (5, 17):
        return None
    if value[-1] == len(value) * 8 - 8:
        return Network(value)
    try:
        network = network_of(value[:-1], value[-1])
    except ValueError:
        return None
    return network if network == value else None


def parse(text: str) -> Network | None:
    """Return the network *text* names, or None when it is neither an address nor a network (a host name, for one).

    Accepts an address, CIDR, ``IP/netmask`` and IPv6 in brackets. Host bits beyond the prefix are cut.

    >>> parse("192.0.2.7"), parse("::ffff:192.0.2.7"), parse("[2001:db8::1]"), parse("192.0.2.9/24"), parse("example.org")
    (Network('192.0.2.7/32'), Network('192.0.2.7/32'), Network('2001:db8::1/128'), Network('192.0.2.0/24'), None)
    """
    return _remembered(text) if len(text) <= _LONGEST else _parse(text)


def _parse(text: str) -> Network | None:
    text = _bare(text)
    if ":" not in text and "/" not in text:
        octets = text.split(".")
        return Network((*map(int, octets), 32)) if len(octets) == 4 and _OCTETS.issuperset(octets) else None
    if "%" in text:
        return None
    try:
        if "/" not in text:  # most are hosts: in a tenth of the time that ``ipaddress`` takes
            packed = inet_pton(AF_INET6, text)
            return Network(packed[12:] + b"\x20" if packed.startswith(_MAPPED) else packed + b"\x80")
        if ":" not in text:
            found = IPv4Network(text, strict=False)
            return network_of(found.network_address.packed, found.prefixlen)
        network = IPv6Network(text, strict=False)
    except (ValueError, OSError):
        return None
    mapped = network.network_address.ipv4_mapped
    if mapped is not None and network.prefixlen >= _MAPPED_PREFIX:
        return network_of(mapped.packed, network.prefixlen - _MAPPED_PREFIX)
    return network_of(network.network_address.packed, network.prefixlen)


_remembered = lru_cache(maxsize=_REMEMBERED)(_parse)


def has_host_bits(text: str) -> bool:
    """True when *text* is a network with bits set beyond its prefix, which ``parse`` cuts: was it meant so wide?

    False for what is no network at all.

    >>> has_host_bits("198.51.100.9/8"), has_host_bits("198.0.0.0/8"), has_host_bits("198.51.100.9")
    (True, False, False)
    """
    if "/" not in text or parse(text) is None:
        return False
    text = _bare(text)
    interface = IPv6Interface(text) if ":" in text else IPv4Interface(text)
    return interface.ip != interface.network.network_address


def show(network: Network) -> str:
    """Return *network* as people read it: a host without its prefix, anything wider with it.

    >>> show(parse("192.0.2.7/32")), show(parse("2001:db8::/64"))
    ('192.0.2.7', '2001:db8::/64')
    """
    if network[-1] != len(network) * 8 - 8:
        return str(network)
    if len(network) == 5:
        return ".".join(map(str, network[:-1]))
    return _show6(network[:-1])


def _show6(packed: bytes) -> str:
    """Return an IPv6 address as RFC 5952 has it; inet_ntop(3) writes the last 32 bits as IPv4 where there is nothing before them."""
    text = inet_ntop(AF_INET6, packed)
    return str(IPv6Address(packed)) if "." in text else text


def within(inner: Network, outer: Network) -> bool:
    """True when every address of *inner* is in *outer*; networks of different families never are."""
    if len(inner) != len(outer) or inner[-1] < outer[-1]:
        return False
    return (inner.value ^ outer.value) >> (outer.max_prefixlen - outer[-1]) == 0


def _bare(text: str) -> str:
    """Return *text* without the brackets of an IPv6 address; empty when one is missing."""
    text = text.strip()
    if not text.startswith("["):
        return text
    closing = text.find("]")
    return text[1:closing] + text[closing + 1 :] if closing > 0 else ""
