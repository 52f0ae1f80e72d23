"""What a text must contain for an expression to be found in it: read off the parse tree, never guessed.

A *factor* is a set of literals, one of which is in every text that the expression finds. An expression mostly has several
(``Failed `` and `` from ``), and whoever looks for it may choose. One that has none can be found anywhere.

The text that an expression sees is the line with the date cut out, so a literal of the expression may stand in the line in two
parts, with the date between. A `Cut` says between which characters that can be; a literal is only as long as no cut can part it.
Line ends are no part of a literal, since the last one is added later, nor are characters beyond ASCII, since what bytes they are
depends on the encoding, nor NUL, which ends texts for some who look for them.

Case: ``re`` takes ``ſ`` for an ``s``, the Kelvin sign for a ``k``, and both Turkish ones for an ``i``. A literal that ignores case
means ASCII letters only, so each of these characters stands beside it in the factor, as a literal of its own.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from re import _constants as sre  # type: ignore[attr-defined]  # the only door to the tree; no stubs
from re import _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

SHORTEST = 3
"""Bytes; whatever is shorter is in too many lines."""
_MOST = 32
"""Literals in one factor."""
_FOLDS = {"i": "\u0130\u0131", "k": "\u212a", "s": "\u017f"}
"""The characters beyond ASCII that ``re`` takes for ASCII letters when case does not matter."""


class Literal(NamedTuple):
    text: bytes
    caseless: bool = False
    """ASCII letters of either case stand for each other; *text* is in lower case then."""

    def is_in(self, other: Literal) -> bool:
        """Tell whether whatever has *other* surely has this one."""
        return self.text in other.text and self.caseless == other.caseless


Factor = frozenset[Literal]
"""One of them is in every text that the expression finds."""


class Cut(NamedTuple):
    """Between which characters a date may have been cut out of a line: never between two of a word, unless both say so."""

    after_word: bool = False
    """Behind a word character too, not only behind others."""
    before_word: bool = False
    """Before a word character too, not only before others and at the line's end."""


Cuts = frozenset[Cut]
"""All that dates do to the lines of a source; none where nothing is cut out."""


def factors(pattern: re.Pattern[str], cuts: Cuts, encoding: str = "utf-8") -> tuple[Factor, ...]:
    """Return the factors of *pattern*, what looks rarest first; none when it can be found in lines without any literal."""
    try:
        found = _Walk(cuts, encoding).sequence(
            _parser.parse(pattern.pattern, pattern.flags), _ignores_case(pattern.flags)
        )
    except RecursionError:
        return ()
    ranked = sorted({*found.factors}, key=lambda factor: (-_rarity(factor), sorted(factor)))
    return tuple(ranked)


def _rarity(factor: Factor) -> float:
    return min(len(literal.text) for literal in factor if not _is_fold(literal)) - 0.1 * len(factor)


def _is_fold(literal: Literal) -> bool:
    return not literal.text.isascii()


class _Text(NamedTuple):
    text: str = ""
    caseless: bool = False


_EMPTY = frozenset({_Text()})


class _Found(NamedTuple):
    """What is known of the texts that a part of an expression finds."""

    texts: frozenset[_Text] | None
    """All there are, when they are few; then *factors* is empty."""
    factors: tuple[Factor, ...] = ()


_ANYTHING = _Found(None)


class _Walk:
    def __init__(self, cuts: Cuts, encoding: str) -> None:
        self._cuts = cuts
        self._encoding = encoding

    def sequence(self, nodes: Iterable[Any], caseless: bool) -> _Found:
        """Return what is known of *nodes* one behind the other; as the whole of an expression, its factors."""
        run, factors = _EMPTY, list[Factor]()
        for op, argument in nodes:
            found = self._node(op, argument, caseless)
            joined = _joined(run, found.texts) if found.texts is not None else None
            if joined is None:
                factors += self._factor(run)
                factors += found.factors
                joined = found.texts or _EMPTY
            run = joined
        factors += self._factor(run)
        return _Found(None, tuple(factors))

    def _inner(self, nodes: Sequence[Any], caseless: bool) -> _Found:
        """As `sequence`, for a part of an expression: its texts where they are few."""
        run = _EMPTY
        for op, argument in nodes:
            texts = self._node(op, argument, caseless).texts
            joined = _joined(run, texts) if texts is not None else None
            if joined is None:
                return self.sequence(nodes, caseless)
            run = joined
        return _Found(run)

    def _node(self, op: Any, argument: Any, caseless: bool) -> _Found:
        if op is sre.LITERAL:
            return _Found(frozenset({_character(argument, caseless)}))
        if op is sre.IN:
            return _Found(_set(argument, caseless))
        if op is sre.SUBPATTERN:
            _, added, removed, body = argument
            return self._inner(body, (caseless or _ignores_case(added)) and not _ignores_case(removed))
        if op is sre.ATOMIC_GROUP:
            return self._inner(argument, caseless)
        if op is sre.BRANCH:
            return self._branch([self._inner(each, caseless) for each in argument[1]])
        if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            least, most, body = argument
            return self._repeated(least, most, self._inner(body, caseless))
        if op in (sre.AT, sre.ASSERT, sre.ASSERT_NOT):
            return _Found(_EMPTY)  # finds no text of its own; what stands on both sides still stands together
        return _ANYTHING

    def _branch(self, ways: Sequence[_Found]) -> _Found:
        texts = frozenset(text for way in ways for text in way.texts or ())
        if all(way.texts is not None for way in ways) and len(texts) <= _MOST:
            return _Found(texts)
        best: list[Factor] = []
        for way in ways:
            found = way.factors or self._factor(way.texts or _EMPTY)
            if not found:
                return _ANYTHING
            best.append(max(found, key=_rarity))
        union = frozenset(itertools.chain.from_iterable(best))
        return _Found(None, (union,) if len(union) <= _MOST else ())

    def _repeated(self, least: int, most: Any, body: _Found) -> _Found:
        if most == 1 and least == 0 and body.texts is not None:
            return _Found(body.texts | _EMPTY)
        if least == 0:
            return _ANYTHING
        if least == most == 1:
            return body
        return _Found(None, body.factors or self._factor(body.texts or _EMPTY))

    def _factor(self, texts: frozenset[_Text]) -> tuple[Factor, ...]:
        """Return the factor that *texts* make, when each of them has a piece that is long enough."""
        literals: set[Literal] = set()
        for text in texts:
            piece = max(self._pieces(text.text), key=len, default="")
            if len(piece) < SHORTEST:
                return ()
            if not text.caseless:
                literals.add(Literal(piece.encode()))
                continue
            literals.add(Literal(piece.lower().encode(), True))
            literals |= self._folds(piece.lower())
        return (_fewest(literals),)

    def _folds(self, piece: str) -> set[Literal]:
        folds = {fold for letter, known in _FOLDS.items() if letter in piece for fold in known}
        return {Literal(encoded) for fold in folds if (encoded := fold.encode(self._encoding, "ignore"))}

    def _pieces(self, text: str) -> Iterator[str]:
        """Yield what is left whole of *text*, wherever a date was cut out."""
        begin = 0
        for place, here in enumerate(text):
            if here in "\n\0" or not here.isascii():
                yield text[begin:place]
                begin = place + 1
            elif begin < place and self._parts(text[place - 1], here):
                yield text[begin:place]
                begin = place
        yield text[begin:]

    def _parts(self, before: str, behind: str) -> bool:
        after_word, before_word = _is_word(before), _is_word(behind)
        return any(after_word <= cut.after_word and before_word <= cut.before_word for cut in self._cuts)


def _fewest(literals: Iterable[Literal]) -> Factor:
    """Return *literals* without those that hold another one of them."""
    kept: list[Literal] = []
    for literal in sorted(literals, key=lambda literal: len(literal.text)):
        if not any(one.caseless == literal.caseless and one.text in literal.text for one in kept):
            kept.append(literal)
    return frozenset(kept)


def _joined(before: frozenset[_Text], behind: frozenset[_Text]) -> frozenset[_Text] | None:
    """Return each of *before* with each of *behind*; None when that is too many."""
    if len(before) * len(behind) > _MOST:
        return None
    return frozenset(_Text(a.text + b.text, a.caseless or b.caseless) for a in before for b in behind)


def _character(code: int, caseless: bool) -> _Text:
    letter = chr(code)
    return _Text(letter, caseless and letter.isalpha())


def _set(members: Sequence[Any], caseless: bool) -> frozenset[_Text] | None:
    """Return the characters of a set of a few; None when there are many, or all but some."""
    if len(members) > 4 or any(kind is not sre.LITERAL for kind, _ in members):
        return None
    return frozenset(_character(code, caseless) for _, code in members)


def _is_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def _ignores_case(flags: int) -> bool:
    return bool(flags & re.IGNORECASE)
