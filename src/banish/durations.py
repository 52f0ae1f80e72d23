"""Durations, as administrators write them and as the package counts them.

Configuration says ``10m``, ``1d 12h`` or ``600``. The package counts seconds, as a float, and "for ever"
(``bantime = -1``) is ``math.inf``, so that ``start + duration`` and ``now < end`` need no special case.

Spelling follows jail.conf(5): ``m`` is a minute, ``mo`` a month (a twelfth of a year), a year has 365.25 days. Terms may
stand side by side (``1h 30m``) or be joined by ``+``, ``-`` and ``*``, with parentheses; nothing is ever evaluated as code.

::

    sum      = product { ( "+" | "-" | nothing ) product }
    product  = factor { "*" factor }
    factor   = [ "-" | "+" ] ( "(" sum ")" | number [ unit ] )
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0
WEEK = 7 * DAY
YEAR = 365.25 * DAY
MONTH = YEAR / 12

_UNITS = (
    (re.compile(r"s(?:s|ecs?|econds?)?"), 1.0),
    (re.compile(r"m(?:m|ins?|inutes?)?"), MINUTE),
    (re.compile(r"h(?:h|ou|ours?)?"), HOUR),
    (re.compile(r"d(?:d|a|ays?)?"), DAY),
    (re.compile(r"w(?:w|ee|eeks?)?"), WEEK),
    (re.compile(r"mon?(?:ths?)?"), MONTH),
    (re.compile(r"y(?:y|ea|ears?)?"), YEAR),
)
_TOKEN = re.compile(r"\s*(?:(?P<number>\d+(?:\.\d*)?|\.\d+)\s*(?P<unit>[a-z]+)?|(?P<sign>[-+*()]))", re.IGNORECASE)
_DEPTH = 50
_LONGEST = 1e12
"""Seconds, some thirty thousand years: what is longer is a slip of the hand, and far larger numbers are not exact any more."""


def parse(text: str) -> float:
    """Return the seconds *text* stands for; ``math.inf`` when it is negative, any negative, as jail.conf(5) has it.

    Raises ValueError, naming the place, when *text* is not a duration or is beyond all measure. The result is never NaN.

    >>> parse("1d 12h")
    129600.0
    >>> parse("1h+30m"), parse("2*1h"), parse("600"), parse("-1")
    (5400.0, 7200.0, 600.0, inf)
    """
    seconds = _Parser(text).parse()
    if not abs(seconds) <= _LONGEST:  # written so that what is not a number is refused too
        shown = text if len(text) <= 40 else f"{text[:39]}…"
        raise ValueError(f"{shown!r} is not a duration: too large (up to {_LONGEST:.0f} seconds; -1 is for ever)")
    return math.inf if seconds < 0 else seconds


def render(seconds: float) -> str:
    """Return the words for *seconds*: at most three neighbouring units, rounded in the smallest one shown.

    >>> render(90), render(3600), render(203400), render(math.inf)
    ('1m 30s', '1h', '2d 8h 30m', 'permanent')
    """
    return "permanent" if math.isinf(seconds) else _words(round(seconds))


@lru_cache(maxsize=1024)
def _words(seconds: int) -> str:
    rest = float(seconds)
    if rest < MINUTE:
        return f"{rest:.0f}s"
    units = (("y", YEAR), ("w", WEEK), ("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", 1.0))
    first = next((i for i, (_, size) in enumerate(units) if rest >= size), len(units) - 1)
    shown = units[first : first + 3]
    words, left = [], rest
    for place, (name, size) in enumerate(shown):
        last = place == len(shown) - 1
        count = round(left / size) if last else left // size
        if last and place and count * size >= shown[place - 1][1]:
            return _words(round(rest - left + shown[place - 1][1]))  # rounding filled the next larger unit
        left -= count * size
        if count:
            words.append(f"{count:.0f}{name}")
    return " ".join(words) or "0s"


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._scan(text)
        self._next = 0

    @staticmethod
    def _scan(text: str) -> list[float | str]:
        tokens: list[float | str] = []
        at = 0
        stripped = text.rstrip()
        while at < len(stripped):
            found = _TOKEN.match(stripped, at)
            if found is None:
                raise ValueError(f"{text!r} is not a duration: cannot read {stripped[at:].strip()!r}")
            if found["sign"]:
                tokens.append(found["sign"])
            else:
                tokens.append(float(found["number"]) * _unit(found["unit"] or "s", text))
            at = found.end()
        if not tokens:
            raise ValueError("a duration is empty")
        return tokens

    def parse(self) -> float:
        seconds = self._sum(0)
        if self._next < len(self._tokens):
            raise ValueError(f"{self._text!r} is not a duration: unexpected {self._peek()!r}")
        return seconds

    def _peek(self) -> float | str | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self) -> float | str | None:
        token = self._peek()
        self._next += 1
        return token

    def _sum(self, depth: int) -> float:
        if depth > _DEPTH:
            raise ValueError("a duration is nested too deeply")
        total = self._product(depth)
        while (token := self._peek()) is not None and token != ")":
            if token == "-":
                self._take()
                total -= self._product(depth)
            else:
                if token == "+":
                    self._take()
                total += self._product(depth)
        return total

    def _product(self, depth: int) -> float:
        value = self._factor(depth)
        while self._peek() == "*":
            self._take()
            value *= self._factor(depth)
        return value

    def _factor(self, depth: int) -> float:
        sign = 1.0
        while self._peek() in ("-", "+"):
            sign = -sign if self._take() == "-" else sign
        token = self._take()
        if isinstance(token, float):
            return sign * token
        if token != "(":
            raise ValueError(f"{self._text!r} is not a duration: expected a number")
        value = self._sum(depth + 1)
        if self._take() != ")":
            raise ValueError(f"{self._text!r} is not a duration: a ')' is missing")
        return sign * value


def _unit(name: str, text: str) -> float:
    for spelling, size in _UNITS:
        if spelling.fullmatch(name.lower()):
            return size
    raise ValueError(f"{text!r} is not a duration: unknown unit {name!r} (s, m, h, d, w, mo or y)")
