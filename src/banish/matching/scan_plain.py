"""Literals by ``bytes.find``: one pass over the buffer for each. What there is without Hyperscan."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from banish.matching.literals import Literal
from banish.matching.scanners import Places, Strays, branches


class PlainScanner:
    """See ``scanners.Scanner``."""

    def __init__(self, literals: Sequence[Literal]) -> None:
        self._literals = tuple(literals)
        self._caseless = any(literal.caseless for literal in literals)

    def scan(self, data: bytes) -> list[tuple[int, int]]:
        lowered = data.lower() if self._caseless else data
        found: list[tuple[int, int]] = []
        for number, (text, caseless) in enumerate(self._literals):
            searched = lowered if caseless else data
            place = searched.find(text)
            while place >= 0:
                end = place + len(text)
                found.append((end, number))
                place = data.find(b"\n", end)
                if place >= 0:
                    place = searched.find(text, place)
        found.sort()
        return found

    @staticmethod
    def strays(places: Places) -> Strays:
        return _PlainStrays(places)


class _PlainStrays:
    """Runs over as many lines as are as they should be in one match. (Not possessively: before Python 3.11.5 that finds too little.)"""

    def __init__(self, places: Places) -> None:
        begin = b"".join(map(_begin, places))
        self._run = re.compile(b"(?:" + begin + b"[^\n]*\n)*")

    def __call__(self, data: bytes) -> list[int]:
        if data and not data.endswith(b"\n"):
            data += b"\n"
        starts: list[int] = []
        place, size, run = 0, len(data), self._run
        while place < size:
            match = run.match(data, place)
            if match is not None and match.end() > place:
                place = match.end()
            else:
                starts.append(place)
                place = data.find(b"\n", place) + 1
        return starts


def _begin(texts: Iterable[bytes]) -> bytes:
    """Return an expression for any of *texts*."""
    ways = [
        b"[" + re.escape(firsts) + b"]" + (_begin(rest) if rest != {b""} else b"") for firsts, rest in branches(texts)
    ]
    return ways[0] if len(ways) == 1 else b"(?:" + b"|".join(ways) + b")"
