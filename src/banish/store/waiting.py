"""What waits to be written: the last word on each ban and each source, and events. One transaction writes all of it.

The law: a later word replaces an earlier one on the same thing, and the oldest are dropped first when there are too many.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import TypeVar

from banish.model import Cursor, Decision, Incident, Position
from banish.store import bans, history, places
from banish.store.rows import Key

_K = TypeVar("_K")
_V = TypeVar("_V")


class Waiting:
    """See ``Store.save`` for what the words mean."""

    def __init__(self) -> None:
        self.bans: dict[Key, Decision | float | None] = {}
        """A ban, when it was ended, or None: it is to be forgotten."""
        self.positions: dict[str, Position | Cursor | None] = {}
        self.pardoned: dict[str, float] = {}
        """Jails whose bans were all pardoned, and when; earlier than what is in *bans*."""
        self.dropped = 0
        """How many bans have been dropped so far."""
        self._history = history.History()

    def __len__(self) -> int:
        return len(self.bans) + len(self.positions) + len(self.pardoned) + len(self._history)

    def pardon_jails(self, jails: Iterable[str], now: float) -> None:
        """Forget every ban of *jails* that is in force."""
        for jail in jails:
            self.pardoned[jail] = now
            self.bans = {
                key: word for key, word in self.bans.items() if key[0] != jail or not isinstance(word, Decision)
            }

    def ban(self, decisions: Iterable[Decision], incidents: Iterable[Incident]) -> None:
        """Enter bans, and events in the order given."""
        decisions = list(decisions)
        self._history.add(incidents, decisions)
        for ban in decisions:
            _put(self.bans, (ban.jail, ban.id), ban)

    def end(self, key: Key, now: float) -> None:
        """End a ban before its time."""
        waiting = self.bans.get(key)
        if isinstance(waiting, Decision):
            # The ban itself was never written; its row must be, for the count.
            _put(self.bans, key, waiting._replace(expires_at=min(now, waiting.expires_at)))
        elif key not in self.bans:
            _put(self.bans, key, now)

    def pardon(self, key: Key) -> None:
        """Forget a ban."""
        _put(self.bans, key, None)

    def place(self, positions: Mapping[str, Position | Cursor | None]) -> None:
        """Take note how far sources are judged."""
        for source, position in positions.items():
            _put(self.positions, source, position)

    def write(self, connection: sqlite3.Connection, now: float, most_matches: int | None) -> None:
        """Write all of it, within the transaction that is open; ``clear`` when that is committed."""
        if self.pardoned:
            bans.pardon_jails(connection, self.pardoned)
        if self.bans:
            bans.write(connection, self.bans, most_matches)
        if self.positions:
            places.write(connection, self.positions, now)
        self._history.write(connection)

    def clear(self) -> None:
        """All has been written."""
        self.bans.clear()
        self.positions.clear()
        self.pardoned.clear()
        self._history.clear()

    def bound(self, most: int) -> None:
        """Keep *most* bans and *most* positions."""
        while len(self.bans) > most:
            del self.bans[next(iter(self.bans))]
            self.dropped += 1
        while len(self.positions) > most:
            del self.positions[next(iter(self.positions))]


def _put(table: dict[_K, _V], key: _K, value: _V) -> None:
    """Set *key* as the newest entry, so that the oldest word is the first one in the table."""
    table.pop(key, None)
    table[key] = value
