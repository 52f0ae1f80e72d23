"""The tags of fail2ban's expressions, and the step from an expression as written to one that ``re`` runs.

Configuration speaks expressions with tags (``^Failed \\S+ for <F-USER>.*</F-USER> from <HOST>$``), the rest of the room
speaks compiled patterns with named groups (``user``, ``ip4`` …). A tag is expanded as text, wherever it stands and whatever
stands around it, escaped or not: an expression that works in fail2ban has to mean the same here.

===============================  ==========================================================================================
tag                              becomes
===============================  ==========================================================================================
``<IP4>``                        group ``ip4``: four numbers of up to three digits; an IPv4-mapped prefix before it is skipped
``<IP6>``                        group ``ip6``: what looks like IPv6 (a sieve: whether it is an address is decided later)
``<DNS>``                        group ``dns``: a host name
``<CIDR>``                       group ``cidr``: digits
``<ADDR>``                       IP4 or IP6, in brackets or not
``<SUBNET>``                     the same with an optional ``/`` and CIDR, inside the brackets
``<HOST>``                       ADDR or DNS; with ``usedns = no`` ADDR alone
``<F-ID/>``, ``<F-PORT/>``       group ``fid`` without white space; group ``fport`` of word characters
``<F-NAME>`` … ``</F-NAME>``     group ``name`` around the expression between (``ID`` and ``PORT``: ``fid`` and ``fport``)
``<SKIPLINES>``                  a line end and as few whole lines as possible (with ``maxlines``)
``((?i)`` …                      ``(?i:``: ``re`` takes flags for the whole expression at its very start only
===============================  ==========================================================================================

``<F-IP4/>``, ``<F-ADDR/>`` and the like are the same as ``<IP4>``, ``<ADDR>``. Whatever else stands in angle brackets is text.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from typing import Literal, NamedTuple

from banish.errors import Problem, RegexError

UseDns = Literal["yes", "warn", "no", "raw"]
RegexOption = Literal["failregex", "ignoreregex", "prefregex"]

ID_GROUPS = frozenset({"fid", "ip4", "ip6", "dns", "mlfid"})
"""A failregex, or the prefregex before it, must have one of these groups: else nobody could be banned for a match."""

_IP4 = r"(?:::f{4,6}:)?(?P<ip4>\d{1,3}(?:\.\d{1,3}){3})"
# Two colons count as one of the seven: ::2:3:4:5:6:7:8 is an address too, and half of it would be another's.
_IP6 = r"(?P<ip6>(?:[0-9A-Fa-f]{1,4}:{1,2}|::?){1,7}(?:[0-9A-Fa-f]{1,4}|(?<=:):))"
_DNS = r"(?P<dns>[-.^\w]*\w)"
_CIDR = r"(?P<cidr>\d+)"
_ADDR = rf"\[?(?:{_IP4}|{_IP6})\]?"
_SUBNET = rf"\[?(?:{_IP4}|{_IP6})(?:/{_CIDR})?\]?"
_HOST = rf"(?:{_ADDR}|{_DNS})"
_SKIPLINES = r"\n(?P<skiplines%d>(?:[^\n]*\n)*?)"

_WHOLE = {"IP4": _IP4, "IP6": _IP6, "DNS": _DNS, "CIDR": _CIDR, "ADDR": _ADDR, "SUBNET": _SUBNET}
_EMPTY = {**_WHOLE, "ID": r"(?P<fid>\S+)", "PORT": r"(?P<fport>\w+)"}
RENAMED = {"id": "fid", "port": "fport"}
"""Tags whose group has another name than the tag."""

_TOKEN = re.compile(
    r"<(?P<whole>HOST|IP4|IP6|DNS|CIDR|ADDR|SUBNET|SKIPLINES)>"
    r"|<F-(?P<empty>IP4|IP6|DNS|CIDR|ADDR|SUBNET|ID|PORT)/>"
    r"|<F-(?P<opening>[-A-Z0-9_]+)>"
    r"|</F-(?P<closing>[-A-Z0-9_]+)>"
    r"|(?<!\\)\((?:\?:)?\(\?(?P<flags>[aimsux]+)\)"
)
_REPEATED = re.compile(r"redefinition of group name '([^']+)'")


class Expansion(NamedTuple):
    """An expression with its tags expanded, and where each part of it came from."""

    text: str
    pieces: tuple[tuple[int, int, bool], ...]
    """(offset in *text*, offset in the expression as written, is it as written?) of each unchanged stretch and expanded tag."""

    def origin(self, position: int) -> int:
        """Return the offset in the expression as written that *position* in *text* stems from; for a tag, where it starts."""
        start, written, unchanged = max((piece for piece in self.pieces if piece[0] <= position), default=(0, 0, True))
        return written + position - start if unchanged else written


def expand(expression: str, usedns: UseDns = "warn") -> Expansion:
    """Expand the tags of *expression*; never fails, and says nothing about whether the outcome compiles.

    >>> expand("^<F-USER>.+</F-USER> port <F-PORT/>").text
    '^(?P<user>.+) port (?P<fport>\\\\w+)'
    """
    parts: list[str] = []
    pieces: list[tuple[int, int, bool]] = []
    length = read = skips = 0
    opened: set[str] = set()

    def add(part: str, written: int, unchanged: bool = True) -> None:
        nonlocal length
        if not part:
            return
        pieces.append((length, written, unchanged))
        parts.append(part)
        length += len(part)

    for token in _TOKEN.finditer(expression):
        add(expression[read : token.start()], read)
        read = token.end()
        kind, name = token.lastgroup, token[token.lastgroup or 0]
        if kind == "whole" and name == "SKIPLINES":
            replacement = _SKIPLINES % skips
            skips += 1
        elif kind == "whole":
            replacement = _WHOLE.get(name) or (_ADDR if usedns == "no" else _HOST)
        elif kind == "empty":
            replacement = _EMPTY[name]
        elif kind == "flags":
            replacement = f"(?{name}:"
        elif kind == "opening":
            opened.add(name)
            group = name.lower()
            replacement = f"(?P<{RENAMED.get(group, group)}>"
        else:
            replacement = ")" if name in opened else token[0]
        add(replacement, token.start(), unchanged=False)
    add(expression[read:], read)
    return Expansion("".join(parts), tuple(pieces))


def compile_expression(
    expression: str,
    option: RegexOption,
    index: int = 0,
    *,
    usedns: UseDns = "warn",
    multiline: bool = False,
    prefix_groups: Iterable[str] = (),
) -> re.Pattern[str]:
    """Return *expression* as a compiled pattern.

    *index* counts from 0 in the list of *option*; *multiline* lets ``^`` and ``$`` match at every line (``maxlines`` > 1);
    *prefix_groups* are those of the prefregex, which may name the offender in a failregex's stead.

    Raises RegexError, with a problem that names the place in the expression as it was written, when it is empty, does not
    compile, uses a group twice, or is a failregex without a failure id.
    """

    def refuse(text: str, remedy: str) -> RegexError:
        return RegexError(Problem(text, remedy=remedy, option=option, value=expression), index)

    if not expression.strip():
        raise refuse("the expression is empty", "remove it or write one")
    expansion = expand(expression, usedns)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "possible nested set" is no concern of the administrator's
            pattern = re.compile(expansion.text, re.MULTILINE if multiline else 0)
    except re.error as error:
        raise refuse(*_explain(error, expansion)) from None
    except (RecursionError, OverflowError, ValueError) as error:
        raise refuse(f"does not compile: {error}", "simplify the expression") from None
    if option == "failregex" and ID_GROUPS.isdisjoint(pattern.groupindex) and ID_GROUPS.isdisjoint(prefix_groups):
        raise refuse("no failure-id group", "no <HOST>, <ADDR>, <F-ID> or <F-MLFID> is in it or in prefregex; add one")
    return pattern


def _explain(error: re.error, expansion: Expansion) -> tuple[str, str]:
    at = "" if error.pos is None else f" at position {expansion.origin(error.pos)}"
    repeated = _REPEATED.match(error.msg)
    if repeated:
        name = repeated[1]
        remedy = "use <HOST> or <ADDR> once" if name in ("ip4", "ip6", "dns") else "give one of them another name"
        return f"does not compile: the group {name!r} is there twice{at}", remedy
    if error.msg.startswith("global flags not at the start"):
        remedy = "put the flags first, or around what they are for: (?i:…)"
    elif error.msg.startswith("bad character in group name"):
        remedy = "an <F-…> name is made of A-Z, 0-9 and _ and does not begin with a digit"
    else:
        remedy = "mend the expression; it is a regular expression of Python's re"
    return f"does not compile: {error.msg}{at}", remedy
