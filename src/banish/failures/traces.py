"""Traces: what is left of an id when its lines and fields are no longer kept. Numbers only, some 130 bytes each.

Nothing is lost of the count: an id that fails again goes on where it stood. A crowd of a million addresses that fail once each is
a million traces, and who fails more often is found among them.

They lie apart by how many failures they stand for (1, 2, 3, and 4 or more), each part in the order in which its ids failed last.
What leaves first, by age or for want of room, is therefore always at the beginning of a part, and nothing is ever searched.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, takewhile
from typing import NamedTuple

_PARTS = 4


class Trace(NamedTuple):
    """The numbers of one id, called as in ``model.Failure``; *times*, in order, are for ``window = exact``."""

    retries: int
    attempts: int
    since: float
    last_at: float
    times: tuple[float, ...] = ()


_Packed = float | tuple[int, int, float, float, tuple[float, ...]]
"""A time alone when there was one failure. Else a plain tuple, which the garbage collector does not look at again and again."""


class Traces:
    """The traces of one jail; who made them bounds them, with ``shed``."""

    def __init__(self) -> None:
        self._parts: tuple[dict[str, _Packed], ...] = tuple({} for _ in range(_PARTS))

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Every id with its estimate as of its last failure."""
        for part in self._parts:
            yield from ((id_, _unpack(packed).retries) for id_, packed in part.items())

    def keep(self, id_: str, trace: Trace) -> None:
        """Take in the trace of *id_*, which has none here and failed later than all others."""
        part = min(max(trace.retries, 1), _PARTS) - 1
        alone = trace.retries == trace.attempts == 1 and trace.since == trace.last_at
        self._parts[part][id_] = trace.last_at if alone else (*trace,)

    def of(self, id_: str) -> Trace | None:
        """Return the trace of *id_*; None when there is none."""
        found = next((part[id_] for part in self._parts if id_ in part), None)
        return None if found is None else _unpack(found)

    def take(self, id_: str) -> Trace | None:
        """Remove and return the trace of *id_*; None when there is none."""
        for part in self._parts:
            if part and (packed := part.pop(id_, None)) is not None:
                return _unpack(packed)
        return None

    def expire(self, oldest: float, limit: int) -> int:
        """Forget those who failed last at *oldest* or before, *limit* ids at most; return how many these were."""
        expired = 0
        for part in filter(None, self._parts):
            old = takewhile(lambda item: _last_at(item[1]) <= oldest, part.items())
            expired += _forget(part, [id_ for id_, _ in islice(old, limit - expired)])
        return expired

    def shed(self, count: int) -> None:
        """Forget *count* ids: those with the fewest failures first, of these those who have been silent for longest."""
        for part in self._parts:
            count -= _forget(part, list(islice(part, count)))


def _forget(part: dict[str, _Packed], ids: list[str]) -> int:
    for id_ in ids:
        del part[id_]
    return len(ids)


def _last_at(packed: _Packed) -> float:
    return packed[3] if isinstance(packed, tuple) else packed


def _unpack(packed: _Packed) -> Trace:
    return Trace(*packed) if isinstance(packed, tuple) else Trace(1, 1, packed, packed, (packed,))
