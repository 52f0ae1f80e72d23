"""Who is never banned, whatever a log says: four rules, each with a name under which banish.conf(5) switches it off.

::

    spare_own         our own addresses, the loopback networks among them
    spare_gateways    the gateways of the default routes
    spare_resolvers   the name servers this machine asks
    spare_sessions    the peers of ssh sessions that are logged in

This module is pure: what the rules protect is learned from outside. A network that holds a protected address is refused like the
address itself. What an administrator forced is not asked about here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from banish import addresses
from banish.addresses import Network
from banish.failures.ignore import NetworkSet

Rule = Literal["spare_own", "spare_gateways", "spare_resolvers", "spare_sessions"]
RULES: tuple[Rule, ...] = get_args(Rule)
"""In the order in which they are asked."""

_WORDS: Mapping[Rule, str] = {
    "spare_own": "an address of this machine",
    "spare_gateways": "the gateway of a default route",
    "spare_resolvers": "a name server that this machine asks",
    "spare_sessions": "the peer of an ssh session that is logged in",
}


@dataclass(frozen=True, slots=True)
class SpareSettings:
    """Which rules hold; the names are those of the options."""

    spare_own: bool = True
    spare_gateways: bool = True
    spare_resolvers: bool = True
    spare_sessions: bool = True

    @property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in RULES if getattr(self, rule))


class Refusal(NamedTuple):
    """Why a network is not banned: *protected* is what it touches."""

    rule: Rule
    protected: Network

    def reason(self, network: Network) -> str:
        """Return the sentence for a person, with what to do if it is unwanted."""
        held = "" if network == self.protected else f"holds {addresses.show(self.protected)}, "
        return f"{held}{_WORDS[self.rule]} ({self.rule} = no in banish.local allows it)"


class Guard:
    """The rules at work."""

    def __init__(self, settings: SpareSettings | None = None) -> None:
        self.settings = settings or SpareSettings()
        self._known: dict[Rule, frozenset[Network]] = {}
        self._all = NetworkSet()

    def configure(self, settings: SpareSettings) -> None:
        self.settings = settings
        self._renew()

    def learn(self, rule: Rule, networks: Iterable[Network]) -> frozenset[Network]:
        """Take in what *rule* protects now, in place of what it protected before, and return what is new of it (if it holds)."""
        now, before = frozenset(networks), self._known.get(rule, frozenset())
        if now == before:
            return frozenset()
        self._known[rule] = now
        self._renew()
        return now - before if rule in self.settings.rules else frozenset()

    def protected(self, rule: Rule) -> frozenset[Network]:
        """Return what *rule* protects, whether or not it holds."""
        return self._known.get(rule, frozenset())

    @property
    def reach(self) -> frozenset[Network]:
        """All that is protected now: what touches none of it is not refused."""
        return frozenset(self._all)

    def refusal(self, network: Network) -> Refusal | None:
        """Return why *network* must not be banned, None when it may be."""
        if not self._all.touches(network):
            return None
        for rule in self.settings.rules:
            for protected in sorted(self.protected(rule), key=_narrowest_first):
                if addresses.within(network, protected) or addresses.within(protected, network):
                    return Refusal(rule, protected)
        return None

    def _renew(self) -> None:
        self._all = NetworkSet(network for rule in self.settings.rules for network in self.protected(rule))


def _narrowest_first(network: Network) -> tuple[int, int, int]:
    return network.version, -network.prefixlen, network.value
