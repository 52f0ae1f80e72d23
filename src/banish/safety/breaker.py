"""The circuit breaker of a jail: bans that are too many to be meant.

An expression that matches every line, or a log in which the attacker writes the addresses, makes a jail ban the world. Two signs tell
that from an attack:

* *bans*: so many within MINUTE. Even a large botnet brings less; the default is there for the runaway.
* *peers*: such a share of the *settled* peers was hit within WINDOW. A settled peer is an address that was connected at looks SETTLING
  apart, or at the very first look: customers, colleagues, other servers. Attackers come and go, and are banned before they settle, so
  that a botnet which fills all connections does not count. Below *leastpeers* the share says nothing.

Pure: time is an argument, and what is connected is told by ``Peers.look``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from banish.addresses import Network

MINUTE = 60.0
WINDOW = 600.0
SETTLING = 120.0


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """``breaker.bans``, ``breaker.peers`` (per cent) and ``breaker.leastpeers`` of jail.conf; 0 switches a sign off."""

    bans: int = 10_000
    peers: int = 50
    leastpeers: int = 10

    def allows_more_than(self, other: BreakerSettings) -> bool:
        """True when this would have let something pass that *other* did not."""
        return (
            _higher(self.bans, other.bans)
            or _higher(self.peers, other.peers)
            or (self.leastpeers > other.leastpeers and other.peers > 0)
        )


def _higher(limit: int, other: int) -> bool:
    return other > 0 and (limit == 0 or limit > other)


class Peers:
    """Who is connected to this machine, and since which look. An address is its bytes in network order."""

    def __init__(self) -> None:
        self._since: dict[bytes, float] | None = None

    def look(self, connected: Collection[bytes], now: float) -> None:
        """Take in who is *connected* at *now*. Whoever is so at the first look was there before us, and counts as settled."""
        if self._since is None:
            self._since = dict.fromkeys(connected, now - SETTLING)
        else:
            known = self._since
            # A clock that was set back must not make anybody wait.
            self._since = {peer: min(known.get(peer, now), now) for peer in connected}

    def settled(self, now: float) -> set[bytes]:
        """Return the settled peers."""
        return {peer for peer, since in (self._since or {}).items() if now - since >= SETTLING}

    def hit(self, network: Network, now: float) -> set[bytes]:
        """Return the settled peers in *network*."""
        known = self._since or {}
        packed = network.packed
        if network.of_one_host:
            return {packed} if packed in known and now - known[packed] >= SETTLING else set()
        bits = network.max_prefixlen - network.prefixlen
        prefix = network.value >> bits
        return {
            peer for peer in self.settled(now) if len(peer) == len(packed) and int.from_bytes(peer) >> bits == prefix
        }


class Breaker:
    """One jail's. Bounded by what a minute (one number a second) and the settled peers hold."""

    def __init__(self, settings: BreakerSettings) -> None:
        self.settings = settings
        self._seconds: deque[list[int]] = deque()
        """Second, and how many bans began in it."""
        self._count = 0
        self._hit: dict[bytes, float] = {}

    def banned(self, network: Network | None, now: float, peers: Peers) -> str:
        """Take note that the jail has banned *network*; return what is too much, empty when nothing is."""
        settings = self.settings
        self._tick(now)
        second = int(now)
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append([second, 0])
        self._seconds[-1][1] += 1
        self._count += 1
        if settings.bans and self._count > settings.bans:
            return f"{self._count} bans within a minute (breaker.bans = {settings.bans})"
        hit = peers.hit(network, now) if network is not None and settings.peers else ()
        if not hit:
            return ""
        self._hit.update(dict.fromkeys(hit, now))
        self._hit = {peer: at for peer, at in self._hit.items() if 0 <= now - at < WINDOW}
        everybody = len(peers.settled(now) | self._hit.keys())
        if everybody >= settings.leastpeers and len(self._hit) * 100 >= settings.peers * everybody:
            return f"{len(self._hit)} of {everybody} peers that were connected are banned (breaker.peers = {settings.peers})"
        return ""

    def reset(self) -> None:
        """Begin to count anew."""
        self._seconds.clear()
        self._count = 0
        self._hit.clear()

    def _tick(self, now: float) -> None:
        while self._seconds and not 0 <= now - self._seconds[0][0] <= MINUTE:
            self._count -= self._seconds.popleft()[1]
