"""Literals by Hyperscan (Vectorscan): one pass over the buffer, whatever their number.

Block mode, no UTF-8 mode. The end of a literal is all that is asked for; to know where it begins would cost more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import hyperscan

from banish.matching.literals import Literal
from banish.matching.scanners import Places, Strays, branches


class HyperscanScanner:
    """See ``scanners.Scanner``."""

    def __init__(self, literals: Sequence[Literal]) -> None:
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._empty = not literals
        if literals:
            self._database.compile(
                expressions=[literal.text for literal in literals],
                ids=list(range(len(literals))),
                elements=len(literals),
                flags=[hyperscan.HS_FLAG_CASELESS if literal.caseless else 0 for literal in literals],
                literal=True,
            )

    def scan(self, data: bytes) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        if self._empty:
            return found
        keep = found.append

        def on_match(number: int, _begin: int, end: int, _flags: int, _context: object) -> None:
            keep((end, number))

        self._database.scan(data, match_event_handler=on_match)
        return found

    @staticmethod
    def strays(places: Places) -> Strays:
        return _HyperscanStrays(places)


class _HyperscanStrays:
    """Looks for the first characters that are wrong, so that lines as they should be cost no call of ours."""

    def __init__(self, places: Places) -> None:
        wrong: list[bytes] = []
        offset = 0
        for texts in places:
            wrong += [b"[^\\n]" * offset + each for each in _wrong(texts)]
            offset += len(next(iter(texts)))
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        flags = hyperscan.HS_FLAG_MULTILINE
        self._database.compile(expressions=[b"^(?:" + b"|".join(wrong) + b")"], ids=[0], elements=1, flags=[flags])

    def __call__(self, data: bytes) -> list[int]:
        if data and not data.endswith(b"\n"):
            data += b"\n"
        starts: dict[int, None] = {}

        def on_match(_number: int, _begin: int, end: int, _flags: int, _context: object) -> None:
            # The wrong character is the last that was read; a line that is too short has its newline there.
            starts[data.rfind(b"\n", 0, end - 1) + 1] = None

        self._database.scan(data, match_event_handler=on_match)
        return sorted(starts)


def _wrong(texts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield expressions that together find what begins otherwise than each of *texts*, up to the first byte that is wrong."""
    following = branches(texts)
    yield b"[^" + re.escape(b"".join(firsts for firsts, _ in following)) + b"]"
    for firsts, rest in following:
        if rest != {b""}:
            yield from (b"[" + re.escape(firsts) + b"]" + each for each in _wrong(rest))
