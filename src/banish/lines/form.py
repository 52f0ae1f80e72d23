"""How the lines of a log begin: a date of one template in one shape, so that lines can be told by their first bytes alone.

The form is learnt from a line: what its date's numbers are may change, everything else stays as it was, the character behind the
date too. So a form knows only some of the lines that its template takes, but of every line that it knows the template finds the
date at the begin. It goes out of date with the month at the latest, and is learnt anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from banish.lines.cuts import habits
from banish.lines.datepattern import DAYS, Template

_TWO_DIGITS = [form % number for number in range(62) for form in ("%d", "%2d", "%02d")]
_VALUES = {
    **dict.fromkeys(("d", "H", "I", "M", "S"), _TWO_DIGITS),
    "a": [day[:3] for day in DAYS],
}
_DIGITS = frozenset(b"%d" % digit for digit in range(10))
_LABEL = frozenset(bytes([code]) for code in b"0123456789abcdef")


Form = tuple[frozenset[bytes], ...]
"""The texts that may stand at each place, one place behind the other; all texts of a place are of one length."""


def learn(template: Template, text: str, real: Callable[[str], bool] = lambda text: True) -> Form | None:
    """Return the form of *text*; None when *template* does not take it, or its lines cannot be told by how they begin.

    *real* tells whether a line's date is one: numbers that make February 30 are none of the form.
    """
    match = template.regex.match(text)
    known = habits(template)
    if match is None or not (known.at_begin and known.regular):
        return None
    begin = text[: match.end() + 1]
    if len(begin) == match.end() or not (begin.isascii() and begin.isprintable()):
        return None
    places: list[frozenset[bytes]] = []
    place = 0
    for start, stop, name in sorted((*match.span(name), name) for name in match.re.groupindex if match[name]):
        if start < place:  # within another group
            continue
        found = list(_places(match, name, real))
        if found:
            places += _letters(begin[place:start])
            places += found
            place = stop
    places += _letters(begin[place:])
    return tuple(places)


def _letters(text: str) -> list[frozenset[bytes]]:
    return [frozenset({letter.encode()}) for letter in text]


def _places(match: re.Match[str], name: str, real: Callable[[str], bool]) -> Iterable[frozenset[bytes]]:
    """Return what else could stand where *match* has its group *name*; nothing when that is not known."""
    text = match[name]
    if name in ("f", "epoch", "lepoch"):
        return [_DIGITS if letter.isdigit() else frozenset({letter.encode()}) for letter in text]
    if name == "tai64n":
        return [*_letters(text[:2]), *[_LABEL] * (len(text) - 2)]
    start, stop = match.span(name)
    before, behind = match.string[:start], match.string[stop:]
    values = {text}
    for value in _VALUES.get(name, ()):
        if len(value) == len(text) and value not in values:
            other = match.re.match(before + value + behind)
            if other is not None and other.span(name) == (start, stop) and real(other.string):
                values.add(value)
    return [frozenset(value.encode() for value in values)] if len(values) > 1 else []
