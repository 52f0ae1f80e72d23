"""From an expression of ``re`` to one of PCRE2 that finds the same in ASCII text, or to the reason why that is not certain.

What is translated is the parsed tree, not the text, and which characters a set accepts is asked of ``re`` itself. So flags,
``\\s`` (which has U+001C to U+001F in Python) and the like need no knowledge here.

**The subject.** ``re`` sees one line and nothing around it. Here lines stand in a buffer, each ended by a newline and
`END`, a character that no line contains and no set accepts. So ``\\n`` is the line's own, the end is where END is, and an
expression cannot leave its line. What stands *before* the subject is another matter: it may begin in mid-line, after a date or
a prefix. ``^`` holds where nothing can have been consumed; a look-behind or ``\\b`` that could reach before the beginning is
refused, unless the subject begins with the line.

**Groups.** Only those that are named or referred to are kept. Which of them took part in a match must be known, since a group
that took no part and one that captured nothing look alike afterwards: `Expression.taking_part` has every combination there can
be.

Refused, since ``re`` and PCRE2 could part there: groups kept inside a repeat, a look-around or an atomic group, repeats of what
can be empty (but ``x*`` and ``x?``), MULTILINE, and characters outside ASCII.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from re import _compiler, _parser  # type: ignore[attr-defined]  # the only door to the tree; no stubs
from re import _constants as sre  # type: ignore[attr-defined]
from typing import Any, NamedTuple

END = "\x1e"
"""Ends a line, behind its newline."""

MANY = int(sre.MAXREPEAT)
"""For ever, in repeats and widths."""
_LONGEST = 65535  # PCRE2's largest number in a repeat
_COMBINATIONS = 64
_UNSOUND = sys.version_info < (3, 11, 5)
"""Before that ``re`` could go wrong over possessive repeats and atomic groups (CPython's issues 101955 and 106052)."""
_REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT)
_SINGLE = (sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY, sre.CATEGORY)


class Unsure(Exception):  # noqa: N818 - a reason, not an error; it does not leave the room
    """An expression that is not certain to find the same here; says why."""


class Expression(NamedTuple):
    """An expression of PCRE2."""

    text: str
    groups: int
    """How many groups it has."""
    captures: dict[str, int | str]
    """The named groups in their order: the number of each; or what it captures if it always takes part, with the same text, or some
    text, which is all that is asked of a mark."""
    taking_part: frozenset[frozenset[int]]
    """Every combination of groups (by number) that may take part in a match."""
    full: frozenset[int] = frozenset()
    """Groups (by number) that never capture an empty text."""


class Reach(NamedTuple):
    """How many characters lie between the subject's beginning and a place in the expression, at least and at most."""

    least: int
    most: int

    def __add__(self, width: tuple[int, int]) -> Reach:  # type: ignore[override]
        return Reach(self.least + width[0], min(self.most + width[1], MANY))


def _must_be_sound() -> None:
    if _UNSOUND:
        raise Unsure("possessive or atomic: what this version of Python finds is not what it should find")


class Translator:
    """Translates one compiled *pattern*; its groups are numbered from *first*.

    *bare*: the subject is a whole line without its newline. *names* are the named groups to capture; of those that are *marks* as
    well nobody reads the text, only whether there is some.
    *marked* is a group in which another one stands first, which takes part if anything precedes it in the line.

    Raises Unsure, as all its methods do.
    """

    def __init__(
        self,
        pattern: re.Pattern[str],
        first: int,
        names: Iterable[str],
        *,
        marks: Collection[str] = (),
        bare: bool = False,
        marked: int = 0,
    ) -> None:
        try:
            self.tree = _parser.parse(pattern.pattern, pattern.flags)
        except (re.error, RecursionError, OverflowError) as error:
            raise Unsure(f"cannot be parsed again: {error}") from None
        self.flags = pattern.flags
        if pattern.flags & re.MULTILINE:
            raise Unsure("MULTILINE")
        self._bare = bare
        self._marked = marked
        self._names = {pattern.groupindex[name]: name for name in names}
        self._marks = marks
        self.constants: dict[int, str] = {}
        self._number(first)

    def _number(self, first: int) -> None:
        referred = set(_referred(self.tree))
        always = frozenset.intersection(*_combinations(self.tree, frozenset(self._names)))
        self.slots: dict[int, int] = {}
        number = first
        for group, nodes, flags in _groups(self.tree, self.flags):
            name = self._names.get(group)
            text = None
            if name is not None and group in always and group not in referred:
                text = _constant(nodes, flags)
                if text is None and name in self._marks and sum(width(*node)[0] for node in nodes) > 0:
                    text = name
            if text is not None:
                self.constants[group] = text
            elif name is not None or group in referred or group == self._marked:
                self.slots[group] = number
                number += 2 if group == self._marked else 1
        self.groups = number - first

    @property
    def mark(self) -> int:
        """The number of the group that is set if anything precedes the *marked* group."""
        return self.slots[self._marked] + 1

    def search(self) -> Expression:
        """Return what finds *pattern* as ``re.search`` does, where the subject begins."""
        start, at = self.start()
        return self.expression(start + self.sequence(self.tree, self.flags, at))

    def start(self) -> tuple[str, Reach]:
        """Return what a search begins with: nothing, or as few characters as possible."""
        return ("", Reach(0, 0)) if _anchored(self.tree) else (f"[^{_hex(END)}]*?", Reach(0, MANY))

    def expression(self, text: str) -> Expression:
        """Return *text*, a translation of all of *pattern*, with what is known of its groups."""
        combinations = _combinations(self.tree, frozenset(self.slots))
        known = self.slots | self.constants
        return Expression(
            text,
            self.groups,
            {name: known[group] for group, name in sorted(self._names.items())},
            frozenset(frozenset(self.slots[group] for group in each) for each in combinations),
            self._full(),
        )

    def _full(self) -> frozenset[int]:
        least = {group: sum(width(*node)[0] for node in nodes) for group, nodes, _ in _groups(self.tree, self.flags)}
        return frozenset(slot for group, slot in self.slots.items() if least[group] > 0)

    def sequence(self, nodes: Any, flags: int, at: Reach) -> str:
        """Return *nodes* one after the other, beginning at *at*."""
        parts = []
        for op, arg in nodes:
            parts.append(self._node(op, arg, flags, at))
            at += width(op, arg)
        return "".join(parts)

    def _node(self, op: Any, arg: Any, flags: int, at: Reach) -> str:
        if op in _SINGLE:
            return _one_of(accepted(op, _frozen(arg), flags) - ({"\n"} if self._bare else set()))
        if op is sre.AT:
            return self._place(arg, at)
        if op is sre.BRANCH:
            return f"(?:{'|'.join(self.sequence(branch, flags, at) for branch in arg[1])})"
        if op is sre.SUBPATTERN:
            group, added, removed, nodes = arg
            return self._group(group, nodes, _within(flags, added, removed), at)
        if op in _REPEATS:
            return self._repeat(op, arg, flags, at)
        if op in (sre.ASSERT, sre.ASSERT_NOT):
            return self._look(op is sre.ASSERT, arg[0] < 0, arg[1], flags, at)
        if op is sre.ATOMIC_GROUP:
            self._without_groups(arg, "an atomic group")
            _must_be_sound()
            return f"(?>{self.sequence(arg, flags, at)})"
        if op is sre.GROUPREF:
            reference = f"\\g{{{self.slots[arg]}}}"
            return f"(?i:{reference})" if flags & re.IGNORECASE else reference
        if op is sre.GROUPREF_EXISTS:
            group, yes, no = arg
            other = f"|{self.sequence(no, flags, at)}" if no else ""
            return f"(?({self.slots[group]}){self.sequence(yes, flags, at)}{other})"
        if op is sre.FAILURE:
            return "(?!)"
        raise Unsure(f"{op} is not known")

    def _group(self, group: int | None, nodes: Any, flags: int, at: Reach) -> str:
        body = self.sequence(nodes, flags, at)
        if group is None or group not in self.slots:
            return f"(?:{body})"
        if group == self._marked:
            return f"((?>(?<!{_hex(END)})()|){body})"
        return f"({body})"

    def _repeat(self, op: Any, arg: Any, flags: int, at: Reach) -> str:
        least, most, nodes = int(arg[0]), int(arg[1]), arg[2]
        if most > 1:
            self._without_groups(nodes, "a repeat")
        if op is sre.POSSESSIVE_REPEAT:
            _must_be_sound()
        if least > _LONGEST or _LONGEST < most < MANY:
            raise Unsure("a repeat of more than 65535 times")
        if nodes.getwidth()[0] == 0 and most > 1 and (op is not sre.MAX_REPEAT or least > 0):
            raise Unsure("a repeat of what can be empty")
        reach = at if most <= 1 else Reach(at.least, MANY)
        body = self.sequence(nodes, flags, reach)
        if len(nodes) != 1 or nodes[0][0] not in _SINGLE:
            body = f"(?:{body})"
        greed = {sre.MAX_REPEAT: "", sre.MIN_REPEAT: "?", sre.POSSESSIVE_REPEAT: "+"}[op]
        return body + _times(least, most) + greed

    def _look(self, positive: bool, behind: bool, nodes: Any, flags: int, at: Reach) -> str:
        self._without_groups(nodes, "a look-around")
        sign = "=" if positive else "!"
        if not behind:
            return f"(?{sign}{self.sequence(nodes, flags, at)})"
        width = nodes.getwidth()[0]
        if at.least < width and not self._bare:
            raise Unsure("a look-behind that may reach before the subject")
        inside = Reach(max(at.least - width, 0), MANY)
        return f"(?<{sign}{self.sequence(nodes, flags, inside)})"

    def _place(self, where: Any, at: Reach) -> str:
        if where in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING):
            if at.most == 0:
                return ""
            if at.least > 0:
                return "(?!)"
            raise Unsure("^ where the subject may or may not begin")
        if where is sre.AT_END:
            return r"(?=\n)" if self._bare else rf"(?=\n?{_hex(END)})"
        if where is sre.AT_END_STRING:
            return r"(?=\n)" if self._bare else f"(?={_hex(END)})"
        if where in (sre.AT_BOUNDARY, sre.AT_NON_BOUNDARY):
            if at.least == 0 and not self._bare:
                raise Unsure("a word boundary where the subject may begin")
            return r"\b" if where is sre.AT_BOUNDARY else r"\B"
        raise Unsure(f"{where} is not known")

    def _without_groups(self, nodes: Any, where: str) -> None:
        if any(group in self.slots or group in self.constants for group, _, _ in _groups(nodes, 0)):
            raise Unsure(f"a group inside {where}")


def translate(pattern: re.Pattern[str], first: int, marks: Collection[str]) -> Expression:
    """Return what finds *pattern* as ``re.search`` does; its groups are numbered from *first*, *marks* are among them. Raises Unsure."""
    return Translator(pattern, first, pattern.groupindex, marks=marks).search()


def parsed(nodes: list[Any], like: Any) -> Any:
    """Return *nodes* as a tree of its own, within the same expression as the tree *like*."""
    return _parser.SubPattern(like.state, nodes)


def width(op: Any, arg: Any) -> tuple[int, int]:
    least, most = _parser.SubPattern(_parser.State(), [(op, arg)]).getwidth() if op not in _REFERENCES else (0, MANY)
    return int(least), int(most)


_REFERENCES = (sre.GROUPREF,)  # as wide as the group, which a tree of one node does not have


def _inner(op: Any, arg: Any) -> list[Any]:
    """Return the sequences of nodes that a node consists of."""
    if op is sre.SUBPATTERN:
        return [arg[3]]
    if op in _REPEATS:
        return [arg[2]]
    if op is sre.BRANCH:
        return list(arg[1])
    if op in (sre.ASSERT, sre.ASSERT_NOT):
        return [arg[1]]
    if op is sre.GROUPREF_EXISTS:
        return [each for each in arg[1:] if each]
    return [arg] if op is sre.ATOMIC_GROUP else []


def may_contain(letter: str, nodes: Any, flags: int) -> bool:
    """Tell whether a character that *nodes* consume can be *letter*; look-arounds and references count too."""
    return any(
        (op in _SINGLE and letter in accepted(op, _frozen(arg), flags))
        or op in (sre.GROUPREF, sre.GROUPREF_EXISTS)
        or any(
            may_contain(letter, each, _within(flags, arg[1], arg[2]) if op is sre.SUBPATTERN else flags)
            for each in _inner(op, arg)
        )
        for op, arg in nodes
    )


def _referred(nodes: Any) -> Iterator[int]:
    for op, arg in nodes:
        if op is sre.GROUPREF:
            yield arg
        elif op is sre.GROUPREF_EXISTS:
            yield arg[0]
        for each in _inner(op, arg):
            yield from _referred(each)


def _groups(nodes: Any, flags: int) -> Iterator[tuple[int, Any, int]]:
    """Yield each group's number, nodes and flags, in the order in which they open."""
    for op, arg in nodes:
        within = _within(flags, arg[1], arg[2]) if op is sre.SUBPATTERN else flags
        if op is sre.SUBPATTERN and arg[0] is not None:
            yield arg[0], arg[3], within
        for each in _inner(op, arg):
            yield from _groups(each, within)


def _combinations(nodes: Any, groups: frozenset[int]) -> frozenset[frozenset[int]]:
    """Return which of *groups* may take part in a match together."""
    found = {frozenset[int]()}
    for op, arg in nodes:
        inner = [_combinations(each, groups) for each in _inner(op, arg)]
        here = {each for alternatives in inner for each in alternatives} or {frozenset[int]()}
        if op is sre.SUBPATTERN and arg[0] in groups:
            here = {each | {arg[0]} for each in here}
        elif op is sre.ASSERT_NOT or (op in _REPEATS and not arg[0]) or (op is sre.GROUPREF_EXISTS and not arg[2]):
            here.add(frozenset())
        found = {one | other for one in found for other in here}
        if len(found) > _COMBINATIONS:
            raise Unsure("too many combinations of groups")
    return frozenset(found)


def _constant(nodes: Any, flags: int) -> str | None:
    """Return the only text that *nodes* match; None when there are others."""
    text = ""
    for op, arg in nodes:
        if op is sre.LITERAL and len(accepted(op, arg, flags)) == 1:
            text += chr(arg)
        elif op is sre.SUBPATTERN and (inner := _constant(arg[3], _within(flags, arg[1], arg[2]))) is not None:
            text += inner
        else:
            return None
    return text


def _anchored(nodes: Any) -> bool:
    """Tell whether *nodes* can match where the subject begins only."""
    for op, arg in nodes[:1]:
        if op is sre.AT:
            return arg in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING)
        if op in (sre.SUBPATTERN, sre.BRANCH):
            return all(_anchored(each) for each in _inner(op, arg))
    return False


def _within(flags: int, added: int, removed: int) -> int:
    if added & _parser.TYPE_FLAGS:
        flags &= ~_parser.TYPE_FLAGS
    flags = (flags | added) & ~removed
    if flags & re.MULTILINE:
        raise Unsure("MULTILINE")
    return flags


def _frozen(arg: Any) -> Any:
    return tuple(arg) if isinstance(arg, list) else arg


@lru_cache(maxsize=4096)
def accepted(op: Any, arg: Any, flags: int) -> frozenset[str]:
    """Return the characters of ASCII that a node for one character accepts, as ``re`` says."""
    state = _parser.State()
    state.flags = flags
    node = _parser.SubPattern(state, [(op, list(arg) if isinstance(arg, tuple) else arg)])
    pattern = _compiler.compile(node, flags)
    return frozenset(letter for letter in map(chr, range(128)) if pattern.match(letter)) - {END}


@lru_cache(maxsize=4096)
def _one_of(letters: frozenset[str]) -> str:
    if not letters:
        return "(?:(?!))"
    if len(letters) == 1:
        return _hex(*letters)
    if len(letters) <= 64:
        return f"[{_ranges(letters)}]"
    return f"[^{_ranges(_ASCII - letters)}]"  # what is not ASCII never stands in the subject


_ASCII = frozenset(map(chr, range(128)))


def _ranges(letters: frozenset[str]) -> str:
    codes = sorted(map(ord, letters))
    begins = [code for code in codes if code - 1 not in codes]
    ends = [code for code in codes if code + 1 not in codes]
    return "".join(
        _hex(chr(first)) if first == last else f"{_hex(chr(first))}-{_hex(chr(last))}"
        for first, last in zip(begins, ends, strict=True)
    )


def _hex(letter: str) -> str:
    return letter if letter.isalnum() else f"\\x{ord(letter):02x}"


def _times(least: int, most: int) -> str:
    known = {(0, 1): "?", (0, MANY): "*", (1, MANY): "+"}.get((least, most))
    return known or f"{{{least},{'' if most == MANY else most}}}"
