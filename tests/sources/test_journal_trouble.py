"""What the journal source does when the library stumbles: a journal that is made up, and a clock that is told."""

from __future__ import annotations

import asyncio
import contextlib
import errno

from banish.model import JournalBatch
from banish.sources.journal import JournalSource
from banish.sources.matches import Watch
from banish.sources.tape import JournalError, JournalOptions, Stepping

NOW = 1_800_000_000.0


class Journal:
    """A journal of numbered entries, and the errors that its next steps shall give."""

    def __init__(self) -> None:
        self.entries: list[int] = []
        self.errors: list[int] = []
        self.opened = 0
        self.broken = False

    def open(self, options: JournalOptions) -> Tape:
        self.opened += 1
        if self.broken:
            raise JournalError(errno.EACCES, "not for you")
        return Tape(self)


class Tape(Stepping):
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._at = -1

    def match(self, groups: object) -> None:
        self._at = -1

    def seek_cursor(self, cursor: str) -> None:
        number = int(cursor.split(";")[1].removeprefix("i="), 16)
        self._at = min(index for index, entry in enumerate(self._journal.entries) if entry >= number) - 1

    def seek_time(self, usec: int) -> None:
        self._at = -1

    def step(self) -> bool:
        if self._journal.errors:
            error = self._journal.errors.pop(0)
            if error:
                raise JournalError(error, "sd_journal_next")
        if self._at + 1 >= len(self._journal.entries):
            return False
        self._at += 1
        return True

    def fileno(self) -> int | None:
        return None

    def changed(self) -> None: ...

    def close(self) -> None: ...

    def get(self, field: bytes) -> bytes | None:
        return b"%d" % self._journal.entries[self._at] if field == b"MESSAGE" else None

    def every(self, field: bytes) -> list[bytes]:
        return []

    def realtime(self) -> int:
        return int(NOW * 1e6) + self._journal.entries[self._at]

    def monotonic(self) -> int:
        return self._journal.entries[self._at]

    def cursor(self) -> str:
        number = self._journal.entries[self._at]
        return f"s=1;i={number:x};b=1;m={number:x};t={self.realtime():x};x=0"


def told(journal: Journal, source: JournalSource, seconds: float = 0.4) -> list[int]:
    found: list[JournalBatch] = []

    async def take() -> None:
        async for batch in source.batches():
            found[len(found) :] = [batch]

    async def for_a_while() -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(take(), seconds)

    asyncio.run(for_a_while())
    return [int(line.split()[1]) for batch in found for line in batch.data.splitlines()]


def sourced(journal: Journal) -> JournalSource:
    source = JournalSource(opener=journal.open, wall=lambda: NOW)
    source.configure([(Watch(JournalOptions(), ("A=1",)), 600.0)])
    return source


def test_an_error_on_the_way_loses_nothing_and_doubles_nothing() -> None:
    journal = Journal()
    journal.entries = list(range(1, 11))
    journal.errors = [0, 0, 0, errno.EBADMSG, 0, errno.EADDRNOTAVAIL]
    assert told(journal, sourced(journal)) == list(range(1, 11))


def test_an_error_that_stays_has_the_journal_opened_anew_and_is_told() -> None:
    journal = Journal()
    journal.entries = [1, 2]
    source = sourced(journal)
    assert told(journal, source) == [1, 2]
    journal.entries.append(3)
    journal.errors = [errno.EIDRM] * 4
    assert told(journal, source, 0.9) == [3]
    assert journal.opened == 2
    assert [notice.level for notice in source.notices()] == ["ERROR", "NOTICE"]


def test_the_entry_of_the_cursor_may_be_gone_when_it_is_opened_anew() -> None:
    journal = Journal()
    journal.entries = [1, 2, 3]
    source = sourced(journal)
    assert told(journal, source) == [1, 2, 3]
    journal.entries = [5, 6]
    journal.errors = [errno.EBADMSG] * 4
    assert told(journal, source, 0.9) == [5, 6]


def test_a_journal_that_cannot_be_opened_is_a_problem_until_it_can() -> None:
    journal = Journal()
    journal.broken = True
    source = sourced(journal)
    assert told(journal, source, 0.5) == []
    assert source.problems() == {"systemd-journal A=1": "the journal cannot be read: not for you"}
    journal.broken, journal.entries = False, [1]
    assert told(journal, source, 2.0) == [1]
    assert "the journal cannot be read: not for you" not in source.problems().values()


def test_positions_of_quiet_watches_follow_the_others() -> None:
    journal = Journal()
    journal.entries = [1]
    source = JournalSource(opener=journal.open, wall=lambda: NOW)
    busy, quiet = Watch(JournalOptions(), ()), Watch(JournalOptions(), ("_B=1",))
    source.configure([(busy, 600.0), (quiet, 600.0)])
    assert told(journal, source) == [1]
    positions = source.positions()
    assert positions[busy.name] == positions[quiet.name]


def test_a_handle_that_saw_a_file_cut_short_is_opened_anew_without_a_word() -> None:
    journal = Journal()
    journal.entries = list(range(1, 6))
    journal.errors = [0, 0, errno.ESTALE]
    source = sourced(journal)
    assert told(journal, source) == list(range(1, 6))
    assert journal.opened == 2
    assert source.notices() == []
