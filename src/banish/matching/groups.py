"""From a match object to fields: the named groups that took part, and those made from several of them.

``<F-ALT_USER>`` (or ``<F-ALT_USER_1>``, ``_2`` …) captures another text for ``user``: the first that is not empty stands in
when ``user`` itself is missing or empty. ``<F-TUPLE_ID>`` (``_1``, ``_2`` …) makes the id a tuple: what ``<F-ID>`` captured,
then the others, None for what took no part. Any name may stand in place of USER and ID. As in fail2ban, the groups are taken in
alphabetical order (``_10`` before ``_2``), and only digits after an underscore are a number: ``ALT_IP4`` is for ``ip4``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from banish.matching.tags import RENAMED

_MADE = re.compile(r"(?P<kind>alt|tuple)_(?P<name>.+?)(?:_\d+)?")

Capture = Callable[["re.Match[str]"], dict[str, Any]]
Completion = Callable[[dict[str, Any]], dict[str, Any]]


def capture_of(pattern: re.Pattern[str]) -> Capture:
    """Return what turns a match of *pattern* into its fields: every named group that took part, and no None."""
    complete = completion_of(pattern)
    return _captured if complete is None else lambda found: complete(_captured(found))


def made_of(pattern: re.Pattern[str]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return the fields that are made of several groups of *pattern*, each with these: alternatives, and tuples."""
    alternatives: dict[str, list[str]] = {}
    tuples: dict[str, list[str]] = {}
    for group in sorted(pattern.groupindex):
        made = _MADE.fullmatch(group)
        if made:
            target = RENAMED.get(made["name"], made["name"])
            kind = alternatives if made["kind"] == "alt" else tuples
            kind.setdefault(target, []).append(group)
    return alternatives, tuples


def completion_of(pattern: re.Pattern[str]) -> Completion | None:
    """Return what adds to the groups that *pattern* captured (no None) those made from them; None when none are made."""
    alternatives, tuples = made_of(pattern)
    if not alternatives and not tuples:
        return None

    def complete(fields: dict[str, Any]) -> dict[str, Any]:
        for target, groups in alternatives.items():
            if not fields.get(target):
                for group in groups:
                    if text := fields.get(group):
                        fields[target] = text
                        break
        for target, groups in tuples.items():
            members = (fields.get(target), *(fields.get(group) for group in groups))
            if any(member is not None for member in members):
                fields[target] = members
        return fields

    return complete


def _captured(found: re.Match[str]) -> dict[str, Any]:
    return {name: text for name, text in found.groupdict().items() if text is not None}
