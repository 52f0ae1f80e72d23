"""Where a date pattern finds dates, read off its parse tree: who skips lines unread must know what a date would have done to them.

What cannot be read off is answered on the side of caution.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from functools import cache
from re import _constants as sre  # type: ignore[attr-defined]  # the only door to the tree; no stubs
from re import _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

from banish.lines.datepattern import LEFT_BOUNDARY, RIGHT_BOUNDARY, Template

_COUNTS = frozenset({"epoch", "lepoch", "tai64n"})
_YEARS = frozenset({"Y", "y", "G"})
_REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT)
_PLAIN = (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN, sre.AT, sre.GROUPREF)
_BEGIN = (sre.AT, sre.AT_BEGINNING)
_BOUNDARIES = {repr(next(iter(_parser.parse(text)))) for text in (LEFT_BOUNDARY, RIGHT_BOUNDARY)}


class Habits(NamedTuple):
    """What is certain of the dates that a template finds."""

    at_begin: bool
    """Nothing is before the date in its line but two characters, if any, that are of no word."""
    cut: tuple[bool, bool] | None
    """Whether word characters may stand directly before and directly behind what is cut out; None: nothing is before it."""
    clear: bool
    """No other default format reads the same text as another date: it names the month, begins with the year, or is a count."""
    distinct: bool
    """No other default format reads the same text as another date if both begin the line."""
    regular: bool
    """Where its regex matches, it also does when one of its numbers is another that fits there."""


@cache
def habits(template: Template) -> Habits:
    """Return the habits of *template*."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # as when it was compiled
        tree = list(_parser.parse(template.regex.pattern, template.regex.flags))
    place = next((n for n, (op, arg) in enumerate(tree) if op is sre.SUBPATTERN and arg[0] == 1), None)
    clear = _is_clear(template.regex)
    if place is None:
        return Habits(False, (True, True), clear, distinct=False, regular=False)
    date = list(tree[place][1][3])
    before, behind = tree[:place], tree[place + 1 :]
    if not before and date[:1] == [_BEGIN]:
        before, date = [_BEGIN], date[1:]
    cut = (
        _meets_word(before[::-1], bounded=_is_word_at(date, 0)),
        _meets_word(behind, bounded=_is_word_at(date, -1)),
    )
    return Habits(
        at_begin=_is_begin(before),
        cut=None if before == [_BEGIN] else cut,
        clear=clear,
        distinct=_is_distinct(template, clear=clear),
        regular=_is_regular(tree),
    )


def _is_begin(nodes: Sequence[Any]) -> bool:
    """True for ``^`` and for ``^\\W{0,2}``."""
    return (
        0 < len(nodes) < 3
        and nodes[0] == _BEGIN
        and all(op is sre.MAX_REPEAT and arg[1] <= 2 and _is_no_word(arg[2]) for op, arg in nodes[1:])
    )


def _meets_word(nodes: Iterable[Any], *, bounded: bool) -> bool:
    """Tell whether the character next to a date may be one of a word: the first that *nodes* find, going away from the date.

    *bounded*: the date has a word character at that end itself, so that a boundary there keeps words away.
    """
    for op, argument in nodes:
        if op is sre.AT and argument in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING, sre.AT_END, sre.AT_END_STRING):
            return False
        if repr((op, argument)) in _BOUNDARIES:
            return not bounded
        if op in _REPEATS and _is_no_word(argument[2]):
            if argument[0] > 0:
                return False
            continue
        return not _is_no_word([(op, argument)])
    return True


def _is_word_at(nodes: Sequence[Any], end: int) -> bool:
    """True when all texts that *nodes* find have a word character at that *end* (0: the first, -1: the last)."""
    for op, argument in nodes if end == 0 else reversed(nodes):
        if op in _REPEATS and argument[0] == 0:
            if not _is_word_at(argument[2], end):
                return False
            continue  # or what comes next is at the end
        if op is sre.AT:
            continue
        if op is sre.SUBPATTERN:
            return _is_word_at(argument[3], end)
        if op is sre.BRANCH:
            return all(_is_word_at(way, end) for way in argument[1])
        if op in _REPEATS:
            return _is_word_at(argument[2], end)
        return (op is sre.LITERAL and _is_word(chr(argument))) or (
            op is sre.IN and all(_is_word_member(*m) for m in argument)
        )
    return False


def _is_no_word(nodes: Sequence[Any]) -> bool:
    """True when *nodes* are a single character that is of no word."""
    if len(nodes) != 1:
        return False
    op, argument = nodes[0]
    if op is sre.LITERAL:
        return not _is_word(chr(argument))
    return op is sre.IN and all(_is_no_word_member(*member) for member in argument)


def _is_word_member(kind: Any, what: Any) -> bool:
    if kind is sre.LITERAL:
        return _is_word(chr(what))
    if kind is sre.RANGE:
        return all(_is_word(chr(code)) for code in range(what[0], what[1] + 1))
    return kind is sre.CATEGORY and what in (sre.CATEGORY_DIGIT, sre.CATEGORY_WORD)


def _is_no_word_member(kind: Any, what: Any) -> bool:
    if kind is sre.LITERAL:
        return not _is_word(chr(what))
    return kind is sre.CATEGORY and what in (sre.CATEGORY_SPACE, sre.CATEGORY_NOT_WORD)


def _is_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def _is_clear(regex: re.Pattern[str]) -> bool:
    parts = [name for name in regex.groupindex if name in _COUNTS | _YEARS | {"m", "d", "b", "B"}]
    return bool(parts) and (
        parts[0] in _COUNTS | _YEARS
        or (parts[0] == "d" and parts[1:2] in (["b"], ["B"]) and not _YEARS.isdisjoint(parts))
    )


def _is_distinct(template: Template, *, clear: bool) -> bool:
    parts = template.regex.groupindex.keys()
    # Without a clock that shows, digits without anything between them could be a count of seconds.
    return not parts.isdisjoint({"b", "B"}) or (clear and (template.clock or not parts.isdisjoint(_COUNTS)))


def _is_regular(nodes: Iterable[Any]) -> bool:
    """True when nothing in *nodes* looks elsewhere, remembers what was found (but a separator), or refuses to go back."""
    for op, argument in nodes:
        if op is sre.SUBPATTERN:
            inner = [argument[3]]
        elif op is sre.BRANCH:
            inner = argument[1]
        elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            inner = [argument[2]]
        elif op in _PLAIN or repr((op, argument)) in _BOUNDARIES:
            continue
        else:
            return False
        if not all(map(_is_regular, inner)):
            return False
    return True
