"""Bans and what led to them: tables ``bans`` and ``evidence``, as statements on a connection.

One side speaks `Decision` and `Past`, the other rows. Who calls holds the transaction, and says what an sqlite3.Error means.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from banish.decisions.ledger import Past
from banish.model import Decision
from banish.store import history, rows
from banish.store.rows import Key

ALL_BANS = """
    SELECT jail, id, network, at, expires_at, basis, set_at, reason, ban_count, failures FROM bans"""
WHOLE_BANS = """
    SELECT jail, id, network, at, expires_at, basis, set_at, reason, ban_count, failures,
           origin, matches, fields, EXISTS (SELECT 1 FROM forced WHERE (jail, id, at) = (bans.jail, bans.id, bans.at))
    FROM bans LEFT JOIN evidence USING (jail, id)"""
TABLES = (ALL_BANS, WHOLE_BANS)
"""What must be there for a database to be whole."""
PAGE = 10_000
"""Rows that are read, and made decisions of, at a time."""

# The last word wins, even with an earlier time: what comes here has passed the ledger, and the clock may have been set back.
_BAN = """
    INSERT OR REPLACE INTO bans (jail, id, network, at, expires_at, origin, basis, set_at, reason, ban_count, failures)
    VALUES (CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, CAST(? AS TEXT), ?, ?)"""
_EVIDENCE = """
    INSERT OR REPLACE INTO evidence (jail, id, matches, fields) VALUES (CAST(? AS TEXT), CAST(? AS TEXT), ?, ?)"""
_NO_EVIDENCE = "DELETE FROM evidence WHERE jail = CAST(? AS TEXT) AND id = CAST(? AS TEXT)"
_PARDON_JAIL = "DELETE FROM bans WHERE jail = CAST(? AS TEXT) AND (+expires_at > ? OR +expires_at IS NULL)"
_BEHIND = """
    SELECT CAST(jail AS BLOB), CAST(id AS BLOB), EXISTS (SELECT 1 FROM bans WHERE bans.jail = evidence.jail AND bans.id = evidence.id)
    FROM evidence WHERE (jail, id) > (CAST(? AS TEXT), CAST(? AS TEXT)) ORDER BY jail, id LIMIT ?"""
_LATEST = f"{WHOLE_BANS} WHERE jail = CAST(? AS TEXT) AND id = CAST(? AS TEXT)"
_EVIDENCE_OF = """
    SELECT matches, fields, (SELECT at FROM bans WHERE (bans.jail, bans.id) = (evidence.jail, evidence.id))
    FROM evidence WHERE jail = CAST(? AS TEXT) AND id = CAST(? AS TEXT)"""
_UNBAN = """
    UPDATE bans SET expires_at = min(?, coalesce(expires_at, ?)) WHERE jail = CAST(? AS TEXT) AND id = CAST(? AS TEXT)"""
_PARDON = "DELETE FROM bans WHERE jail = CAST(? AS TEXT) AND id = CAST(? AS TEXT)"
# The signs keep SQLite from its index, by which it would look for each of half a million rows by itself.
_STANDING = f"{ALL_BANS} WHERE +expires_at > ? OR +expires_at IS NULL"
_ENDED = f"{ALL_BANS} WHERE expires_at > ? AND expires_at <= ? ORDER BY expires_at"
_PAST = "SELECT jail, id, ban_count, at, expires_at FROM bans WHERE expires_at <= ? ORDER BY expires_at"
_PURGE = "SELECT CAST(jail AS BLOB), CAST(id AS BLOB) FROM bans WHERE expires_at <= ? ORDER BY expires_at LIMIT ?"
_SHIFT_FORCED = """
    UPDATE forced SET at = at + ? WHERE EXISTS
    (SELECT 1 FROM bans WHERE bans.jail = forced.jail AND bans.id = forced.id AND bans.at = forced.at
     AND bans.at BETWEEN ? AND ? AND (expires_at > ? OR expires_at IS NULL))"""
_SHIFT = """
    UPDATE bans SET at = at + ?, set_at = set_at + ?, expires_at = expires_at + ?
    WHERE at BETWEEN ? AND ? AND (+expires_at > ? OR +expires_at IS NULL)"""


def standing(connection: sqlite3.Connection, now: float) -> Iterator[Decision]:
    """Yield the bans that are in force at *now*, as restored ones and without evidence, in no particular order."""
    found, forced = _decisions(connection, _STANDING, (now,)), history.forced(connection)
    if not forced:
        return found
    ids = {id_ for _, id_ in forced}
    return (
        ban._replace(forced=True) if ban.id in ids and forced.get((ban.jail, ban.id)) == ban.at else ban
        for ban in found
    )


def ended(connection: sqlite3.Connection, since: float, until: float) -> Iterator[Decision]:
    """Yield the bans whose end is behind *since* and not behind *until*, the first to end first."""
    return _decisions(connection, _ENDED, (since, until))


def past(connection: sqlite3.Connection, now: float) -> Iterator[tuple[Key, Past]]:
    """Yield how often each (jail, id) was banned whose last ban is over at *now*, in the order of their ends."""
    for jail, ident, count, at, until in connection.execute(_PAST, (now,)):
        if (
            isinstance(jail, str)
            and isinstance(ident, str)
            and isinstance(count, int)
            and isinstance(at, (int, float))
            and isinstance(until, (int, float))
        ):
            yield (jail, ident), Past(count, at, until)


def latest(connection: sqlite3.Connection, jail: str, id_: str) -> Decision | None:
    """Return the last ban of *id_* in *jail*, with its evidence and the origin it was saved with; None when there was none."""
    found = connection.execute(_LATEST, (rows.text(jail), rows.text(id_)))
    return next((decision for row in found if (decision := rows.whole(row)) is not None), None)


def evidence(connection: sqlite3.Connection, ban: Decision) -> Decision:
    """Return *ban* with its evidence, also when it has been pardoned and the evidence not been swept yet.

    It comes back as it is when there is none, or that of a later ban of its id.
    """
    for matches, fields, at in connection.execute(_EVIDENCE_OF, (rows.text(ban.jail), rows.text(ban.id))):
        if at is None or at == ban.at:
            return rows.with_evidence(ban, matches, fields)
    return ban


def pardon_jails(connection: sqlite3.Connection, jails: Mapping[str, float]) -> None:
    """Delete the bans of *jails* that are in force at a time each. Their evidence may be hundreds of megabytes: see ``sweep``."""
    connection.executemany(_PARDON_JAIL, [(rows.text(jail), at) for jail, at in jails.items()])


def write(
    connection: sqlite3.Connection, words: Mapping[Key, Decision | float | None], most_matches: int | None = None
) -> None:
    """Write the last *words* on (jail, id): a ban, when it was ended, or None: it is to be forgotten.

    Of the lines of a ban the last *most_matches* are written, None for all.
    """
    bans = [ban for ban in words.values() if isinstance(ban, Decision)]
    told = [ban for ban in bans if ban.matches or ban.fields]
    untold = [(ban.jail, ban.id) for ban in bans if not (ban.matches or ban.fields)]
    pardoned = [key for key, at in words.items() if at is None]
    connection.executemany(_BAN, map(rows.ban_row, bans))
    connection.executemany(_EVIDENCE, [rows.evidence_row(ban, most_matches) for ban in told])
    connection.executemany(
        _UNBAN,
        [
            (at, at, rows.text(jail), rows.text(ident))
            for (jail, ident), at in words.items()
            if at is not None and not isinstance(at, Decision)
        ],
    )
    connection.executemany(_PARDON, map(_texts, pardoned))
    connection.executemany(_NO_EVIDENCE, map(_texts, chain(untold, pardoned)))


def shift(connection: sqlite3.Connection, seconds: float, since: float, until: float) -> None:
    """Move the bans that began between *since* and *until*, and were in force then, by so many *seconds*: begin and end."""
    moved = since, until, until
    connection.execute(_SHIFT_FORCED, (seconds, *moved))
    connection.execute(_SHIFT, (seconds, seconds, seconds, *moved))


def purge(connection: sqlite3.Connection, before: float, limit: int) -> int:
    """Delete at most *limit* bans that ended at *before* or earlier; return how many."""
    keys = connection.execute(_PURGE, (before, limit)).fetchall()
    connection.executemany(_PARDON, keys)
    connection.executemany(_NO_EVIDENCE, keys)
    return len(keys)


def sweep(connection: sqlite3.Connection, behind: tuple[bytes, bytes], limit: int) -> list[tuple[Any, ...]]:
    """Delete evidence that belongs to no ban, of the first *limit* pieces behind (jail, id); return what was looked at."""
    found = connection.execute(_BEHIND, (*behind, limit)).fetchall()
    connection.executemany(_NO_EVIDENCE, [(jail, ident) for jail, ident, stands in found if not stands])
    return found


def _decisions(connection: sqlite3.Connection, query: str, parameters: tuple[Any, ...]) -> Iterator[Decision]:
    known: dict[str, str] = {}
    return chain.from_iterable(rows.page(page, known) for page in _pages(connection, query, parameters))


def _pages(connection: sqlite3.Connection, query: str, parameters: tuple[Any, ...]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows, PAGE at a time.

    The module decodes text three times as fast as `rows.untext` does; it gives up on the first that is not UTF-8, and from that page
    on it is done our way.
    """
    cursor, usual, done = connection.execute(query, parameters), connection.text_factory, 0
    while True:
        connection.text_factory = str
        try:
            page = cursor.fetchmany(PAGE)
        except sqlite3.OperationalError:
            break
        finally:
            connection.text_factory = usual
        if not page:
            return
        done += len(page)
        yield page
    cursor = connection.execute(f"{query} LIMIT -1 OFFSET ?", (*parameters, done))
    while page := cursor.fetchmany(PAGE):
        yield page


def _texts(key: Key) -> tuple[bytes, bytes]:
    jail, ident = key
    return rows.text(jail), rows.text(ident)
