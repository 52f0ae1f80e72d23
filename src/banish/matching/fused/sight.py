"""From a row to a sighting: functions made for each way in which groups of a failregex may take part.

::

    parts(expression, taking_part, place)   fields to be: where in the row each text is
    sight(index, parts, patterns)           makes the sighting of a row
    farewell(parts, full)                   where such a row tells whose session is over
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from banish.matching.filter import Sighting
from banish.matching.fused.transpile import Expression
from banish.matching.groups import Completion, completion_of, made_of

Row = tuple[str, ...]
"""Mark, groups by number, the date, and the line as written, an empty one for one that was blanked."""

Sight = Callable[[Row], Sighting]
"""Makes the sighting of a row."""

Farewell = tuple[int, int] | tuple[()]
"""The places of the session and the user, 0 if there is none; or nothing."""

Parts = dict[str, int | str]
"""Fields to be: the place of a text in the row, or the text that the group always captures."""


def parts(expression: Expression, taking_part: frozenset[int], place: dict[int, int]) -> Parts:
    """Return the fields of *expression* when the groups *taking_part* do; *place*: where in a row each group is."""
    return {
        name: place[capture] if isinstance(capture, int) else capture
        for name, capture in expression.captures.items()
        if isinstance(capture, str) or capture in taking_part
    }


def farewell(parts: Parts, full: Collection[int]) -> Farewell | None:
    """Return what `Program.marks` says of farewells among lines with these fields; None where none of them can be a farewell.

    *full*: places in the row where there is always some text, if the group took part.
    """
    session, ends = parts.get("mlfid"), parts.get("mlfforget")
    news = [parts[name] for name in ("nofail", "mlfgained") if name in parts]
    if session is None or ends is None or not news:
        return None
    user = parts.get("user", 0)
    certain = _is_some(ends, full) and any(_is_some(each, full) for each in news)
    simple = certain and not any(name.startswith("alt_") for name in parts)
    return (session, user) if simple and isinstance(session, int) and isinstance(user, int) else ()


def _is_some(part: int | str, full: Collection[int]) -> bool:
    """Tell whether a field to be is certain to have some text."""
    return part != "" if isinstance(part, str) else part in full


def sight(index: int, parts: tuple[Parts, Parts], patterns: tuple[re.Pattern[str] | None, re.Pattern[str]]) -> Sight:
    """Return what makes a sighting of failregex *index*, whose fields are *parts*, those of the prefregex and its own."""
    written = [_written(*each) for each in zip(parts, patterns, strict=True)]
    if None not in written:
        made: Sight = _written_out(f"new(Sighting, ({index}, {{{', '.join(filter(None, written))}}}, (row[-1],)))")
        return made
    prefregex, failregex = patterns
    return _made(index, parts, (completion_of(prefregex) if prefregex else None, completion_of(failregex)))


def _written(parts: Parts, pattern: re.Pattern[str] | None) -> str | None:
    """Return the source of a dictionary's inside that has *parts* of a row and what *pattern* makes of them (``groups``).

    None where it may make a field that is not among these, or a tuple.
    """
    alternatives, tuples = made_of(pattern) if pattern else ({}, {})
    if tuples or not alternatives.keys() <= parts.keys():
        return None
    written = {name: repr(part) if isinstance(part, str) else f"row[{part}]" for name, part in parts.items()}
    items = []
    for name, own in written.items():
        others = [written[each] for each in alternatives.get(name, ()) if each in written]
        items.append(f"{name!r}: {' or '.join([own, *others, own] if others else [own])}")
    return ", ".join(items)


def _fields(parts: Parts) -> Callable[[Row], dict[str, Any]]:
    """Return what makes *parts* of a row."""
    made: Callable[[Row], dict[str, Any]] = _written_out(f"{{{_written(parts, None)}}}")
    return made


def _written_out(expression: str) -> Any:
    """Return a function of a row, made of source as the standard library makes named tuples: any loop takes three times as long."""
    # ``new``: twice as fast as Sighting(...). All that is not ours in the expression are texts, by their repr.
    return eval(f"lambda row: {expression}", {"new": tuple.__new__, "Sighting": Sighting})  # noqa: S307


def _made(index: int, parts: tuple[Parts, Parts], completions: tuple[Completion | None, Completion | None]) -> Sight:
    """The same, where fields are made from others (``groups``), by the prefregex and by the failregex each for itself."""
    (under, over), (complete_under, complete_over) = map(_fields, parts), completions
    new = tuple.__new__  # see `_written_out`

    def seen(row: Row) -> Sighting:
        fields = under(row) if complete_under is None else complete_under(under(row))
        fields.update(over(row) if complete_over is None else complete_over(over(row)))
        return new(Sighting, (index, fields, (row[-1],)))

    return seen
