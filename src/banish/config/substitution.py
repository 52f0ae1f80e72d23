"""``<tag>``: the second kind of reference, replaced inner tag first.

So ``<mdre-<mode>>`` becomes ``<mdre-normal>`` and then what that stands for. A tag is anything between angle brackets without
white space or further brackets in it. A tag that nobody knows stays as it is: ``<HOST>`` belongs to the matching room,
``<ip>`` to the moment of the ban, and ``<`` in a shell command to the shell.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from banish.config.interpolation import LIMIT
from banish.config.text import Text
from banish.errors import ConfigError, Problem

Lookup = Callable[[str], Text | None]
"""Finds what a tag (without its brackets, in lower case) stands for, tags in it not yet replaced."""

_TAG = re.compile(r"<([^\s<>]+)>")
_DEPTH = 60
_STEPS = 10_000


class Substitution:
    """Replaces tags by what *lookup* finds; what a tag came to is remembered, so one object serves one filter or action."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._done: dict[str, Text | None] = {}

    def apply(self, text: Text) -> Text:
        """Return *text* with its tags replaced; raises ConfigError when a tag stands for itself or grows beyond measure.

        >>> from banish.errors import Origin
        >>> values = {"mode": "normal", "re-normal": "^Failed from <HOST>"}
        >>> find = lambda tag: Text.at(values[tag], Origin("x.conf", 1)) if tag in values else None
        >>> Substitution(find).apply(Text.at("<re-<mode>>$", Origin("x.conf", 2))).text
        '^Failed from <HOST>$'
        """
        return self._apply(text, ())

    def _apply(self, text: Text, chain: tuple[str, ...]) -> Text:
        at = steps = 0
        while found := _TAG.search(text.text, at):
            value = self._value(found[1].lower(), text, chain)
            if value is None:
                at = found.end()
                continue
            text = text.splice(found.start(), found.end(), value)
            steps += 1
            if len(text.text) > LIMIT or steps > _STEPS:
                raise _error(text, f"<{found[1]}> grows beyond all measure")
            # The value may complete a tag that opened before it; what it contains itself has been replaced already.
            opening = text.text.rfind("<", 0, found.start())
            at = opening if opening >= 0 else found.start()
        return text

    def _value(self, tag: str, text: Text, chain: tuple[str, ...]) -> Text | None:
        if tag in chain:
            raise _error(text, f"<{tag}> stands for itself: {' -> '.join((*chain[chain.index(tag) :], tag))}")
        if tag not in self._done:
            value = self._lookup(tag)
            if value is not None and "<" in value.text:
                if len(chain) >= _DEPTH:
                    raise _error(text, f"<{tag}> is nested too deeply")
                value = self._apply(value, (*chain, tag))
            self._done[tag] = value
        return self._done[tag]


def _error(text: Text, what: str) -> ConfigError:
    return ConfigError(Problem(what, "check the options it is made of", value=text.text[:200], origin=text.origin))
