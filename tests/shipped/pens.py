"""How services write down what a stranger sent them: the pens that the forging test writes hostile text with.

A sample file may say so for its lines, from the place where it stands on: a comment with a name for each part of the line that a
stranger chooses, and the pen that the service writes it with::

    # attacker: {"user": "json", "agent": "none", "reason=": "raw?"}

The name is that of a group of the expression (``<F-USER>`` is ``user``), or of a part that is known by what stands around it
(``PARTS``). A name that ends in ``=`` or ``:`` is neither: the part is the word, or what stands in quotes, behind that text in
the line. The pens are those of ``_PENS``, or a class of characters such as ``[\\w.-]``, which are all that gets through; ``json|c``
tries two of them, ``[^:] vis`` uses one after the other. ``none``: no stranger chooses it. A question mark behind the pen: with
hostile text in it the service may not write such a line, so that nobody has to catch it. An empty text: as if nothing were said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_C = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_VIS = _C | {"\x1b": "\\033"}
_ADDRESS = r"(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+)"
_KEYS = r"[\w-]*user(?:[_-]?(?:name|agent))?|login|email|ur[il]|path|referr?er|agent|x-forwarded-for"
_STRING = r"(?:[^\"\\]|\\.)*"


def write(pen: str, text: str) -> str:
    """Return *text* as a service with this *pen* puts it into its log; several, one behind the other, do their work in turn."""
    for each in pen.split(" "):
        text = re.sub(f"(?!{each}).", "?", text, flags=re.DOTALL) if each.startswith("[") else _PENS[each](text)
    return text


def _hostname(text: str) -> str:
    """What may come from the DNS as the name of an address: resolvers let nothing else through, and it ends in a domain."""
    labels = [label.strip("-")[:60] for label in re.sub(r"[^A-Za-z0-9.-]+", "-", text).split(".")]
    return ".".join([*filter(None, labels), "example"])[-250:]


_PENS = {
    "raw": lambda text: text,
    # A syslog daemon; "raw" without the control characters.
    "syslog": lambda text: _CONTROL.sub(lambda found: f"#{ord(found[0]):03o}", text),
    # A header or request line of HTTP as it came: it ends at a line break, and holds no NUL.
    "header": lambda text: re.sub(r"[\r\n\0]+", "", text),
    "json": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    # Apache, and what writes strings as C, Go or Python do.
    "c": lambda text: re.sub(
        r"[\"\\]|[^ -~]", lambda f: _C.get(f[0]) or "".join(f"\\x{byte:02x}" for byte in f[0].encode()), text
    ),
    # vis(3), as OpenSSH and the BSDs use it for what goes to syslog.
    "vis": lambda text: re.sub(
        r"[\\]|[^ -~]", lambda f: _VIS.get(f[0]) or "".join(f"\\{byte:03o}" for byte in f[0].encode()), text
    ),
    # nginx' access log.
    "nginx": lambda text: re.sub(r"[\"\\]|[^ -~]", lambda f: "".join(f"\\x{byte:02X}" for byte in f[0].encode()), text),
    "url": lambda text: quote(text, safe="/:?=&,;()'[]<>"),
    "word": lambda text: "".join(text.split()),
    "hostname": _hostname,
}


class Part(NamedTuple):
    """A part of a line that a stranger has chosen."""

    name: str
    start: int
    end: int
    pens: tuple[str, ...]
    demanded: bool = True
    """Whether the service writes such a line whatever stands in this part."""


PARTS = tuple(
    (tuple(pens.split()), re.compile(expression, re.IGNORECASE))
    for pens, expression in (
        # Access logs:  192.0.2.7 - user [date] "GET /path HTTP/1.1" 404 153 "referer" "agent"
        ("c nginx", rf"^\S*{_ADDRESS}\S* \S+ (?P<user>[^\s\[]+) \["),
        ("c nginx", r'"[A-Z]{3,9} (?P<path>[^\s"]\S*) HTTP/[\d.]+" \d{3}'),
        ("c nginx", rf'" \d{{3}} (?:\d+|-) "(?P<referer>{_STRING})"'),
        ("c nginx", rf'" \d{{3}} (?:\d+|-) "{_STRING}" "(?P<agent>{_STRING})"'),
        # Error logs of nginx and Apache.
        ("header", r', request: "[A-Z]+ (?P<path>[^\s"]+) HTTP/[\d.]+"'),
        ("header", r', host: "(?P<host>[^"]*)"'),
        ("header", r', referrer: "(?P<referer>[^"]*)"'),
        ("c", r", referer: (?P<referer>\S+)$"),
        # Mail.
        ("syslog", r"\bhelo=<(?P<helo>[^>]*)>"),
        ("syslog", r"\bfrom=<(?P<sender>[^>]*)>"),
        ("syslog", r"\bto=<(?P<recipient>[^>]*)>"),
        ("syslog", rf"\bH=(?:\S+ )?\((?P<helo>[^)]*)\) \[{_ADDRESS}\]"),
        # PAM.
        ("syslog", r"\bruser=(?P<ruser>\S*) rhost="),
        # Names of addresses:  name[192.0.2.7]  name [192.0.2.7]
        ("hostname", rf"(?<![\w.@-])(?P<hostname>(?!ip\b|client\b|from\b|addr)[a-z0-9-]+\.[\w.-]*[a-z]) ?[\[(]{_ADDRESS}[\])]"),
        # JSON.
        ("json", rf'"(?P<key>{_KEYS})"\s*:\s*\[?"(?P<json>{_STRING})"'),
        # key=value and  key "value"
        ("", rf'\b(?P<key>user_?(?:name|agent)?|login|uname|path|referr?er)(?:=|: ?| )"(?P<value>{_STRING})"'),
        ("", r"\b(?P<key>user_?(?:name)?|login|account)(?:=|: ?| )[\[<'](?P<value>[^\]>']*)[\]>']"),
    )
)  # fmt: skip
"""Parts that are known by what stands around them, and their usual pens (none: whichever is usual for the whole line)."""
_SYSLOG = re.compile(
    r"^(?:<\d+>)?(?:[A-Z][a-z]{2} [ \d]\d [\d:]{8}|\d{4}-\d\d-\d\dT\S+) (?:\S+ )?[\w./()-]+(?:\[\d+\])?: |^<\d+>1 "
)


def known_parts(text: str, stated: dict[str, str]) -> Iterator[Part]:
    """Yield the parts of *text* that are known by what stands around them; *stated* is what the sample file says of pens."""
    for pens, expression in PARTS:
        for found in expression.finditer(text):
            groups = found.groupdict()
            group = next(name for name in groups if name != "key")
            name = groups["key"].lower() if "key" in groups else group
            yield from with_pens(name, found.span(group), pens or usual(text), stated)
    for name, pen in stated.items():
        if name[-1] in "=:":
            for found in re.finditer(
                rf"{re.escape(name)} ?(?:\"(?P<q>{_STRING})\"|'(?P<s>[^']*)'|(?P<w>[^\s,;]+))", text
            ):
                yield from with_pens(name, found.span(found.lastgroup or 0), (pen,), stated)


def with_pens(name: str, span: tuple[int, int], pens: tuple[str, ...], stated: dict[str, str]) -> Iterator[Part]:
    """Yield the part of this *name* at *span*, unless it is stated that no stranger chooses it."""
    pen = stated.get(name, "")
    if pen != "none":
        yield Part(name, *span, tuple(pen.rstrip("?").split("|")) if pen else pens, not pen.endswith("?"))


def usual(text: str) -> tuple[str, ...]:
    """Return the pens to be expected where nothing is known but the line."""
    if text.lstrip().startswith("{") and text.rstrip().endswith("}"):
        return ("json",)
    return ("syslog",) if _SYSLOG.match(text) else ("raw",)
