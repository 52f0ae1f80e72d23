"""Where in a long log the last hour begins: found by halving, without reading what was before.

A log is nearly sorted by time. What is returned is never too late, as long as no line is out of order by more than `SLACK`; it is
too early by a block at most, which costs little, since who judges lines looks at their dates anyway.
"""

from __future__ import annotations

import os
from collections.abc import Callable

SHORT = 1 << 18
"""Bytes up to which a file is read from its beginning all the same."""
SLACK = 60.0
"""Seconds by which lines may be out of order: programs log what they began before others."""
_BLOCK = 1 << 16
_LINES = 16
"""Lines in which a date is looked for at one place."""
_PLACES = 8
"""Blocks, one behind the other, in which it is looked for."""
_LONGEST = 1 << 10
"""Bytes of a line in which its date is looked for."""


def beginning(fd: int, since: float, date_of: Callable[[bytes], float | None]) -> int:
    """Return the offset of a line before which no line of the file *fd* states *since* (Unix seconds) or later.

    *date_of* returns what a line states; None when that cannot be told. Raises OSError.
    """
    size = os.fstat(fd).st_size
    if size <= SHORT:
        return 0
    before, after = 0, size
    while after - before > _BLOCK:
        middle = (before + after) // 2
        found = _dated(fd, middle, after, date_of)
        if found is not None and found[1] < since - SLACK:
            before = found[0]
        else:
            after = middle
    return before


def _dated(fd: int, start: int, end: int, date_of: Callable[[bytes], float | None]) -> tuple[int, float] | None:
    """Return where the first line behind *start* begins that has a date, and the date; None when it is not near."""
    for at in range(start, min(end, start + _PLACES * _BLOCK), _BLOCK):
        data = os.pread(fd, _BLOCK, at)
        place = data.find(b"\n") + 1
        if not place:
            continue
        for line in data[place:].split(b"\n")[:_LINES]:
            date = date_of(line[:_LONGEST])
            if date is not None:
                return at + place, date
            place += len(line) + 1
    return None
