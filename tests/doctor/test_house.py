"""The daemon, its database, the clock, and whether you would lock yourself out."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

import banish
from banish.config.jails import JailConfig, load
from banish.config.settings import DaemonSettings
from banish.doctor import house
from banish.doctor.finding import Finding, Skipped
from banish.safety.guard import SpareSettings
from banish.store.database import Store
from tests.control.fake import running

DATA = Path(banish.__file__).parent / "data"


def jail(tmp_path: Path, ignoreip: str = "") -> JailConfig:
    text = f"[door]\nenabled = true\nfilter =\nfailregex = ^ <HOST>$\nlogpath = /dev/null\nignoreip = {ignoreip}\n"
    (tmp_path / "jail.local").write_text(text)
    return next(each for each in load(tmp_path, DATA).jails if each.name == "door")


def texts(found: object) -> list[str]:
    assert isinstance(found, list)
    return [each.text for each in found if isinstance(each, Finding)]


def test_a_database_that_is_well_or_not_there_yet(tmp_path: Path) -> None:
    assert list(house.database(tmp_path / "nowhere")) == []
    assert list(house.database(tmp_path)) == []
    Store.open(tmp_path / "banish.sqlite3", 0.0).close()
    assert list(house.database(tmp_path)) == []


def test_a_database_in_use_by_the_daemon_is_well(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "banish.sqlite3", 0.0)
    assert list(house.database(tmp_path)) == []
    store.close()


def test_a_damaged_database(tmp_path: Path) -> None:
    path = tmp_path / "banish.sqlite3"
    path.write_bytes(b"no database at all, " * 500)
    [finding] = house.database(tmp_path)
    assert (finding.check, "cannot be read" in finding.text) == ("database", True)
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bans (id TEXT)")
        connection.executemany("INSERT INTO bans VALUES (?)", [("x" * 500,)] * 500)
    connection.close()
    data = bytearray(path.read_bytes())
    data[8192:16384] = os.urandom(8192)
    path.write_bytes(data)
    [finding] = house.database(tmp_path)
    assert finding.check == "database"
    path.unlink()
    path.mkdir()
    [finding] = house.database(tmp_path)
    assert "is no file" in finding.text


def test_a_clock_that_was_never_set() -> None:
    assert [finding.check for finding in house.clock(86400.0)] == ["clock"]
    assert list(house.clock(1_800_000_000.0)) == []


@pytest.mark.parametrize(
    ("ignoreip", "spares", "exposed"),
    [("", True, False), ("", False, True), ("192.0.2.0/24", False, False), ("198.51.100.0/24", False, True)],
)
def test_whether_you_would_lock_yourself_out(tmp_path: Path, ignoreip: str, spares: bool, exposed: bool) -> None:
    settings = DaemonSettings(spare=SpareSettings(spare_sessions=spares))
    environment = {"SSH_CONNECTION": "192.0.2.7 4711 192.0.2.1 22"}
    found = [
        each
        for each in house.yourself([jail(tmp_path, ignoreip)], settings, environment, 0.0)
        if isinstance(each, Finding) and "192.0.2.7" in each.text
    ]
    assert bool(found) == exposed
    if found:
        assert found[0].text.startswith("you are logged in over ssh from 192.0.2.7, which door may ban")


def test_who_ignores_everybody(tmp_path: Path) -> None:
    assert list(house.ignored([jail(tmp_path, "192.0.2.0/24 ::1 example.org")])) == []
    found = list(house.ignored([jail(tmp_path, "192.0.2.7 0.0.0.0/0 ::/0")]))
    assert [finding.check for finding in found] == ["ignores-everybody"] * 2


def test_what_the_daemon_complains_of_is_told_once(tmp_path: Path) -> None:
    socket = str(tmp_path / "d.sock")
    [finding] = house.daemon(socket, [])
    assert (finding.check, getattr(finding, "severity", "")) == ("daemon", "error")
    with running(tmp_path / "d.sock") as control:
        assert texts(list(house.daemon(socket, []))) == []
        control.problem = "the database cannot be written: disk full"
        found = list(house.daemon(socket, []))
        told = [each for each in found if isinstance(each, Finding)]
        assert [(each.check, each.text, each.jail) for each in told] == [("database", control.problem, "apache")]
        assert texts(list(house.daemon(socket, told))) == []
    assert not any(isinstance(each, Skipped) for each in found)
