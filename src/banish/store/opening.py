"""How a database is opened: as it is, made, made anew in place of a damaged one, or stood in for by a copy in memory.

Errors that a person must mend are StoreError; all others lead to something that can be worked with.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Literal, NamedTuple

from banish.errors import Origin, Problem, StoreError
from banish.model import Decision
from banish.store import file, lock, rescue

StandIn = Literal["copy", "nothing"]
"""A copy of the file in memory, or an empty database there."""


class Opened(NamedTuple):
    """What there is to work with. *trouble* keeps the file from being written, and *stand_in* is what the connection is to."""

    connection: sqlite3.Connection
    lock: lock.Lock | None = None
    problem: Problem | None = None
    """What was wrong with the file."""
    rescued: tuple[Decision, ...] = ()
    """Bans that are to be written into a new file."""
    stand_in: StandIn | None = None
    trouble: Exception | None = None


def opened(path: Path, now: float) -> Opened:
    """Open the file *path*, and lock its directory; see ``Store.open``."""
    held = None
    try:
        try:
            held = lock.hold(path.parent)
            return _file(path, now)._replace(lock=held)
        except (OSError, sqlite3.Error, file.DamagedError) as error:
            return _without_file(path, error)._replace(lock=held)
    except BaseException:
        release(held)
        raise


def release(held: lock.Lock | None) -> None:
    """Let go of the directory, if it was held."""
    if held is not None:
        held.release()


def _without_file(path: Path, error: Exception) -> Opened:
    if file.is_foreign(error):
        raise StoreError(f"{path}: cannot open the database: {error} ({file.remedy(error)})") from error
    try:
        return Opened(file.copy(path), stand_in="copy", trouble=error)
    except (OSError, sqlite3.Error, file.DamagedError):
        return Opened(file.nothing(path), stand_in="nothing", trouble=error)


def _file(path: Path, now: float) -> Opened:
    made = file.make(path)
    try:
        connection = file.connect(str(path))
        version = file.migrate(connection, str(path))
    except file.DamagedError as damage:
        found = _anew(path, damage, now)
    else:
        problem = None
        if version == 0 and not made:
            problem = Problem(
                "the database was an empty file; bans of earlier runs are not restored",
                remedy="look for a full disk or a power cut",
                origin=Origin(str(path)),
                severity="warning",
            )
        found = Opened(connection, problem=problem)
    file.hurry(found.connection)
    return found


def _anew(path: Path, damage: file.DamagedError, now: float) -> Opened:
    """Begin a new file in place of a damaged one."""
    aside = file.move_aside(path, now)
    file.make(path)
    connection = file.connect(str(path))
    file.migrate(connection, str(path))
    rescued = rescue.rescued(aside)
    what = (
        f"{len(rescued)} bans of earlier runs could still be read"
        if rescued
        else "bans of earlier runs are not restored"
    )
    problem = Problem(
        f"the database was damaged ({damage}); a new one was begun, {what}",
        remedy=f"the damaged one is kept as {aside}; delete it when it is not needed",
        origin=Origin(str(path)),
    )
    return Opened(connection, problem=problem, rescued=tuple(rescued))
