"""Date patterns in words, as fail2ban's log and client name them: ``%Y-%m-%d`` is ``Year-Month-Day`` (measured, version 1.0.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NAMES = {
    "a": "DAY",
    "A": "DAYNAME",
    "b": "MON",
    "B": "MONTH",
    "d": "Day",
    "H": "24hour",
    "I": "12hour",
    "j": "Yearday",
    "m": "Month",
    "M": "Minute",
    "p": "AMPM",
    "S": "Second",
    "U": "Yearweek",
    "w": "Weekday",
    "W": "Yearweek",
    "y": "Year2",
    "Y": "Year",
    "z": "Zone offset",
    "Z": "Zone name",
    "f": "Microseconds",
}
_DIRECTIVE = re.compile(r"%(?:%|(Ex)?([A-Za-z]))")
_DEFAULT = (None, "Default Detectors")


def shown(patterns: Sequence[str]) -> tuple[str | None, str]:
    """Return ``datepattern`` as it is shown: the pattern, None where it is a name rather than a pattern, and its name.

    >>> shown(["^%Y-%m-%d"])
    ('^%Y-%m-%d', '^Year-Month-Day')
    """
    if len(patterns) > 1:
        return "\n".join(patterns), "\n".join(shown([pattern])[1] for pattern in patterns)
    pattern = patterns[0] if patterns else ""
    if pattern in ("", "{DATE}", "{DEFAULT}"):
        return _DEFAULT
    if pattern == "{NONE}":
        return "{UNB}^", "^"
    prefix, brace, bare = pattern.rpartition("}") if pattern.startswith("{") else ("", "", pattern)
    before = "" if prefix == "{UNB" else prefix + brace
    for word, name in (("LEPOCH", "LongEpoch"), ("EPOCH", "Epoch")):
        if bare == word:
            return None, before + name
    return pattern, before + _DIRECTIVE.sub(_name, bare)


def _name(found: re.Match[str]) -> str:
    if found[0] == "%%":
        return "%"
    name = _NAMES.get(found[2])
    return found[0] if name is None else (found[1] or "") + name
