"""A stretch of a source on its way to the jails: the bytes as written, and their lines once somebody asks for them.

Or a jail's share of it: the lines that it must judge, and those that only tell it the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from banish.lines.reader import LineReader
from banish.model import Line

Suspects = tuple[int, ...] | None
"""Which failregex a line may hold; None: any of them. A line that holds none only tells the time."""


class Stretch:
    """Whole lines of one source, read at *now* (Unix seconds). Iterating decodes and dates them, once for all who ask."""

    suspects: Sequence[Suspects] | None = None
    """What each of the lines may hold; None: they may hold anything."""

    def __init__(self, data: bytes, reader: LineReader, now: float) -> None:
        self.data = data
        self.reader = reader
        self.now = now

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    @cached_property
    def lines(self) -> list[Line]:
        """The lines in order."""
        return self.reader.read(self.data, self.now)


class Share(Stretch):
    """What is left of *stretch* for a jail: *lines*, what they may hold, and where each of them stands in the stretch's data."""

    def __init__(
        self, stretch: Stretch, lines: list[Line], suspects: Sequence[Suspects], spans: Sequence[tuple[int, int]]
    ) -> None:
        self.lines = lines
        self.suspects = suspects
        self.reader = stretch.reader
        self.now = stretch.now
        self._whole = stretch.data
        self.spans = spans
        """Where each of the lines, with its newline, stands in the data of the stretch."""

    @cached_property
    def data(self) -> bytes:  # type: ignore[override]
        """The bytes of the lines."""
        return b"".join([self._whole[start:end] for start, end in self.spans])
