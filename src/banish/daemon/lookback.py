"""What a jail that is new to a log missed of it: the last ``findtime`` before the place up to which others have judged it.

A log, or what one ``journalmatch`` finds in the journal, is read once for all its jails, from where they are. A jail that joins them, by
a reload or between two runs, is shown what there is from ``findtime`` ago up to that place, alone; from there on it reads with the
others. A jail that comes back begins where it left off; one that reads a file from its ``tail`` misses nothing of it.

Bounded: no more than MOST bytes, the last ones; and of files the present one only, not one that was rotated away in the meantime.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from banish.jail import Jail
from banish.lines import entries
from banish.lines.reader import LineReader, LineSettings
from banish.model import Cursor, Position
from banish.sources.matches import Watch
from banish.sources.opening import between
from banish.sources.since import beginning
from banish.sources.tape import JournalError

MOST = 16 << 20
_BLOCK = 1 << 18


class Missed(NamedTuple):
    """Lines, and the jails that have not judged them; these read lines alike."""

    jails: list[Jail]
    settings: LineSettings
    blocks: list[bytes]
    """Whole lines each."""


def missed_entries(watch: Watch, until: Cursor, jails: Mapping[Jail, Cursor | None], now: float) -> list[Missed]:
    """Return what each of *jails* missed of what *watch* finds in the journal before *until*: behind where it left off, if it did."""
    groups: dict[Cursor | None, list[Jail]] = {}
    for jail, left in jails.items():
        groups.setdefault(left, []).append(jail)
    found = []
    for left, group in groups.items():
        since = now - max(jail.settings.window.findtime for jail in group)
        blocks: deque[bytes] = deque()
        size = 0
        with suppress(JournalError):  # who reads the journal has it among the problems
            for line in between(watch, since, left, until):
                blocks.append(line)
                size += len(line)
                while size > MOST:
                    size -= len(blocks.popleft())
        if blocks:
            found.append(Missed(group, entries.SETTINGS, [b"".join(blocks)]))
    return found


def missed(path: str, until: Position, jails: Mapping[Jail, Position | None], now: float) -> list[Missed]:
    """Return what each of *jails* missed of the file *path* before *until*: what follows a place where it left off, if it did."""
    groups: dict[tuple[LineSettings, int], list[Jail]] = {}
    for jail, left in jails.items():
        same = left is not None and (left.device, left.inode) == (until.device, until.inode)
        groups.setdefault((jail.settings.lines, left.offset if same and left is not None else 0), []).append(jail)
    found = []
    for (settings, left_at), group in groups.items():
        since = now - max(jail.settings.window.findtime for jail in group)
        blocks = list(_blocks(path, left_at, until, settings, since, now))
        if blocks:
            found.append(Missed(group, settings, blocks))
    return found


def _blocks(  # noqa: PLR0917
    path: str, left_at: int, until: Position, settings: LineSettings, since: float, now: float
) -> Iterator[bytes]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return
    try:
        status = os.fstat(fd)
        if (status.st_dev, status.st_ino) != (until.device, until.inode) or status.st_size < until.offset:
            return
        reader = LineReader(settings)
        start = (
            beginning(fd, since, lambda line: reader.line(reader.text(line, first=False), now).at)
            if reader.bytewise
            else 0
        )
        yield from _lines(fd, max(start, left_at, until.offset - MOST), until.offset)
    except OSError:
        return
    finally:
        os.close(fd)


def _lines(fd: int, start: int, end: int) -> Iterator[bytes]:
    """Yield the whole lines between *start* and *end*; where *start* is in the midst of one, that is left out."""
    rest = b""
    if start:
        first = os.pread(fd, 1, start - 1)
        if first != b"\n":
            head = os.pread(fd, min(_BLOCK, end - start), start)
            start += head.find(b"\n") + 1 or len(head)
    while start < end:
        data = os.pread(fd, min(_BLOCK, end - start), start)
        if not data:
            return
        start += len(data)
        data = rest + data
        cut = data.rfind(b"\n") + 1
        rest = data[cut:]
        if cut:
            yield data[:cut]
