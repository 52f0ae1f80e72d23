"""What of a log line is nobody else's business: the names of our users, and every address but the offender's."""

from __future__ import annotations

import re
from collections.abc import Iterable

from banish import addresses
from banish.errors import ConfigError, Problem

WHAT = ("users", "addresses", "host")
USER, ADDRESS, HOST = "[user]", "[address]", "[host]"

_V6 = re.compile(r"(?<![\w.:])[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]+(?![\w:])")
_V4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)")


def parse(text: str) -> frozenset[str]:
    """Return what option ``redact`` asks for: ``no``, ``all``, or some of WHAT. Raises ConfigError.

    >>> sorted(parse("users, host"))
    ['host', 'users']
    """
    words = frozenset(text.replace(",", " ").lower().split())
    if words & {"all", "yes"}:
        return frozenset(WHAT)
    if unknown := words - {*WHAT, "no", "none"}:
        remedy = f"no, all, or some of {', '.join(WHAT)}"
        raise ConfigError(Problem("asks for what is not known", remedy, option="redact", value=min(unknown)))
    return words & frozenset(WHAT)


class Redaction:
    """Takes out of a text what *what* names; *users* are names that the match found, *offender* the address that stays."""

    def __init__(
        self, what: frozenset[str], *, offender: str = "", users: Iterable[str] = (), hosts: Iterable[str] = ()
    ) -> None:
        self._offender = addresses.parse(offender)
        self._addresses = "addresses" in what
        self._words: list[tuple[re.Pattern[str], str]] = []
        if "users" in what:
            self._words += _words(users, USER)
        if "host" in what:
            self._words += _words(hosts, HOST)

    def __call__(self, text: str) -> str:
        for pattern, instead in self._words:
            text = pattern.sub(instead, text)
        return _V4.sub(self._address, _V6.sub(self._address, text)) if self._addresses else text

    def _address(self, found: re.Match[str]) -> str:
        text = found[0]
        tail = text[len(text.rstrip(".:")) :] if not text.endswith("::") else ""
        meaning = addresses.parse(text.removesuffix(tail))
        if meaning is None:
            return text
        if self._offender is not None and addresses.within(meaning, self._offender):
            return text
        return ADDRESS + tail


def _words(words: Iterable[str], instead: str) -> Iterable[tuple[re.Pattern[str], str]]:
    """Longest first, since one may be part of another."""
    for word in sorted({word for word in words if word.strip()}, key=lambda word: (-len(word), word)):
        yield re.compile(rf"(?<!\w){re.escape(word)}(?!\w)"), instead
