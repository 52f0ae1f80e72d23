"""Reads the database of fail2ban (``fail2ban.sqlite3``): the last ban of each id in each jail, how often it was banned, and the history.

What is known of it is what its tables show (versions 0.9 to 1.1): ``bips`` has the last ban of each, ``bans`` all that are not purged
yet; times are Unix seconds, a ban time of -1 is for ever, ``data`` is JSON. Older ones have neither ``bips`` nor ban times.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from banish.addresses import parse, show
from banish.errors import StoreError
from banish.model import Decision, Incident

REASON = "imported from fail2ban"
_MATCHES = 50
"""Lines that are kept of a ban."""


class Fail2banDatabase(NamedTuple):
    """What it holds. Times and counts are as they stand there; *bans* may be over already."""

    bans: list[Decision]
    history: list[Incident]


def read(path: Path, bantime: float = 600.0) -> Fail2banDatabase:
    """Return what the database at *path* holds, which is left as it is. *bantime*, where it does not say how long a ban is.

    Raises StoreError when it cannot be read, or is no database of fail2ban.
    """
    if not path.is_file():
        raise StoreError(f"{path}: there is no such file")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.text_factory = lambda data: data.decode("utf-8", "replace")
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not {"fail2banDb", "bans"} <= tables:
                raise StoreError(f"{path}: this is no database of fail2ban (there is no table bans, or no fail2banDb)")
            connection.row_factory = sqlite3.Row
            history = list(_rows(connection.execute("SELECT * FROM bans"), bantime))
            last = (
                list(_rows(connection.execute("SELECT * FROM bips"), bantime)) if "bips" in tables else _last(history)
            )
    except sqlite3.Error as error:
        raise StoreError(f"{path}: cannot be read: {error}") from error
    events = [Incident(ban.at, ban.jail, "banned", ban.id, REASON, "jail") for ban in history]
    return Fail2banDatabase(last, sorted(events, key=lambda event: event.at))


def _rows(rows: Iterable[sqlite3.Row], bantime: float) -> Iterator[Decision]:
    for row in rows:
        known = dict(row)
        jail, id_, at = known.get("jail"), known.get("ip"), known.get("timeofban")
        seconds, count = known.get("bantime"), known.get("bancount")
        if not (isinstance(jail, str) and isinstance(id_, str) and id_ and isinstance(at, (int, float))):
            continue
        term = bantime if not isinstance(seconds, (int, float)) else math.inf if seconds < 0 else seconds
        network = parse(id_)
        failures, matches = _evidence(known.get("data"))
        yield Decision(
            jail,
            show(network) if network is not None else id_,
            network,
            float(at),
            float(at + term),
            "restored",
            REASON,
            ban_count=count if isinstance(count, int) and count > 0 else 1,
            failures=failures,
            matches=matches,
        )


def _evidence(data: Any) -> tuple[int, tuple[str, ...]]:
    """Return how many failures there were, and their lines (which may be in three parts: before the date, the date, after it)."""
    try:
        found = json.loads(data) if isinstance(data, (str, bytes)) else {}
    except ValueError:
        found = {}
    if not isinstance(found, dict):
        return 0, ()
    failures, lines = found.get("failures"), found.get("matches")
    matches = ["".join(map(str, line)) if isinstance(line, list) else str(line) for line in lines or ()][-_MATCHES:]
    return failures if isinstance(failures, int) else 0, tuple(matches)


def _last(history: list[Decision]) -> list[Decision]:
    """Return the last ban of each, counted."""
    counts: Counter[tuple[str, str]] = Counter()
    last: dict[tuple[str, str], Decision] = {}
    for ban in sorted(history, key=lambda ban: ban.at):
        counts[ban.jail, ban.id] += 1
        last[ban.jail, ban.id] = ban
    return [ban._replace(ban_count=max(ban.ban_count, counts[key])) for key, ban in last.items()]
