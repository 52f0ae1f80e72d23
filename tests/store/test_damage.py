"""Files that are damaged, deleted or replaced, before and while the daemon runs: no ban in force is lost to that."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from banish import addresses
from banish.model import Decision, Position
from banish.store.database import Store
from banish.store.notes import Notes

HERE = Position(device=1, inode=2, offset=300, head=b"Nov 22", anchor=b"port 22 ssh2\n")


def ban(number: int, *, until: float = 7000.0) -> Decision:
    id_ = f"2001:db8::{number:x}"
    return Decision("sshd", id_, addresses.parse(id_), 100.0, until, reason="5 failures", failures=5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "banish.sqlite3"


def filled(path: Path, count: int) -> None:
    with closing(Store.open(path, 0.0)) as store:
        store.save([ban(number) for number in range(count)], now=100.0)


def test_what_a_torn_page_leaves_is_restored(path: Path) -> None:
    filled(path, 3000)
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'bans'").fetchone()
    size = path.stat().st_size // 4096
    with path.open("r+b") as torn:
        for page in range(root + 1, size, 12):
            torn.seek(page * 4096)
            torn.write(os.urandom(4096))
    with closing(Store.open(path, 0.0)) as store:
        assert "could still be read" in str(store.problem)
        found = {decision.id for decision in store.standing(200.0)}
        assert 0 < len(found) < 3000
        assert found <= {ban(number).id for number in range(3000)}
    with closing(Store.open(path, 0.0)) as store:
        assert store.problems == []
        assert {decision.id for decision in store.standing(200.0)} == found


def garbage(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"this is no database\n" * 2000)
    Path(f"{path}-wal").write_bytes(b"nor is this its log\n" * 2000)


def cut(path: Path) -> None:
    os.truncate(path, 5000)
    os.truncate(f"{path}-wal", 0)


def deleted(path: Path) -> None:
    for each in path.parent.glob("banish.sqlite3*"):
        each.unlink()


def replaced(path: Path) -> None:
    deleted(path)
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [garbage, cut, deleted, replaced])
def test_a_file_that_is_lost_while_the_daemon_runs_is_begun_anew_with_everything(
    path: Path, harm: Callable[[Path], None]
) -> None:
    standing = [ban(number) for number in range(500)]
    notes = Notes()
    with closing(Store.open(path, 0.0)) as store:
        store.recall(("notes", ""), notes)
        store.in_force = lambda: standing
        notes.put(("a",), 1, 100.0)
        store.save(standing, positions={"/a.log": HERE, "/quiet.log": HERE}, now=100.0)
        store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        store._connection.execute("PRAGMA shrink_memory")
        harm(path)
        notes.put(("b",), 2, 101.0)
        store.save([ban(600)], positions={"/a.log": HERE._replace(offset=400)}, now=101.0)
        store.save([ban(601)], now=102.0)
        assert store.pending == 0
        assert "a new one was begun with all bans in force" in str(store.problem)
    with closing(Store.open(path, 0.0)) as store:
        again = Notes()
        store.recall(("notes", ""), again)
        assert {decision.id for decision in store.standing(200.0)} == {ban(n).id for n in (*range(500), 600, 601)}
        assert {source: at.offset for source, at in store.positions().items()} == {"/a.log": 400, "/quiet.log": 300}
        assert sorted(again.keys()) == [("a",), ("b",)]
        assert store.problems == []
