import math
import os
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from importlib import resources
from pathlib import Path

import pytest

import banish
from banish import addresses
from banish.decisions.ledger import Past
from banish.errors import StoreError
from banish.model import Cursor, Decision, Position
from banish.store import database, file
from banish.store.database import Store
from tests.networks import net
from tests.store.disks import full_disk

HERE = Position(device=1, inode=2, offset=300, head=b"Nov 22", anchor=b"port 22 ssh2\n")


def ban(
    ident: str = "192.0.2.7", *, jail: str = "sshd", at: float = 100.0, until: float = 700.0, count: int = 1
) -> Decision:
    return Decision(jail, ident, addresses.parse(ident), at, until, reason="5 failures", ban_count=count, failures=5)


def standing(store: Store, now: float) -> list[str]:
    return [decision.id for decision in store.standing(now)]


def counts(store: Store) -> dict[tuple[str, str], int]:
    """How often each id was banned, whether its ban stands or is over."""
    for_ever = {(ban.jail, ban.id): ban.ban_count for ban in store.standing(math.inf)}
    return for_ever | {key: past.bans for key, past in store.past(math.inf)}


def restored(decision: Decision) -> Decision:
    """*decision* as a later run reads it."""
    return decision.bare()._replace(origin="restored")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "banish.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store.open(path, now=0.0)
    yield store
    store.close()


def test_a_new_database_is_for_its_owner_alone(path: Path, store: Store) -> None:
    store.save([ban()], now=100)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(found.stat().st_mode) for found in path.parent.iterdir()} == {0o600}
    assert store.problem is None


def test_bans_and_positions_survive_a_restart(path: Path) -> None:
    store = Store.open(path, now=0.0)
    store.save([ban(), ban("2001:db8::1", until=math.inf)], positions={"/var/log/auth.log": HERE}, now=100)
    store.close()
    store = Store.open(path, now=0.0)
    assert list(store.standing(200)) == [restored(ban()), restored(ban("2001:db8::1", until=math.inf))]
    assert store.positions() == {"/var/log/auth.log": HERE}
    assert store.problem is None
    store.close()


def test_a_ban_ends_when_its_time_is_up_but_its_count_stays(store: Store) -> None:
    store.save([ban(count=3)], now=100)
    assert standing(store, 699.9) == ["192.0.2.7"]
    assert standing(store, 700.0) == []
    assert counts(store) == {("sshd", "192.0.2.7"): 3}


def test_an_unban_ends_the_ban_and_keeps_the_count(store: Store) -> None:
    store.save([ban(until=math.inf, count=2), ban("192.0.2.8")], now=100)
    store.save(unbans=[("sshd", "192.0.2.7"), ("sshd", "203.0.113.1")], now=150)
    assert standing(store, 151) == ["192.0.2.8"]
    assert counts(store) == {("sshd", "192.0.2.7"): 2, ("sshd", "192.0.2.8"): 1}


def test_an_unban_in_the_same_call_as_its_ban_is_the_later_word(store: Store) -> None:
    store.save([ban(count=2)], unbans=[("sshd", "192.0.2.7")], now=100)
    assert standing(store, 101) == []
    assert counts(store) == {("sshd", "192.0.2.7"): 2}


def test_an_unban_of_an_ended_ban_does_not_lengthen_it(store: Store) -> None:
    store.save([ban(until=200)], now=100)
    store.save(unbans=[("sshd", "192.0.2.7")], now=900)
    assert standing(store, 300) == []


def test_a_ban_saved_again_is_prolonged(store: Store) -> None:
    store.save([ban(until=200)], now=100)
    store.save([ban(until=5000)], now=110)
    assert list(store.standing(300)) == [restored(ban(until=5000))]


def test_a_clock_that_was_set_back_does_not_lose_the_newer_ban(store: Store) -> None:
    store.save([ban(at=9_000_000.0, until=9_000_600.0)], now=9_000_000)
    store.save([ban(at=100.0, until=math.inf)], now=100)
    assert list(store.standing(9_999_999)) == [restored(ban(at=100.0, until=math.inf))]


def test_a_pardon_forgets_the_ban_and_its_count(store: Store) -> None:
    store.save([ban(count=3), ban("192.0.2.8")], now=100)
    store.save(pardons=[("sshd", "192.0.2.7"), ("sshd", "192.0.2.99")], now=110)
    assert counts(store) == {("sshd", "192.0.2.8"): 1}
    store.save([ban(at=200)], now=200)
    assert counts(store) == {("sshd", "192.0.2.7"): 1, ("sshd", "192.0.2.8"): 1}


def test_the_past_tells_of_bans_that_are_over_the_oldest_end_first(store: Store) -> None:
    store.save([ban("192.0.2.9", at=100, until=900, count=2), ban("192.0.2.8", at=200, until=800)], now=300)
    store.save([ban("192.0.2.6", until=1001), ban("192.0.2.7", until=math.inf)], now=300)
    assert list(store.past(1000)) == [
        (("sshd", "192.0.2.8"), Past(1, 200, 800)),
        (("sshd", "192.0.2.9"), Past(2, 100, 900)),
    ]


def test_the_last_ban_of_an_id_is_known_after_its_end_and_before_it_is_written(store: Store) -> None:
    store.save([ban(until=200), ban(jail="web", count=2)], now=100)
    store.save(unbans=[("web", "192.0.2.7")], now=150)
    for jail, until in (("sshd", 200), ("web", 150)):
        found = store.latest(jail, "192.0.2.7")
        assert found is not None
        assert (found.jail, found.expires_at, found.failures) == (jail, until, 5)
    assert store.latest("sshd", "192.0.2.8") is None


def test_evidence_is_there_for_who_asks_until_the_ban_is_forgotten(store: Store) -> None:
    told = ban(until=200)._replace(matches=("line 1", "line 2"), fields={"user": "root"})
    store.save([told, ban("192.0.2.8")], now=100)
    assert evidence(store, "192.0.2.7") == (("line 1", "line 2"), {"user": "root"})
    assert evidence(store, "192.0.2.8") == evidence(store, "192.0.2.7", "postfix") == ((), {})
    store.save(unbans=[("sshd", "192.0.2.7")], now=150)
    assert evidence(store, "192.0.2.7")[0] == told.matches, "it tells of the last ban as well"
    store.save([ban(at=160)], now=160)
    assert evidence(store, "192.0.2.7") == ((), {}), "another ban, by hand: the old lines say nothing of it"
    store.save([told], now=170)
    store.save(pardons=[("sshd", "192.0.2.7")], now=180)
    assert evidence(store, "192.0.2.7") == ((), {})
    store.save([told], now=170)
    assert store.purge(now=1000, age=100) == 2
    assert evidence(store, "192.0.2.7") == ((), {})


def test_evidence_that_is_not_written_yet_is_there_as_well(path: Path) -> None:
    store = Store.open(path, now=0.0)
    with full_disk(), pytest.raises(StoreError):
        store.save([ban()._replace(matches=("line",))], now=100)
    assert evidence(store, "192.0.2.7")[0] == ("line",)
    store.close()


def evidence(store: Store, id_: str, jail: str = "sshd") -> tuple[tuple[str, ...], dict[str, object]]:
    latest = store.latest(jail, id_)
    return (latest.matches, dict(latest.fields)) if latest is not None else ((), {})


def test_the_latest_ban_is_there_as_it_was_saved(store: Store) -> None:
    told = ban(until=200)._replace(matches=("line 1",), fields={"user": "root"}, basis="increased", set_at=150.0)
    store.save([told, ban("192.0.2.8")._replace(origin="admin")], now=100)
    assert store.latest("sshd", "192.0.2.7") == told
    assert store.latest("sshd", "192.0.2.8") == ban("192.0.2.8")._replace(origin="admin")
    assert store.latest("postfix", "192.0.2.7") is None


def test_the_bans_of_whole_jails_are_pardoned_at_once_and_what_had_ended_stays(store: Store) -> None:
    told = [ban(f"192.0.2.{n}")._replace(matches=("line",)) for n in range(5)]
    store.save([*told, ban("203.0.113.1", until=150), ban("203.0.113.2", until=math.inf), ban(jail="web")], now=100)
    store.save([ban("192.0.2.9")._replace(matches=("line",))], pardoned_jails=["sshd"], now=200)
    assert standing(store, 200) == ["192.0.2.9", "192.0.2.7"]
    assert counts(store) == {("sshd", "203.0.113.1"): 1, ("sshd", "192.0.2.9"): 1, ("web", "192.0.2.7"): 1}
    assert [store.sweep(limit=4), store.sweep(limit=4), store.sweep(limit=4), store.sweep(limit=4)] == [4, 2, 0, 0]
    assert store._connection.execute("SELECT id FROM evidence").fetchall() == [("192.0.2.9",)]


def test_what_led_to_a_ban_is_known_until_it_is_swept_or_another_takes_its_place(store: Store) -> None:
    told = ban()._replace(matches=("line",), fields={"user": "root"})
    store.save([told, ban("192.0.2.8")], now=100)
    bare = told.bare()
    assert store.evidence(bare) == told
    assert store.evidence(ban("192.0.2.8")) == ban("192.0.2.8")
    store.save(unbans=[("sshd", told.id)], now=150)
    assert store.evidence(bare) == told
    store.save([told], now=160)
    store.save(pardoned_jails=["sshd"], now=200)
    assert store.evidence(bare) == told
    again = ban(at=300.0, until=900)._replace(matches=("another line",))
    store.save([again], now=300)
    assert (store.evidence(bare), store.evidence(again.bare())) == (bare, again), "each ban has its own"
    store.save(pardoned_jails=["sshd"], now=400)
    while store.sweep():
        pass
    assert store.evidence(again.bare()) == again.bare()


def test_what_led_to_a_ban_that_waits_to_be_written_is_known(path: Path) -> None:
    store = Store.open(path, now=0.0)
    told = ban()._replace(matches=("line",))
    with full_disk():
        with pytest.raises(StoreError):
            store.save([told], now=110)
        assert store.evidence(told.bare()) == told
        assert store.evidence(told.bare()._replace(at=7.0)) == told.bare()._replace(at=7.0)
    store.close()


def test_a_pardon_of_a_jail_that_cannot_be_written_yet_is_the_earlier_word(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(path, now=0.0)
    store.save([ban("192.0.2.1")], now=100)
    with full_disk(), pytest.raises(StoreError):
        store.save([ban("192.0.2.2")], now=110)
    with full_disk():
        store.save(pardoned_jails=["sshd"], now=110.1)
        store.save([ban("192.0.2.3")], now=110.2)
    store.save(now=200)
    assert (standing(store, 210), store.pending) == (["192.0.2.3"], 0)
    store.close()


def version_1(path: Path, values: str) -> None:
    """Make a database as version 1 did, with a ban of these *values*."""
    path.parent.mkdir()
    script = resources.files("banish.store").joinpath("schema.sql").read_text("utf-8")
    with sqlite3.connect(path) as connection:
        connection.executescript(f"{script} PRAGMA user_version = 1; INSERT INTO bans VALUES {values};")
    connection.close()


def test_a_database_of_version_1_is_read_and_goes_on(path: Path) -> None:
    lines = """'["line 1"]', '{"user":"root"}'"""
    version_1(
        path,
        f"""('sshd', '192.0.2.7', '192.0.2.7/32', 100, 700, 'jail', '5 failures', 2, 5, {lines}),
            ('sshd', '2001:db8::/64', '2001:db8::/64', 100, NULL, 'admin', 'by hand', 1, 0, '[]', '{{}}'),
            ('sshd', 'alice', NULL, 100, 700, 'jail', '', 1, 5, {lines}),
            ('sshd', 'odd', '192.0.2/99', 100, 700, 'jail', '', 1, 5, {lines}),
            ('sshd', '192.0.2.9', '192.0.2.9/32', 100, 150, 'jail', '', 3, 5, {lines})""",
    )
    for _ in range(2):
        store = Store.open(path, now=0.0)
        assert store.problem is None
        assert {one.id: one for one in store.standing(200)} == {
            "192.0.2.7": restored(ban(count=2)),
            "2001:db8::/64": Decision(
                "sshd", "2001:db8::/64", net("2001:db8::/64"), 100, math.inf, "restored", "by hand"
            ),
            "alice": Decision("sshd", "alice", None, 100, 700, "restored", "", failures=5),
            "odd": Decision("sshd", "odd", None, 100, 700, "restored", "", failures=5),
        }
        assert list(store.past(200)) == [(("sshd", "192.0.2.9"), Past(3, 100, 150))]
        assert evidence(store, "192.0.2.7") == (("line 1",), {"user": "root"})
        assert store.cursors() == {}
        store.close()


def test_what_the_end_goes_by_is_kept(store: Store) -> None:
    prolonged = ban(until=900)._replace(basis="bantime", set_at=300.0)
    store.save([prolonged, ban("192.0.2.8")._replace(basis="increased")], now=300)
    assert list(store.standing(400)) == [restored(prolonged), restored(ban("192.0.2.8")._replace(basis="increased"))]


def test_the_same_address_stands_in_each_jail_by_itself(store: Store) -> None:
    store.save([ban(), ban(jail="postfix", until=800)], now=100)
    store.save(unbans=[("sshd", "192.0.2.7")], now=120)
    assert [decision.jail for decision in store.standing(130)] == ["postfix"]


def test_purge_deletes_what_ended_long_ago_in_small_steps(store: Store) -> None:
    store.save([ban(f"192.0.2.{n}", until=100.0 + n) for n in range(5)] + [ban("203.0.113.1", until=math.inf)], now=100)
    assert store.purge(now=1000, age=897, limit=3) == 3
    assert store.purge(now=1000, age=897, limit=3) == 1
    assert store.purge(now=1000, age=897, limit=3) == 0
    assert set(counts(store)) == {("sshd", "192.0.2.4"), ("sshd", "203.0.113.1")}


def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database\n" * 500)
    store = Store.open(path, now=1795351852.0)
    aside = Path(f"{path}.corrupt-20261122T125052Z")
    assert aside.read_bytes() == b"this is no database\n" * 500
    assert "damaged" in str(store.problem)
    assert str(aside) in str(store.problem)
    store.save([ban()], now=100)
    store.close()
    store = Store.open(path, now=0.0)
    assert standing(store, 200) == ["192.0.2.7"]
    assert store.problem is None
    store.close()


def test_a_torn_page_in_the_middle_is_found_at_once(path: Path) -> None:
    store = Store.open(path, now=0.0)
    store.save([ban(f"2001:db8::{n:x}") for n in range(2000)], now=100)
    store.close()
    with path.open("r+b") as torn:
        for page in range(2, 20):
            torn.seek(page * 4096)
            torn.write(os.urandom(4096))
    store = Store.open(path, now=0.0)
    assert "damaged" in str(store.problem)
    assert standing(store, 200) == []
    store.close()


def test_a_second_damage_within_the_second_does_not_overwrite_the_first(path: Path) -> None:
    path.parent.mkdir()
    for text in (b"first" * 200, b"second" * 200):
        path.write_bytes(text)
        for leftover in ("-wal", "-shm"):
            Path(f"{path}{leftover}").unlink(missing_ok=True)
        Store.open(path, now=0.0).close()
    kept = {
        found.read_bytes() for found in path.parent.glob("*.corrupt-*") if not found.name.endswith(("-wal", "-shm"))
    }
    assert kept == {b"first" * 200, b"second" * 200}


def test_a_database_without_its_tables_is_damaged(path: Path) -> None:
    Store.open(path, now=0.0).close()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE bans")
    connection.close()
    store = Store.open(path, now=0.0)
    assert "no such table: bans" in str(store.problem)
    store.save([ban()], now=100)
    store.close()


def test_a_file_cut_to_nothing_is_told(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    store = Store.open(path, now=0.0)
    assert "empty file" in str(store.problem)
    store.close()


def test_rows_that_somebody_edited_cost_nobody_else_their_ban(path: Path) -> None:
    store = Store.open(path, now=0.0)
    store.save([ban("192.0.2.1"), ban("192.0.2.2"), ban("192.0.2.3")], positions={"/a": HERE, "/b": HERE}, now=100)
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE bans SET at = 'yesterday' WHERE id = '192.0.2.1'")
        connection.execute("UPDATE bans SET basis = 'x', set_at = 'soon', network = '?' WHERE id = '192.0.2.2'")
        connection.execute("INSERT INTO evidence VALUES ('sshd', '192.0.2.2', '[', '7')")
        connection.execute("UPDATE positions SET head = 7 WHERE source = '/a'")
    connection.close()
    store = Store.open(path, now=0.0)
    second, third = store.standing(200)
    assert (second.id, second.network, second.basis, second.set_at) == ("192.0.2.2", None, "said", None)
    assert evidence(store, "192.0.2.2") == ((), {})
    assert third == restored(ban("192.0.2.3"))
    assert store.positions() == {"/b": HERE}
    store.close()


def test_a_database_of_a_later_version_is_refused_and_left_alone(path: Path) -> None:
    Store.open(path, now=0.0).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match=r"version 99.*later version"):
        Store.open(path, now=0.0)
    assert not list(path.parent.glob("*.corrupt-*"))


def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bans (ip TEXT)")
    connection.close()
    with pytest.raises(StoreError, match="table bans already exists"):
        Store.open(path, now=0.0)
    assert not list(path.parent.glob("*.corrupt-*"))


def test_a_directory_that_cannot_be_made_is_told_and_waited_for(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file stands here")
    store = Store.open(tmp_path / "state" / "banish.sqlite3", now=0.0)
    assert "can be neither read nor written" in str(store.problem)
    assert "do not survive a restart" in str(store.problem)
    assert "choose another with --state" in str(store.problem)
    assert (standing(store, 0), store.positions(), counts(store)) == ([], {}, {})
    store.save([ban()], now=100)  # told already
    assert store.pending == 1
    (tmp_path / "state").unlink()
    store.save(now=110)
    assert (store.pending, store.problem, standing(store, 200)) == (0, None, ["192.0.2.7"])
    store.close()
    assert (tmp_path / "state" / "banish.sqlite3").exists()


def test_nothing_is_lost_while_the_disk_is_full(store: Store) -> None:
    with full_disk(free=1024):
        with pytest.raises(StoreError, match=r"banish.sqlite3: cannot save 2 bans and 1 positions"):
            store.save([ban("192.0.2.1"), ban("192.0.2.2", count=4)], positions={"/var/log/auth.log": HERE}, now=100)
        store.save([ban("192.0.2.3")], unbans=[("sshd", "192.0.2.2")], now=110)
        assert "3 bans and 1 positions are not saved" in str(store.problem)
    assert store.pending == 4
    store.save(now=120)
    assert store.pending == 0
    assert sorted(standing(store, 120)) == ["192.0.2.1", "192.0.2.3"]
    assert counts(store)["sshd", "192.0.2.2"] == 4
    assert store.positions() == {"/var/log/auth.log": HERE}


def test_bans_are_restored_even_when_the_disk_is_full_at_the_start(path: Path) -> None:
    store = Store.open(path, now=0.0)
    store.save([ban("192.0.2.1")], positions={"/var/log/auth.log": HERE}, now=100)
    store.close()
    with full_disk():
        store = Store.open(path, now=100)
        assert "can be read but not written" in str(store.problem)
        assert standing(store, 200) == ["192.0.2.1"]
        assert store.positions() == {"/var/log/auth.log": HERE}
        store.save([ban("192.0.2.2")], now=110)
        assert "1 bans and 0 positions are not saved" in str(store.problem)
        with pytest.raises(StoreError, match="cannot purge"):
            store.purge(now=1e9, age=0)
    store.save(now=120)
    assert (store.problem, store.pending) == (None, 0)
    assert standing(store, 200) == ["192.0.2.1", "192.0.2.2"]
    store.close()


def test_a_first_start_on_a_full_disk_is_survived(path: Path) -> None:
    with full_disk():
        store = Store.open(path, now=0.0)
        assert list(store.standing(0.0)) == []
        store.save([ban()], now=100)
    store.close()
    store = Store.open(path, now=0.0)
    assert standing(store, 200) == ["192.0.2.7"]
    store.close()


def test_a_source_that_is_gone_is_forgotten(store: Store) -> None:
    store.save(positions={"/var/log/a.log": HERE, "/var/log/b.log": HERE}, now=100)
    store.save(positions={"/var/log/a.log": None, "/var/log/c.log": None}, now=110)
    assert store.positions() == {"/var/log/b.log": HERE}


def test_a_database_locked_by_another_program_is_waited_for_later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "RUNNING", 0.0)
    store = Store.open(path, now=0.0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another program holds it locked"):
        store.save([ban()], now=100)
    with pytest.raises(StoreError, match="cannot purge"):
        store.purge(now=100, age=0)
    other.execute("ROLLBACK")
    other.close()
    store.close()
    store = Store.open(path, now=0.0)
    assert standing(store, 200) == ["192.0.2.7"]
    store.close()


def test_an_unban_is_the_last_word_even_while_the_database_is_locked(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "RUNNING", 0.0)
    store = Store.open(path, now=0.0)
    store.save([ban("192.0.2.1"), ban("192.0.2.2")], now=100)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError):
        store.save(unbans=[("sshd", "192.0.2.1"), ("sshd", "192.0.2.2")], now=110)
    store.save([ban("192.0.2.2", at=110, count=2)], now=110)
    other.execute("ROLLBACK")
    other.close()
    store.save(now=120)
    assert list(store.standing(130)) == [restored(ban("192.0.2.2", at=110, count=2))]
    store.close()


def test_what_cannot_be_written_is_bounded_and_drops_the_oldest(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "RUNNING", 0.0)
    monkeypatch.setattr(database, "PENDING", 3)
    store = Store.open(path, now=0.0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError):
        store.save([ban(f"192.0.2.{n}") for n in range(5)], positions={f"/{n}": HERE for n in range(5)}, now=100)
    assert ["2 bans could not be written" in str(problem) for problem in store.problems] == [False, True]
    other.execute("ROLLBACK")
    other.close()
    store.save(now=120)
    assert sorted(standing(store, 130)) == ["192.0.2.2", "192.0.2.3", "192.0.2.4"]
    assert sorted(store.positions()) == ["/2", "/3", "/4"]
    store.close()


def test_a_save_of_more_than_is_kept_in_memory_drops_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PENDING", 3)
    store.save([ban(f"192.0.2.{n}") for n in range(9)], positions={f"/{n}": HERE for n in range(9)}, now=100)
    assert (len(standing(store, 200)), len(store.positions()), store.problem) == (9, 9, None)


def test_a_closed_database_says_so_instead_of_crashing(path: Path) -> None:
    store = Store.open(path, now=0.0)
    store.close()
    for use in (
        lambda: list(store.standing(0)),
        store.positions,
        lambda: list(store.past(0)),
        lambda: store.latest("sshd", "192.0.2.7"),
        lambda: store.save([ban()], now=0),
    ):
        with pytest.raises(StoreError):
            use()


def test_another_programs_transaction_is_not_waited_for_while_the_daemon_runs(path: Path) -> None:
    store = Store.open(path, now=0.0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(StoreError, match="locked"):
        store.save([ban()], now=100)
    with pytest.raises(StoreError, match="locked"):
        store.purge(now=100, age=0)
    assert time.monotonic() - began < 1
    other.execute("ROLLBACK")
    other.close()
    store.close()


def test_a_database_in_trouble_is_a_problem_and_is_told_once_and_tried_less_and_less(path: Path) -> None:
    store = Store.open(path, now=0.0)
    tried: list[str] = []
    store._connection.set_trace_callback(lambda sql: tried.append(sql) if sql.startswith("BEGIN") else None)
    with full_disk(free=1024):
        with pytest.raises(StoreError, match="cannot save 1 bans"):
            store.save([ban()], now=1000)
        for tick in range(1, 1000):
            store.save(positions={"/var/log/auth.log": HERE}, now=1000 + tick / 2)
        # at 0, 1, 3, 7, 15, 31, 63, and then every 60 seconds
        assert len(tried) == 7 + (499 - 63) // 60
        problem = store.problem
        assert problem is not None
        assert (problem.severity, bool(problem.remedy)) == ("error", True)
        assert "1 bans and 1 positions are not saved" in problem.text
    store.save(now=1499.9)
    assert store.pending == 2
    store.save(now=1560)
    assert (store.pending, store.problems) == (0, [])
    store.close()


def test_another_trouble_is_told_again(path: Path) -> None:
    store = Store.open(path, now=0.0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        store.save([ban()], now=1000)
    other.close()
    with full_disk(free=1024), pytest.raises(StoreError, match=r"full|I/O"):
        store.save(now=1001)
    store.close()


def test_a_clock_that_was_set_back_does_not_put_off_the_next_attempt(path: Path) -> None:
    store = Store.open(path, now=0.0)
    with full_disk(free=1024), pytest.raises(StoreError):
        store.save([ban()], now=9000)
    store.save(now=100)
    assert store.pending == 0
    store.close()


def test_a_stop_in_trouble_tries_once_more_and_says_what_is_lost(path: Path) -> None:
    store = Store.open(path, now=0.0)
    with full_disk(free=1024):
        with pytest.raises(StoreError):
            store.save([ban()], now=100)
        with pytest.raises(StoreError, match="cannot save 1 bans"):
            store.close()


def test_a_later_version_found_on_the_way_back_to_the_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "state" / "banish.sqlite3"
    path.parent.write_text("")
    store = Store.open(path, now=0.0)
    path.parent.unlink()
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="version 99"):
        store.save([ban()], now=100)
    with pytest.raises(StoreError, match="version 99"):
        store.close()


SAVER = """
import sys
from pathlib import Path
from banish.model import Decision, Position
from banish.store.database import Store
from tests.networks import net

store = Store.open(Path(sys.argv[1]), 0.0)
done = len(list(store.standing(0.0)))
while True:
    bans = [Decision("sshd", f"id-{n}", None, float(n), 1e12) for n in range(done, done + 7)]
    done += 7
    store.save(bans, positions={"/var/log/auth.log": Position(1, 2, done, b"", b"")}, now=0.0)
    print(done, flush=True)
"""


def test_after_kill_9_bans_and_positions_agree(path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(banish.__file__).parents[1])}
    for commits in (30, 60, 90):
        with subprocess.Popen(
            [sys.executable, "-c", SAVER, str(path)], stdout=subprocess.PIPE, text=True, env=environment
        ) as saver:
            assert saver.stdout
            told = 0
            for _ in range(commits):
                told = int(saver.stdout.readline())
            saver.kill()
        store = Store.open(path, now=0.0)
        assert store.problem is None
        saved = store.positions()["/var/log/auth.log"].offset
        assert saved >= told
        assert len(counts(store)) == len(list(store.standing(0.0))) == saved
        store.close()


def test_cursors_of_the_journal_are_kept_with_the_bans_and_forgotten_like_positions(tmp_path: Path) -> None:
    cursor = Cursor("s=1;i=2;b=3;m=4;t=5;x=6", 1.5)
    with closing(Store.open(tmp_path / "x.sqlite3", 0.0)) as store:
        store.save(positions={"systemd-journal A=1": cursor, "systemd-journal B=1": cursor}, now=0.0)
        store.save(positions={"systemd-journal B=1": None}, now=0.0)
    with closing(Store.open(tmp_path / "x.sqlite3", 0.0)) as store:
        assert store.cursors() == {"systemd-journal A=1": cursor}
        assert store.positions() == {}


def test_bans_are_moved_with_the_clock_but_for_those_of_another_time(store: Store) -> None:
    old, forced, lasting = ban("192.0.2.1", at=50, until=5000), ban("192.0.2.2")._replace(forced=True), ban("192.0.2.3")
    store.save([old, forced, lasting._replace(expires_at=math.inf), ban("192.0.2.4", until=150)], now=100)
    store.save([ban("192.0.2.5", at=9e9, until=9e9 + 600)], now=200)
    store.shift(1e6, since=90, until=200)
    found = {each.id: (each.at, each.expires_at, each.forced) for each in store.standing(201)}
    assert found == {
        "192.0.2.1": (50, 5000, False),
        "192.0.2.2": (1_000_100, 1_000_700, True),
        "192.0.2.3": (1_000_100, math.inf, False),
        "192.0.2.5": (9e9, 9e9 + 600, False),
    }


def test_what_nobody_reads_any_more_is_forgotten_after_a_while(store: Store) -> None:
    cursor = Cursor("s=1", 1.5)
    store.save(positions={"/a.log": HERE, "/b.log": HERE, "journal A=1": cursor, "journal B=1": cursor}, now=100)
    store.save(positions={"/c.log": HERE}, now=200)
    assert store.purge_sources({"/a.log", "journal A=1"}, before=100) == 2
    assert (sorted(store.positions()), sorted(store.cursors())) == (["/a.log", "/c.log"], ["journal A=1"])
