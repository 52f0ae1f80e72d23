"""Who a match is about: from captured groups to the id that is counted, and to an address where it is one.

The order is fail2ban's: ``ip4`` before ``ip6`` before ``dns`` before ``fid``. A ``fid`` beside an address is the id, and the
address is told as the field ``ip``. What is an address comes out canonical (IPv6 short and in lower case, IPv4-mapped IPv6 as
IPv4, no brackets, host bits cut), whether it was captured as an address, as a name or as an id: one address, one id.

What only looks like an address (``999.1.1.1``, ``192.0.2.01``) stays an id of mere text, as in fail2ban: it is counted, and
no firewall can be asked to block it. A prefix length that does not fit the address is left out, and so is 0: a log line must
not be able to ban everybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from banish.addresses import Network, parse, show
from banish.matching.tags import UseDns

_REMEMBERED = 4096
"""Addresses whose meaning is remembered (some 4 MB when full), the longest unused forgotten first."""
_LONGEST = 64
"""Characters of a text that is remembered; no address is longer."""


class Identity(NamedTuple):
    """What a match is counted by; see the fields of the same names in ``model.Match``."""

    id: str
    network: Network | None
    name: str | None = None
    ip: str | None = None
    """The address beside an id that is something else."""


def identify(fields: Mapping[str, Any], usedns: UseDns) -> Identity | None:
    """Return who *fields* (captured groups, no None among them) speak of; None when they name nobody.

    Nobody is also a host name under ``usedns = no``, and an id of no characters, which fail2ban would count.
    """
    address = fields.get("ip4") or fields.get("ip6")
    if address:
        cidr = (fields["cidr"] or "") if "cidr" in fields else ""
        who = _typed(address, cidr) if cidr or len(address) > _LONGEST else _remembered(address, "")
        return _beside(_id_text(fields["fid"]), who) if fields.get("fid") else who
    fid = _id_text(fields.get("fid"))
    dns = fields.get("dns")
    if not dns:
        return _typed(fid) if fid else None
    who = _typed(dns)
    if usedns == "raw":
        return _beside(fid, who)
    # A name that leads to addresses is counted by these, even with an id beside it: so does fail2ban.
    if who.network is not None:
        return who
    return None if usedns == "no" else Identity(dns, None, name=dns)


def _beside(fid: str, who: Identity) -> Identity:
    if not fid:
        return who
    id_, network = _typed(fid)[:2]
    return Identity(id_, network, ip=None if id_ == who.id else who.id)


def _id_text(fid: Any) -> str:
    """The text of an id; a compound one (``<F-TUPLE_ID>``) as Python writes tuples, which is what fail2ban's actions see."""
    if isinstance(fid, tuple):
        return str(fid) if any(fid) else ""
    return fid or ""


def _typed(text: str, cidr: str = "") -> Identity:
    return _remembered(text, cidr) if len(text) + len(cidr) <= _LONGEST else _mean(text, cidr)


def _mean(text: str, cidr: str) -> Identity:
    network = parse(f"{text}/{cidr}" if cidr else text)
    if network is None or network.prefixlen == 0:
        host, _, prefix = text.partition("/")
        network = parse(host) if not prefix or prefix.isdecimal() else None
    return Identity(text, None) if network is None else Identity(show(network), network)


_remembered = lru_cache(maxsize=_REMEMBERED)(_mean)
