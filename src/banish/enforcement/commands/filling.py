"""Tags in a command become words of a shell script, in such a way that no text from a log can become shell code.

A value of plain characters only (letters, digits and ``_ . : / @ % + , -``, PLAIN_LENGTH at most) takes the place of its tag. Any
other is handed over as a positional parameter, gets the name that fail2ban gives it, and a reference takes the place of the tag::

    notify "<F-USER>" <ip>     →     f2bV_F_user=$1
                                     notify "${f2bV_F_user}" 192.0.2.7            and, as $1:  x"; rm -rf /'

As the shell expands a variable after it has understood the script, the value stays text. Outside of quotes it is split into
words, so tags belong in double quotes. Inside single quotes nothing is expanded; since authors do write ``'<F-USER>'``, a value
with nothing worse than blanks is put there as it is, as fail2ban does it.

A tag that nobody knows stays as it is (``<`` also redirects), but for ``<F-…>``, which is empty when the ban has no such group.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

PLAIN_LENGTH = 1000
VALUE_BYTES = 65536
"""Longer values are cut: a word of more than 128 KiB stops the shell from being started (execve(2))."""
TOTAL_BYTES = 1_000_000
"""Of all values of one script; those beyond are empty."""

TAG = re.compile(r"<([^\s<>]+)>")
_PLAIN = re.compile(r"[\w.:/@%+,-]*", re.ASCII)
_SPECIAL = re.compile(r"[\\#&;`|*?~<>^()\[\]{}$'\"\x00-\x1f\x7f]|[\ud800-\udfff]")
_NOT_A_NAME = re.compile(r"\W", re.ASCII)
_RAW = {"br": "\n", "sp": " "}

Lookup = Callable[[str], str | None]
"""What a tag (without its brackets) stands for; None when it is none."""


class Script(NamedTuple):
    """A script for ``sh -c``, and its positional parameters, from ``$1`` on."""

    text: str
    arguments: tuple[str, ...] = ()


def tags(template: str) -> frozenset[str]:
    """Return the names of the tags in *template*, known or not."""
    return frozenset(TAG.findall(template))


def fill(template: str, lookup: Lookup) -> Script:
    """Return *template* with its tags filled in, each asked for once."""
    quoted = _in_single_quotes(template)
    values: dict[str, str | None] = {}
    variables: dict[str, str] = {}
    left = TOTAL_BYTES

    def put(found: re.Match[str]) -> str:
        nonlocal left
        tag = found[1]
        if tag in _RAW:
            return _RAW[tag]
        if tag not in values:
            values[tag] = lookup(tag)
        value = values[tag]
        if value is None:
            return found[0]
        if len(value) <= PLAIN_LENGTH:
            if _PLAIN.fullmatch(value):
                return value
            if found.start() in quoted and not _SPECIAL.search(value):
                return value
        text = value.replace("\0", "").encode("utf-8", "replace")[: min(VALUE_BYTES, left)].decode("utf-8", "ignore")
        name = "f2bV_" + _NOT_A_NAME.sub("_", f"F-{tag[2:].lower()}" if tag.startswith("F-") else tag)
        while variables.setdefault(name, text) != text:
            name += "_"
        left -= len(text.encode())
        return f"${{{name}}}"

    script = TAG.sub(put, template)
    if variables:
        names = " ".join(f"{name}=${{{number}}}" for number, name in enumerate(variables, 1))
        script = f"{names}\n{script}"
    return Script(script, tuple(variables.values()))


def _in_single_quotes(template: str) -> frozenset[int]:
    """Return where the tags of *template* begin that stand in single quotes; in doubt, a tag does not.

    This reads quotes, comments and ``$(…)`` as sh(1) does. Here-documents and ``$'…'`` have other rules: then none does.
    """
    if "'" not in template or "<<" in template or "$'" in template:
        return frozenset()
    found = set()
    inside = ["plain"]
    at = 0
    while at < len(template):
        character, state = template[at], inside[-1]
        if state == "single":
            if character == "'":
                inside.pop()
            elif character == "<":
                found.add(at)
        elif state == "comment":
            if character == "\n":
                inside.pop()
        elif character == "\\":
            at += 1
        elif character == '"':
            if state == "double":
                inside.pop()
            else:
                inside.append("double")
        elif template.startswith("$(", at) or (character == "(" and state == "plain"):
            at += character == "$"
            inside.append("plain")
        elif state == "plain":
            if character == "'":
                inside.append("single")
            elif character == ")" and len(inside) > 1:
                inside.pop()
            elif character == "#" and (at == 0 or template[at - 1] in " \t\n;&|("):
                inside.append("comment")
        at += 1
    return frozenset(found)
