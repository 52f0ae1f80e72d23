"""Searches for the lines that keep the daemon busiest, for every filter of a tree in every mode that it has.

``python -m tests.worst_lines [--tree /etc/fail2ban] [--filter NAME …]`` writes a row for each filter: the longest that one line
kept all others waiting, which line it was, and whether it was given up. It exits with 1 when one took longer than `BEARABLE`.

Lines are made of the expressions themselves, so that they hold every literal that is asked for: from what ``analysis`` thinks
slow (`pumps`), and from specimens in which one wildcard takes in a long repetition; and of what is slow with any expression.
All are tried at one length, the slowest of them at others up to the longest line that is judged. They go the way of every line:
bytes, date, jail, with the guard watching.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from banish.daemon.guard import Guard
from banish.jail import Jail, JailSettings
from banish.lines.reader import LineReader, LineSettings
from banish.matching import analysis
from banish.matching.filter import Filter
from banish.patience import GivenUp
from banish.sources.reading import LONGEST
from banish.subscription import Subscription
from tests.conformance.corpus import STOCK, Variant, variants

BEARABLE = 0.1
"""Seconds that a line may keep the next one waiting."""
FIRST = 2000
"""Characters of the lines with which the slowest are found …"""
LENGTHS = (100, 500, 1000, 4000, 5000, 20_000, 100_000, LONGEST - 100)
"""… and of those that are made of the slowest."""
SLOWEST = 5
STREAM = 300
NOW = 1_780_000_000.0
_DATES = ("", "2026-05-28 20:26:40 ", "May 28 20:26:40 ", "[28/May/2026:20:26:40 +0000] ")
_TURNS = (" ", "a", "0", ".", "[", "(", '"', "'", ":", "\\", "/", "-", "=", ",", "\t", "a ", "a.", "[a", '"a" ', "\0", "\xe9", "::1 ",
          "from 192.0.2.1 ", "user=a ", "192.0.2.1 ", "sshd[1]: ", "Failed ", "1:2:3 ", "Jan 1 ", "2026-05-28T20:26:4 ")  # fmt: skip
_ENDS = ("", "!")
_Thing = TypeVar("_Thing")


class Family(NamedTuple):
    """Texts that repeat something."""

    kind: str
    before: str
    turn: str
    after: str

    def text(self, characters: int) -> str:
        turns = (characters - len(self.before) - len(self.after)) // len(self.turn)
        return self.before + self.turn * max(turns, 1) + self.after

    def __str__(self) -> str:
        before, after = (
            text if len(text) <= 30 else text[:14] + "…" + text[-14:] for text in (self.before, self.after)
        )
        return f"{self.kind}: {before!r} + {self.turn[:20]!r}* + {after!r}"


_ALWAYS = (Family("repeat", "", "1 ", ""), Family("repeat", _DATES[1], " ", "!"), Family("repeat", _DATES[1], "[", "!"))


class Delay(NamedTuple):
    seconds: float
    family: Family
    characters: int
    given_up: bool


class Row(NamedTuple):
    name: str
    families: int
    worst: Delay
    given_up: int
    """Of the lines tried at several lengths."""
    tried: int
    stream: float
    """Seconds for each line of the worst family, of 450 to 500 characters, when there has been a stream of them."""


class Bench:
    """One filter at work as in the daemon."""

    def __init__(self, variant: Variant) -> None:
        self._now = 0.0
        self.guard = Guard(lambda: self._now)
        self.judge = Filter(variant.filter)  # another one, for the analysis
        reader = LineReader(LineSettings(variant.datepattern), patience=self.guard.source("log"))
        settings = JailSettings(
            "worst", filter=replace(variant.filter, usedns="raw"), lines=LineSettings(variant.datepattern)
        )
        # Without a prefilter, which would pass over many of these lines: there are such that it cannot pass over.
        self._subscription = Subscription(reader, [Jail(settings, patience=self.guard.jail("worst"))], thorough=True)

    def delay(self, family: Family, characters: int) -> Delay:
        text = family.text(characters)
        data = text.encode()[:LONGEST] + b"\n"
        seconds, given_up = self.feed(data)
        for _ in range(2):  # somebody else may have been busy
            if seconds > 0.8 * BEARABLE:
                seconds = min(seconds, self.feed(data)[0])
        return Delay(seconds, family, len(text), given_up > 0)

    def feed(self, data: bytes, *, rested: bool = True) -> tuple[float, int]:
        """Judge *data*; return the processor time it took, of other processes too, and how many lines were given up.

        *rested*: with all credit, else with what the last lines have left.
        """
        self._now += 1000.0 * rested
        before = self._given_up()
        began = _spent()
        with self.guard.watching():
            for jail, share in self._subscription.shares(data, NOW):
                jail.feed(share, NOW)
        return _spent() - began, self._given_up() - before

    def _given_up(self) -> int:
        return self.guard.jail("worst").lines + self.guard.source("log").lines


def families(bench: Bench) -> Iterator[Family]:
    """Yield all that may be slow, without repetition. Takes no longer for an expression than a moment."""
    told: set[tuple[str, str, str]] = set()
    for family in itertools.chain(_pumps(bench), _filled(bench), _classics()):
        key = (family.before, family.turn, family.after)
        if family.turn and "\n" not in "".join(key) and key not in told:
            told.add(key)
            yield family


def _classics() -> Iterator[Family]:
    for date, turn, end in itertools.product(_DATES, _TURNS, _ENDS):
        yield Family("repeat", date, turn, end)


def _pumps(bench: Bench) -> Iterator[Family]:
    for index in (None, *range(len(bench.judge.failregex))):
        for pump in _watched(bench, analysis.pumps(bench.judge, index)):
            before, after = pump.around
            for date in _DATES[:2]:
                yield Family("pump", date + before + pump.before, pump.turn, pump.after + after)


def _filled(bench: Bench) -> Iterator[Family]:
    for index in range(len(bench.judge.failregex)):
        for specimen in itertools.islice(_watched(bench, analysis._lines(bench.judge, index)), 6):
            text = specimen.text
            for gap in specimen.gaps:
                turns = [turn for turn in (*_TURNS, text) if gap.takes(turn)] or [min(gap.allowed, default="")]
                for turn, end in itertools.product(turns[:8], ("!", None)):
                    after = text[gap.end :] if end is None else end
                    yield Family("specimen", _DATES[1] + text[: gap.start], turn, after)


def _watched(bench: Bench, things: Iterator[_Thing]) -> Iterator[_Thing]:
    """Yield *things* as long as finding the next one does not take for ever: the analysis tries lines on the expressions."""
    patience = bench.guard.trial()
    while True:
        with bench.guard.watching():
            patience.text = ""
            try:
                thing = next(things)
            except (GivenUp, StopIteration):
                return
            finally:
                patience.text = None
        yield thing


def search(variant: Variant, lengths: Sequence[int] = LENGTHS, most: int | None = None) -> Row:
    """Search for the worst lines of one filter, among *most* families only if given."""
    bench = Bench(variant)
    proposals = list(itertools.islice(families(bench), most))
    found = sorted((bench.delay(family, FIRST) for family in proposals), key=lambda each: -each.seconds)
    slowest = [each.family for each in found[:SLOWEST]]
    more = [bench.delay(family, length) for family in dict.fromkeys((*_ALWAYS, *slowest)) for length in lengths]
    found += more
    worst = max(found, key=lambda each: each.seconds)
    batch = b"".join(f"{slowest[0].text(500 - number % 50)}\n".encode() for number in range(STREAM))
    bench.feed(batch)
    stream = bench.feed(batch, rested=False)[0] / STREAM
    return Row(variant.name, len(proposals), worst, sum(each.given_up for each in more), len(more), stream)


def _spent() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.worst_lines", description="Search for the lines that take longest."
    )
    parser.add_argument("--tree", type=Path, default=STOCK, help=f"a directory with filter.d (default {STOCK})")
    parser.add_argument("--filter", action="append", help="only variants whose name begins so; may be repeated")
    options = parser.parse_args(words)
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for variant in variants(Path(work), options.tree):
            if not options.filter or variant.name.startswith(tuple(options.filter)):
                rows.append(row := search(variant))
                worst = row.worst
                sys.stdout.write(
                    f"{row.name:34} {row.families:5} families, worst {worst.seconds * 1000:6.1f} ms"
                    f"{' (given up)' if worst.given_up else ''} at {worst.characters} characters, {row.given_up} of {row.tried}"
                    f" given up, stream {row.stream * 1000:.2f} ms a line; {worst.family}\n"
                )
                sys.stdout.flush()
    unbearable = [row for row in rows if row.worst.seconds > BEARABLE]
    worst_row = max(rows, key=lambda row: row.worst.seconds)
    sys.stdout.write(
        f"{len(rows)} filters; worst {worst_row.worst.seconds * 1000:.1f} ms ({worst_row.name}); lines given up in "
        f"{sum(row.given_up > 0 for row in rows)} filters; {len(unbearable)} took longer than {BEARABLE * 1000:.0f} ms\n"
    )
    return 1 if unbearable else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
