"""``%(name)s``: references inside values, followed at load time.

``%%`` is a percent sign and ``%(name)s`` the value of another option, interpolated in turn. Where a name is looked up is the
caller's business (a jail asks elsewhere than a filter); this module knows the syntax, the endless loop and the limit. A bad
reference concerns the one value it stands in, never the whole configuration.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from banish.config.layers import Definition
from banish.config.text import Text
from banish.errors import ConfigError, Problem

LIMIT = 1 << 20
"""Characters that one value may grow to: far beyond any real list, far below what would hurt."""
_DEPTH = 60
_REFERENCE = re.compile(r"%(?:%|\((?P<name>[^()]+)\)s)?")


class Found(NamedTuple):
    """What a name stands for: *text* as written at *definition*, or finished text when *definition* is None."""

    text: Text
    definition: Definition | None


Lookup = Callable[[str, Definition], Found | None]
"""Finds what a name (as written) stands for in the given definition; None when there is no such option."""


def interpolate(definition: Definition, lookup: Lookup) -> Text:
    """Return the value of *definition* with its references followed.

    Raises ConfigError for a stray percent sign, an unknown name, a loop or a value that grows beyond all measure.

    >>> from banish.errors import Origin
    >>> port = Definition("sshd", "port", 0, Text.at("ssh,%(extra)s", Origin("jail.local", 3)))
    >>> interpolate(port, lambda name, at: Found(Text.at("2222", Origin("jail.local", 1)), None)).text
    'ssh,2222'
    """
    return _expand(definition, lookup, (), {})


def _expand(
    definition: Definition, lookup: Lookup, chain: tuple[Definition, ...], done: dict[Definition, Text]
) -> Text:
    text = definition.text
    if "%" not in text.text:
        return text
    if definition in done:
        return done[definition]
    if definition in chain or len(chain) >= _DEPTH:
        raise _error(chain[0], "refers to itself" if definition in chain else "is nested too deeply", _names(chain))
    chain = (*chain, definition)
    at = 0
    while found := _REFERENCE.search(text.text, at):
        name = found["name"]
        if found.group() == "%%":
            insert = Text.at("%", text.origin)
        elif name is None and definition.given:
            at = found.end()
            continue
        elif name is None:
            raise _error(
                definition,
                f"a stray % before {text.text[found.end() : found.end() + 10]!r}",
                "write %% for a percent sign",
            )
        else:
            value = lookup(name.strip(), definition)
            if value is None:
                raise _error(definition, f"%({name})s names no option", "check the spelling, or define it")
            insert = value.text if value.definition is None else _expand(value.definition, lookup, chain, done)
        text = text.splice(found.start(), found.end(), insert)
        at = found.start() + len(insert.text)
        if len(text.text) > LIMIT:
            raise _error(definition, f"grows beyond {LIMIT} characters", "check what it refers to")
    done[definition] = text
    return text


def _names(chain: tuple[Definition, ...]) -> str:
    return " -> ".join(dict.fromkeys(definition.option for definition in chain))


def _error(definition: Definition, text: str, remedy: str) -> ConfigError:
    return ConfigError(
        Problem(
            text,
            remedy,
            section=definition.section,
            option=definition.option,
            value=definition.text.text,
            origin=definition.text.origin,
        )
    )
