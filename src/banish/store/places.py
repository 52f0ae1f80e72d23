"""How far each source has been judged: tables ``positions`` (of files) and ``cursors`` (of the journal), as statements.

One side speaks `Position` and `Cursor`, the other rows. Who calls holds the transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping

from banish.model import Cursor, Position
from banish.store import rows

ALL_POSITIONS = 'SELECT source, device, inode, "offset", head, anchor FROM positions'
ALL_CURSORS = "SELECT source, cursor, at FROM cursors"
TABLES = (ALL_POSITIONS, ALL_CURSORS, "SELECT saved_at FROM positions", "SELECT saved_at FROM cursors")
"""What must be there for a database to be whole."""

_POSITION = """
    INSERT OR REPLACE INTO positions (source, device, inode, "offset", head, anchor, saved_at)
    VALUES (CAST(? AS TEXT), ?, ?, ?, ?, ?, ?)"""
_CURSOR = """
    INSERT OR REPLACE INTO cursors (source, cursor, at, saved_at) VALUES (CAST(? AS TEXT), CAST(? AS TEXT), ?, ?)"""
_OLD = "SELECT CAST(source AS BLOB) FROM {} WHERE saved_at <= ?"
_FORGET = "DELETE FROM {} WHERE source = CAST(? AS TEXT)"
_KINDS = ("positions", "cursors")


def positions(connection: sqlite3.Connection) -> dict[str, Position]:
    """Return where each file is."""
    return dict(pair for row in connection.execute(ALL_POSITIONS) if (pair := rows.position(row)) is not None)


def cursors(connection: sqlite3.Connection) -> dict[str, Cursor]:
    """Return where each part of the journal is."""
    return dict(pair for row in connection.execute(ALL_CURSORS) if (pair := rows.cursor(row)) is not None)


def write(connection: sqlite3.Connection, places: Mapping[str, Position | Cursor | None], now: float) -> None:
    """Write how far sources are judged; None forgets one."""
    known = [(*rows.position_row(source, at), now) for source, at in places.items() if isinstance(at, Position)]
    connection.executemany(_POSITION, known)
    found = [(*rows.cursor_row(source, at), now) for source, at in places.items() if isinstance(at, Cursor)]
    connection.executemany(_CURSOR, found)
    gone = [(rows.text(source),) for source, at in places.items() if at is None]
    if gone:
        for kind in _KINDS:
            connection.executemany(_FORGET.format(kind), gone)


def purge(connection: sqlite3.Connection, used: Collection[str], before: float) -> int:
    """Forget sources that were written at *before* or earlier, unless they are *used*; return how many."""
    gone = 0
    for kind in _KINDS:
        old = [row[0] for row in connection.execute(_OLD.format(kind), (before,))]
        unused = [(source,) for source in old if isinstance(source, bytes) and rows.untext(source) not in used]
        connection.executemany(_FORGET.format(kind), unused)
        gone += len(unused)
    return gone
