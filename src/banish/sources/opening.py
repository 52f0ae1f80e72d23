"""Opens a journal by the best means there is: its files read by ourselves, else libsystemd, else journalctl(1)."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator

from banish.lines.entries import EntryWriter
from banish.model import Cursor
from banish.sources.filetape import FileTape
from banish.sources.journalctl import Journalctl
from banish.sources.journalfile import UnsupportedError
from banish.sources.matches import Match, Router, Watch
from banish.sources.sdjournal import SdJournal, library
from banish.sources.tape import JournalError, JournalOptions, Place, Tape

_CHUNK = 1000
_MICRO = 1_000_000
_NOBODY = "neither libsystemd.so.0 nor journalctl is there"


def open_tape(options: JournalOptions) -> Tape:
    """Open the journal by the best means there is. Raises JournalError."""
    with contextlib.suppress(UnsupportedError):
        return FileTape(options)
    return open_by_systemd(options)


def open_by_systemd(options: JournalOptions) -> Tape:
    """Open it with what systemd brings. Raises JournalError."""
    if library() is not None:
        return SdJournal(options)
    if shutil.which("journalctl") is None:
        raise JournalError(_NOBODY)
    return Journalctl(options)


def obstacle(options: JournalOptions) -> str:
    """Return why the journal *options* mean cannot be read here; empty when it can."""
    if not options.places():
        return absent(options)
    try:
        open_tape(options).close()
    except JournalError as error:
        return error.strerror or str(error)
    return ""


def whole(watch: Watch) -> Iterator[bytes]:
    """Yield all that *watch* matches, oldest first, in stretches of lines. Raises JournalError; ConfigError for the match."""
    match = Match(watch.journalmatch)
    tape = open_tape(watch.options)
    try:
        tape.match(match.groups)
        tape.seek_time(0)
        lines: list[bytes] = []
        for entries in tape.lines(Router([(watch, match)]), EntryWriter(), _CHUNK):
            lines += [line for _, line in entries]
            if len(lines) >= _CHUNK:
                yield b"".join(lines)
                lines.clear()
        yield b"".join(lines)
    finally:
        tape.close()


def between(watch: Watch, since: float, left: Cursor | None, until: Cursor) -> Iterator[bytes]:
    """Yield the entries that *watch* matches, as lines: received at *since* or later and behind *left*, up to *until* and with it.

    Raises JournalError.
    """
    match, end, begin = Match(watch.journalmatch), Place.of(until.text), None if left is None else Place.of(left.text)
    if end is None:
        return
    tape = open_tape(watch.options)
    try:
        tape.match(match.groups)
        if left is not None and begin is not None and left.at >= since:
            tape.seek_cursor(left.text)
        else:
            begin = None
            tape.seek_time(max(0, int(since * _MICRO)))
        for entries in tape.lines(Router([(watch, match)]), EntryWriter()):
            here = tape.place() if entries else None
            if here is None or (begin is not None and begin[:2] == here[:2]):
                continue
            if not here.reaches(end) or here[:2] == end[:2]:
                yield from (line for _, line in entries)
            if here.reaches(end):
                return
    finally:
        tape.close()


def latest_entries(watches: Iterable[Watch]) -> dict[Watch, float]:
    """Return when the last entry was received (Unix seconds) that each watch matches, as far as there is one and it can be told."""
    found: dict[Watch, float] = {}
    tapes: dict[JournalOptions, SdJournal] = {}
    if library() is None:
        return found
    with contextlib.ExitStack() as opened:
        for watch in watches:
            try:
                if watch.options not in tapes:
                    tapes[watch.options] = SdJournal(watch.options)
                    opened.callback(tapes[watch.options].close)
                tape = tapes[watch.options]
                tape.match(Match(watch.journalmatch).groups)
                if tape.seek_last():
                    found[watch] = tape.realtime() / _MICRO
            except JournalError:
                continue
    return found


def absent(options: JournalOptions) -> str:
    """Return in words that there is no such journal."""
    where = options.path or ", ".join(options.files)
    return f"{where}: there is no such journal" if where else "no journal is kept on this machine"
