"""How far the closest expression got on a line that none of them fits: for who writes a filter.

An expression is a sequence of pieces (a character, a class, a group, each with its repetition). When the first n pieces fit a
line, so do the first n-1; so bisection finds how many do, and what comes next is what does not fit. Groups that merely capture are
entered, those with alternatives or a repetition are one piece, and alternatives outside all groups are sequences of their own.

Closest is the expression whose fitting pieces say most: a plain character counts one, a group such as ``<HOST>`` two, and what is
optional or takes in anything (``.*``) nothing. What says less than `_LEAST` is chance.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from functools import cached_property
from typing import Literal, NamedTuple

from banish.matching.filter import Filter
from banish.matching.tags import expand
from banish.model import Line
from banish.patience import GivenUp

_LONGEST = 4096  # characters of a line that are looked at
_LEAST = 3
_GROUP = 2

_TOKEN = re.compile(
    r"(?P<escape>\\.)"
    r"|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])"
    r"|(?P<whole>\(\?P=\w+\)|\(\?\#[^)]*\)|\(\?[aimsux]+\))"
    r"|(?P<plain>\((?:\?P<\w+>|\?:|(?!\?)))"
    r"|(?P<other>\(\?(?:[=!>]|<[=!]|\(\w+\)|[aimsux]*(?:-[imsx]+)?:))"
    r"|(?P<close>\))"
    r"|(?P<bar>\|)"
    r"|(?P<repeat>(?:[*+?]|\{(?:\d+(?:,\d*)?|,\d*)\})[?+]?)"
    r"|(?P<special>[\^$.])"
    r"|(?P<literal>.)",
    re.DOTALL,
)
_FLAGS = re.compile(r"\(\?[aimsux]+\)")
_UNBOUND = re.compile(r"[*+]|\{\d*,\}")
_WIDE = re.compile(r"\.|\\[DSW]|\[\^|\(")


class Near(NamedTuple):
    """The expression that got furthest on a line."""

    option: Literal["prefregex", "failregex"]
    regex: int
    """Its index in its list."""
    fits: str
    """The part of the line that the pieces before *unfit* cover."""
    unfit: str
    """The rest of the expression as written, from the first piece that does not fit."""


class _Cut(NamedTuple):
    """A place between two pieces of an expression."""

    end: int
    open: int
    """How many groups have to be closed here."""
    weight: int
    """What the pieces before it say."""
    unbound: bool
    """The piece before it takes in nearly anything, so that where it ends tells nothing."""


class Closest:
    """Finds the closest expression of *filter_*; keeps what it compiles."""

    def __init__(self, filter_: Filter) -> None:
        settings = filter_.settings
        self._patience = filter_.patience
        self._prefregex = filter_.prefregex
        self._prefix = (
            _Expression(settings.prefregex, filter_.prefregex, settings.usedns == "no") if filter_.prefregex else None
        )
        self._expressions = [
            _Expression(written, pattern, settings.usedns == "no")
            for written, pattern in zip(settings.failregex, filter_.failregex, strict=True)
        ]

    def find(self, line: Line) -> Near | None:
        """Return how far the closest expression got on *line*; None when none of them begins to fit, or it takes too long."""
        text = f"{line.message[:_LONGEST]}\n"
        self._patience.text = text
        try:
            return self._find(text)
        except GivenUp:
            return None
        finally:
            self._patience.text = None

    def _find(self, text: str) -> Near | None:
        if self._prefregex is not None and self._prefix is not None:
            found = self._prefregex.search(text)
            if found is None:
                reached = self._prefix.reach(text)
                return Near("prefregex", 0, reached.fits, reached.unfit) if reached.weight >= _LEAST else None
            content = found.groupdict().get("content")
            text = f"{content}\n" if content else text
        reached_by = [expression.reach(text) for expression in self._expressions]
        best = max(range(len(reached_by)), key=lambda index: reached_by[index].weight, default=None)
        if best is None or reached_by[best].weight < _LEAST:
            return None
        return Near("failregex", best, reached_by[best].fits, reached_by[best].unfit)


class _Reached(NamedTuple):
    weight: int
    fits: str
    unfit: str


class _Expression:
    def __init__(self, written: str, pattern: re.Pattern[str], only_addresses: bool) -> None:
        self._written = written
        self._expansion = expand(written, "no" if only_addresses else "warn")
        self._multiline = pattern.flags & re.MULTILINE
        self._compiled: dict[tuple[int, int], re.Pattern[str] | None] = {}

    @cached_property
    def _sequences(self) -> list[tuple[int, list[_Cut]]]:
        return list(_sequences(self._expansion.text))

    def reach(self, text: str) -> _Reached:
        """Return how far the expression gets on *text*; of alternatives the one that gets furthest."""
        return max((self._follow(text, start, cuts) for start, cuts in self._sequences), key=lambda each: each.weight)

    def _follow(self, text: str, start: int, cuts: list[_Cut]) -> _Reached:
        fitting, beyond = 0, len(cuts) + 1  # so many pieces fit; so many do not
        while beyond - fitting > 1:
            middle = (fitting + beyond) // 2
            if self._search(text, start, cuts[middle - 1]) is None:
                beyond = middle
            else:
                fitting = middle
        weight = cuts[fitting - 1].weight if fitting else 0
        fitting = _certain(cuts, fitting) if fitting < len(cuts) else fitting
        found = self._search(text, start, cuts[fitting - 1]) if fitting else None
        end = cuts[fitting - 1].end if fitting else start
        unfit = self._written[self._expansion.origin(end) :] if end < len(self._expansion.text) else ""
        return _Reached(weight, found.group().rstrip("\n") if found else "", unfit)

    def _search(self, text: str, start: int, cut: _Cut) -> re.Match[str] | None:
        key = (start, cut.end)
        if key not in self._compiled:
            flags = _FLAGS.match(self._expansion.text) if start else None
            piece = (flags.group() if flags else "") + self._expansion.text[start : cut.end] + ")" * cut.open
            self._compiled[key] = _compile(piece, self._multiline)
        pattern = self._compiled[key]
        return None if pattern is None else pattern.search(text)


def _certain(cuts: list[_Cut], fitting: int) -> int:
    """Return how many of the *fitting* pieces do so by more than chance: ``.*`` finds any blank for what comes next."""
    for number in range(fitting, 0, -1):
        if cuts[fitting - 1].weight - cuts[number - 1].weight >= _LEAST:
            break
        if cuts[number - 1].unbound:
            return _certain(cuts, number - 1)
    return fitting


def _compile(expression: str, flags: int) -> re.Pattern[str] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return re.compile(expression, flags)
        except (re.error, RecursionError, OverflowError):  # a cut in a comment of a verbose expression, for one
            return None


class _Group:
    __slots__ = ("close", "transparent")

    def __init__(self, transparent: bool) -> None:
        self.transparent = transparent
        """Entered, piece by piece: a group without alternatives and without repetition."""
        self.close = 0
        """The number of the token that closes it."""


def _sequences(text: str) -> Iterator[tuple[int, list[_Cut]]]:
    """Yield for each alternative of *text* where it begins, and the places between its pieces."""
    tokens = list(_TOKEN.finditer(text))
    groups: dict[int, _Group] = {}
    bars: list[int] = []
    opened: list[_Group] = []
    for number, token in enumerate(tokens):
        kind = token.lastgroup
        if kind in ("plain", "other"):
            groups[number] = _Group(kind == "plain")
            opened.append(groups[number])
        elif kind == "bar" and opened:
            opened[-1].transparent = False
        elif kind == "bar":
            bars.append(number)
        elif kind == "close" and opened:
            group = opened.pop()
            group.close = number
            if number + 1 < len(tokens) and tokens[number + 1].lastgroup == "repeat":
                group.transparent = False
    for first, last in zip([-1, *bars], [*bars, len(tokens)], strict=True):
        start = tokens[first].end() if first >= 0 else 0
        yield start, list(_cuts(tokens, groups, first + 1, last))


def _cuts(tokens: list[re.Match[str]], groups: dict[int, _Group], number: int, last: int) -> Iterator[_Cut]:
    depth = weight = 0
    while number < last:
        token = tokens[number]
        group = groups.get(number)
        if group is not None and group.transparent:
            depth += 1
            number += 1
            continue
        if token.lastgroup == "close":
            depth -= 1
            number += 1
            continue
        says = _says(token)
        if group is not None:
            number = group.close
        number += 1
        unbound = False
        if number < last and tokens[number].lastgroup == "repeat":
            unbound = bool(_UNBOUND.match(tokens[number].group()) and _WIDE.match(token.group()))
            says = 0
            number += 1
        weight += says
        yield _Cut(tokens[number - 1].end(), depth, weight, unbound)


def _says(token: re.Match[str]) -> int:
    if token.lastgroup == "plain":
        return _GROUP
    return token.lastgroup == "literal" or (token.lastgroup == "escape" and not token.group()[1].isalnum())
