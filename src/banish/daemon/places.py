"""Where the lines were read that led to a ban: file and byte offset, and which failregex was found.

The heart counts lines without asking where they stand. So a note is taken of each failure: which stretch it was in, and of how many
lines it was made. A line that is no failure costs nothing. When a ban follows, the lines are looked for in their stretches, from the
last to the first; the firewall has the ban by then.

The law: whatever cannot be found stays unknown, and costs a bounded time: of a batch that bans many, only the first are looked up
(SEARCHED), and only in short stretches (NEAR); of the others the stretch is kept, so that who asks later (`find`) can look there.
Notes are bounded too (IDS ids, FAILURES of each); the id that was noted first is forgotten first.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from banish.evidence import LONGEST_LINE
from banish.model import Batch, Change, Event, Failure, JournalBatch, Place

IDS = 10_000
FAILURES = 20
SEARCHED = 16
"""Bans of one batch whose lines are looked for at once."""
NEAR = 1 << 14
"""Bytes of a stretch up to which its lines are looked for at once; a longer one is that of a busy log, and costs as much as the ban."""
BEFORE = 1 << 17
"""Bytes before a failure's stretch in which the earlier lines of its session are looked for."""


class Stretch(NamedTuple):
    """A stretch of a source; *start* and *stop* are byte offsets, -1 where there are none (the journal)."""

    source: str
    start: int
    stop: int
    device: int
    inode: int


_Note = tuple[Stretch, int, int, "_Note | None", int]
"""Of one failure: its stretch, its failregex, how many lines it is made of, the note before it, and how many notes that makes. A plain
tuple, because there is one for each failure."""

Key = tuple[str, str]


class Places:
    """Notes of failures, and what is found by them."""

    def __init__(self) -> None:
        self._notes: dict[Key, _Note] = {}
        self._due: dict[Key, _Note] = {}
        self._batch: Batch | JournalBatch | None = None
        self._stretch: Stretch | None = None

    def begin(self, batch: Batch | JournalBatch, events: Iterable[Event]) -> None:
        """Take note of the failures among *events*, which *batch* led to; `placed` goes on from it until `end`."""
        self._batch, self._stretch = batch, _stretch(batch)
        notes, stretch = self._notes, self._stretch
        for event in events:
            if event.__class__ is not Failure:
                continue
            assert isinstance(event, Failure)  # noqa: S101 - for who reads types
            key = event.jail, event.id
            known = notes.get(key)
            note: _Note = (stretch, event.regex, event.lines, known, 1 if known is None else known[4] + 1)
            if note[4] > 2 * FAILURES:
                note = _shortened(note)
            if event.due:
                self._due[key] = note
                if known is not None:
                    del notes[key]
                continue
            if known is None and len(notes) >= IDS:
                del notes[next(iter(notes))]
            notes[key] = note

    def end(self) -> None:
        """Let go of the batch."""
        self._batch = self._stretch = None
        self._due.clear()

    def placed(self, changes: Sequence[Change]) -> list[Change]:
        """Return *changes*, the decisions with their places where these are known."""
        if not self._due:
            return list(changes)
        placed, searched = [], 0
        for change in changes:
            decision = change.decision
            notes = self._due.get((decision.jail, decision.id)) if decision.matches else None
            if change.op != "unban" and notes is not None:
                places = self._of(decision.matches, notes, search=searched < SEARCHED)
                change = change._replace(decision=decision._replace(places=places))
                searched += 1
            placed.append(change)
        return placed

    def of(self, jail: str, id_: str, lines: Sequence[str]) -> tuple[Place | None, ...]:
        """Return where *lines* were read, the last ones of an id whose failures count at present."""
        notes = self._notes.get((jail, id_))
        return self._of(lines, notes, search=True)

    def _of(self, matches: Sequence[str], note: _Note | None, *, search: bool) -> tuple[Place | None, ...]:
        places: list[Place | None] = [None] * len(matches)
        number = len(places)
        read: dict[tuple[Stretch, int], bytes] = {}
        upper: dict[Stretch, int] = {}
        while note is not None:
            stretch, regex, lines, note, _ = note
            for back in range(lines):
                number -= 1
                if number < 0:
                    return tuple(places)
                own = regex if not back else None
                if stretch.start < 0:
                    places[number] = Place(stretch.source, None, None, own)
                    continue
                places[number] = Place(stretch.source, stretch.start, stretch.stop, own)
                if not search or stretch.stop - stretch.start > NEAR:
                    continue
                offset = self._offset(stretch, matches[number], upper.get(stretch, stretch.stop), read)
                if offset is not None:
                    upper[stretch] = offset
                    places[number] = Place(stretch.source, offset, None, own)
        return tuple(places)

    def _offset(self, stretch: Stretch, line: str, stop: int, read: dict[tuple[Stretch, int], bytes]) -> int | None:
        """Return where *line* begins for the last time before the offset *stop*, in *stretch* or some way before it.

        *read*: what has been read of stretches, with how much before them.
        """
        for before in (0, BEFORE):
            text = read.get((stretch, before))
            if text is None:
                text = read[stretch, before] = self._text(stretch, before)
            begin = stretch.stop - len(text)
            found = line_at(text, line, stop - begin) if stop > begin else None
            if found is not None:
                return begin + found
        return None

    def _text(self, stretch: Stretch, before: int) -> bytes:
        """Return the bytes that end where *stretch* ends: its own, and so many before it."""
        if stretch == self._stretch and self._batch is not None:
            return read_back(stretch, stretch.start, before) + self._batch.data
        return read_back(stretch, stretch.stop, stretch.stop - stretch.start + before)


def _shortened(note: _Note) -> _Note:
    """Return *note* with the last of those before it, FAILURES in all."""
    last: list[_Note] = []
    rest: _Note | None = note
    while rest is not None and len(last) < FAILURES:
        last.append(rest)
        rest = rest[3]
    short: _Note | None = None
    for number, (stretch, regex, lines, _, _) in enumerate(reversed(last), 1):
        short = (stretch, regex, lines, short, number)
    return short or note


def _stretch(batch: Batch | JournalBatch) -> Stretch:
    if isinstance(batch, JournalBatch):
        return Stretch(batch.source, -1, -1, 0, 0)
    position = batch.position
    start = position.offset - len(batch.data)
    anchor = position.anchor[-len(batch.data) :]
    if start < 0 or not batch.data.endswith(
        anchor
    ):  # the rest of a file that was rotated: the position is in the next one
        return Stretch(batch.source, -1, -1, 0, 0)
    return Stretch(batch.source, start, position.offset, position.device, position.inode)


def read_back(stretch: Stretch, stop: int, size: int) -> bytes:
    """Return up to *size* bytes before *stop* of the file that *stretch* is of; nothing when that is not there any more."""
    start = max(0, stop - size)
    if stop <= start:
        return b""
    try:
        descriptor = os.open(stretch.source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return b""
    try:
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) != (stretch.device, stretch.inode):
            return b""
        found = os.pread(descriptor, stop - start, start)
        return found if len(found) == stop - start else b""
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def line_at(data: bytes, line: str, before: int | None = None) -> int | None:
    """Return where *line*, as evidence keeps it, begins for the last time in *data*, before the offset *before*."""
    cut = len(line) > LONGEST_LINE
    text = line[:LONGEST_LINE] if cut else line
    wanted = text.encode("utf-8", "surrogateescape") if text.isascii() else _encoded(text)
    stop = len(data) if before is None else before
    while (at := data.rfind(wanted, 0, stop)) >= 0:
        end = at + len(wanted)
        whole = cut or data[end : end + 2].startswith((b"\n", b"\r\n")) or end == len(data)
        if whole and (at == 0 or data[at - 1 : at] == b"\n"):
            return at
        stop = at + len(wanted) - 1
    return None


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def find(path: str, line: str, start: int, stop: int) -> int | None:
    """Return the offset of *line* in the file at *path*, where it was read between *start* and *stop*; None when it is not there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return None
    try:
        data = os.pread(descriptor, min(stop - start, 1 << 20), start)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    found = line_at(data, line)
    return None if found is None else start + found
