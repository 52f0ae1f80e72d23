"""One source for all jails that watch it with the same line settings: its lines are decoded and dated once for all of them.

::

    shares(data, now)     what each jail has to judge of a stretch
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from banish.jail import Jail
from banish.lines.reader import LineReader
from banish.lines.stretch import Stretch


class Subscription:
    """The jails that watch one source, and the reader of its lines."""

    def __init__(self, reader: LineReader, jails: Sequence[Jail]) -> None:
        self.reader = reader
        self.jails = tuple(jails)

    def shares(self, data: bytes, now: float) -> Iterator[tuple[Jail, Stretch]]:
        """Yield each jail with what it has to judge of *data* (whole lines read at *now*)."""
        stretch = Stretch(data, self.reader, now)
        for jail in self.jails:
            yield jail, stretch
