"""Expressions to lines: what a line looks like that an expression was written for.

``analysis`` asks what an attacker could make of an expression, and shows it with a line. Such a line begins as a *specimen*:
a text that the expression finds, written by walking its parse tree, with a note of where the wildcards stand. An expression
has many specimens: one takes the first alternative everywhere and every optional part, each other one differs in one
place, so that every part of the expression appears in one of them.

A specimen is a proposal. Look-arounds, boundaries and what comes before an alternative are not weighed, so whoever uses one
tries it on the expression first. Characters are those of ASCII: attackers need no others.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from re import _constants as sre  # type: ignore[attr-defined]  # the only door to the tree; no stubs
from re import _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

REAL = "198.51.100.7"
"""The address that a specimen bears (RFC 5737)."""
REAL6 = "2001:db8::7"

ALPHABET = frozenset(map(chr, range(0x20, 0x7F))) | {"\t"}
_FAVOURITES = "x1a/.-:=, "
_MANY = 20
"""A repeat up to so many times is as good as one without end."""
_MOST = 32
"""Variations of one specimen; beyond that it has more parts than anybody reads."""
_LONGEST = 4000
"""Characters at which repeats within repeats come to an end; the text is then no specimen, and nobody's line anyway."""
_ADDRESSES = {"ip4": REAL, "ip6": REAL6}

Tree = Any
"""A node of ``re._parser``: a sequence of (opcode, argument)."""


class Gap(NamedTuple):
    """A stretch of a specimen that a wildcard fills: *allowed* could stand there, as often as one likes."""

    start: int
    end: int
    allowed: frozenset[str]
    optional: bool = True
    """It may be empty."""

    def takes(self, text: str) -> bool:
        return self.allowed.issuperset(text)


class Loop(NamedTuple):
    """A repeated group with choices in it; each of *turns* is a text that one turn, or several, may find."""

    start: int
    turns: tuple[str, ...]


class Specimen(NamedTuple):
    """A line that an expression was written for. All places are offsets in *text*."""

    text: str
    gaps: tuple[Gap, ...]
    """In their order, none overlaps another."""
    loops: tuple[Loop, ...]
    address: tuple[int, int] | None
    """Where the address stands, `REAL` or `REAL6`."""
    content: tuple[int, int] | None
    """What ``<F-CONTENT>`` captures."""

    def shifted(self, by: int) -> Specimen:
        """Return the specimen with *by* added to every place, as it stands within a longer line."""
        return self._replace(
            gaps=tuple(gap._replace(start=gap.start + by, end=gap.end + by) for gap in self.gaps),
            loops=tuple(loop._replace(start=loop.start + by) for loop in self.loops),
            address=None if self.address is None else (self.address[0] + by, self.address[1] + by),
        )


def specimens(pattern: re.Pattern[str]) -> Iterator[Specimen]:
    """Yield the specimens of *pattern*, the plainest first; none for what cannot be walked."""
    try:
        tree = _parser.parse(pattern.pattern, pattern.flags)
        for bare in (True, False):
            usual = _Writer(pattern, bare=bare)
            yield usual.write(tree)
            others = (
                (place, option)
                for place, (options, chosen) in enumerate(usual.choices)
                for option in range(options)
                if option != chosen
            )
            for flip in itertools.islice(others, _MOST):
                yield _Writer(pattern, flip, bare=bare).write(tree)
    except (RecursionError, re.error):
        return


class _Writer:
    """Writes one specimen.

    *flip* says at which choice, counted from 0, which other option than the usual one is taken; *bare* leaves optional parts
    out; *looping* says whether loops are looked into.
    """

    def __init__(
        self, pattern: re.Pattern[str], flip: tuple[int, int] | None = None, *, bare: bool = False, looping: bool = True
    ) -> None:
        self.choices: list[tuple[int, int]] = []
        """(number of options, the one that was taken) of each choice."""
        self._pattern = pattern
        self._flip = flip
        self._bare = bare
        self._looping = looping
        self._names = {number: name for name, number in pattern.groupindex.items()}
        self._text = ""
        self._gaps: list[Gap] = []
        self._loops: list[Loop] = []
        self._groups: dict[int, tuple[int, int]] = {}
        self._address: tuple[int, int] | None = None
        self._ignorecase = bool(pattern.flags & re.IGNORECASE)

    def write(self, tree: Tree) -> Specimen:
        self._sequence(tree)
        number = self._pattern.groupindex.get("content", 0)
        return Specimen(self._text, tuple(self._gaps), tuple(self._loops), self._address, self._groups.get(number))

    def _sequence(self, tree: Tree) -> None:
        for op, argument in tree:
            self._node(op, argument)

    def _node(self, op: Any, argument: Any) -> None:
        if op in (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN):
            self._text += self._one(_characters(op, argument, self._ignorecase), op, argument)
        elif op is sre.SUBPATTERN:
            self._group(argument)
        elif op is sre.BRANCH:
            self._branch(argument[1])
        elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            self._repeat(*argument)
        elif op is sre.ATOMIC_GROUP:
            self._sequence(argument)
        elif op is sre.GROUPREF and argument in self._groups:
            start, end = self._groups[argument]
            self._text += self._text[start:end]
        elif op is sre.GROUPREF_EXISTS:
            number, then, otherwise = argument
            self._sequence(then if number in self._groups else otherwise or ())

    def _choose(self, options: int, usual: int) -> int:
        flipped = self._flip is not None and self._flip[0] == len(self.choices)
        choice = self._flip[1] if self._flip is not None and flipped else usual
        self.choices.append((options, choice))
        return choice

    def _one(self, allowed: frozenset[str], op: Any, argument: Any) -> str:
        if op is sre.LITERAL:
            return chr(argument)
        return next((each for each in _FAVOURITES if each in allowed), min(allowed, default=""))

    def _group(self, argument: Any) -> None:
        number, added, removed, body = argument
        address = _ADDRESSES.get(self._names.get(number, ""))
        start = len(self._text)
        if address is not None:
            self._text += address
            self._address = start, len(self._text)
            return
        before = self._ignorecase
        self._ignorecase = (before or bool(added & re.IGNORECASE)) and not removed & re.IGNORECASE
        self._sequence(body)
        self._ignorecase = before
        if number is not None:
            self._groups[number] = start, len(self._text)

    def _branch(self, alternatives: Any) -> None:
        named = [each for each in alternatives if self._address_in(each)]
        options = named[:1] or alternatives
        self._sequence(options[self._choose(len(options), 0)])

    def _repeat(self, least: int, most: Any, body: Tree) -> None:
        endless = most is sre.MAXREPEAT or most >= _MANY
        if len(body) == 1 and body[0][0] in (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN):
            op, argument = body[0]
            allowed = _characters(op, argument, self._ignorecase)
            start = len(self._text)
            least = min(least, 1000)
            count = least if not endless or allowed <= {" ", "\t"} else max(least, 1)
            if most == 1:
                count = self._choose(2, int(op is not sre.LITERAL and not self._bare))
            self._text += self._one(allowed, op, argument) * count
            if endless:
                self._gaps.append(Gap(start, len(self._text), allowed, least == 0))
            return
        start, first_gap = len(self._text), len(self._gaps)
        count = max(min(least, 10), 1)
        if least == 0:
            count = self._choose(2, int(not (self._bare or self._is_plain(body))))
        for _ in range(count):
            if len(self._text) > _LONGEST:
                break
            self._sequence(body)
        if endless and self._looping:
            self._loops.append(Loop(start, tuple(self._turns(body, self._gaps[first_gap:]))))

    def _is_plain(self, body: Tree) -> bool:
        """True when an optional part is better left out: text alone (brackets round an address), or a prefix length."""
        return all(
            op is sre.LITERAL
            or (op is sre.SUBPATTERN and (self._names.get(argument[0]) == "cidr" or self._is_plain(argument[3])))
            or (
                op in (sre.MAX_REPEAT, sre.MIN_REPEAT)
                and argument[1] is not sre.MAXREPEAT
                and self._is_plain(argument[2])
            )
            for op, argument in body
        )

    def _address_in(self, tree: Tree) -> bool:
        return any(self._names.get(number) in _ADDRESSES for number in _groups_in(tree))

    def _turns(self, body: Tree, gaps: Iterable[Gap]) -> Iterator[str]:
        """Yield what may pass for turns of a loop: its body as written, each alternative in it, a character it may begin with."""
        found: dict[str, None] = {}
        for each in (body, *_alternatives_in(body)):
            writer = _Writer(self._pattern, looping=False)
            writer._ignorecase = self._ignorecase
            found[writer.write(each).text] = None
        begins = _firsts(body, self._ignorecase)
        for gap in gaps:
            shared = gap.allowed & begins
            found.update(dict.fromkeys([each for each in _FAVOURITES if each in shared][:1] or sorted(shared)[:1]))
        yield from (text for text in found if text)


def _groups_in(tree: Tree) -> Iterator[int]:
    for op, argument in tree:
        if op is sre.SUBPATTERN and argument[0] is not None:
            yield argument[0]
        for inner in _inside(op, argument):
            yield from _groups_in(inner)


def _alternatives_in(tree: Tree) -> Iterator[Tree]:
    for op, argument in tree:
        if op is sre.BRANCH:
            yield from argument[1]
        for inner in _inside(op, argument):
            yield from _alternatives_in(inner)


def _inside(op: Any, argument: Any) -> tuple[Tree, ...]:
    if op is sre.SUBPATTERN:
        return (argument[3],)
    if op is sre.BRANCH:
        return tuple(argument[1])
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        return (argument[2],)
    if op is sre.ATOMIC_GROUP:
        return (argument,)
    return ()


def _firsts(tree: Tree, ignorecase: bool) -> frozenset[str]:
    """Return the characters that a text found by *tree* may begin with."""
    found: frozenset[str] = frozenset()
    for op, argument in tree:
        if op in (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN):
            return found | _characters(op, argument, ignorecase)
        for inner in _inside(op, argument):
            found |= _firsts(inner, ignorecase)
        if not _may_be_empty(op, argument):
            return found
    return found


def _may_be_empty(op: Any, argument: Any) -> bool:
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT) and argument[0] == 0:
        return True
    if op in (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN):
        return False
    inner = _inside(op, argument)
    nullable = [all(_may_be_empty(*node) for node in each) for each in inner]
    return any(nullable) if inner else True


def _characters(op: Any, argument: Any, ignorecase: bool) -> frozenset[str]:
    """Return the characters of `ALPHABET` that one node for a single character finds."""
    if op is sre.ANY:
        return ALPHABET
    if op is sre.NOT_LITERAL:
        return ALPHABET - _cases({chr(argument)}, ignorecase)
    if op is sre.LITERAL:
        return _cases({chr(argument)}, ignorecase) & ALPHABET
    found: set[str] = set()
    negated = False
    for kind, what in argument:
        if kind is sre.NEGATE:
            negated = True
        elif kind is sre.LITERAL:
            found.add(chr(what))
        elif kind is sre.RANGE:
            found.update(each for each in ALPHABET if what[0] <= ord(each) <= what[1])
        elif kind is sre.CATEGORY:
            category = _CATEGORIES.get(what)
            found.update(each for each in ALPHABET if category is not None and category.match(each))
    cased = _cases(found, ignorecase)
    return ALPHABET - cased if negated else cased & ALPHABET


def _cases(characters: set[str], ignorecase: bool) -> frozenset[str]:
    if not ignorecase:
        return frozenset(characters)
    return frozenset({form for each in characters for form in (each, each.lower(), each.upper())})


_CATEGORIES = {
    sre.CATEGORY_DIGIT: re.compile(r"\d"),
    sre.CATEGORY_NOT_DIGIT: re.compile(r"\D"),
    sre.CATEGORY_SPACE: re.compile(r"\s"),
    sre.CATEGORY_NOT_SPACE: re.compile(r"\S"),
    sre.CATEGORY_WORD: re.compile(r"\w"),
    sre.CATEGORY_NOT_WORD: re.compile(r"\W"),
}
