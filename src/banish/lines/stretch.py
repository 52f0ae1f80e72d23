"""A stretch of a source on its way to the jails: the bytes as written, and their lines once somebody asks for them.

Or a jail's share of it: the lines that it must judge, and those that only tell it the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from banish.lines.datepattern import Template
from banish.lines.reader import LineReader
from banish.model import Line

Suspects = tuple[int, ...] | None
"""Which failregex a line may hold; None: any of them. A line that holds none only tells the time."""


def joined(data: bytes, spans: Iterable[tuple[int, int]]) -> bytes:
    """Return what is at *spans* of *data*, put together."""
    return b"".join([data[start:end] for start, end in spans])


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
    def template(self) -> Template | None:
        """The date template at the lines' begin that the source was locked to when the first of them was looked at, if it was."""
        locked = self.reader.detector.locked
        return locked if locked is not None and locked.anchored else None

    @cached_property
    def texts(self) -> list[str]:
        """The lines as written, decoded but not yet dated."""
        return self.reader.texts(self.data)

    @cached_property
    def lines(self) -> list[Line]:
        """The lines in order."""
        _ = self.template  # before reading may change it
        return self.reader.read_texts(self.texts, self.now)

    def line(self, index: int) -> Line | None:
        """Return the line at *index*, as it is among `lines`, without reading the others.

        None when that cannot be done: the date of this line changes where those of the next ones are looked for, or `lines` have
        been read already and may have done so. (Who asks knows that the lines before it have the expected date.)
        """
        if "lines" in self.__dict__ or not self.reader.steady(self.texts[index]):
            return None
        return self.reader.line(self.texts[index], self.now)


class Calm:
    """The lines of *stretch*, all of which begin with a date as expected: any of them can be read by itself, and is read once."""

    def __init__(self, stretch: Stretch) -> None:
        self.stretch = stretch
        self._lines: dict[int, Line] = {}

    def line(self, start: int, end: int) -> Line:
        """Return the line at ``data[start:end]``, which includes its newline if it has one."""
        line = self._lines.get(start)
        if line is None:
            stretch = self.stretch
            text = stretch.reader.text(stretch.data[start:end].removesuffix(b"\n"), first=start == 0)
            line = self._lines[start] = stretch.reader.line(text, stretch.now)
        return line


class Share(Stretch):
    """What is left of *stretch* for a jail. *spans* are where its lines, with their newlines, stand in the data of the stretch.

    *lines* are given where they had to be read to know which they are, or read when they are asked for (``Calm``); only then they may
    be judged at once. *data*: the bytes of the lines, where somebody has put them together already.
    """

    def __init__(
        self,
        stretch: Stretch,
        spans: Sequence[tuple[int, int]],
        suspects: Sequence[Suspects],
        lines: list[Line] | Calm,
        data: bytes | None = None,
    ) -> None:
        self.reader = stretch.reader
        self.now = stretch.now
        self.spans = spans
        self.suspects = suspects
        self._whole = stretch.data
        self._calm = lines if isinstance(lines, Calm) else None
        self.template = stretch.template if self._calm is not None else None
        if isinstance(lines, list):
            self.lines = lines
        if data is not None:
            self.data = data

    @cached_property
    def data(self) -> bytes:  # type: ignore[override]
        """The bytes of the lines."""
        return joined(self._whole, self.spans)

    @cached_property
    def lines(self) -> list[Line]:
        """The lines in order."""
        return [line for index in range(len(self.spans)) if (line := self.line(index)) is not None]

    def line(self, index: int) -> Line | None:
        """Return the line at *index*."""
        return self.lines[index] if self._calm is None else self._calm.line(*self.spans[index])
