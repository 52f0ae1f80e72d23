"""What can still be read of a damaged database: bans, from both ends of their table, as far as it goes.

A torn page costs the rows that are in it, and those that are found through it; the others are as they were.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from banish.model import Decision
from banish.store import bans, history, rows
from banish.store.rows import Key

_FORWARD = f"{bans.ALL_BANS} NOT INDEXED ORDER BY jail, id"
_BACKWARD = f"{bans.ALL_BANS} NOT INDEXED ORDER BY jail DESC, id DESC"


def rescued(path: Path) -> list[Decision]:
    """Return the bans, in force or not, that can be read from the damaged file *path*, which is left as it is."""
    found: dict[Key, Decision] = {}
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection,
    ):
        connection.text_factory = rows.untext
        for query in (_FORWARD, _BACKWARD):
            with suppress(sqlite3.Error):
                for ban in rows.decisions(connection.execute(query)):
                    found.setdefault((ban.jail, ban.id), ban)
        with suppress(sqlite3.Error):
            for key, at in history.forced(connection).items():
                if key in found and found[key].at == at:
                    found[key] = found[key]._replace(forced=True)
    return list(found.values())
