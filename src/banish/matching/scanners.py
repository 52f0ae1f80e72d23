"""Who can look for literals in a buffer, fastest first. All find the same; only the first that can be had is used.

A new one is a module with a class that keeps to ``Scanner``, and a line in ``SCANNERS``; ``tests/contracts/test_scanners.py`` then
holds it to the same promises as the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from typing import Protocol, cast

from banish.matching.literals import Literal

SCANNERS = {
    "hyperscan": "banish.matching.scan_hyperscan:HyperscanScanner",
    "plain": "banish.matching.scan_plain:PlainScanner",
}

Places = Sequence[frozenset[bytes]]
"""How lines begin: one of the texts of each place (all of the same length), one place behind the other."""


class Scanner(Protocol):
    """Finds *literals* in whole lines, and lines that do not begin as others do. No literal is empty or holds a newline or NUL."""

    def __init__(self, literals: Sequence[Literal]) -> None: ...

    def scan(self, data: bytes) -> list[tuple[int, int]]:
        """Return (where it ends, its number in *literals*) of what was found, in the order of the ends.

        A literal that is in a line several times may be told once.
        """
        ...

    @staticmethod
    def strays(places: Places) -> Strays:
        """Return what finds the lines that do not begin with *places* (at least one, of printable ASCII)."""
        ...


class Strays(Protocol):
    def __call__(self, data: bytes) -> list[int]:
        """Return the offsets at which lines of *data* begin that do not begin as they should, in order."""
        ...


def branches(texts: Iterable[bytes]) -> list[tuple[bytes, frozenset[bytes]]]:
    """Return how *texts*, all of one length, go on: bytes they may begin with, and what may follow any of these."""
    following: dict[bytes, set[bytes]] = {}
    for text in texts:
        following.setdefault(text[:1], set()).add(text[1:])
    alike: dict[frozenset[bytes], bytes] = {}
    for first, rest in sorted(following.items()):
        key = frozenset(rest)
        alike[key] = alike.get(key, b"") + first
    return [(firsts, rest) for rest, firsts in alike.items()]


def load(name: str) -> type[Scanner]:
    """Return the scanner of that *name*; raises ImportError when this machine lacks what it needs."""
    module, _, attribute = SCANNERS[name].partition(":")
    return cast("type[Scanner]", getattr(import_module(module), attribute))


@cache
def best() -> type[Scanner]:
    """Return the fastest scanner that can be had."""
    for name in SCANNERS:
        try:
            return load(name)
        except ImportError:
            continue
    raise AssertionError("the last one needs nothing")
