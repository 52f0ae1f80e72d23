"""The databases that versions of fail2ban have made, and what is none."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from banish.errors import StoreError
from banish.store.fail2ban import REASON, read

VERSION = "CREATE TABLE fail2banDb(version INTEGER)"
PRESENT = "(jail TEXT, ip TEXT, timeofban INTEGER, bantime INTEGER, bancount INTEGER, data JSON)"


def write(path: Path, *tables: str, rows: dict[str, Sequence[tuple[object, ...]]]) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        for table in tables:
            connection.execute(table)
        for name, values in rows.items():
            marks = ", ".join("?" * len(values[0]))
            connection.executemany(f"INSERT INTO {name} VALUES ({marks})", values)
        connection.commit()
    return path


def test_the_last_ban_of_each_and_all_that_are_known(tmp_path: Path) -> None:
    lines = b'{"matches": [["", "Nov 29 15:20:49", " failed"], "whole line"], "failures": 5}'
    rows = [
        ("sshd", "192.0.2.7", 1000, 600, 1, b"{}"),
        ("sshd", "192.0.2.7", 5000, 1200, 2, lines),
        ("web", "2001:db8::/64", 5000, -1, 1, "not JSON"),
        ("web", "somebody", 5000, 60, None, None),
        (None, "192.0.2.8", 5000, 60, 1, None),
        ("web", "192.0.2.9", "when?", 60, 1, None),
    ]
    tables = (VERSION, f"CREATE TABLE bans{PRESENT}", f"CREATE TABLE bips{PRESENT}")
    found = read(write(tmp_path / "db", *tables, rows={"bans": rows, "bips": rows[1:]}))
    assert [(ban.jail, ban.id, ban.at, ban.expires_at, ban.ban_count) for ban in found.bans] == [
        ("sshd", "192.0.2.7", 5000.0, 6200.0, 2),
        ("web", "2001:db8::/64", 5000.0, math.inf, 1),
        ("web", "somebody", 5000.0, 5060.0, 1),
    ]
    first, second, third = found.bans
    assert (first.failures, first.matches) == (5, ("Nov 29 15:20:49 failed", "whole line"))
    assert (first.origin, first.reason, first.basis) == ("restored", REASON, "said")
    assert second.network is not None
    assert third.network is None
    assert [event.at for event in found.history] == [1000.0, 5000.0, 5000.0, 5000.0]


def test_a_database_of_a_version_without_ban_times(tmp_path: Path) -> None:
    table = "CREATE TABLE bans(jail TEXT, ip TEXT, timeofban INTEGER, data JSON)"
    rows = [("sshd", "192.0.2.7", at, None) for at in (3000, 1000, 2000)]
    found = read(write(tmp_path / "db", VERSION, table, rows={"bans": rows}), bantime=60.0)
    assert [(ban.at, ban.expires_at, ban.ban_count) for ban in found.bans] == [(3000.0, 3060.0, 3)]


def test_what_is_no_database_of_fail2ban_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no such file"):
        read(tmp_path / "none")
    (tmp_path / "text").write_text("no database at all, but long enough to be taken for one by its size" * 20)
    with pytest.raises(StoreError, match="cannot be read"):
        read(tmp_path / "text")
    with pytest.raises(StoreError, match="no database of fail2ban"):
        read(write(tmp_path / "other", "CREATE TABLE bans(id TEXT)", rows={"bans": [("a",)]}))
