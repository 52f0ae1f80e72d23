"""Ports and protocols: jail.conf(5)'s ``port`` and ``protocol`` become numbers and canonical names here, once.

``port`` is a list, separated by commas or blanks, of numbers, service names and ranges (``8000:8080``, ``8000-8080``). Names
are looked up in services(5); for hosts that have no such file (small containers) the names of common services are known here.
``protocol`` is a list of names, or ``all``.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable

from banish.enforcement.scopes import Ports

PROTOCOLS = {
    "tcp": 6,
    "udp": 17,
    "dccp": 33,
    "sctp": 132,
    "udplite": 136,
    "icmp": 1,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "ipv6-icmp": 58,
}
"""IANA protocol numbers, by the names of protocols(5)."""

WITH_PORTS = ("tcp", "udp", "sctp", "dccp", "udplite")
"""The protocols that carry a destination port, in the third and fourth byte of their header."""

LAST_PORT = 65535

_ALIASES = {"icmpv6": "ipv6-icmp", "icmp6": "ipv6-icmp", **{str(number): name for name, number in PROTOCOLS.items()}}
_EVERY_PROTOCOL = {"all", "any", "0"}
_NUMERIC_RANGE = re.compile(r"(\d+)[-:](\d+)")
_SEPARATOR = re.compile(r"[,\s]+")

# IANA's service registry; only asked when services(5) does not know the name.
_COMMON_SERVICES = {
    "domain": 53,
    "ftp": 21,
    "ftp-data": 20,
    "ftps": 990,
    "ftps-data": 989,
    "http": 80,
    "https": 443,
    "imap": 143,
    "imap2": 143,
    "imap3": 220,
    "imaps": 993,
    "ldap": 389,
    "ldaps": 636,
    "mysql": 3306,
    "pop3": 110,
    "pop3s": 995,
    "postgresql": 5432,
    "sieve": 4190,
    "sip": 5060,
    "smtp": 25,
    "smtps": 465,
    "socks": 1080,
    "ssh": 22,
    "ssmtp": 465,
    "submission": 587,
    "submissions": 465,
    "telnet": 23,
}


def service_port(name: str) -> int | None:
    """Return the port of service *name*, or None when nobody knows it."""
    try:
        return socket.getservbyname(name)
    except (OSError, ValueError):
        return _COMMON_SERVICES.get(name)


def parse_ports(text: str, lookup: Callable[[str], int | None] = service_port) -> Ports:
    """Return the ranges *text* stands for, sorted and joined; empty when they are all ports.

    Raises ValueError, naming the part, when there is none or one cannot be read.

    >>> parse_ports("ssh, 8000:8080 443"), parse_ports("0:65535")
    (((22, 22), (443, 443), (8000, 8080)), ())
    """
    parts = [part for part in _SEPARATOR.split(text.strip()) if part]
    if not parts:
        raise ValueError("no port is given")
    return joined(_range(part, lookup) for part in parts)


def joined(ranges: Iterable[tuple[int, int]]) -> Ports:
    """Return *ranges* sorted, with those that overlap or touch made one; empty when that is every port.

    >>> joined([(90, 95), (22, 22), (80, 89)])
    ((22, 22), (80, 95))
    """
    result: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    # Port 0 is reserved and never arrives: 1:65535 is meant as "all" as well.
    if len(result) == 1 and result[0][0] <= 1 and result[0][1] == LAST_PORT:
        return ()
    return tuple(result)


def parse_protocols(text: str) -> tuple[str, ...]:
    """Return the canonical names in *text*, each once, in its order; empty for ``all``.

    Raises ValueError, naming the part, when there is none or one is not known.

    >>> parse_protocols("tcp,udp"), parse_protocols("all"), parse_protocols("icmpv6")
    (('tcp', 'udp'), (), ('ipv6-icmp',))
    """
    parts = [part.lower() for part in _SEPARATOR.split(text.strip()) if part]
    if not parts:
        raise ValueError("no protocol is given")
    if any(part in _EVERY_PROTOCOL for part in parts):
        return ()
    names = [_ALIASES.get(part, part) for part in parts]
    for part, name in zip(parts, names, strict=True):
        if name not in PROTOCOLS:
            raise ValueError(f"{part!r} is not a protocol that can be blocked")
    return tuple(dict.fromkeys(names))


def _range(part: str, lookup: Callable[[str], int | None]) -> tuple[int, int]:
    numeric = _NUMERIC_RANGE.fullmatch(part)
    if numeric:
        ends = numeric[1], numeric[2]
    elif ":" in part:
        # A service name may hold a hyphen (ftp-data) but no colon, so names make a range with a colon only.
        first, _, last = part.partition(":")
        ends = first, last
    else:
        ends = part, part
    low, high = (_port(end, part, lookup) for end in ends)
    if low > high:
        raise ValueError(f"{part!r} is not a range of ports: it ends before it begins")
    return low, high


def _port(text: str, part: str, lookup: Callable[[str], int | None]) -> int:
    if text.isascii() and text.isdigit():
        # The length is looked at first because int() refuses thousands of digits with an error of its own.
        number = int(text) if len(text) <= 9 else LAST_PORT + 1
        if number > LAST_PORT:
            raise ValueError(f"{part!r} is not a port: ports go up to {LAST_PORT}")
        return number
    found = lookup(text) if text else None
    if found is None:
        raise ValueError(f"{part!r} is not a port: no such service in /etc/services")
    return found
