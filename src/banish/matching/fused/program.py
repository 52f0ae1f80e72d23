"""A filter and the date template of a source, made into one expression that judges a whole buffer at once.

::

    program(filter, dates)     the program, or a Refusal with the reason
    program.chunks(data)       rows, one for each line of a buffer, in order, and where in them their date is
    program.marks[row[0]]      what such a line is: None if it has no date where it is expected, otherwise
                                   what makes of the row what ``Filter.find`` finds in the line, None if that is nothing
                                   where it may be mere news that ends a session (see ``sessions``): the places in the row of the
                                       session and its user (0: it names none) if it surely is; otherwise the fields tell
    program.message(row, date) what is left of the line without its date

The expression is found at the beginning of every line, and puts what it found there: which failregex, the date's text, and the
captured groups, between separators, before the line itself. One split then gives all rows::

    newline END (?= (?> date ) (?: (?> prefregex ) (?: failregex 0 (*MARK:0) | failregex 1 (*MARK:1) ...) | (*MARK:N) ) | (*MARK:S) )

The mark tells the failregex and, where groups are optional, which of them took part (see ``transpile``). Prefregex and date are
atomic, because they are found before the failregex is tried at all in the plain way too. The prefregex must leave all that
follows it to ``<F-CONTENT>``; the failregex then begin where the content does.

A date may have something before it (``[``, or the client's address), which belongs to the message. Where lines begin so, a first pass
moves the date before it, with a separator behind it, and the expression above needs not look for it.

What separates rows must not stand in a line: whoever could write it into a log would write rows. So a line with a separator, a
carriage return, NUL or a byte outside ASCII, or one that is very long, is blanked before the expression sees it, and is nothing
but a line without a date.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from itertools import product
from re import _constants as sre  # type: ignore[attr-defined]  # the only door to the tree; no stubs
from typing import Any, NamedTuple

from banish.matching.filter import Filter
from banish.matching.fused import pcre2
from banish.matching.fused.sight import Farewell, Row, Sight, farewell, parts, sight
from banish.matching.fused.transpile import (
    END,
    MANY,
    Expression,
    Reach,
    Translator,
    Unsure,
    may_contain,
    parsed,
    translate,
    width,
)

NOTHING = "N"
"""The mark of a line that has a date, and nothing of this filter's."""
STRANGE = "S"
"""The mark of a line without the date where it is expected, or with characters that only the plain way can judge."""
HARD = "H"
"""The mark of a line that reached a limit: the library does not know whether it matches, and ``re`` may take very long."""

CHUNK = 1 << 16
"""Bytes that are judged by one call: larger ones do not fit the processor's cache."""

HARD_LINES = 4
"""How many lines of a chunk may reach a limit, which takes milliseconds each time; from then on all that is left counts as hard."""

LONG = 1000
"""Characters of a line from which on it is not judged here: the library counts steps, and a step may go over the whole line."""

_SEPARATOR = "\x1f"
_BREAK = f"\n{END}".encode()
_DIRTY = re.compile(rb"[^\x01-\x0c\x0e-\x1d\x20-\x7f]")
_ANY_DIRT = (b"\r", b"\x00", END.encode(), _SEPARATOR.encode())
_DATE = 1
"""The number of the date's group."""
_MOVED = 3
"""The same where it is moved, behind group 1."""

Rows = tuple[Iterable[Row], int]
"""Rows, and the place of the date in each."""


class Refusal(NamedTuple):
    """Why a filter is not judged this way."""

    reason: str


Meaning = tuple[Sight | None, Farewell | None]
"""What a mark says of a line with a date."""


class Program:
    """A program at work."""

    def __init__(
        self,
        at_begin: pcre2.Substitution | None,
        behind: tuple[pcre2.Substitution, pcre2.Substitution] | None,
        marks: dict[str, Meaning],
        columns: int,
        dates: re.Pattern[str] | None = None,
    ) -> None:
        """*at_begin* is for lines that begin with the date, *behind* for those that do not: moves it there, and goes on from it.

        One of them there is.

        *columns*: how many there are of a mark and groups. *dates* finds the date where words may stand before it.
        """
        self._at_begin = at_begin
        self._behind = behind
        self.marks: dict[str, Meaning | None] = {NOTHING: (None, None), STRANGE: None, HARD: None, **marks}
        self._dates = dates
        self._columns = columns
        self._width = columns + 2
        """Of the row of a line that begins with the date."""

    def message(self, row: Row, date: str) -> str:
        """Return what is left of *row*'s line when its *date* is cut out."""
        return row[-2] if len(row) > self._width else row[-1][len(date) :]

    def chunks(self, data: bytes) -> Iterator[Rows]:
        """Yield rows, in chunks, for each line of *data*, which ends in a newline."""
        begin = 0
        while begin < len(data):
            end = data.rfind(b"\n", begin, begin + CHUNK) + 1 or data.index(b"\n", begin) + 1
            chunk = _clean(data[begin:end])
            # As the first line begins, most lines do; those that do not go the plain way.
            if self._behind is not None and (self._at_begin is None or not self._begins(data, begin)):
                split, place = partial(self._split_moved, *self._behind), -3
            elif self._at_begin is not None:
                split, place = partial(self._split, self._at_begin), -2
            yield split(chunk) or self._bisected(chunk, split), place
            begin = end

    def _begins(self, data: bytes, at: int) -> bool:
        """Tell whether the line of *data* that begins *at* there begins with its date."""
        if self._dates is None:
            return data[at : at + 1].isalnum()
        found = self._dates.match(data[at : data.index(b"\n", at)][:LONG].decode("ascii", "replace"))
        return found is not None and found.start(1) == 0

    def _split(self, judge: pcre2.Substitution, data: bytes) -> Iterable[Row] | None:
        """Return the rows of *data*, lines that begin with the date; None when some line reaches a limit."""
        out = judge(_BREAK + data.replace(b"\n", _BREAK))
        if out is None:
            return None
        fields = iter(out[1 : -len(_BREAK)].split(_SEPARATOR))
        return zip(*[fields] * self._width, strict=True)

    def _split_moved(self, move: pcre2.Substitution, judge: pcre2.Substitution, data: bytes) -> Iterable[Row] | None:
        """Do the same for lines with something before the date. Rows have date and message before the line as written."""
        moved = move(_BREAK + data.replace(b"\n", _BREAK))
        out = judge(moved.encode("ascii")) if moved is not None else None
        if out is None:
            return None
        fields = iter(out[1 : -len(_BREAK)].split(_SEPARATOR))
        return zip(*[fields] * (self._columns + 2), data[:-1].decode("ascii").split("\n"), strict=True)

    def _bisected(self, data: bytes, split: Callable[[bytes], Iterable[Row] | None]) -> Iterator[Row]:
        """Yield the rows of *data*, in which some line reaches a limit.

        Each failure costs as much as the limit allows, tens of milliseconds: what has failed by itself is not tried again.
        """
        lines = [line + b"\n" for line in data[:-1].split(b"\n")]
        hard = 0
        step = int(len(lines) ** 0.5) if len(lines) > 32 else 1
        for begin in range(0, len(lines), step):
            part = lines[begin : begin + step]
            out = split(b"".join(part)) if hard < HARD_LINES and len(lines) > 1 else None
            if out is not None:
                yield from out
                continue
            for line in part:
                out = split(line) if hard < HARD_LINES and len(part) > 1 else None
                hard += out is None
                yield from out or [(HARD, *[""] * (self._width - 2), line[:-1].decode("ascii"))]


def _clean(data: bytes) -> bytes:
    cr, nul, end, separator = _ANY_DIRT
    dirty = cr in data or nul in data or end in data or separator in data or not data.isascii()
    if not dirty and not _may_be_long(data):
        return data
    return b"\n".join([b"" if len(line) >= LONG or _DIRTY.search(line) else line for line in data.split(b"\n")])


def _may_be_long(data: bytes) -> bool:
    """Tell whether there may be a long line: one of LONG characters covers one of these windows, whose size is half of that."""
    half = LONG // 2
    for start in range(0, len(data) - half + 1, half):  # noqa: SIM110 - a fifth of the time that any(...) takes
        if data.find(b"\n", start, start + half) < 0:
            return True
    return False


def program(judge: Filter, dates: re.Pattern[str]) -> Program | Refusal:
    """Return the program for *judge* and lines that begin with what *dates* finds (group 1), or why there is none."""
    if judge.settings.maxlines > 1:
        return Refusal("maxlines: several lines are judged together")
    return _program(judge.prefregex, judge.failregex, dates)


@lru_cache(maxsize=256)
def _program(
    prefregex: re.Pattern[str] | None, failregex: tuple[re.Pattern[str], ...], dates: re.Pattern[str]
) -> Program | Refusal:
    library = pcre2.library()
    if library is None:
        return Refusal("libpcre2-8 is not there, or must not make machine code")
    try:
        return _built(library, prefregex, failregex, dates)
    except Unsure as unsure:
        return Refusal(str(unsure))


def _built(
    library: pcre2.Library,
    prefregex: re.Pattern[str] | None,
    failregex: tuple[re.Pattern[str], ...],
    dates: re.Pattern[str],
) -> Program | Refusal:
    date, move, loose = _date(dates)
    groups_of_date = 1 if date is None else date.groups
    first = _DATE + groups_of_date
    prefix = None if prefregex is None else _prefix(prefregex, first)
    beneath = prefix or Expression("", 0, {}, frozenset([frozenset()]))
    first += beneath.groups
    marks = _marks(beneath)
    own = [_expression(pattern, first, index, marks) for index, pattern in enumerate(failregex)]
    columns = _columns(beneath, own)
    place = {slot: place for place, column in enumerate(columns, 1) for slot in column}
    meanings: dict[str, Meaning] = {}
    branches = []
    for index, expression in enumerate(own):
        numbers: dict[frozenset[int], str] = {}
        for below, above in product(beneath.taking_part, expression.taking_part):
            mark = numbers[below | above] = str(len(meanings))
            under, over = parts(beneath, below, place), parts(expression, above, place)
            taking_part = below | above
            full = {place[slot] for slot in taking_part & (beneath.full | expression.full) if slot in place}
            sees = sight(index, (under, over), (prefregex, failregex[index]))
            meanings[mark] = sees, farewell(under | over, full)
        branches.append(f"{expression.text}{_marking(numbers)}")
    found = "(?|" + "|".join(branches) + ")" if branches else "(?!)"
    if prefix is not None:
        found = f"{prefix.text}{found}"
    body = f"(?:{found}|(*MARK:{NOTHING}))"

    def whole(begin: str) -> str:
        return rf"\n\x1e(?!\z)(?=(?:{begin}{body}|(*MARK:{STRANGE})))"

    def made(pattern: str, replacement: str) -> pcre2.Substitution:
        substitution = library.substitution(pattern.encode("ascii"), replacement.encode("ascii"))
        if isinstance(substitution, str):
            raise Unsure(f"PCRE2: {substitution}")
        return substitution

    # Without braces, which would be read again for every line: behind each there is a separator, or the next one.
    groups = ["".join(f"${slot}" for slot in column) for column in columns]
    replacement = _SEPARATOR.join(["", "$*MARK", *groups, ""])
    dated = f"{replacement}${_DATE}{_SEPARATOR}"
    behind = None
    if move:
        moved = f"(?>([^{_SEPARATOR}{END}]+){_SEPARATOR})" + "(){0}" * (groups_of_date - 1)
        behind = made(move, f"\n{END}${_MOVED}{_SEPARATOR}$1"), made(whole(moved), replacement)
    at_begin = made(whole(date.text), dated) if date is not None else None
    return Program(at_begin, behind, meanings, 1 + len(groups), dates if loose else None)


def _columns(beneath: Expression, own: list[Expression]) -> list[list[int]]:
    """Return the captured groups, those that never take part together in one column: each column costs time in every line."""
    named = {slot for each in (beneath, *own) for slot in each.captures.values() if isinstance(slot, int)}
    together = [below | above for each in own for below, above in product(beneath.taking_part, each.taking_part)]
    columns: list[list[int]] = []
    for slot in sorted(named):
        others = frozenset[int]().union(*(each for each in together if slot in each))
        column = next((column for column in columns if others.isdisjoint(column)), None)
        if column is None:
            columns.append([slot])
        else:
            column.append(slot)
    return columns


def _marks(prefix: Expression) -> frozenset[str]:
    """Return the groups whose text nobody reads: ``sessions`` and ``filter`` ask whether there is some, and leave them out.

    Who ends a session is left out where there is one.
    """
    session = prefix.captures.get("mlfid", -1)
    joined = isinstance(session, str) or all(session in each for each in prefix.taking_part)
    return frozenset(("nofail", "mlfgained", "mlfforget") if joined else ("nofail", "mlfgained"))


def _expression(pattern: re.Pattern[str], first: int, index: int, marks: frozenset[str]) -> Expression:
    try:
        return translate(pattern, first, marks)
    except Unsure as unsure:
        raise Unsure(f"failregex {index}: {unsure}") from None


def _date(dates: re.Pattern[str]) -> tuple[Expression | None, str, bool]:
    """Return what finds the date (group 1) at a line's first character, as ``re.match`` would, and stops behind it.

    None where something must be before it. With what finds, at each line's begin, the date (group `_MOVED`) behind something (group 1), or
    nothing; empty where nothing can be before it. And whether there may be more than some character or two.
    """
    translator = Translator(dates, _DATE, (), bare=True, marked=1)
    nodes = list(translator.tree)
    at = next((at for at, (op, arg) in enumerate(nodes) if op is sre.SUBPATTERN and arg[0] == 1), None)
    if at is None or width(*nodes[at])[0] == 0:
        raise Unsure("date: optional, or may be empty")
    least, most = (sum(width(*node)[way] for node in nodes[:at]) for way in (0, 1))
    expression = None
    if least == 0:
        if any(width(*node)[1] for node in nodes[at + 1 :]):
            raise Unsure("date: the template goes on behind the date")
        text = translator.sequence(nodes, translator.flags, Reach(0, 0))
        expression = translator.expression(f"(?>{text})(?({translator.mark})(?!))")
    return expression, _move(dates, at) if most else "", most > 2


def _move(dates: re.Pattern[str], at: int) -> str:
    """Return what finds the date, the node *at* there, behind something: see `_date`.

    Atomic, since ``re`` takes the first it finds, too; group 2 is set where nothing is before that, which is left to others.
    """
    translator = Translator(dates, _MOVED + 1, (), bare=True)
    nodes = list(translator.tree)
    before = translator.sequence(nodes[:at], translator.flags, Reach(0, 0))
    date, behind = (
        translator.sequence(part, translator.flags, Reach(0, MANY)) for part in (nodes[at : at + 1], nodes[at + 1 :])
    )
    return rf"\n\x1e(?!\z)(?:(?>({before})(?:(?<=\x1e)()|)({date})(?={behind}))(?(2)(?!))|)"


def _prefix(prefregex: re.Pattern[str], first: int) -> Expression:
    """Return what finds *prefregex* where the message begins, and stops where the failregex' subject begins.

    That is the message where it has no ``<F-CONTENT>``. Otherwise it must end with one, of all that is left of the line.
    """
    if any(name.startswith("alt_content") for name in prefregex.groupindex):
        raise Unsure("prefregex: several contents")
    translator = Translator(prefregex, first, [name for name in prefregex.groupindex if name != "content"])
    content = prefregex.groupindex.get("content")
    if content is None:
        whole = translator.search()
        return whole._replace(text=f"(?=(?>{whole.text}))")
    nodes = list(translator.tree)
    at = next((at for at, (op, arg) in enumerate(nodes) if op is sre.SUBPATTERN and arg[0] == content), None)
    if at is None:
        raise Unsure("prefregex: its content is optional")
    start, reach = translator.start()
    head = translator.sequence(nodes[:at], translator.flags, reach)
    ahead = translator.sequence(_least(nodes[at:], translator.flags), translator.flags, Reach(0, MANY))
    return translator.expression(f"(?>{start}{head}(?={ahead}))")


def _least(nodes: list[Any], flags: int) -> list[Any]:
    """Return what a content that takes the rest of the line requires of it; *nodes* is the content's group, and perhaps ``$``."""
    (_, (_, added, removed, content)), *end = nodes
    *begin, (op, arg) = content or [(None, None)]
    takes_all = op is sre.MAX_REPEAT and arg[1] == MANY and [node[0] for node in arg[2]] == [sre.ANY]
    if not takes_all or may_contain("\n", content, flags | added) or any(node != (sre.AT, sre.AT_END) for node in end):
        raise Unsure("prefregex: its content does not take the rest of the line")
    if content.getwidth()[0] == 0:
        raise Unsure("prefregex: its content may be empty")
    rest = [(op, (arg[0], arg[0], arg[2]))] if arg[0] else []
    return [(sre.SUBPATTERN, (None, added, removed, parsed([*begin, *rest], content)))]


def _marking(marks: dict[frozenset[int], str]) -> str:
    """Return what sets the mark of the combination of groups that took part."""
    optional = frozenset.union(*marks) - frozenset.intersection(*marks)
    if not optional:
        (mark,) = marks.values()
        return f"(*MARK:{mark})"
    group = min(optional)
    yes = {each: mark for each, mark in marks.items() if group in each}
    no = {each: mark for each, mark in marks.items() if group not in each}
    return f"(?({group}){_marking(yes)}|{_marking(no)})"
