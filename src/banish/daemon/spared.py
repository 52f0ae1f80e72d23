"""Keeps the ignore rules of all jails supplied with what only the world knows: own addresses, names, files.

``ignoreself`` asks for the addresses of this machine, ``ignoreip`` may hold host names and ``file:PATH``. The heart cannot look;
it is taught here: before the first line is judged, and then whenever something has changed. A name that cannot be resolved now
keeps what it stood for before: nobody is locked out because a name server is down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from banish import addresses
from banish.addresses import Network
from banish.jail import Jail
from banish.lookups.ignore_files import IgnoreFiles, path_of
from banish.lookups.names import Names
from banish.lookups.own_addresses import own_addresses
from banish.model import Notice

FRESH = 30.0
"""Seconds for which own addresses and names count as known."""


class Spared:
    """What is known of who must not be banned."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._files = IgnoreFiles()
        self._own: frozenset[Network] = frozenset()
        self._known: dict[str, tuple[Network, ...]] = {}
        self._looked_at: float | None = None
        self._taught: object = None
        self._pupils: tuple[Jail, ...] = ()
        self._trouble: Notice | None = None

    def look(self, jails: Sequence[Jail], now: float) -> None:
        """Learn and teach what can be known without waiting: own addresses, files, and names that were resolved before."""
        self._own, self._trouble = own_addresses()
        self._teach(jails, now)
        self._taught = self._knowledge(jails, now)

    @staticmethod
    def must_look(jails: Iterable[Jail]) -> bool:
        """True when *jails* spare names or what is in files, which may mean something else any moment."""
        return any(jail.ignore.names or jail.ignore.files for jail in jails)

    async def refresh(self, jails: Sequence[Jail], now: float) -> bool:
        """Look again at whatever may have changed and teach *jails*; files every time, the rest when FRESH seconds have passed.

        Return whether anything is known now that was not.
        """
        due = self._looked_at is None or not 0 <= now - self._looked_at < FRESH
        if not due and not self.must_look(jails):
            return False
        wanted = {name for jail in jails for name in self._wanted_names(jail, now)}
        if due:
            self._looked_at = now
            self._own, self._trouble = own_addresses()
        asked = sorted(wanted if due else wanted - self._known.keys())
        answers = await asyncio.gather(*(self._names.resolve(name, now) for name in asked))
        for name, networks in zip(asked, answers, strict=True):
            if networks or name not in self._known:
                self._known[name] = networks
        self._known = {name: self._known[name] for name in wanted}
        before, self._taught = self._taught, self._knowledge(jails, now)
        pupils, self._pupils = self._pupils, tuple(jails)
        if self._taught != before or pupils != self._pupils:
            self._teach(jails, now)
        return self._taught != before

    def unknown(self, jail: Jail) -> list[tuple[str, str, str]]:
        """Return the items of *jail*'s ``ignoreip`` that spare nobody now, each with what is wrong and what to do."""
        if not (jail.ignore.names or jail.ignore.files or self._trouble):
            return []
        unresolved = [name for name in jail.ignore.names if self._known.get(name) == ()]
        what_to_do = "write an address, a network or a name that can be"
        found = [(name, "it cannot be resolved, so it spares nobody", what_to_do) for name in unresolved]
        unread = [(item, self._files.problem(path_of(item) or "")) for item in jail.ignore.files]
        found += [(item, problem, "") for item, problem in unread if problem]
        if jail.settings.ignore.ignoreself and self._trouble is not None:
            found.append(("", self._trouble.text, ""))
        return found

    def _teach(self, jails: Iterable[Jail], now: float) -> None:
        for jail in jails:
            rules = jail.ignore
            rules.learn_own(self._own)
            for name in rules.names:
                rules.learn(name, self._known.get(name, ()))
            for item in rules.files:
                items = self._files.items(path_of(item) or "", now)
                networks = [network for text in items for network in self._meaning(text)]
                rules.learn(item, networks, items)

    def _knowledge(self, jails: Iterable[Jail], now: float) -> object:
        files = {item: self._files.items(path_of(item) or "", now) for jail in jails for item in jail.ignore.files}
        return self._own, dict(self._known), files

    def _meaning(self, text: str) -> tuple[Network, ...]:
        network = addresses.parse(text)
        return (network,) if network is not None else self._known.get(text, ())

    def _wanted_names(self, jail: Jail, now: float) -> list[str]:
        in_files = [text for item in jail.ignore.files for text in self._files.items(path_of(item) or "", now)]
        return [*jail.ignore.names, *(text for text in in_files if addresses.parse(text) is None)]
