"""Texts that an expression should match, written by walking its parse tree.

The walk is seeded and fast, and steers where hypothesis' ``from_regex`` cannot: what a named group captures comes from a stock of
addresses, names and oddities that attackers write, or is given by the caller. Look-around is not solved but tried: a text may
therefore miss, and whoever asks tests it (``Writer.matching``).
"""

from __future__ import annotations

import importlib
import random
import re
import string
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

_parser: Any = importlib.import_module("re._parser")

Given = Mapping[str, Callable[[], str]]
"""What named groups shall capture."""

ADDRESSES4 = ["192.0.2.1", "192.0.2.7", "192.0.2.255", "198.51.100.9", "203.0.113.0", "203.0.113.77"]
ADDRESSES6 = ["2001:db8::1", "2001:DB8:0:0::7", "2001:db8:1:2:3:4:5:6", "2001:db8::a:0:0", "2001:0db8::00ff", "::1"]
NO_ADDRESSES = [
    "999.1.1.1",
    "192.0.2.300",
    "192.0.2.01",
    "2001:db8:::1",
    "2001::db8::1",
    "1:2:3",
    "12345::1",
    "::",
    "dead:beef",
]
HOSTS = [
    "host.example.org",
    "host-1.example.org",
    "a_b.example.com",
    "xn--bcher-kva.example",
    "localhost",
    "1.2.3",
    "192.0.2.8",
]
NAMES = ["root", "root", "admin", "bob", "", "-", "a b", "ünïcödé", "Ωmega", 'quo"ted', "[bracket]", "it's", "from 192.0.2.1",
         "::1", "%s", "x from 198.51.100.9 port 22 ssh2", "invalid user root", "user@example.org", "DOMAIN\\user", "a\tb", "$(id)",
         "\u2028", "ſK"]  # fmt: skip
PHRASES = [*NAMES, *ADDRESSES4[:3], *ADDRESSES6[:2], "[203.0.113.5]", "host.example.org", "Failed password", "a=b, c=d", "10:11:12",
           ": ", "2026-05-28 20:26:40", "May 28 20:26:40", "sshd[123]: x", "()", "<>", '""', "GET /index.php HTTP/1.1",
           "rhost=192.0.2.9 ", "user=<root>", "1780000000", "x" * 40, "\x00", "\x85", "\r", "é",
           "client: 192.0.2.3, server: x"]  # fmt: skip
_ALPHABET = string.ascii_letters + string.digits + string.punctuation + " \téßЖ٣\u00a0\u2003"
_CATEGORIES = {
    "DIGIT": re.compile(r"\d"),
    "SPACE": re.compile(r"\s"),
    "WORD": re.compile(r"\w"),
}


@lru_cache(maxsize=4096)
def _tree(pattern: str, flags: int) -> Any:
    return _parser.parse(pattern, flags)


class Writer:
    """Writes texts; *chance* decides, so that equal seeds write equal texts."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._groups: dict[int, str] = {}
        self._names: dict[int, str] = {}
        self._given: Given = {}
        self.families: tuple[int, ...] = (4, 6)
        """Of what the captured addresses are: expressions that take one family mostly take the other too."""
        self._stock: Given = {
            "ip4": lambda: self._address(4),
            "ip6": lambda: self._address(6),
            "dns": lambda: self._often(HOSTS, ADDRESSES4),
            "cidr": lambda: chance.choice(["24", "32", "64", "128", "0", "33", "300"]),
        }

    def matching(self, pattern: re.Pattern[str], given: Given | None = None, tries: int = 12) -> str | None:
        """Return a text in which *pattern* is found (a line end added); None when no try succeeds."""
        for _ in range(tries):
            text = self.write(pattern, given)
            if pattern.search(text + "\n"):
                return text
        return None

    def write(self, pattern: re.Pattern[str], given: Given | None = None, group: int = 0) -> str:
        """Return a text for *pattern*, or for its top-level *group* alone. It need not match."""
        tree = _tree(pattern.pattern, pattern.flags)
        self._groups = {}
        self._names = {number: name for name, number in tree.state.groupdict.items()}
        self._given = given or {}
        self._ignoring_case = bool(pattern.flags & re.IGNORECASE)
        nodes = tree if not group else next(arg[3] for op, arg in tree if op.name == "SUBPATTERN" and arg[0] == group)
        return self._all(nodes)

    def _address(self, family: int) -> str:
        if family not in self.families:
            family = self.families[0]
        return self._often(ADDRESSES4 if family == 4 else ADDRESSES6, NO_ADDRESSES)

    def _often(self, usual: Sequence[str], odd: Sequence[str]) -> str:
        return self._chance.choice(usual if self._chance.random() < 0.9 else odd)

    def _all(self, nodes: Any) -> str:
        return "".join([self._node(op.name, arg) for op, arg in nodes])

    def _node(self, op: str, arg: Any) -> str:
        chance = self._chance
        match op:
            case "LITERAL":
                letter = chr(arg)
                return letter.swapcase() if self._ignoring_case and chance.random() < 0.1 else letter
            case "IN" | "ANY" | "NOT_LITERAL":
                return self._letter(_accepted(op, _hashable(arg)))
            case "BRANCH":
                return self._all(chance.choice(arg[1]))
            case "SUBPATTERN":
                return self._group(*arg)
            case "ATOMIC_GROUP":
                return self._all(arg)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                return self._repeat(*arg)
            case "GROUPREF":
                return self._groups.get(arg, "")
            case "GROUPREF_EXISTS":
                number, yes, no = arg
                return self._all(yes) if number in self._groups else self._all(no) if no else ""
            case "ASSERT":
                return self._all(arg[1]) if arg[0] > 0 and chance.random() < 0.3 else ""
            case "AT" | "ASSERT_NOT" | "FAILURE":
                return ""
        raise AssertionError(f"unknown node {op} in an expression")

    def _letter(self, accepted: str) -> str:
        if not accepted:
            return ""
        letter = self._chance.choice(accepted)
        return letter if letter.isalnum() or self._chance.random() < 0.3 else self._chance.choice(accepted)

    def _group(self, number: int | None, on: int, off: int, nodes: Any) -> str:
        name = self._names.get(number, "") if number is not None else ""
        chance = self._chance
        if name in self._given:
            text = self._given[name]()
        elif name in self._stock:
            text = self._stock[name]()
        elif "user" in name and chance.random() < 0.6:
            text = chance.choice(NAMES)
        else:
            before, self._ignoring_case = self._ignoring_case, (self._ignoring_case or bool(on & 2)) and not off & 2
            text = self._all(nodes)
            self._ignoring_case = before
        if number is not None:
            self._groups[number] = text
        return text

    def _repeat(self, least: int, most: Any, nodes: Any) -> str:
        chance = self._chance
        most = int(most)
        if len(nodes) == 1 and nodes[0][0].name in ("ANY", "IN", "NOT_LITERAL"):
            return self._run(least, most, _accepted(nodes[0][0].name, _hashable(nodes[0][1])))
        times = least
        while times < min(most, least + 4) and chance.random() < 0.35:
            times += 1
        return "".join([self._all(nodes) for _ in range(times)])

    def _run(self, least: int, most: int, accepted: str) -> str:
        """Letters out of *accepted*: where nearly all are, as in ``.*`` and ``\\S+``, mostly a phrase."""
        chance = self._chance
        if len(accepted) > 60 and chance.random() < 0.6:
            for _ in range(4):
                phrase = chance.choice(PHRASES)
                if least <= len(phrase) <= most and all(letter in accepted or ord(letter) > 127 for letter in phrase):
                    return phrase
        length = chance.randint(least, min(most, least + chance.choice([0, 1, 3, 8])))
        return "".join([self._letter(accepted) for _ in range(length)])


def _hashable(arg: Any) -> Any:
    return tuple(arg) if isinstance(arg, list) else arg


@lru_cache(maxsize=4096)
def _accepted(op: str, arg: Any) -> str:
    """Return the letters of the alphabet, and what else the set names, that a node for one character accepts."""
    if op == "ANY":
        return _ALPHABET
    if op == "NOT_LITERAL":
        return "".join(letter for letter in _ALPHABET if ord(letter) != arg)
    named = "".join(chr(value) for kind, value in arg if kind.name == "LITERAL")
    return "".join(dict.fromkeys(letter for letter in _ALPHABET + named if _in(letter, arg)))


def _in(letter: str, items: Any) -> bool:
    found = negated = False
    for kind, value in items:
        match kind.name:
            case "NEGATE":
                negated = True
            case "LITERAL":
                found = found or ord(letter) == value
            case "RANGE":
                found = found or value[0] <= ord(letter) <= value[1]
            case "CATEGORY":
                _, _, name = value.name.partition("CATEGORY_")
                plain = name.removeprefix("NOT_")
                found = found or (_CATEGORIES[plain].match(letter) is not None) == (plain == name)
    return found != negated
