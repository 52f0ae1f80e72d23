"""What an attacker could do with the expressions of a filter: have somebody else banned, or keep the daemon busy.

Both are shown by construction: whoever reports a weakness has a line that proves it, made from the expression itself and tried
on it. What is not proven is not told, so there are no false alarms; a weakness may be missed.

**Forgery.** A filter is *forgeable* when a line exists such that

1. it is a line the filter was written for: a specimen of prefregex and failregex, in which the address is `REAL` and which is
   indeed blamed on `REAL`;
2. in it *one* stretch that the expression leaves to chance (a wildcard; what precedes an expression without ``^``; what
   follows one without ``$``) is filled with another text that the wildcard allows, as a client fills in a user name, a path
   or an agent;
3. and the line is then blamed on the address in that text.

Such texts repeat what the expression wants before the address: from the end of a wildcard (or from the beginning of the line)
up to it, then another address, then what is wanted after it. So a greedy ``.*`` before the address is forged by a text that
lies behind it, a lazy one by a text within it, an expression without ``^`` by a text before all of it, and none of them when
``$`` or a character that a wildcard excludes forbids the repetition.
Whether a client really chooses that text only the daemon's author knows.

**Pumps.** Time is lost where two repeats can share the same text in many ways: a repeated group with a repeat or an
alternative inside (``(a+)+``), and wildcards in a row that all take what stands between them (``.* .* .*``). For each the text
to repeat is proposed; how long it takes is for others to measure, since here is no clock.

Names and ids that are not addresses, look-arounds, and expressions for several lines at once are not judged.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from banish.matching.filter import Filter
from banish.matching.groups import capture_of
from banish.matching.identity import identify
from banish.matching.specimen import ALPHABET, REAL, Gap, Specimen, specimens

FORGED = "203.0.113.9"
"""The address that an attacker wants to have banned (RFC 5737)."""
FORGED6 = "2001:db8:bad::9"

_ANYTHING = "zq# (%) =zq; /zq:"
"""A text that no expression has in mind."""
_ENDINGS = ("", "!", " ", "\t")
"""What may make an expression fail after all it has repeated, so that it tries every other way."""


class Forgery(NamedTuple):
    """A proof: the filter blames *line* on *forged*, though *real* is who caused it."""

    line: str
    """As the filter sees it, without the date."""
    chosen: str
    """The part of it that the client chose."""
    real: str
    forged: str


class Pump(NamedTuple):
    """A family of texts; ``text(n)`` repeats *turn* n times."""

    before: str
    turn: str
    after: str
    around: tuple[str, str] = ("", "")
    """What a prefregex needs around the text to hand it on."""

    def text(self, turns: int) -> str:
        return self.before + self.turn * turns + self.after

    def line(self, turns: int) -> str:
        return self.around[0] + self.text(turns) + self.around[1]


def forgery(judge: Filter, index: int) -> Forgery | None:
    """Return a proof that failregex number *index* of *judge* is forgeable, None when none was found."""
    pattern = judge.failregex[index]
    if "skiplines0" in pattern.groupindex:
        return None
    for specimen in _lines(judge, index):
        if specimen.address is None:
            continue
        real = specimen.text[slice(*specimen.address)]
        forged = FORGED if real == REAL else FORGED6
        if blamed(judge, specimen.text) != real:
            continue
        gaps = [*specimen.gaps, *_outside(judge, specimen, real)]
        for line, chosen in _attacks(specimen, gaps, forged):
            if blamed(judge, line, only=index) == forged == blamed(judge, line):
                return Forgery(line, chosen, real, forged)
    return None


def blamed(judge: Filter, text: str, only: int | None = None) -> str | None:
    """Return the id that *judge* finds in a line, informational ones too; None when it finds nothing.

    The order of ``Filter.judge``, without sessions, that spread a judgement over several lines. With *only* no other failregex
    is tried.
    """
    text += "\n"
    fields = {}
    if judge.prefregex is not None:
        found = judge.prefregex.search(text)
        if found is None:
            return None
        fields = capture_of(judge.prefregex)(found)
        content = fields.pop("content", "")
        text = f"{content}\n" if content else text
    for pattern in judge.failregex if only is None else judge.failregex[only : only + 1]:
        found = pattern.search(text)
        if found is not None:
            if any(ignored.search(text) for ignored in judge.ignoreregex):
                return None
            who = identify(fields | capture_of(pattern)(found), judge.settings.usedns)
            return None if who is None else who.id
    return None


def pumps(judge: Filter, index: int | None) -> Iterator[Pump]:
    """Yield what could make failregex number *index* of *judge*, or its prefregex (None), slow."""
    pattern = judge.prefregex if index is None else judge.failregex[index]
    if pattern is None:
        return
    prefixes = _prefixes(judge) if index is not None else []
    told: dict[Pump, None] = {}
    for specimen in specimens(pattern):
        prefix = next((each for each in prefixes if _suits(judge, each, [specimen])), None)
        start, end = (prefix and prefix.content) or (0, 0)
        around = (prefix.text[:start], prefix.text[end:]) if prefix else ("", "")
        for (before, turn), after in itertools.product((*_loops(specimen), *_rows(specimen)), _ENDINGS):
            pump = Pump(before, turn, after, around)
            if turn and pump not in told and (not prefixes or _handed_on(judge, pump.line(3), pump.text(3))):
                told[pump] = None
                yield pump


def pumps_alone(pattern: re.Pattern[str]) -> Iterator[Pump]:
    """Yield what could make *pattern* slow, which is searched for in lines of any kind (an ignoreregex, a date)."""
    told: dict[Pump, None] = {}
    for specimen in specimens(pattern):
        for (before, turn), after in itertools.product((*_loops(specimen), *_rows(specimen)), _ENDINGS):
            told[Pump(before, turn, after)] = None
    yield from (pump for pump in told if pump.turn)


def _lines(judge: Filter, index: int) -> Iterator[Specimen]:
    """Yield specimens of whole lines: every one of the failregex in the plainest prefix, and the plainest in every prefix."""
    messages = list(specimens(judge.failregex[index]))
    prefixes = _prefixes(judge)
    if not prefixes:
        yield from messages  # a prefregex without content sees the same text; whether it likes it will be seen
        return
    base = next((prefix for prefix in prefixes if _suits(judge, prefix, messages[:1])), prefixes[0])
    for message in messages:
        yield _within(base, message)
    for prefix in prefixes:
        # One in which no client could write a sentence is as good as any other.
        if any(gap.takes(" x") for gap in prefix.gaps if prefix.content and gap.end <= prefix.content[0]):
            yield from (_within(prefix, message) for message in messages[:2])


def _suits(judge: Filter, prefix: Specimen, messages: Iterable[Specimen]) -> bool:
    """True when *prefix* takes no part of a message for its own."""
    return any(_handed_on(judge, _within(prefix, message).text, message.text) for message in messages)


def _prefixes(judge: Filter) -> list[Specimen]:
    """Return the specimens of the prefregex that hand something on."""
    if judge.prefregex is None:
        return []
    found = []
    for specimen in specimens(judge.prefregex):
        match = judge.prefregex.search(specimen.text + "\n")
        if match is not None and specimen.content is not None and match.span("content") == specimen.content:
            found.append(specimen)
    return found


def _within(prefix: Specimen, message: Specimen) -> Specimen:
    """Return *message* in the place that *prefix* has for content."""
    start, end = prefix.content or (0, 0)
    by = len(message.text) - (end - start)
    inside = message.shifted(start)
    before = tuple(gap for gap in prefix.gaps if gap.end <= start)
    after = tuple(gap._replace(start=gap.start + by, end=gap.end + by) for gap in prefix.gaps if gap.start >= end)
    address = inside.address or prefix.address
    if address is not None and inside.address is None and address[0] >= end:
        address = address[0] + by, address[1] + by
    text = prefix.text[:start] + message.text + prefix.text[end:]
    return Specimen(text, (*before, *inside.gaps, *after), inside.loops, address, None)


def _outside(judge: Filter, specimen: Specimen, real: str) -> Iterator[Gap]:
    """Yield the gaps before and behind a specimen, where anything at all may stand without changing who is blamed."""
    text = specimen.text
    if blamed(judge, f"{_ANYTHING} {text}") == real:
        yield Gap(0, 0, ALPHABET)
    if blamed(judge, f"{text} {_ANYTHING}") == real:
        yield Gap(len(text), len(text), ALPHABET)


def _attacks(specimen: Specimen, gaps: Iterable[Gap], forged: str) -> Iterator[tuple[str, str]]:
    """Yield lines in which a client tries to be taken for *forged* by filling one of *gaps*, each with the text it chose."""
    text, address = specimen.text, specimen.address
    if address is None:
        return
    start, end = address
    stops = sorted({end, len(text), *(gap.end for gap in specimen.gaps if gap.start >= end)})
    told = set()
    for gap in gaps:
        own = text[gap.start : gap.end] or "x"
        claims = [text[begin:start] + forged + text[end:stop] for begin in _begins(specimen, gap) for stop in stops]
        for claim in claims:
            for before, after in itertools.product(("", own, " ", f"{own} "), (" ", "", f" {own}", own, ": ")):
                chosen = before + claim + after
                line = text[: gap.start] + chosen + text[gap.end :]
                if gap.takes(chosen) and line not in told:
                    told.add(line)
                    yield line, chosen.strip()


def _begins(specimen: Specimen, gap: Gap) -> Iterator[int]:
    """Yield from where on a text in *gap* must repeat the specimen: behind a wildcard that swallows all before that text."""
    text = specimen.text
    start = len(text) if specimen.address is None else specimen.address[0]
    for swallow in reversed(specimen.gaps):
        if swallow.end <= min(start, gap.end) and swallow.takes(text[swallow.start : gap.start]):
            yield swallow.end
    if gap.start == 0:
        yield 0


def _loops(specimen: Specimen) -> Iterator[tuple[str, str]]:
    for loop in specimen.loops:
        for turn in loop.turns:
            yield specimen.text[: loop.start], turn


def _rows(specimen: Specimen) -> Iterator[tuple[str, str]]:
    """Yield pumps for each row of wildcards that share characters and take what stands between them."""
    gaps, text = specimen.gaps, specimen.text
    for first, gap in enumerate(gaps):
        shared, place, apart = gap.allowed, gap.end, ""
        between: list[str] = []
        for following in gaps[first + 1 :]:
            apart += text[place : following.start]
            place = following.end
            both = shared & following.allowed
            if both and both.issuperset(apart):
                shared = both
                between.append(apart)
                apart = ""
            elif not following.optional:
                break
        if between:
            for turn in dict.fromkeys(("".join(between), *between, max(shared))):
                yield text[: gap.start], turn


def _handed_on(judge: Filter, line: str, content: str) -> bool:
    """True when the prefregex hands *content* of *line* on to the failregex."""
    found = judge.prefregex.search(line + "\n") if judge.prefregex is not None else None
    return found is not None and found["content"] == content
