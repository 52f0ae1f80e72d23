"""What stands in table ``inet banish``: which sets, which rules, which set a ban belongs to.

This is the layout as values. ``nftables`` makes netlink messages of it and ``dryrun`` the text of nft(8), and so both build the
same table. Its law:

* A set for every jail, family and prefix length. Hosts lie in ``sshd-ip4`` and ``sshd-ip6``; the networks of a length in a set
  of their own (``sshd-ip4-24``), which is made with the first of them and looked up by the masked source address. These are
  hash sets: adding to one costs the same however much it holds, and networks that overlap never touch each other. (Interval
  sets cost more the more they hold, refuse overlaps, and with auto-merge forget the longer ban.)
* One chain at prerouting, priority -310: before connection tracking (-200) and before DNAT (-100), so that published container
  ports are covered, established connections die, and ports are those the client aimed at. Loopback is never blocked, nor is
  IPv6 neighbour discovery: a ban of a network that the router is in must not take the host off its link (for IPv4 that is
  ARP, which no ban reaches either).
* The kernel ends a ban by itself: an element carries the time that remains.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from banish.addresses import Network, network_of
from banish.enforcement.ports import WITH_PORTS, joined
from banish.enforcement.scopes import Ports, Record, Scope

TABLE = "banish"
CHAIN = "pre"
PRIORITY = -310

NEIGHBOUR_DISCOVERY = {134: "nd-router-advert", 135: "nd-neighbor-solicit", 136: "nd-neighbor-advert"}
"""ICMPv6 types that are never blocked (RFC 4861), with nft's names for them."""

FOR_EVER = 0
LIFTED = -1
"""In place of milliseconds: the element is to be gone."""

SLACK = 5.0
"""Seconds by which a ban may end sooner than it should before it counts as missing: clocks drift apart, listings take time."""

_LONGEST = 100 * 365 * 86_400_000  # the kernel counts nanoseconds in 64 bits and refuses what overflows (584 years)
_LONGEST_SECONDS = _LONGEST // 1000
_PLAIN_NAME = re.compile(r"(?!jail\.)[A-Za-z_][A-Za-z0-9_.-]{0,99}")
_UNWANTED = re.compile(r"[^A-Za-z0-9_-]+")
_UNQUOTABLE = re.compile(r"[^ !#-\[\]-~]")  # all but printable ASCII, the quotation mark and the backslash
_ONE_FAMILY = {"icmp": 4, "ipv6-icmp": 6}

Answer = Literal["drop", "reset", "unreachable"]
"""What becomes of a packet: nothing at all, ``reject with tcp reset``, or ``reject with icmp port-unreachable``."""


class AddressSet(NamedTuple):
    """One set of banned networks."""

    jail: str
    version: int
    """4 or 6."""
    prefixlen: int

    @property
    def bits(self) -> int:
        return 32 if self.version == 4 else 128

    @property
    def of_hosts(self) -> bool:
        return self.prefixlen == self.bits

    @property
    def name(self) -> str:
        """The name in the kernel; different sets have different names, whatever the jails are called."""
        family = f"{printable(self.jail)}-ip{self.version}"
        return family if self.of_hosts else f"{family}-{self.prefixlen}"

    @property
    def comment(self) -> str:
        """The jail's name where the set's name could not hold it, as far as nft can show it; else nothing."""
        if printable(self.jail) == self.jail:
            return ""
        # nft knows no escape inside its quotation marks; its limit is 128 bytes with the final zero.
        return f"jail {_UNQUOTABLE.sub('?', self.jail)}"[:100]

    @property
    def mask(self) -> bytes:
        """The netmask, in network order."""
        return ((1 << self.bits) - (1 << (self.bits - self.prefixlen))).to_bytes(self.bits // 8, "big")

    def network(self, packed: bytes) -> Network:
        """Return the network whose address is *packed* (as in the packet: 4 or 16 bytes, network order)."""
        return network_of(packed, self.prefixlen)


class Rule(NamedTuple):
    """One rule: packets of *protocol* (empty: any) to *ports* (empty: any) from *addresses* get *answer*."""

    addresses: AddressSet
    protocol: str
    ports: Ports
    answer: Answer


class Refusal(NamedTuple):
    """A record that cannot be carried out, and why. The others of its batch are."""

    record: Record
    why: str


class Plan(NamedTuple):
    """What one batch of records comes to."""

    created: list[AddressSet]
    """Sets that are not there yet, in the order in which to make them."""
    rules: list[Rule]
    """The rules of those sets."""
    elements: dict[AddressSet, dict[bytes, int]]
    """By set: each network (packed, as in the packet) and the milliseconds it has left, FOR_EVER or LIFTED."""
    refused: list[Refusal]


class Layout:
    """The sets that exist for *scopes*, and where records go. Nothing changes until a plan is ``adopt``-ed."""

    def __init__(self, scopes: Iterable[Scope] = ()) -> None:
        self._scopes: dict[str, list[Scope]] = {}
        for scope in scopes:
            self._scopes.setdefault(scope.jail, []).append(scope)
        self._sets: dict[AddressSet, None] = {}

    @property
    def sets(self) -> Sequence[AddressSet]:
        return tuple(self._sets)

    def plan_all(self, records: Iterable[Record], now: float) -> Plan:
        """Plan the whole table: the sets of every scope, those that *records* need, and the bans still in force."""
        hosts = [AddressSet(jail, *family) for jail in self._scopes for family in ((4, 32), (6, 128))]
        plan = self._plan(records, now, hosts)
        for elements in plan.elements.values():
            for packed in [packed for packed, left in elements.items() if left == LIFTED]:
                del elements[packed]
        return plan

    def plan(self, records: Iterable[Record], now: float) -> Plan:
        """Plan *records* upon what stands. Of several for one network in one jail the last counts."""
        return self._plan(records, now, [])

    def adopt(self, plan: Plan) -> None:
        """Note that *plan* has been carried out."""
        self._sets.update(dict.fromkeys(plan.created))

    def _plan(self, records: Iterable[Record], now: float, created: list[AddressSet]) -> Plan:
        elements: dict[AddressSet, dict[bytes, int]] = {}
        # Half a million records come this way: what an AddressSet, `packed` and `_milliseconds` say is said in place.
        by_tuple: dict[tuple[str, int, int], dict[bytes, int]] = {}
        refused: list[Refusal] = []
        ceil = math.ceil
        for record in records:
            op, jail, network, expires_at = record
            place = (jail, len(network), network[-1])
            found = by_tuple.get(place)
            if found is None:
                if jail not in self._scopes:
                    refused.append(Refusal(record, f"nothing is guarded for jail {jail!r}"))
                    continue
                found = by_tuple[place] = elements[AddressSet(jail, network.version, network.prefixlen)] = {}
            left = expires_at - now
            if op == "unban":
                found[network[:-1]] = LIFTED
            else:
                found[network[:-1]] = ceil(left * 1000) if 0 < left < _LONGEST_SECONDS else _milliseconds(left)
        hosts = frozenset(created)
        for key in list(elements):
            if key in self._sets or key in hosts:
                continue
            if any(left != LIFTED for left in elements[key].values()):
                created.append(key)
            else:
                del elements[key]  # nothing of that length was ever banned here
        rules = [rule for key in created for rule in rules_for(self._scopes[key.jail], key)]
        return Plan(created, rules, elements, refused)


def lasts(record: Record, now: float) -> float:
    """Return how long *record* blocks from *now* on, in seconds, as the kernel counts it; 0 when it does not.

    >>> lasts(Record("ban", "sshd", network_of(bytes((192, 0, 2, 7))), 1600.0), 1000.0)
    600.0
    """
    if record.op == "unban":
        return 0.0
    left = _milliseconds(record.expires_at - now)
    return math.inf if left == FOR_EVER else max(left, 0) / 1000


def rules_for(scopes: Iterable[Scope], addresses: AddressSet) -> tuple[Rule, ...]:
    """Return the rules that close *scopes* to *addresses*, each once."""
    rules: dict[Rule, None] = {}
    for scope in scopes:
        for protocol, ports in _closed(scope):
            if _ONE_FAMILY.get(protocol, addresses.version) != addresses.version:
                continue
            if scope.verdict == "drop":
                answers: tuple[tuple[str, Answer], ...] = ((protocol, "drop"),)
            elif protocol == "tcp":
                answers = ((protocol, "reset"),)
            elif protocol:
                answers = ((protocol, "unreachable"),)
            else:
                answers = (("tcp", "reset"), ("", "unreachable"))
            for answered, answer in answers:
                rules[Rule(addresses, answered, ports, answer)] = None
    return tuple(rules)


def printable(jail: str) -> str:
    """Return *jail*, or where nft(8) could not read it back as a name, a name that is just as much its own.

    >>> printable("sshd"), printable("web & mail")
    ('sshd', 'jail.web_mail.e4f97a4066c116a8')
    """
    if _PLAIN_NAME.fullmatch(jail):
        return jail
    digest = hashlib.blake2b(jail.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"jail.{_UNWANTED.sub('_', jail)[:40]}.{digest}"


def _closed(scope: Scope) -> list[tuple[str, Ports]]:
    """Return what *scope* closes as pairs of protocol (empty: any) and ports (empty: any)."""
    ports = joined(scope.ports)
    with_ports = [name for name in scope.protocols or WITH_PORTS if name in WITH_PORTS]
    if with_ports and not ports:
        return [("", ())]
    without = [name for name in scope.protocols if name not in WITH_PORTS]
    return [(name, ports) for name in with_ports] + [(name, ()) for name in without]


def _milliseconds(left: float) -> int:
    if left == math.inf:
        return FOR_EVER
    # Written so that a time that is not a number ends the ban rather than the program.
    return min(math.ceil(left * 1000), _LONGEST) if left > 0 else LIFTED
