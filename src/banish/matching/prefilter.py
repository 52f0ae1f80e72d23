"""Which lines of a buffer a filter must look at, for many filters in one pass: lines that hold a literal of one of its expressions.

For each failregex one factor is looked for (see ``literals``): its own, or that of the prefregex before it. Which of several is the
rarest in a log is a matter of counting (``choose``); the choice never changes what is found, only how often it is looked in vain.

A filter that cannot be told by literals stands aside, and must see every line: ``aside`` says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import NamedTuple

from banish.matching import scanners
from banish.matching.filter import Filter
from banish.matching.literals import Cuts, Factor, Literal, factors

_SAMPLE = 1 << 16
"""Bytes of a log that literals are counted in, as soon as so many have gone by."""
_WORTHWHILE = 2000
"""Lines that hold literals after which these are chosen anew, which costs as much as some hundred such lines; and again whenever four
times as many have been met, or `_AT_LAST` more. A log that has next to none has nothing to gain."""
_AT_LAST = 100_000
_SLACK = 2
"""How many searches more in the lines of a sample it is worth to look for one literal instead of several."""
_PAIRED = 1 << 14
"""Bytes of a sample in which pairs of bytes are counted."""
_LEAST = 4
"""Bytes that are left of a literal."""
_REMEMBERED = 4096
"""Sets of literals whose meaning is kept; all are forgotten when there are more."""


class Suspicion(NamedTuple):
    filter: int
    """Number of the filter."""
    regexes: tuple[int, ...]
    """Which of its failregex may be found; the others cannot. In order."""


class Candidates(NamedTuple):
    """The lines of some data that filters must look at, in order."""

    spans: list[tuple[int, int]]
    """Where each begins and where the next line does: its newline, if it has one, is within."""
    suspicions: list[tuple[Suspicion, ...]]
    """What each of them is suspected of."""


class _Need(NamedTuple):
    """One failregex, and the factors of the lines it can be found in: its own and those of the prefregex before it."""

    filter: int
    regex: int
    factors: tuple[Factor, ...]


class Prefilter:
    """Looks for what *filters* need in lines out of which dates are cut as *cuts* says.

    *scanner*: who looks; the best there is unless given.
    """

    def __init__(
        self, filters: Sequence[Filter], cuts: Cuts, encoding: str, scanner: type[scanners.Scanner] | None = None
    ) -> None:
        self._scanner_type = scanner or scanners.best()
        self._needs: list[_Need] = []
        self.aside: dict[int, str] = {}
        """The filters that must see every line, and why."""
        for number, each in enumerate(filters):
            self._learn(number, each, cuts, encoding)
        self._sample: list[bytes] = []
        self._met = self._choose_at = 0
        """Lines with literals, and how many of them it takes until the next choice."""
        self.literals: tuple[Literal, ...] = ()
        """What is looked for; nothing as long as nothing has been looked through."""
        self._wanted: tuple[list[tuple[int, int]], ...] = ()
        """By literal, the failregex (with their filter's number before them) that it may mean."""
        self._known: dict[tuple[int, ...], tuple[Suspicion, ...]] = {}
        self._scanner: scanners.Scanner | None = None
        """None until there is something to look through: some are asked only who stands aside."""

    def _learn(self, number: int, filter_: Filter, cuts: Cuts, encoding: str) -> None:
        if filter_.settings.maxlines > 1:
            self.aside[number] = "maxlines is above 1"
            return
        prefix = factors(filter_.prefregex, cuts, encoding) if filter_.prefregex is not None else ()
        needs = []
        for index, pattern in enumerate(filter_.failregex):
            choice = (*factors(pattern, cuts, encoding), *prefix)
            if not choice:
                self.aside[number] = f"no text is in every line that failregex {index + 1} finds"
                return
            needs.append(_Need(number, index, choice))
        self._needs += needs

    def choose(self, sample: bytes) -> scanners.Scanner:
        """Look for those factors from now on that are rarest in *sample*, a piece of the log; those that look so if it is empty.

        Return what looks for them.
        """
        counts = _Counts(sample)
        chosen = [min(need.factors, key=counts.of) if sample else need.factors[0] for need in self._needs]
        if sample and chosen and (alone := self._alone(counts, chosen)) is not None:
            chosen = [alone] * len(self._needs)
        literals = frozenset[Literal]().union(*chosen)
        short = {each: counts.shortened(each, at_end=len(literals) > 1) for each in literals} if sample else {}
        wanted: dict[Literal, list[tuple[int, int]]] = {}
        for need, factor in zip(self._needs, chosen, strict=True):
            for literal in factor:
                wanted.setdefault(short.get(literal, literal), []).append((need.filter, need.regex))
        looked_for, meanings = tuple(wanted), tuple(wanted.values())
        if self._scanner is None or (looked_for, meanings) != (self.literals, self._wanted):
            self.literals, self._wanted = looked_for, meanings
            self._known = {}
            self._scanner = self._scanner_type(looked_for)
        return self._scanner

    def _alone(self, counts: _Counts, chosen: Sequence[Factor]) -> Factor | None:
        """Return one literal as a factor of all expressions, if there is one that is about as rare as *chosen* are together.

        One literal is looked for in half the time that two take; to look for many takes little longer than for two. But a line that has
        it is suspected of every expression.
        """
        singles = [
            [literal for factor in need.factors if len(factor) == 1 for literal in factor] for need in self._needs
        ]
        common = {one for one in chain(*singles) if all(any(map(one.is_in, each)) for each in singles)}
        best = min(common, key=lambda one: (counts.of(frozenset({one})), one), default=None)
        if best is None:
            return None
        searches = counts.of(frozenset({best})) * len(self._needs)
        return frozenset({best}) if searches <= counts.of(frozenset().union(*chosen)) + _SLACK else None

    def candidates(self, data: bytes) -> Candidates:
        """Return the lines of *data* that a filter must look at."""
        if self._met >= self._choose_at:
            self._sample.append(data)
            if sum(map(len, self._sample)) >= _SAMPLE:
                self.choose(b"".join(self._sample)[-_SAMPLE:])
                self._sample = []
                self._choose_at = max(_WORTHWHILE, min(4 * self._met, self._met + _AT_LAST))
        scanner = self._scanner or self.choose(b"")
        spans: list[tuple[int, int]] = []
        suspicions: list[tuple[Suspicion, ...]] = []
        known = self._known.get
        stop = 0
        held: tuple[int, ...] = ()
        for place, number in scanner.scan(data):
            if place < stop:
                held += (number,)
                continue
            if held:
                suspicions.append(known(held) or self._suspicions(held))
            stop = data.find(b"\n", place) + 1 or len(data) + 1
            spans.append((data.rfind(b"\n", 0, place) + 1, stop))
            held = (number,)
        if held:
            suspicions.append(known(held) or self._suspicions(held))
            if stop > len(data):
                spans[-1] = spans[-1][0], len(data)
        self._met += len(spans)
        return Candidates(spans, suspicions)

    def _suspicions(self, held: tuple[int, ...]) -> tuple[Suspicion, ...]:
        """Return what a line is suspected of that holds the literals *held*, and remember it."""
        regexes: dict[int, list[int]] = {}
        for number, regex in sorted({want for literal in held for want in self._wanted[literal]}):
            regexes.setdefault(number, []).append(regex)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        known = self._known[held] = tuple([Suspicion(number, tuple(some)) for number, some in regexes.items()])
        return known


class _Counts:
    """How often literals are in *sample*."""

    def __init__(self, sample: bytes) -> None:
        self._sample = sample
        self._lowered = sample.lower()
        self._known: dict[Literal, int] = {}
        self._pairs_of: dict[bool, Counter[tuple[int, ...]]] = {}

    def of(self, factor: Factor) -> int:
        return sum(map(self._of, factor))

    def shortened(self, literal: Literal, *, at_end: bool) -> Literal:
        """Return a part of *literal* that is found no more often, and ends (or else begins) with the rarest two bytes.

        Hyperscan looks for the last bytes of several literals, and for the first two of a single one; wherever it finds these, it looks
        closer. So " not found" takes three times as long as " not fou" in a log that has many a "round".
        """
        text, pairs = literal.text, self._pairs(literal.caseless)
        lengths = range(len(text), min(_LEAST, len(text)) - 1, -1)
        parts = [literal._replace(text=text[:length] if at_end else text[-length:]) for length in lengths]
        looked_for = slice(-2, None) if at_end else slice(2)
        parts.sort(key=lambda part: pairs[tuple(part.text[looked_for])])
        return next(part for part in parts if self._of(part) <= self._of(literal))

    def _of(self, literal: Literal) -> int:
        if literal not in self._known:
            self._known[literal] = (self._lowered if literal.caseless else self._sample).count(literal.text)
        return self._known[literal]

    def _pairs(self, caseless: bool) -> Counter[tuple[int, ...]]:
        """Return how often two bytes follow each other, in lower case or as they are."""
        if caseless not in self._pairs_of:
            text = (self._lowered if caseless else self._sample)[:_PAIRED]
            self._pairs_of[caseless] = Counter(pairwise(text))
        return self._pairs_of[caseless]
