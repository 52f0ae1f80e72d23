"""Who watches a source: jails, by the line settings they share; found out when jails or sources change, asked for every batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from banish.daemon.assembly import Running
from banish.jail import Jail
from banish.lines import entries
from banish.lines.reader import LineReader, LineSettings
from banish.patience import Patience
from banish.subscription import Subscription


class Subscribers:
    """*patience_of* says how long it may take to look for the dates of a source."""

    def __init__(self, patience_of: Callable[[str], Patience]) -> None:
        self.read_on: Callable[[str, LineReader], None] = lambda source, reader: None
        """Tells a new reader what earlier runs have learnt of the dates of a source."""
        self._patience_of = patience_of
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

    def forget(self) -> None:
        """Learn anew what the dates of each source look like."""
        self._readers.clear()

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
