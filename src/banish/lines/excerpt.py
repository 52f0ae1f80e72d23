"""Some lines of a stretch, decoded and dated as if all of them had been read.

A line that is left out must not change what the others mean, but it may matter to them in two ways. A line without a date counts
for the time of the line before it: so lines are taken in backwards from such a line until one has a date, and from the stretch's
end too, for the next one. And a date in another format changes the detector's mind: so all lines that do not begin as the others
(*strays*) are taken in, and should one of them have such a date, every line after it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from banish.lines.reader import LineReader
from banish.model import Line


class Excerpt:
    """The lines *wanted* of *data*, and those that they need; read with *reader* at *now*.

    *wanted* are offsets of lines (where they begin and end), *strays* those of them that do not begin as expected.
    """

    def __init__(
        self, data: bytes, reader: LineReader, now: float, wanted: Iterable[tuple[int, int]], strays: Collection[int]
    ) -> None:
        self.lines: list[Line] = []
        self.spans: list[tuple[int, int]] = []
        """Where each of them stands in *data*, with its newline."""
        self.places: dict[int, int] = {}
        """Numbers of lines in *lines*, by the offset at which they begin."""
        self.surprise: int | None = None
        """The number of the first line whose date is in another format than before; it and all after it can be anything."""
        self._data = data
        self._reader = reader
        self._now = now
        self._dated = [-1]
        """The last dated line before each line, and before the one that would come next."""
        self._read(wanted, strays)

    @property
    def last_dated(self) -> int:
        """The number of the last line with a date; -1 when there is none."""
        return self._dated[-1]

    def before(self, number: int) -> int:
        """Return which line has the date that line *number* counts for when it has none itself; -1 when no line here has."""
        return self._dated[number]

    def _read(self, wanted: Iterable[tuple[int, int]], strays: Collection[int]) -> None:
        detector = self._reader.detector
        format_ = detector.locked
        floor = 0
        for start, end in wanted:
            if start in strays:
                self._reach_back(floor, start)
            line = self._line(start, end)
            if line.at is None and start not in strays:
                self._reach_back(floor, start)
            self._add(start, end, line)
            floor = end + 1
            if start in strays and detector.locked is not format_:
                self.surprise = len(self.lines) - 1
                self._read_on(floor)
                return
        self._reach_back(floor, len(self._data))

    def _reach_back(self, floor: int, stop: int) -> None:
        """Take in the lines before *stop*, going back until one has a date or *floor* is reached."""
        taken: list[tuple[int, int, Line]] = []
        while self._reader.dated and stop > floor:
            end = stop - 1 if self._data[stop - 1] == 0x0A else stop
            start = max(self._data.rfind(b"\n", floor, end) + 1, floor)
            taken.append((start, end, self._line(start, end)))
            if taken[-1][2].at is not None:
                break
            stop = start
        for start, end, line in reversed(taken):
            self._add(start, end, line)

    def _read_on(self, floor: int) -> None:
        for start, end in spans(self._data, floor):
            self._add(start, end, self._line(start, end))

    def _line(self, start: int, end: int) -> Line:
        return self._reader.line(self._reader.text(self._data[start:end], first=start == 0), self._now)

    def _add(self, start: int, end: int, line: Line) -> None:
        self.places[start] = len(self.lines)
        self.lines.append(line)
        self.spans.append((start, end + 1))
        self._dated.append(self._dated[-1] if line.at is None else len(self.lines) - 1)


def spans(data: bytes, start: int = 0) -> Iterable[tuple[int, int]]:
    """Yield where each line of *data* from *start* on begins and ends (without its newline)."""
    while start < len(data):
        end = end_of(data, start)
        yield start, end
        start = end + 1


def end_of(data: bytes, start: int) -> int:
    """Return where the line of *data* ends that begins at *start*."""
    end = data.find(b"\n", start)
    return end if end >= 0 else len(data)
