"""The history of events: tables ``events`` and ``forced``, written in the transaction of the bans they go with.

One side speaks `Incident` and `Decision`, the other rows. The law: the table holds EVENTS rows at most, and what waits to be written
WAITING; the oldest are dropped first. The history never keeps a ban from being written.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterable
from typing import cast, get_args

from banish.model import Decision, Incident, IncidentKind, Origin
from banish.store import rows
from banish.store.rows import Key

EVENTS = 100_000
WAITING = 20_000

_EVENT = """
    INSERT INTO events (at, jail, kind, id, reason, origin)
    VALUES (?, CAST(? AS TEXT), ?, CAST(? AS TEXT), CAST(? AS TEXT), ?)"""
_BOUND = "DELETE FROM events WHERE number <= (SELECT max(number) FROM events) - ?"
_FORCED = "INSERT OR REPLACE INTO forced (jail, id, at) VALUES (CAST(? AS TEXT), CAST(? AS TEXT), ?)"
_ALL_FORCED = "SELECT jail, id, at FROM forced"
ALL_EVENTS = "SELECT at, jail, kind, id, reason, origin FROM events"
_PURGE = "DELETE FROM events WHERE number IN (SELECT number FROM events WHERE at <= ? ORDER BY number LIMIT ?)"
_PURGE_FORCED = """
    DELETE FROM forced WHERE NOT EXISTS
    (SELECT 1 FROM bans WHERE bans.jail = forced.jail AND bans.id = forced.id AND bans.at = forced.at)"""
_ORIGINS: frozenset[str] = frozenset(get_args(Origin))

TABLES = (ALL_EVENTS, _ALL_FORCED)
"""What must be there for a database to be whole."""


class History:
    """What waits to be written."""

    def __init__(self) -> None:
        self._incidents: deque[Incident] = deque(maxlen=WAITING)
        self._forced: dict[Key, Decision] = {}

    def __len__(self) -> int:
        return len(self._incidents) + len(self._forced)

    def add(self, incidents: Iterable[Incident], bans: Iterable[Decision]) -> None:
        """Keep *incidents* in the order given, and note which of *bans* are forced."""
        self._incidents.extend(incidents)
        self._forced.update({(ban.jail, ban.id): ban for ban in bans if ban.forced})

    def write(self, connection: sqlite3.Connection) -> None:
        """Write what waits, within the transaction that is open; ``clear`` it when that is committed."""
        if self._incidents:
            connection.executemany(_EVENT, map(_row, self._incidents))
            connection.execute(_BOUND, (EVENTS,))
        if self._forced:
            connection.executemany(
                _FORCED, [(rows.text(jail), rows.text(id_), ban.at) for (jail, id_), ban in self._forced.items()]
            )

    def clear(self) -> None:
        self._incidents.clear()
        self._forced.clear()


def forced(connection: sqlite3.Connection) -> dict[Key, float]:
    """Return which bans were forced, with when they began."""
    return {(jail, id_): at for jail, id_, at in connection.execute(_ALL_FORCED)}


def purge(connection: sqlite3.Connection, before: float, limit: int = 1000) -> int:
    """Delete at most *limit* events from before *before*; return how many."""
    connection.execute(_PURGE_FORCED)
    return connection.execute(_PURGE, (before, limit)).rowcount


def _row(incident: Incident) -> tuple[object, ...]:
    at, jail, kind, id_, reason, origin = incident
    return float(at), rows.text(jail), kind, rows.text(id_), rows.text(reason), origin


def incident(row: tuple[object, ...]) -> Incident | None:
    """Return the event that *row* of ALL_EVENTS stands for; None when it makes no sense."""
    at, jail, kind, id_, reason, origin = row
    if not (isinstance(at, float) and all(isinstance(each, str) for each in (jail, kind, id_, reason, origin))):
        return None
    who = cast(Origin, origin if origin in _ORIGINS else "jail")
    return Incident(at, str(jail), cast(IncidentKind, kind), str(id_), str(reason), who)
