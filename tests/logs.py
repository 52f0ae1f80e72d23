"""Logs made up for a filter: what it looks for among what a server says all day, and all that goes wrong in log files.

The lines of a log have their dates in one way, as those of a real log; some have none, or an impossible one. Lines in other formats
are mixed in only on request (*mixed*), because of them the rest of a log may mean something else.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from bench.attacks import fill
from bench.voices import SYSLOG
from tests.conformance.corpus import Author, Variant, mutated
from tests.conformance.generation import PHRASES

START = datetime(2026, 11, 30, 23, 58, 20, tzinfo=UTC).timestamp()
"""Shortly before another month."""
Style = Callable[[datetime, str], str]


def _begin(form: str) -> Style:
    return lambda moment, message: f"{moment:{form}}{message}"


def _inside(form: str) -> Style:
    def put(moment: datetime, message: str) -> str:
        before, space, behind = message.partition(" ")
        return f"{before}{space}{moment:{form}} {behind}"

    return put


STYLES: dict[str, Style] = {
    "syslog": _begin("%b %e %H:%M:%S"),
    "iso": _begin("%Y-%m-%dT%H:%M:%S.%f+00:00"),
    "iso, short": _begin("%Y-%m-%d %H:%M:%S"),
    "error log": _begin("[%a %b %d %H:%M:%S.%f %Y]"),
    "counted": lambda moment, message: f"{moment.timestamp():.3f}{message}",
    "american": _begin("%m-%d-%Y %H:%M:%S"),
    "clock": _begin("%H:%M:%S"),
    "bracket": _begin("[%d/%b/%Y:%H:%M:%S +0000]"),
    "access log": _inside("[%d/%b/%Y:%H:%M:%S +0000]"),
    "iso inside": _inside("%Y-%m-%d %H:%M:%S"),
    "syslog inside": _inside("%b %e %H:%M:%S"),
}
FLOATING = ("access log", "iso inside", "syslog inside")


class Log(NamedTuple):
    """Batches: bytes of whole lines, and when they are read."""

    batches: tuple[tuple[bytes, float], ...]
    live: bool


def log(variant: Variant, style: str, seed: int, lines: int, *, mixed: bool = False) -> Log:
    """Return a log for *variant*; equal arguments, equal logs."""
    chance = random.Random(f"{seed} {variant.name} {style}")
    author = Author(variant, seed)
    batches: list[tuple[bytes, float]] = []
    now = START
    written = 0
    live = chance.random() < 0.7
    while written < lines:
        size = chance.choice([1, 1, 2, 5, 20, 60])
        data = b"".join(_line(author, style, now, chance, mixed=mixed) for _ in range(size))
        written += size
        now += chance.choice([0, 1, 3, 20, 70])
        if chance.random() < 0.03:
            data = b"\xef\xbb\xbf" + data
        batches.append((data, now))
    if chance.random() < 0.5:
        data, now = batches[-1]
        batches[-1] = data.removesuffix(b"\n"), now
    return Log(tuple(batches), live)


def _line(author: Author, style: str, now: float, chance: random.Random, *, mixed: bool) -> bytes:
    message = _message(author, chance)
    if chance.random() < 0.1:
        message = message.replace("s", chance.choice("ſS")).replace("k", chance.choice("KK")).replace("i", "ı")
    luck = chance.random()
    moment = datetime.fromtimestamp(now - chance.choice([0, 0, 0, 1, 30, 90]), UTC)
    put = STYLES[style]
    if mixed and luck < 0.1:
        put = STYLES[chance.choice(list(STYLES))]
    text = message if luck > 0.9 else put(moment, message)
    if luck > 0.88:
        text = text.replace(f"{moment:%b %e}", "Feb 30").replace(f"{moment:%Y-%m-%d}", "2026-02-30")
    if mixed and chance.random() < 0.2:
        text = mutated(text, chance)
    line = text.replace("\n", " ").encode("utf-8", "surrogateescape")
    if chance.random() < 0.05:
        line += chance.choice([b"\r", b"\x00", b"\xff\xfe", b"\xc3", b" - " * 100, "ſ K ı".encode()])
    return line + b"\n"


def _message(author: Author, chance: random.Random) -> str:
    luck = chance.random()
    if luck < 0.5:
        filter_ = author.filters["raw"]
        found = author.message(filter_, chance.randrange(len(filter_.failregex))).partition("\n")[0]
        return found if luck < 0.4 else mutated(found, chance)
    if luck < 0.8:
        return " host " + fill(chance.choice(SYSLOG), "198.51.100.3", chance)
    return f" {chance.choice(PHRASES)} "
