"""Tags in a shell command, filled in so that text from a log can never become shell code.

A value of plain characters only (letters, digits and ``_ . : / @ % + , -``, PLAIN_LENGTH at most) takes the place of its tag. Any
other value is handed over in the environment, and a reference takes the place of the tag::

    is-customer "<F-USER>" <ip>     →     is-customer "${f2bV_F_USER}" 192.0.2.7          f2bV_F_USER='x"; rm -rf /'

As the shell expands a variable after it has understood the command, the value stays text. Outside of quotes it is still split into
words and may begin with ``-``, and inside single quotes the reference is not expanded: tags belong in double quotes.

A tag that is not known stays as it is (``<`` also redirects), but for ``<F-…>``, which is empty when the match has no such group.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from banish.addresses import show
from banish.matching.tags import RENAMED
from banish.model import Match

PLAIN_LENGTH = 1000
VALUE_BYTES = 65536
"""Longer values are cut: a variable of more than 128 KiB stops the command from being started (execve(2))."""

_TAG = re.compile(r"<([^\s<>]+)>")
_PLAIN = re.compile(r"[\w.:/@%+,-]*", re.ASCII)
_NOT_A_NAME = re.compile(r"\W", re.ASCII)


class Command(NamedTuple):
    """A script for ``sh -c``, and the variables that must be in its environment."""

    script: str
    environment: dict[str, str]


def values(match: Match, jail: str, host: str = "") -> dict[str, str]:
    """Return what the tags of *match* stand for, without its groups; *host* is the name of its address."""
    network = match.network
    reverse = network.network_address.reverse_pointer if network is not None else ""
    return {
        "fid": match.id,
        "ip": _text(match.fields.get("ip") or (show(network) if network is not None else match.id)),
        "family": "" if network is None else f"inet{4 if network.version == 4 else 6}",
        "ip-rev": re.sub(r"(in-addr|ip6)\.arpa$", "", reverse),
        "ip-host": host,
        "time": str(match.at),
        "matches": "\n".join(match.lines),
        "jail.name": jail,
    }


def mentions(template: str, tag: str) -> bool:
    """True when *template* has ``<tag>``."""
    return f"<{tag}>" in template


def command(template: str, known: Mapping[str, str], fields: Mapping[str, Any]) -> Command:
    """Return *template* with its tags filled in from *known*, and ``<F-…>`` from *fields*."""
    environment: dict[str, str] = {}

    def fill(found: re.Match[str]) -> str:
        value = _value(found[1], known, fields)
        if value is None:
            return found[0]
        if len(value) <= PLAIN_LENGTH and _PLAIN.fullmatch(value):
            return value
        value = value.replace("\0", "").encode("utf-8", "replace")[:VALUE_BYTES].decode("utf-8", "ignore")
        name = "f2bV_" + _NOT_A_NAME.sub("_", found[1])
        while environment.setdefault(name, value) != value:
            name += "_"
        return f"${{{name}}}"

    return Command(_TAG.sub(fill, template), environment)


def text(template: str, known: Mapping[str, str], fields: Mapping[str, Any]) -> str:
    """Return *template* with its tags filled in as plain text: not for a shell."""
    return _TAG.sub(lambda found: found[0] if (value := _value(found[1], known, fields)) is None else value, template)


def _value(tag: str, known: Mapping[str, str], fields: Mapping[str, Any]) -> str | None:
    if tag in known:
        return known[tag]
    if not tag.startswith("F-"):
        return None
    name = tag[2:].lower().replace("-", "_")
    return _text(fields.get(RENAMED.get(name, name), ""))


def _text(value: Any) -> str:
    if isinstance(value, (set, frozenset)):
        return " ".join(sorted(map(str, value)))
    return str(value)
