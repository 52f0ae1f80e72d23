"""Questions to the history: which events fit what somebody wants to know. Reads only.

One side speaks `Wanted` and `Incident`, the other SQL. What an index or SQL cannot decide (what lies in a network, whom evidence
names) is decided row by row, from the latest on, until enough has been found.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from banish import addresses
from banish.addresses import Network
from banish.model import Incident
from banish.store import history, rows
from banish.store.rows import Key

MOST = 1000
_LEAST, _LAST = -1e300, 1e300

_NAMED = """
    SELECT jail, id, fields, matches FROM evidence WHERE instr(fields, CAST(?1 AS TEXT)) > 0 OR instr(matches, CAST(?1 AS TEXT)) > 0"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What events must fit, all of it; None is no condition. *since* and *until* are Unix seconds, both included.

    *subject* is a jail or an id. It, and *network*, stand for whatever lies in that network, and for networks it lies in. *user* is a
    name that led to a ban of the same jail and id: its evidence has captured it, or its lines have it as a word.
    """

    subject: str | None = None
    since: float | None = None
    until: float | None = None
    jail: str | None = None
    network: Network | None = None
    user: str | None = None
    most: int = MOST


def events(connection: sqlite3.Connection, wanted: Wanted) -> list[Incident]:
    """Return the last events that fit *wanted*, the oldest first."""
    named = set(_named(connection, wanted.user)) if wanted.user is not None else None
    if named == set():
        return []
    subject = addresses.parse(wanted.subject) if wanted.subject else None
    query = f"{history.ALL_EVENTS} WHERE at >= ? AND at <= ?"
    values: list[object] = [
        _LEAST if wanted.since is None else wanted.since,
        _LAST if wanted.until is None else wanted.until,
    ]
    if wanted.jail is not None:
        query += " AND jail = CAST(? AS TEXT)"
        values.append(rows.text(wanted.jail))
    if wanted.subject and subject is None:
        query += " AND (jail = CAST(? AS TEXT) OR id = CAST(? AS TEXT))"
        values += [rows.text(wanted.subject)] * 2
    for network in (subject, wanted.network):
        if network is not None and network.of_one_host:
            query += " AND (id = CAST(? AS TEXT) OR id LIKE '%/%' OR jail = CAST(? AS TEXT))"
            values += [rows.text(addresses.show(network)), rows.text(wanted.subject or "")]
    found: list[Incident] = []
    for row in connection.execute(f"{query} ORDER BY number DESC", values):
        incident = history.incident(row)
        if (
            incident is not None
            and (named is None or (incident.jail, incident.id) in named)
            and (subject is None or _touches(incident, subject) or incident.jail == wanted.subject)
            and (wanted.network is None or _touches(incident, wanted.network))
        ):
            found.append(incident)
            if len(found) >= wanted.most:
                break
    return found[::-1]


def _touches(incident: Incident, wanted: Network) -> bool:
    network = addresses.parse(incident.id) if incident.id else None
    return network is not None and (addresses.within(network, wanted) or addresses.within(wanted, network))


def _named(connection: sqlite3.Connection, user: str) -> Iterator[Key]:
    """Yield the (jail, id) whose evidence names *user*."""
    word = re.compile(rf"(?<!\w){re.escape(json.dumps(user)[1:-1])}(?!\w)")
    for jail, ident, text, lines in connection.execute(_NAMED, (rows.text(json.dumps(user)[1:-1]),)):
        try:
            fields = json.loads(text)
        except ValueError:
            continue
        captured = isinstance(fields, dict) and (fields.get("user") == user or user in (fields.get("users") or ()))
        if captured or word.search(str(lines)):
            yield str(jail), str(ident)
