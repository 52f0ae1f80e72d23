"""How ``filter`` and ``action`` name a file and give it options: ``name[opt="value", ...]``.

::

    actions  = { call }                         white space between calls
    call     = name { "[" [ option { "," option } [ "," ] ] "]" }
    option   = key "=" value                    key: letters, digits, _ . -  and, for one family only, ?family=inet6
    value    = '"' text '"' | "'" text "'" | text up to "," or "]"

There are no escapes inside quotes; the other kind of quote is plain text there, and so are ``,``, ``]`` and newlines. A value
is stripped, a key is in lower case, and the later of two options with one key counts. White space around ``[``, ``=``, ``,``
and ``]`` is welcome.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from banish.config.text import BUILT_IN, Text
from banish.errors import ConfigError, Problem

_NAME = re.compile(r"\s*(?P<name>[^\s\[\]]+)")
_OPEN = re.compile(r"\s*\[\s*")
_CLOSE = re.compile(r"\s*\]")
_KEY = re.compile(r"\s*(?P<key>[\w.-]+(?:\?[\w.-]+=[\w.-]+)?)\s*=[^\S\n]*")
_QUOTED = re.compile(r"\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'")
_BARE = re.compile(r"[^,\]]*")
_SEPARATOR = re.compile(r"\s*,\s*")


class Call(NamedTuple):
    """The name of a file in filter.d or action.d, and the options given to it."""

    name: str
    options: Mapping[str, Text]


def parse_filter(text: Text) -> Call | None:
    """Return the one filter that *text* names, None when it is empty; raises ConfigError.

    >>> from banish.errors import Origin
    >>> call = parse_filter(Text.at('sshd[mode=aggressive]', Origin("jail.local", 2)))
    >>> call.name, call.options["mode"].text
    ('sshd', 'aggressive')
    """
    calls = parse_actions(text)
    if len(calls) > 1:
        raise _error(text, f"names {len(calls)} filters", "a jail has one filter; options go into brackets")
    return calls[0] if calls else None


def in_brackets(word: str) -> dict[str, str]:
    """Return the options of *word*, ``systemd[journalflags=1]``; none when they are not written as those of a filter are."""
    try:
        call = parse_filter(Text.at(word, BUILT_IN))
    except ConfigError:
        return {}
    return {name: value.text for name, value in call.options.items()} if call is not None else {}


def parse_actions(text: Text) -> tuple[Call, ...]:
    """Return the calls in *text*, in order; raises ConfigError that says where the text stops making sense."""
    calls = []
    at = 0
    while found := _NAME.match(text.text, at):
        options: dict[str, Text] = {}
        at = found.end()
        while opening := _OPEN.match(text.text, at):
            at = _options(text, opening.end(), options)
        if at < len(text.text) and not text.text[at].isspace():
            raise _unexpected(text, at)
        calls.append(Call(found["name"], options))
    if text.text[at:].strip():
        raise _unexpected(text, at)
    return tuple(calls)


def parse_options(text: Text) -> Mapping[str, Text]:
    """Return the options in *text*, which stand there without name and brackets (``ignorecache``); raises ConfigError.

    >>> from banish.errors import Origin
    >>> options = parse_options(Text.at('key="<ip>", max-time=5m', Origin("jail.local", 2)))
    >>> {name: value.text for name, value in options.items()}
    {'key': '<ip>', 'max-time': '5m'}
    """
    options: dict[str, Text] = {}
    closed = Text(text.text + "]", text.origins)
    try:
        end = _options(closed, 0, options)
    except ConfigError:
        end = 0
    if end < len(closed.text):
        raise _error(text, "is not a list of options", 'write name="value", name="value"')
    return options


def _options(text: Text, at: int, options: dict[str, Text]) -> int:
    """Read options up to the closing bracket into *options*, and return the place behind it."""
    while True:
        if closing := _CLOSE.match(text.text, at):
            return closing.end()
        key = _KEY.match(text.text, at)
        if key is None:
            raise _unexpected(text, at, "key=value is expected")
        at, value = _value(text, key.end())
        options[key["key"].lower()] = value
        separator = _SEPARATOR.match(text.text, at)
        if separator is None and not _CLOSE.match(text.text, at):
            raise _unexpected(text, at, f", or ] is expected after {key['key']}")
        at = separator.end() if separator else at


def _value(text: Text, at: int) -> tuple[int, Text]:
    if quoted := _QUOTED.match(text.text, at):
        return quoted.end(), text.cut(at + 1, quoted.end() - 1)
    bare = _BARE.match(text.text, at)
    end = bare.end() if bare else at
    return end, text.cut(at, end)


def _unexpected(text: Text, at: int, expected: str = "") -> ConfigError:
    rest = text.text[at : at + 30].strip()
    what = f"unexpected {rest!r} at character {at + 1}" if rest else "ends too early: ] is missing"
    return _error(text, what, expected or 'write name[option="value", ...]')


def _error(text: Text, what: str, remedy: str) -> ConfigError:
    return ConfigError(Problem(what, remedy, value=text.text, origin=text.origin))
