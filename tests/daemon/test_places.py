"""Where the lines of a ban were read: found by their bytes, in a bounded time, and unknown where that cannot be known."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from banish.daemon import places
from banish.daemon.places import Places, line_at
from banish.model import NO_FIELDS, Batch, Change, Decision, Failure, JournalBatch, Place, Position
from banish.model import Cursor as JournalCursor


class Log:
    """A log that grows, and the batches that it is read in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def batch(self, *lines: str) -> Batch:
        data = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
        with self.path.open("ab") as opened:
            opened.write(data)
        status = os.stat(self.path)
        position = Position(status.st_dev, status.st_ino, status.st_size, b"", data[-64:])
        return Batch(str(self.path), data, position, live=True)

    def at(self, place: Place | None) -> str:
        """The line that stands where *place* says."""
        assert place is not None
        assert place.start is not None
        assert place.stop is None
        return self.path.read_bytes()[place.start :].split(b"\n")[0].decode("utf-8", "surrogateescape")


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "auth.log")


def failure(id_: str = "192.0.2.7", *, due: bool = False, regex: int = 0, lines: int = 1) -> Failure:
    return Failure("sshd", id_, None, 0.0, 1, 0.0, (), NO_FIELDS, due=due, regex=regex, lines=lines)


def ban(matches: Sequence[str], id_: str = "192.0.2.7") -> Change:
    return Change("ban", Decision("sshd", id_, None, 0.0, 600.0, matches=tuple(matches)))


def placed(found: Places, change: Change) -> tuple[Place | None, ...]:
    [done] = found.placed([change])
    return done.decision.places


def test_lines_of_several_batches_are_found_each_in_its_own(log: Log) -> None:
    found = Places()
    for number in range(3):
        line = f"no entry, try {number}"
        found.begin(log.batch("noise", line, line, "more noise"), [failure(due=number == 2, regex=number)])
        if number < 2:
            found.end()
    lines = [f"no entry, try {number}" for number in range(3)]
    places_ = placed(found, ban(lines))
    assert [log.at(place) for place in places_] == lines
    assert [place.regex for place in places_ if place] == [0, 1, 2]
    assert len({place.start for place in places_ if place}) == 3


def test_the_same_line_three_times_is_three_places(log: Log) -> None:
    found = Places()
    found.begin(log.batch("x", "same", "same", "same", "y"), [failure(), failure(), failure(due=True)])
    assert [place.start for place in placed(found, ban(["same"] * 3)) if place] == [2, 7, 12]


def test_the_earlier_lines_of_a_session_are_found_and_are_no_failregex_of_their_own(log: Log) -> None:
    found = Places()
    found.begin(log.batch("sshd[1]: Connection from 192.0.2.7", "sshd[2]: noise"), [])
    found.end()
    found.begin(log.batch("sshd[1]: bad user", "sshd[1]: closed"), [failure(due=True, regex=4, lines=3)])
    lines = ["sshd[1]: Connection from 192.0.2.7", "sshd[1]: bad user", "sshd[1]: closed"]
    places_ = placed(found, ban(lines))
    assert [log.at(place) for place in places_] == lines
    assert [place.regex for place in places_ if place] == [None, None, 4]


def test_only_the_last_lines_are_kept_and_they_keep_their_places(log: Log) -> None:
    found = Places()
    lines = [f"line {number}" for number in range(5)]
    found.begin(log.batch(*lines), [failure(due=number == 4, regex=number) for number in range(5)])
    places_ = placed(found, ban(lines[3:]))
    assert [log.at(place) for place in places_] == lines[3:]
    assert [place.regex for place in places_ if place] == [3, 4]


def test_what_was_counted_before_a_restart_has_no_place(log: Log) -> None:
    found = Places()
    found.begin(log.batch("second"), [failure(due=True)])
    first, second = placed(found, ban(["first", "second"]))
    assert first is None
    assert log.at(second) == "second"


def test_bytes_that_are_no_text_and_long_lines_are_found(log: Log) -> None:
    found = Places()
    odd, long = "user \udce9\u20ac", "x" * 5000
    kept = long[:2048] + "…"
    found.begin(log.batch("a", odd, long), [failure(), failure(due=True)])
    places_ = placed(found, ban([odd, kept]))
    assert [log.at(place) for place in places_] == [odd, long]


def test_when_the_file_is_gone_its_stretch_is_still_known(log: Log) -> None:
    found = Places()
    found.begin(log.batch("first"), [failure()])
    found.end()
    log.path.unlink()
    log.path.write_text("another file\n")
    found.begin(log.batch("second"), [failure(due=True)])
    first, second = placed(found, ban(["first", "second"]))
    assert first == Place(str(log.path), 0, 6, 0)
    assert second is not None
    assert second.stop is None


def test_the_journal_has_no_offsets() -> None:
    found = Places()
    found.begin(JournalBatch("journal", b"x no\n", JournalCursor("c", 0.0), live=True), [failure(due=True, regex=2)])
    assert placed(found, ban(["x no"])) == (Place("journal", None, None, 2),)


def test_of_a_crowd_only_the_first_are_looked_up_and_the_others_can_be_later(log: Log) -> None:
    found = Places()
    ids = [f"192.0.2.{number}" for number in range(places.SEARCHED + 5)]
    lines = [f"no entry for {id_} here" for id_ in ids]
    found.begin(log.batch(*lines), [failure(id_, due=True) for id_ in ids])
    done = found.placed([ban([line], id_) for line, id_ in zip(lines, ids, strict=True)])
    exact = [change.decision.places[0].stop is None for change in done if change.decision.places[0]]
    assert exact == [True] * places.SEARCHED + [False] * 5
    last = done[-1].decision.places[0]
    assert last is not None
    assert last.start is not None
    assert last.stop is not None
    offset = places.find(last.source, lines[-1], last.start, last.stop)
    assert log.at(Place("", offset)) == lines[-1]


def test_notes_are_bounded(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "IDS", 3)
    found = Places()
    found.begin(log.batch("x"), [failure(f"192.0.2.{number}") for number in range(9)] + [failure("192.0.2.7")] * 200)
    assert len(found._notes) == 3
    assert max(note[4] for note in found._notes.values()) <= 2 * places.FAILURES


def test_a_part_of_a_line_is_not_the_line() -> None:
    assert line_at(b"xx no\nno\nno more\n", "no") == 6
    assert line_at(b"xx no\n", "no") is None


def test_in_the_long_stretches_of_a_busy_log_nobody_looks_before_somebody_asks(log: Log) -> None:
    found = Places()
    batch = log.batch("x" * places.NEAR, "no entry", "noise")
    found.begin(batch, [failure(due=True)])
    [place] = placed(found, ban(["no entry"]))
    assert place is not None
    assert (place.start, place.stop) == (0, len(batch.data))
    assert places.find(str(log.path), "no entry", 0, len(batch.data)) == places.NEAR + 1
