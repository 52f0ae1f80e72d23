"""What jails know beyond bans comes back as it was at a commit, whatever becomes of the rows in between."""

from __future__ import annotations

import pickle
import random
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from banish.errors import StoreError
from banish.model import Position
from banish.store import memory
from banish.store.database import Store
from banish.store.notes import Notes
from tests.store.disks import full_disk

NAME = ("window", "sshd")


class Table:
    """A book of (key, time, value)."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[float, Any]] = {}
        self.changed: set[Any] | None = None
        self.oldest = float("-inf")

    @property
    def size(self) -> int:
        return len(self.entries)

    def put(self, key: str, at: float, value: Any = None) -> None:
        self.entries[key] = at, value
        if self.changed is not None:
            self.changed.add(key)

    def remove(self, key: str) -> None:
        del self.entries[key]
        if self.changed is not None:
            self.changed.add(key)

    def keys(self) -> list[str]:
        return list(self.entries)

    def rows(self, keys: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        for key in keys:
            yield (key, *self.entries[key]) if key in self.entries else (key,)

    def recall(self, rows: Iterable[tuple[Any, ...]]) -> None:
        for key, *known in rows:
            self.entries.pop(key, None)
            if known:
                self.entries[key] = known[0], known[1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "banish.sqlite3"


def read(path: Path) -> dict[str, tuple[float, Any]]:
    with closing(Store.open(path, 0.0)) as store:
        table = Table()
        store.recall(NAME, table)
        return table.entries


def rows_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM memory").fetchone()
        return int(count)


def test_what_changed_is_written_with_the_positions_and_comes_back(path: Path) -> None:
    table = Table()
    with closing(Store.open(path, 0.0)) as store:
        store.recall(NAME, table)
        table.put("192.0.2.7", 1.0, ("line \udc80", 2))
        table.put("192.0.2.8", 1.0)
        store.save(positions={"/a.log": Position(1, 2, 3, b"", b"")}, now=1.0)
        table.remove("192.0.2.8")
        table.put("192.0.2.9", 2.0)
        dirty = [store.dirty]
        store.save(now=2.0)
        assert [*dirty, store.dirty] == [True, False]
    assert read(path) == {"192.0.2.7": (1.0, ("line \udc80", 2)), "192.0.2.9": (2.0, None)}


@pytest.mark.parametrize("seed", range(8))
def test_any_life_comes_back_as_it_was_at_the_last_commit(
    path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries come, change, go and age; rows are rewritten and dropped all the time, the database fails now and then."""
    monkeypatch.setattr(memory, "SLACK", 5)
    monkeypatch.setattr(memory, "AT_ONCE", 7)
    monkeypatch.setattr(memory, "SMALL", 30 * (seed % 2))
    dice, now = random.Random(seed), 0.0
    table = Table()
    store = Store.open(path, 0.0)
    store.recall(NAME, table)
    committed: dict[str, tuple[float, Any]] = {}
    for _ in range(300):
        now += dice.random()
        for _ in range(dice.randrange(6)):
            key = str(dice.randrange(40))
            if dice.random() < 0.7:
                table.put(key, now - dice.choice((0, 0, 3)), dice.random())
            elif key in table.entries:
                table.remove(key)
        table.oldest = now - 20
        if dice.random() < 0.5:
            if dice.random() < 0.1:
                store._connection.execute("PRAGMA query_only = ON")
                with pytest.raises(StoreError):
                    store.save(positions={"/a.log": Position(1, 2, 3, b"", b"")}, now=now)
                store._connection.execute("PRAGMA query_only = OFF")
                now += 2
            store.save(now=now)
            committed = dict(table.entries)
        if dice.random() < 0.05:
            store._connection.close()
            if store._lock is not None:
                store._lock.release()
            store, table = Store.open(path, 0.0), Table()
            store.recall(NAME, table)
            table.oldest = now - 20
            young = {key: entry for key, entry in committed.items() if entry[0] > table.oldest}
            assert {key: entry for key, entry in table.entries.items() if entry[0] > table.oldest} == young
        for key in [key for key, (at, _) in table.entries.items() if at <= table.oldest]:
            del table.entries[key]  # it ages, which is no change
    store.save(now=now)
    store.close()
    assert rows_of(path) < 60


def test_a_book_takes_no_more_room_than_a_few_times_what_it_holds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "SLACK", 20)
    monkeypatch.setattr(memory, "SMALL", 0)
    table = Table()
    with closing(Store.open(path, 0.0)) as store:
        store.recall(NAME, table)
        for number in range(2000):
            table.put(str(number % 10), float(number))
            table.put("still here", 0.0) if number == 0 else None
            store.save(now=float(number))
    assert rows_of(path) <= 41
    assert len(read(path)) == 11


def test_rows_leave_when_all_in_them_has_aged(path: Path) -> None:
    table = Table()
    with closing(Store.open(path, 0.0)) as store:
        store.recall(NAME, table)
        for number in range(100):
            table.put(str(number), float(number))
            store.save(now=float(number))
        assert rows_of(path) == 100
        table.oldest = 98.0
        table.put("new", 100.0)
        store.save(now=100.0)
        assert rows_of(path) == 2


def test_after_a_full_disk_everything_is_written_anew(path: Path) -> None:
    table = Table()
    with closing(Store.open(path, 0.0)) as store:
        store.recall(NAME, table)
        table.put("before", 1.0)
        store.save(now=1.0)
        with full_disk(free=1024):
            table.put("during", 2.0, "x" * 4096)
            with pytest.raises(StoreError):
                store.save(now=2.0)
            noted: Any = table.changed
            assert noted is None, "nothing is noted down: it could become any number"
            table.remove("before")
        table.put("after", 3.0)
        store.save(now=4.0)
        assert not store.problems
    assert read(path) == {"during": (2.0, "x" * 4096), "after": (3.0, None)}


def test_damaged_rows_cost_only_what_is_in_them_and_nothing_is_run_that_they_say(path: Path, tmp_path: Path) -> None:
    table, trap = Table(), tmp_path / "trap"
    with closing(Store.open(path, 0.0)) as store:
        store.recall(NAME, table)
        for number in range(6):
            table.put(str(number), 1.0)
            store.save(now=1.0)

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return trap.touch, ()

    bodies = (b"", b"garbage", pickle.dumps(Trap()), pickle.dumps({"a": 1}), pickle.dumps([("key", "no time")]))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for number, body in enumerate(bodies, 1):
            connection.execute("UPDATE memory SET body = ? WHERE number = ?", (body, number))
    assert read(path) == {"5": (1.0, None)}
    assert not trap.exists()


def test_a_book_that_nobody_keeps_is_there_for_a_while(path: Path) -> None:
    table = Table()
    with closing(Store.open(path, 0.0)) as store:
        store.recall(NAME, table)
        table.put("192.0.2.7", 1.0)
        store.save(now=1.0)
        store.memory.leave(NAME)
        table.put("192.0.2.8", 2.0)
        store.save(now=2.0)
        assert store.purge_sources((), before=0.5) == 0
    assert read(path) == {"192.0.2.7": (1.0, None)}
    with closing(Store.open(path, 3.0)) as store:
        assert store.purge_sources((), before=1.0) == 1
    assert read(path) == {}


def test_a_note_is_written_when_it_has_become_another_one() -> None:
    notes = Notes()
    notes.changed = set()
    notes.put(("a", 1), 5, 10.0)
    notes.changed = set()
    notes.put(("a", 1), 5, 20.0)
    assert not notes.changed
    notes.put(("b", 1), 6, 20.0)
    notes.forget(10.0, lambda key: False)
    assert (notes.keys(), notes.of("b"), notes.get(("a", 1))) == ([("b", 1)], [("b", 1)], None)
    assert notes.changed == {("a", 1), ("b", 1)}
