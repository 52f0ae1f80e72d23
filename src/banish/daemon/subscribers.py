"""Who watches a source: jails, by the line settings they share; found out when jails or sources change, asked for every batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from banish.daemon.assembly import Running
from banish.jail import Jail
from banish.lines import entries
from banish.lines.reader import LineReader, LineSettings
from banish.patience import Patience
from banish.subscription import Subscription

TOLD_FOR = 3600.0
"""Seconds that it is told of lines that are no text, after the last one."""


class Garbled(NamedTuple):
    """Lines of a source that are no text in the encoding that *jails* state, as far as these looked at them."""

    source: str
    jails: tuple[str, ...]
    encoding: str
    lines: int
    """So many or more: a power of two, so that what is said of them changes ever more seldom."""


class Subscribers:
    """*patience_of* says how long it may take to look for the dates of a source; *clock* gives seconds that never go back."""

    def __init__(self, patience_of: Callable[[str], Patience], clock: Callable[[], float] = time.monotonic) -> None:
        self.read_on: Callable[[str, LineReader], None] = lambda source, reader: None
        """Tells a new reader what earlier runs have learnt of the dates of a source."""
        self._patience_of = patience_of
        self._clock = clock
        self._garbled: dict[LineReader, tuple[int, float]] = {}
        """How many lines that are no text a reader has had, and when it was found to have had more."""
        self._readers: dict[tuple[str, LineSettings], LineReader] = {}
        self._known: dict[str, tuple[Mapping[str, Running], frozenset[str], list[Subscription]]] = {}
        """Who watches a source, behind the jails and the patterns of the source that this was found out for."""

    def of(self, source: str, patterns: frozenset[str], running: Mapping[str, Running]) -> list[Subscription]:
        """Return who of *running* watches *source*: a file that belongs to *patterns*, or a part of the journal.

        Another table of jails must be another object, so that nothing of before is met again.
        """
        known = self._known.get(source)
        if known is None or known[0] is not running or known[1] != patterns:
            known = self._known[source] = running, patterns, self._find(source, patterns, running)
        return known[2]

    def garbled(self, running: Mapping[str, Running]) -> list[Garbled]:
        """Return which files that *running* watch have had lines lately that are no text."""
        now, found = self._clock(), []
        for source, (jails, patterns, subscriptions) in self._known.items():
            for each in subscriptions if jails is running and patterns else ():
                reader = each.reader
                if not reader.undecodable:
                    continue
                lines, at = self._garbled.get(reader, (0, 0.0))
                if reader.undecodable > lines:
                    lines, at = self._garbled[reader] = reader.undecodable, now
                if lines and now - at < TOLD_FOR:
                    names = tuple(jail.name for jail in each.jails)
                    found.append(Garbled(source, names, reader.encoding, 1 << lines.bit_length() - 1))
        return found

    def forget(self) -> None:
        """Learn anew what the dates of each source look like."""
        self._readers.clear()
        self._garbled.clear()

    def _find(self, source: str, patterns: frozenset[str], running: Mapping[str, Running]) -> list[Subscription]:
        found: dict[LineSettings, list[Jail]] = {}
        for each in running.values():
            if each.idle:
                continue
            if each.config.reads == "journal":
                if each.config.watch.name == source:
                    found.setdefault(entries.SETTINGS, []).append(each.jail)
            elif any(path.pattern in patterns for path in each.config.logpaths):
                found.setdefault(each.jail.settings.lines, []).append(each.jail)
        for settings in found:
            if (source, settings) not in self._readers:
                reader = self._readers[source, settings] = LineReader(settings, patience=self._patience_of(source))
                self.read_on(source, reader)
        return [Subscription(self._readers[source, settings], jails) for settings, jails in found.items()]
