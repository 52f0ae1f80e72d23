"""Who is never counted and never banned: ``ignoreip`` and ``ignoreself``; and the settings of who else is asked.

``ignoreip`` lists addresses, networks (CIDR or IP/netmask), host names, ``file:PATH`` and plain text that equals an id. This
module is pure, so names and files are *asked for* (``names``, ``files``) and the answers handed in (``learn``); until then they
match nothing. A network is refused when it touches an ignored address from either side: a ban of 192.0.2.0/24 would hit an
ignored 192.0.2.9. What ``ignorecommand`` says is asked for last, by the jail, as a question to the world.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from banish import addresses
from banish.addresses import Network

_FILE = "file:"
_REMEMBERED = 2048
_LONGEST = 64
"""Characters of an id that is remembered: who writes a log line may write more."""


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """jail.conf(5) ``ignorecache``: how long (seconds) and for how many keys an answer of ``ignorecommand`` is kept.

    *key* has tags, as ``<F-USER>@<ip-host>``.
    """

    key: str
    max_count: int = 100
    max_time: float = 300.0


@dataclass(frozen=True, slots=True)
class IgnoreSettings:
    """jail.conf(5) ``ignoreip`` (its items as written), ``ignoreself``, ``ignorecommand`` (with tags) and ``ignorecache``."""

    ignoreip: tuple[str, ...] = ()
    ignoreself: bool = True
    command: str = ""
    cache: CacheSettings | None = None


class NetworkSet:
    """Networks, looked up by the few prefix lengths that occur: the cost does not grow with their number."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self._wide: dict[int, list[tuple[int, int, set[int]]]] = {5: [], 17: []}
        """Those of more than one host, by the length of their bytes and of their prefix: the latter, by how much the number that the
        bytes are must be shifted for it, and what is left of them."""
        self._all = frozenset(networks)
        for size, prefix in {(len(network), network.prefixlen) for network in self._all if not network.of_one_host}:
            shift = size * 8 - prefix
            ours = [each for each in self._all if (len(each), each.prefixlen) == (size, prefix)]
            self._wide[size].append((prefix, shift, {int.from_bytes(each, "big") >> shift for each in ours}))

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Network]:
        return iter(self._all)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NetworkSet) and self._all == other._all

    def __hash__(self) -> int:
        return hash(self._all)

    def touches(self, network: Network) -> bool:
        """True when *network* lies in one of ours, or one of ours in it."""
        if network in self._all:
            return True
        size, length = len(network), network[-1]
        for prefix, shift, values in self._wide[size]:
            if prefix < length and int.from_bytes(network, "big") >> shift in values:
                return True
        return length != size * 8 - 8 and any(addresses.within(ours, network) for ours in self._all)


class IgnoreRules:
    """The rules of one jail.

    What they say of an id is remembered until a rule changes, for 2048 ids at most; when there are more, all are forgotten.
    """

    def __init__(self, settings: IgnoreSettings) -> None:
        self._settings = settings
        self._texts: set[str] = set()
        self.names: tuple[str, ...] = ()
        """Host names to be resolved; the answers come in through ``learn``."""
        self.files: tuple[str, ...] = ()
        """Items ``file:PATH`` whose content comes in through ``learn``, as items of ``ignoreip`` again."""
        networks, names, files = [], [], []
        for item in settings.ignoreip:
            network = addresses.parse(item)
            if network is not None:
                networks.append(network)
            elif item.startswith(_FILE):
                files.append(item)
            else:
                self._texts.add(item)
                names.append(item)
        self._networks = NetworkSet(networks)
        self._own = NetworkSet()
        self._learned: dict[str, NetworkSet] = {}
        self._learned_texts: dict[str, frozenset[str]] = {}
        self.names, self.files = tuple(names), tuple(files)
        self._said: dict[str, tuple[Network | None, str | None]] = {}

    def learn(self, item: str, networks: Iterable[Network], texts: Iterable[str] = ()) -> None:
        """Take in what *item* (of ``names`` or ``files``) stands for now; replaces what it stood for before."""
        learned = NetworkSet(networks), frozenset(texts)
        if learned != (self._learned.get(item), self._learned_texts.get(item)):
            self._learned[item], self._learned_texts[item] = learned
            self._said.clear()

    def learn_own(self, own: Iterable[Network]) -> None:
        """Take in the addresses of this machine, for ``ignoreself``."""
        learned = NetworkSet(own)
        if learned != self._own:
            self._own = learned
            self._said.clear()

    @property
    def reach(self) -> tuple[frozenset[Network], frozenset[str]]:
        """All networks and texts that the rules spare now: an id that touches none of these and is none of those is not spared."""
        own = self._own if self._settings.ignoreself else ()
        networks = frozenset().union(own, self._networks, *self._learned.values())
        return networks, frozenset(self._texts).union(*self._learned_texts.values())

    def rule(self, id_: str, network: Network | None) -> str | None:
        """Return the name of the rule that spares this id, as fail2ban's log has it, or None when it counts."""
        said = self._said.get(id_)
        if said is not None and said[0] is network:
            return said[1]
        rule = self.find(id_, network)
        if len(self._said) >= _REMEMBERED:
            self._said.clear()
        if len(id_) <= _LONGEST:
            self._said[id_] = network, rule
        return rule

    def item(self, id_: str, network: Network | None) -> str:
        """Return the item of ``ignoreip``, as written, that spares this id; empty when none does."""
        for item in self._settings.ignoreip:
            ours = addresses.parse(item)
            if ours is not None:
                spares = network is not None and NetworkSet([ours]).touches(network)
            else:
                learned = self._learned.get(item)
                spares = id_ == item or id_ in self._learned_texts.get(item, ())
                spares = spares or (network is not None and learned is not None and learned.touches(network))
            if spares:
                return item
        return ""

    def find(self, id_: str, network: Network | None) -> str | None:
        """The same as ``rule``, which remembers nothing and forgets nothing: for those who ask about very many ids once."""
        if network is not None and self._settings.ignoreself and self._own.touches(network):
            return "ignoreself rule"
        if id_ in self._texts or (network is not None and self._networks.touches(network)):
            return "ip"
        for item, networks in self._learned.items():
            if (network is not None and networks.touches(network)) or id_ in self._learned_texts[item]:
                return item if item.startswith(_FILE) else "dns"
        return None
