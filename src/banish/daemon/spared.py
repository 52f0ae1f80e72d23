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
        self._told: set[str] = set()

    async def refresh(self, jails: Sequence[Jail], now: float) -> tuple[bool, list[Notice]]:
        """Look again at whatever may have changed and teach *jails*; files every time, the rest when FRESH seconds have passed.

        Return whether anything is known now that was not, and what a person should hear.
        """
        notices: list[Notice] = []
        wanted = {name for jail in jails for name in self._wanted_names(jail, now)}
        due = self._looked_at is None or not 0 <= now - self._looked_at < FRESH
        unknown = wanted - self._known.keys()
        if due:
            self._looked_at = now
            self._own, notice = own_addresses()
            notices += [notice] if notice else []
        if due or unknown:
            asked = sorted(wanted if due else unknown)
            answers = await asyncio.gather(*(self._names.resolve(name, now) for name in asked))
            for name, networks in zip(asked, answers, strict=True):
                if networks or name not in self._known:
                    self._known[name] = networks
                if not networks:
                    notices += self._once(
                        f"ignoreip names {name}, which cannot be resolved (it spares nobody until it can)", name
                    )
            self._known = {name: self._known[name] for name in wanted}
        self.teach(jails, now)
        before, self._taught = self._taught, self._knowledge(jails, now)
        return self._taught != before, notices + self._file_notices(jails)

    def teach(self, jails: Iterable[Jail], now: float) -> None:
        """Hand what is known to *jails*."""
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

    def _file_notices(self, jails: Iterable[Jail]) -> list[Notice]:
        problems = [self._files.problem(path_of(item) or "") for jail in jails for item in jail.ignore.files]
        return [notice for problem in problems if problem for notice in self._once(problem, problem)]

    def _once(self, text: str, key: str) -> list[Notice]:
        if key in self._told:
            return []
        self._told.add(key)
        return [Notice("WARNING", "filter", text)]
