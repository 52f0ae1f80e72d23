"""The history: bounded, written with the bans, and found again by jail or address."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from importlib import resources
from pathlib import Path

import pytest

from banish import addresses
from banish.model import Decision, Incident
from banish.store import history, rows
from banish.store.database import Store
from banish.store.file import connect

NOW = 1_800_000_000.0


def banned(id_: str, at: float = NOW, jail: str = "sshd") -> Incident:
    return Incident(at, jail, "banned", id_, "5 failures in 2s")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "banish.sqlite3", NOW)


def test_what_happened_comes_back_in_its_order(store: Store) -> None:
    told = [
        banned("192.0.2.7"),
        Incident(NOW - 5, "sshd", "refused", "192.0.2.1", "ours \udce9\x1b", "admin"),
        Incident(NOW + 1, "sshd", "paused", "", "too many"),
    ]
    store.save(incidents=told[:2], now=NOW)
    store.save(incidents=told[2:], now=NOW)
    assert store.incidents() == told
    assert store.incidents(since=NOW) == [told[0], told[2]]
    assert store.incidents(most=1) == [told[2]]
    store.close()


@pytest.mark.parametrize(
    ("subject", "found"),
    [
        ("web", ["198.51.100.1"]),
        ("sshd", ["192.0.2.7", "192.0.2.0/24", "192.0.2.0/30", "2001:db8::7", "somebody"]),
        ("192.0.2.7", ["192.0.2.7", "192.0.2.0/24"]),
        ("192.0.2.1", ["192.0.2.0/24", "192.0.2.0/30"]),
        ("192.0.2.0/29", ["192.0.2.7", "192.0.2.0/24", "192.0.2.0/30"]),
        ("2001:DB8::7", ["2001:db8::7"]),
        ("somebody", ["somebody"]),
        ("203.0.113.1", []),
        ("nobody", []),
    ],
)
def test_a_jail_an_address_or_a_network_can_be_asked_for(store: Store, subject: str, found: list[str]) -> None:
    ids = ["192.0.2.7", "192.0.2.0/24", "192.0.2.0/30", "2001:db8::7", "somebody"]
    store.save(incidents=[*map(banned, ids), banned("198.51.100.1", jail="web")], now=NOW)
    assert [incident.id for incident in store.incidents(subject)] == found
    store.close()


def test_the_table_is_bounded_and_the_oldest_go_first(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "EVENTS", 10)
    for number in range(25):
        store.save(incidents=[banned(f"192.0.2.{number}")], now=NOW)
    assert [incident.id for incident in store.incidents()] == [f"192.0.2.{number}" for number in range(15, 25)]
    store.close()


def test_old_events_are_forgotten_a_few_at_a_time(store: Store) -> None:
    store.save(incidents=[banned(f"id{number}", NOW + number) for number in range(1500)], now=NOW)
    assert store.purge_history(NOW + 1200) == 1000
    assert store.purge_history(NOW + 1200) == 201
    assert store.purge_history(NOW + 1200) == 0
    assert len(store.incidents(most=5000)) == 299
    store.close()


def test_what_cannot_be_written_waits_within_bounds(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(tmp_path / "banish.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Exception, match="locked"):
            store.save(incidents=[banned(f"id{number}") for number in range(history.WAITING + 5)], now=NOW)
        assert store.pending == history.WAITING
        other.execute("ROLLBACK")
    store.save(now=NOW + 60)
    assert (store.pending, store.incidents(most=1)[0].id) == (0, f"id{history.WAITING + 4}")
    store.close()


def test_a_forced_ban_is_known_as_one_as_long_as_it_is_that_ban(store: Store) -> None:
    def ban(at: float, *, forced: bool) -> Decision:
        return Decision("sshd", "192.0.2.7", addresses.parse("192.0.2.7"), at, at + 600, "admin", forced=forced)

    store.save([ban(NOW, forced=True)], now=NOW)
    assert store.forced() == {("sshd", "192.0.2.7"): NOW}
    store.purge_history(NOW)
    assert store.forced() == {("sshd", "192.0.2.7"): NOW}
    store.save([ban(NOW + 900, forced=False)], now=NOW + 900)
    assert store.forced() == {("sshd", "192.0.2.7"): NOW}, "of the former ban, and not of the new one"
    store.purge_history(NOW)
    assert store.forced() == {}
    store.close()


@pytest.mark.parametrize(
    ("steps", "values"),
    [
        (["schema.sql"], "'192.0.2.7/32', 100, 700, 'jail', '', 1, 5, '[\"a line\"]', '{}'"),
        (["schema.sql", "schema2.sql"], "X'C000020720', 100, 700, 'jail', 'bantime', 100, '', 1, 5"),
    ],
    ids=["version 1", "version 2"],
)
def test_an_older_database_gets_its_history(tmp_path: Path, steps: list[str], values: str) -> None:
    path = tmp_path / "banish.sqlite3"
    with closing(connect(str(path))) as raw:
        raw.create_function("network_of_text", 1, rows.network_of_text)
        for step in steps:
            raw.executescript(resources.files("banish.store").joinpath(step).read_text("utf-8"))
        raw.executescript(
            f"INSERT INTO bans VALUES ('sshd', '192.0.2.7', {values}); PRAGMA user_version = {len(steps)}"
        )
    store = Store.open(path, NOW)
    assert store.problem is None
    store.save(incidents=[banned("192.0.2.8")], now=NOW)
    assert [(each.network, each.forced) for each in store.standing(200)] == [(addresses.parse("192.0.2.7"), False)]
    assert [each.id for each in store.incidents()] == ["192.0.2.8"]
    store.close()
