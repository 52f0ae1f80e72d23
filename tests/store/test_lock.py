"""One state directory, one daemon."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import banish
from banish.errors import StoreError
from banish.store import lock
from banish.store.database import Store

HOLDER = """
import sys
from pathlib import Path
from banish.store.database import Store

store = Store.open(Path(sys.argv[1]), 0.0)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_daemon_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "state" / "banish.sqlite3"
    environment = {**os.environ, "PYTHONPATH": str(Path(banish.__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as first:
        assert first.stdout
        assert first.stdout.readline() == b"held\n"
        told = rf"another banishd \(process {first.pid}\) uses this state directory: {re.escape(str(path.parent))} .*--state"
        with pytest.raises(StoreError, match=told):
            Store.open(path, 0.0)
        first.kill()
    Store.open(path, 0.0).close()


def test_a_stopped_daemon_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "banish.sqlite3"
    first = Store.open(path, 0.0)
    with pytest.raises(StoreError, match=f"process {os.getpid()}"):
        Store.open(path, 0.0)
    first.close()
    Store.open(path, 0.0).close()


def test_a_database_that_is_refused_is_not_kept_locked(tmp_path: Path) -> None:
    path = tmp_path / "banish.sqlite3"
    for _ in range(2):
        path.write_bytes(b"")
        store = Store.open(path, 0.0)
        store._connection.execute("PRAGMA user_version = 99")
        store.close()
        with pytest.raises(StoreError, match="version 99"):
            Store.open(path, 0.0)
        path.unlink()


def test_a_store_that_began_without_its_directory_locks_it_when_it_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "state" / "banish.sqlite3"
    path.parent.write_text("")
    store = Store.open(path, 0.0)
    path.parent.unlink()
    store.save(positions={"/var/log/auth.log": None}, now=100)
    with pytest.raises(StoreError, match=f"process {os.getpid()}"):
        Store.open(path, 0.0)
    store.close()
    Store.open(path, 0.0).close()


def test_a_lock_is_held_once_and_released_as_often_as_one_likes(tmp_path: Path) -> None:
    held = lock.hold(tmp_path)
    with pytest.raises(StoreError):
        lock.hold(tmp_path)
    held.release()
    held.release()
    lock.hold(tmp_path).release()


def test_a_directory_in_the_place_of_the_lock_is_the_systems_error(tmp_path: Path) -> None:
    (tmp_path / lock.NAME).mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        lock.hold(tmp_path)
