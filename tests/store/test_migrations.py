"""A database that any earlier version has written opens, and nothing in it is lost.

``past/`` holds what the program of each version wrote, as SQL: it was made by those programs and is never changed.
"""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from banish.decisions.ledger import Past
from banish.errors import StoreError
from banish.model import Cursor, Incident, Position
from banish.store import file
from banish.store.database import Store
from banish.store.notes import Notes
from tests.networks import net

PAST = Path(__file__).with_name("past")
VERSIONS = sorted(int(path.stem.removeprefix("version")) for path in PAST.glob("version*.sql"))


def written_by(version: int, path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((PAST / f"version{version}.sql").read_text())
    return path


def test_there_is_a_database_of_every_earlier_version() -> None:
    assert list(range(1, len(file.STEPS))) == VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_what_an_earlier_version_wrote_is_all_there(version: int, tmp_path: Path) -> None:
    with closing(Store.open(written_by(version, tmp_path / "banish.sqlite3"), 1000.0)) as store:
        assert store.problems == []
        standing = {(ban.jail, ban.id): ban for ban in store.standing(1000.0)}
        assert {key: ban.expires_at for key, ban in standing.items()} == {
            ("sshd", "192.0.2.7"): 4_000_000_000.0,
            ("sshd", "2001:db8::/48"): math.inf,
        }
        assert standing["sshd", "2001:db8::/48"].network == net("2001:db8::/48")
        assert list(store.past(1000.0)) == [(("web", "alice"), Past(2, 100.0, 200.0))]
        ban = store.latest("sshd", "192.0.2.7")
        assert ban is not None
        assert (ban.ban_count, ban.failures, ban.matches, ban.fields) == (
            3,
            5,
            ("line one", "line two"),
            {"user": "root"},
        )
        assert store.positions() == {"/var/log/auth.log": Position(1, 2**64 - 2, 300, b"Nov 22", b"ssh2\n")}
        assert standing["sshd", "2001:db8::/48"].forced == (version >= 3)
        if version >= 3:
            assert store.incidents() == [Incident(100.0, "sshd", "banned", "192.0.2.7", "5 failures in 1m", "jail")]
        assert store.cursors() == ({"systemd-journal A=1": Cursor("s=1;i=2", 150.0)} if version >= 4 else {})


@pytest.mark.parametrize("version", VERSIONS)
def test_what_this_version_knows_more_is_kept_in_it_from_then_on(version: int, tmp_path: Path) -> None:
    path = written_by(version, tmp_path / "banish.sqlite3")
    with closing(Store.open(path, 1000.0)) as store:
        notes = Notes()
        store.recall(("notes", ""), notes)
        notes.put(("jail", "sshd"), 1, 1000.0)
        store.save(now=1000.0)
    with closing(Store.open(path, 1100.0)) as store:
        again = Notes()
        store.recall(("notes", ""), again)
        assert again.get(("jail", "sshd")) == 1
        assert len(list(store.standing(1100.0))) == 2


def test_a_migration_that_the_disk_has_no_room_for_leaves_the_old_database_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written_by(1, tmp_path / "banish.sqlite3")
    monkeypatch.setattr(file, "STEPS", (*file.STEPS[:2], "no such step.sql"))
    with pytest.raises((StoreError, FileNotFoundError, OSError)):
        file.migrate(file.connect(str(path)), str(path))
    monkeypatch.undo()
    with closing(Store.open(path, 1000.0)) as store:
        assert len(list(store.standing(1000.0))) == 2
