"""The last lines together: what a filter with ``maxlines`` above 1 searches instead of one line.

Expressions see the lines joined, each with its line end. Lines that a failregex matched leave the window, so that they are not
found again; lines it only skipped (``<SKIPLINES>``), and those around the match, stay until newer ones push them out.

What ``<F-CONTENT>`` captured from several lines is traced back to them (fail2ban loses track there and reports other lines).

Bounded by *size* lines; the oldest is dropped first.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from banish.model import Line


class Taken(NamedTuple):
    """The lines that a match covers, oldest first."""

    lines: tuple[str, ...]
    """As written."""
    text: str
    """As the expression saw them, without what it skipped: an ignoreregex is tried on this."""


class Window:
    """The last *size* lines of one filter."""

    def __init__(self, size: int, lines: Iterable[Line] = ()) -> None:
        self._lines: deque[Line] = deque(lines, maxlen=size)

    @property
    def lines(self) -> tuple[Line, ...]:
        """Oldest first."""
        return tuple(self._lines)

    def clear(self) -> None:
        self._lines.clear()

    def add(self, line: Line) -> str:
        """Add *line*, and return the text to search: all lines of the window, oldest first."""
        self._lines.append(line)
        return "".join(f"{each.message}\n" for each in self._lines)

    def take(self, found: re.Match[str], start: int, end: int) -> Taken:
        """Remove and return the lines that *found* covers.

        *found* comes from searching the part of the window's text from *start* to *end* (in characters), with a line end
        added or not.
        """
        first = min(start + found.start(), end - 1)
        last = max(min(start + found.end(), end), first + 1)  # an empty match is in a line all the same
        skipped = [found.span(name) for name in found.re.groupindex if name.startswith("skiplines")]
        kept: list[Line] = []
        lines: list[str] = []
        parts: list[str] = []
        begin = 0
        for line in self._lines:
            text = f"{line.message}\n"
            stop = begin + len(text)
            covered = begin < last and first < stop
            if covered and not any(start + a <= begin and stop <= start + b for a, b in skipped):
                lines.append(line.text)
                parts.append(text[max(start - begin, 0) : max(end - begin, 0)])
            else:
                kept.append(line)
            begin = stop
        self._lines = deque(kept, maxlen=self._lines.maxlen)  # at one blow: patience may run out at any time
        return Taken(tuple(lines), "".join(parts))
