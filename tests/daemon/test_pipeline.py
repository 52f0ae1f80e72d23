"""The spine: from a batch to the firewall, the database and the log, in this order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from banish import addresses
from banish.daemon.guardian import Guardian
from banish.daemon.logbook import Logbook
from banish.daemon.pipeline import AT_MOST, Pipeline
from banish.decisions.ledger import Entry, Ledger
from banish.enforcement.actions import ActionSettings
from banish.enforcement.dispatch import Dispatch
from banish.enforcement.layout import Refusal
from banish.enforcement.scopes import Record, Scope
from banish.errors import FirewallError, StoreError
from banish.failures.window import WindowSettings
from banish.jail import Jail, JailSettings
from banish.lines.reader import LineReader, LineSettings
from banish.matching.filter import FilterSettings
from banish.model import Batch, Change, Decision, Event, Incident, Line, Position
from banish.store.database import Store
from banish.subscription import Subscription

NOW = 1_800_000_000.0
LOG = "/var/log/web.log"


class Wall:
    """An enforcer that remembers, and fails when told to."""

    def __init__(self, story: list[str]) -> None:
        self.story = story
        self.broken = False

    def replace(self, scopes: Sequence[Scope], records: Sequence[Record], now: float) -> list[Refusal]:
        return self.apply(records, now)

    def apply(self, records: Sequence[Record], now: float) -> list[Refusal]:
        if self.broken:
            raise FirewallError("no")
        self.story += [f"wall: {record.op} {addresses.show(record.network)}" for record in records]
        return []

    def stop(self) -> None: ...

    def close(self) -> None: ...

    def holds(self, now: float) -> dict[Any, float]:
        return {}

    def intact(self) -> bool:
        return True

    def disturbed(self) -> bool:
        return False

    def missing(self, records: Sequence[Record], now: float) -> list[Record]:
        return []


class Book(Store):
    """A database in memory that tells when it is written, and fails when told to."""

    story: list[str]
    broken = False

    def save(self, bans: Iterable[Decision] = (), unbans: Any = (), positions: Any = None, **more: Any) -> None:
        bans = list(bans)
        super().save(bans, unbans, positions, **more)
        self.story += [f"book: {ban.id}" for ban in bans]
        if self.broken:
            raise StoreError("disk full")


class House:
    """Everything that a batch passes, with a jail that bans at the second failure."""

    def __init__(self, log: Path) -> None:
        self.story: list[str] = []
        self.wall = Wall(self.story)
        book = Book.open(":memory:", NOW)
        assert isinstance(book, Book)
        self.book = book
        self.book.story = self.story
        self.ledger = Ledger()
        self.log = log
        self.logbook = Logbook()
        self.logbook.configure(str(log), "INFO")
        jail = Jail(
            JailSettings(
                "web", filter=FilterSettings(failregex=("^ refused <HOST>$",)), window=WindowSettings(maxretry=2)
            )
        )
        self.jails = [jail]
        actions = {"web": [ActionSettings("wall", "wall", "wall", {"type": "allports"})]}
        dispatch = Dispatch(actions, lambda: self.ledger, load=lambda name: self.wall, roster_names=())
        dispatch.start(NOW)
        self.pipeline = Pipeline(self.ledger, dispatch, self.book, self.logbook)
        reader = LineReader(LineSettings())
        self.pipeline.subscribe = lambda source: [Subscription(reader, self.jails)] if source == LOG else []

    def feed(self, *hosts: str) -> None:
        data = "".join(f"1800000000 refused {host}\n" for host in hosts).encode()
        self.pipeline.feed(Batch(LOG, data, Position(1, 2, len(data), b"", b""), live=True), NOW)

    def said(self) -> list[str]:
        return [line.split(": ", 1)[1].split(None, 1)[1] for line in self.log.read_text().splitlines()]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "banish.log")
    yield made
    made.logbook.close()


def test_a_ban_is_in_the_firewall_first_then_in_the_database_then_in_the_log(house: House) -> None:
    house.feed("192.0.2.7", "192.0.2.7")
    assert house.story == ["wall: ban 192.0.2.7", "book: 192.0.2.7"]
    assert house.said()[-1] == "[web] Ban 192.0.2.7"
    assert house.book.positions() == {LOG: Position(1, 2, 58, b"", b"")}, "saved together with the ban"


def test_what_was_judged_is_counted(house: House) -> None:
    house.feed("192.0.2.7", "nobody at all")
    judged = house.pipeline.judged[LOG]
    assert (judged.lines, judged.bytes) == (2, 62)


def test_positions_without_a_ban_wait_for_the_next_save(house: House) -> None:
    house.feed("192.0.2.7")
    assert house.book.positions() == {}
    house.pipeline.save(now=NOW)
    assert LOG in house.book.positions()


def test_a_firewall_in_trouble_loses_no_ban(house: House) -> None:
    house.wall.broken = True
    house.feed("192.0.2.7", "192.0.2.7")
    assert [decision.id for decision in house.ledger] == ["192.0.2.7"]
    assert [decision.id for decision in house.book.standing(NOW)] == ["192.0.2.7"]
    assert any("no" in text for text in house.said())


def test_a_database_in_trouble_stops_nothing(house: House) -> None:
    house.book.broken = True
    house.feed("192.0.2.7", "192.0.2.7")
    assert house.story[0] == "wall: ban 192.0.2.7"
    assert "disk full" in house.said()


def test_a_bug_in_one_jail_does_not_take_the_others_down(house: House) -> None:
    class Broken(Jail):
        def feed(self, lines: Iterable[Line], now: float, *, live: bool = True) -> list[Event]:
            raise RuntimeError("a bug")

    house.jails.insert(0, Broken(JailSettings("broken", filter=FilterSettings(failregex=("^ <HOST>$",)))))
    house.feed("192.0.2.7", "192.0.2.7")
    assert house.story[0] == "wall: ban 192.0.2.7"
    assert any("[broken] failed" in text and "a bug" in text for text in house.said())


def test_a_ban_ends_everywhere(house: House) -> None:
    house.feed("192.0.2.7", "192.0.2.7")
    assert [decision.id for decision in house.pipeline.expire(NOW + 600)] == ["192.0.2.7"]
    assert house.story[-1] == "wall: unban 192.0.2.7"
    assert house.said()[-1] == "[web] Unban 192.0.2.7"
    assert list(house.book.standing(NOW + 601)) == []


def test_a_ban_by_hand_takes_the_same_way(house: House) -> None:
    network = addresses.parse("192.0.2.0/24")
    [entry] = house.pipeline.decide([Decision("web", "192.0.2.0/24", network, NOW, math.inf, "admin", "by hand")], NOW)
    assert entry.outcome == "banned"
    assert house.story == ["wall: ban 192.0.2.0/24", "book: 192.0.2.0/24"]
    assert [lifted.id for lifted in house.pipeline.lift([entry.decision, entry.decision], NOW)] == ["192.0.2.0/24"]
    assert list(house.ledger) == []


def test_who_fails_long_after_the_ban_is_banned_once_more_in_the_kernel(house: House) -> None:
    house.feed("192.0.2.7", "192.0.2.7")
    house.feed("192.0.2.7", "192.0.2.7")
    assert house.story.count("wall: ban 192.0.2.7") == 1, "these lines were on their way"
    again = Decision("web", "192.0.2.7", addresses.parse("192.0.2.7"), NOW + 4, NOW + 5)
    house.pipeline.decide([again], NOW + 4)
    assert house.story.count("wall: ban 192.0.2.7") == 2
    assert [decision.expires_at for decision in house.ledger] == [NOW + 600]
    told = house.book.latest("web", "192.0.2.7")
    assert told is not None
    assert len(told.matches) == 2, (
        "what is only said once more to the firewall is not saved once more, without its lines"
    )


def test_who_is_told_that_a_ban_was_mistaken_can_still_look_up_what_led_to_it(house: House) -> None:
    """Commands may need the user's name to undo what they did; and they look after an id that fails in spite of its ban."""
    told: list[tuple[str, int]] = []

    def act(changes: Sequence[Change], forgotten: bool) -> None:
        assert forgotten == (changes[0].op == "unban")
        for op, decision in changes:
            latest = house.book.latest(decision.jail, decision.id)
            told.append((op, len((latest or decision).matches)))

    house.pipeline.act = act
    house.feed("192.0.2.7", "192.0.2.7")
    house.pipeline.decide([Decision("web", "192.0.2.7", addresses.parse("192.0.2.7"), NOW + 4, NOW + 5)], NOW + 4)
    house.pipeline.lift(list(house.ledger), NOW + 5)
    assert told == [("ban", 2), ("prolong", 2), ("unban", 2)]
    assert house.book.latest("web", "192.0.2.7") is None


def test_only_what_moved_is_saved_again(house: House) -> None:
    at = Position(1, 2, 3, b"", b"")
    house.pipeline.remember({LOG: at})
    house.pipeline.save(now=NOW)
    house.book.save(positions={LOG: Position(9, 9, 9, b"", b"")}, now=NOW)
    house.pipeline.remember({LOG: at})
    house.pipeline.save(now=NOW)
    assert house.book.positions()[LOG].offset == 9, "nothing moved, nothing was written"


def test_what_the_guardian_refuses_never_reaches_the_ledger(house: House) -> None:
    class Fence(Guardian):
        def __init__(self) -> None: ...

        def attend(self, now: float) -> None: ...

        def admit(self, decision: Decision, now: float) -> Entry | None:
            return Entry("refused", decision, None) if decision.id == "192.0.2.7" else None

        def banned(self, decision: Decision, now: float) -> None:
            house.story.append(f"guardian: {decision.id}")

    house.pipeline.guardian = Fence()
    house.feed("192.0.2.7", "192.0.2.7", "192.0.2.8", "192.0.2.8")
    assert house.story == ["guardian: 192.0.2.8", "wall: ban 192.0.2.8", "book: 192.0.2.8"]
    assert [decision.id for decision in house.ledger] == ["192.0.2.8"]
    assert house.said()[-1] == "[web] Ban 192.0.2.8"


def test_the_history_is_written_with_the_bans(house: House) -> None:
    house.feed("192.0.2.7", "192.0.2.7", "192.0.2.8", "192.0.2.8")
    [first] = house.book.incidents("192.0.2.7")
    assert (first.at, first.jail, first.kind, first.reason) == (NOW, "web", "banned", "2 failures in 0s")
    longer = Decision("web", "192.0.2.7", addresses.parse("192.0.2.7"), NOW + 1, NOW + 900, "admin", "by hand")
    house.pipeline.decide([longer, longer], NOW + 1)
    house.pipeline.lift([longer], NOW + 2, "a mistake")
    house.pipeline.expire(NOW + 600)
    house.pipeline.keep(Incident(NOW + 700, "web", "paused"))
    house.pipeline.save(now=NOW + 700)
    told = [(incident.kind, incident.id, incident.reason) for incident in house.book.incidents()]
    assert told[2:] == [
        ("prolonged", "192.0.2.7", "by hand"),
        ("unbanned", "192.0.2.7", "a mistake"),
        ("expired", "192.0.2.8", ""),
        ("paused", "", ""),
    ]


def _ban(house: House, number: int, now: float, position: Position) -> None:
    data = b"".join(b"%d refused 192.0.2.%d\n" % (now, number) for _ in range(2))
    house.pipeline.feed(Batch(LOG, data, position, live=True), now)


def test_bans_that_follow_each_other_share_a_commit(house: House) -> None:
    for number in range(1, 5):
        _ban(house, number, NOW + number / 10, Position(1, 2, number, b"", b""))
    in_book = [line for line in house.story if line.startswith("book")]
    assert in_book == ["book: 192.0.2.1"]
    assert [line for line in house.story if line.startswith("wall")] == [f"wall: ban 192.0.2.{n}" for n in range(1, 5)]
    assert house.book.positions()[LOG].offset == 1, "the database is as it was behind the first"
    latest = house.book.latest("web", "192.0.2.4")
    assert latest is not None, "who asks is told all the same"
    house.pipeline.save(now=NOW + 1)
    assert house.book.positions()[LOG].offset == 4
    assert {ban.id for ban in house.book.standing(NOW + 1)} == {f"192.0.2.{n}" for n in range(1, 5)}
    assert [event.id for event in house.book.incidents()] == [f"192.0.2.{n}" for n in range(1, 5)]


def test_a_ban_by_itself_is_saved_at_once(house: House) -> None:
    house.feed("192.0.2.7")
    house.pipeline.save(now=NOW)
    house.feed("192.0.2.7")
    assert {ban.id for ban in house.book.standing(NOW + 1)} == {"192.0.2.7"}


def test_a_ban_some_time_later_is_saved_at_once(house: House) -> None:
    _ban(house, 1, NOW, Position(1, 2, 1, b"", b""))
    _ban(house, 2, NOW + AT_MOST + 0.1, Position(1, 2, 2, b"", b""))
    assert {ban.id for ban in house.book.standing(NOW + 2)} == {"192.0.2.1", "192.0.2.2"}


def test_what_cannot_be_read_again_is_saved_with_each_ban(house: House) -> None:
    for number in (1, 2):
        _ban(house, number, NOW, Position(0, 0, number, b"", b""))
    assert {ban.id for ban in house.book.standing(NOW + 1)} == {"192.0.2.1", "192.0.2.2"}


def test_a_ban_that_waits_for_a_commit_can_be_lifted(house: House) -> None:
    for number in (1, 2):
        _ban(house, number, NOW, Position(1, 2, number, b"", b""))
    (ban,) = (each for each in house.ledger if each.id == "192.0.2.2")
    house.pipeline.lift([ban], NOW)
    assert {each.id for each in house.book.standing(NOW + 1)} == {"192.0.2.1"}
