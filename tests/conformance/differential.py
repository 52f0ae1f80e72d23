"""The differential test against fail2ban itself: generated lines over every filter, judged by both.

::

    python -m tests.conformance.differential --lines 200000 --seed 1

prints a row per filter (lines, failures on each side, differences) and every difference that nobody has explained (``explained``),
and exits with 1 when there is one. In both sides a line takes the whole way from bytes to failures: decoding, date, clock, filter.

After a difference both sides begin anew with the next line, so that one difference does not lead to others.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby, repeat
from pathlib import Path

from banish.jail import Jail, JailSettings
from banish.lines.clock import Clock
from banish.lines.reader import LineReader, LineSettings
from banish.lines.stretch import Share
from banish.matching import scanners
from banish.matching.filter import Filter, Sighting
from banish.subscription import Subscription
from tests.conformance.corpus import EPISODE, FINDTIME, Author, Episode, Variant, variants
from tests.conformance.explained import Difference, explanation
from tests.conformance.oracle import Found, Oracle, comparable

PATIENCE = 1.0
"""Seconds of computing a line may take."""
Answers = list[list[Found] | str]


@dataclass
class Row:
    """What came of the lines of one variant."""

    variant: str
    lines: int = 0
    theirs: int = 0
    """Failures they found, and we."""
    ours: int = 0
    explained: Counter[str] = field(default_factory=Counter)
    unexplained: list[Difference] = field(default_factory=list)
    unbearable: int = 0
    """Lines left out because an expression took ages over them."""
    never_matched: tuple[int, ...] = ()
    """Expressions for which no line was generated that matches."""


def ours(episode: Episode) -> Answers:
    """Judge the lines of *episode* by our rooms; the process' own zone must be the episode's."""
    return list(_judged(episode))


def _judged(episode: Episode) -> Iterator[list[Found] | str]:
    reader = LineReader(LineSettings(episode.variant.datepattern, "utf-8", episode.timezone))
    clock = Clock("generated", FINDTIME, dated=reader.dated)
    filter_ = Filter(episode.settings)
    for text, now in episode.lines:
        (line,) = reader.read(text.encode("utf-8", "surrogateescape") + b"\n", now)
        timing = clock.judge(line, now, live=episode.live)
        if timing.at is None:
            yield []
            continue
        # fail2ban's sessions age by the clock on the wall, which stands still while it is asked.
        verdict = filter_.judge(timing.line(line), timing.at, now=0.0)
        found = [comparable(m.regex, m.id, m.at, dict(m.fields), list(m.lines)) for m in verdict.matches]
        yield "ignored" if verdict.outcome == "ignored" else found


def sifted(episode: Episode, scanner: type[scanners.Scanner]) -> Answers:
    """As `ours`, but with lines passed over as *scanner* and the subscription allow; lines of one moment are read in one stretch."""
    lines = LineSettings(episode.variant.datepattern, "utf-8", episode.timezone)
    reader = LineReader(lines)
    clock = Clock("generated", FINDTIME, dated=reader.dated)
    jail = Jail(JailSettings("generated", lines, episode.settings))
    subscription = Subscription(reader, [jail], scanner)
    answers: Answers = []
    for now, group in groupby(episode.lines, lambda line: line[1]):
        texts = [text.encode("utf-8", "surrogateescape") + b"\n" for text, _ in group]
        starts = [0, *accumulate(map(len, texts))]
        found: Answers = [[] for _ in texts]
        ((_, share),) = subscription.shares(b"".join(texts), now)
        begins = [start for start, _ in share.spans] if isinstance(share, Share) else starts
        for start, line, suspected in zip(begins, share, share.suspects or repeat(None), strict=False):
            timing = clock.judge(line, now, live=episode.live)
            if timing.at is not None and suspected != ():
                sighting = jail.filter.find(timing.line(line), suspected)
                if isinstance(sighting, Sighting):
                    matches = jail.filter.conclude(sighting, timing.at, 0.0).matches
                    found[starts.index(start)] = [
                        comparable(m.regex, m.id, m.at, dict(m.fields), list(m.lines)) for m in matches
                    ]
        answers += found
    return answers


class _TooSlowError(Exception):
    """An expression takes ages over a line."""


def bearable(episode: Episode) -> Episode:
    """Return *episode* without the lines on which an expression takes ages, as it does on both sides: they run the same ``re``."""

    def stop(*_: object) -> None:
        raise _TooSlowError

    before = signal.signal(signal.SIGVTALRM, stop)
    try:
        while True:
            judged = 0
            try:
                signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
                for _ in _judged(episode):
                    judged += 1
                    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
                return episode
            except _TooSlowError:
                episode = episode._replace(lines=episode.lines[:judged] + episode.lines[judged + 1 :])
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    finally:
        signal.signal(signal.SIGVTALRM, before)


_scanner: type[scanners.Scanner] | None = None
"""Who passes over lines on our side; None: nobody."""


def both(oracle: Oracle, episode: Episode) -> tuple[Answers, Answers]:
    """Return their answers and ours."""
    machine_zone(episode.machine)
    oracle.ask_file(
        episode.settings,
        episode.variant.datepattern,
        episode.lines,
        timezone=episode.timezone,
        machine=episode.machine,
        live=episode.live,
    )
    mine = ours(episode) if _scanner is None else sifted(episode, _scanner)  # while the oracle thinks
    theirs = oracle.answer()
    assert not isinstance(theirs, str), f"{episode.variant.name}: {theirs}"
    if _scanner is not None:  # a line that is ignored need not be looked at to be no failure
        theirs = [[] if answer == "ignored" else answer for answer in theirs]
    return [_clamped(answer, now) for answer, (_, now) in zip(theirs, episode.lines, strict=True)], mine


def agree(theirs: list[Found] | str, mine: list[Found] | str) -> bool:
    """Tell whether two answers are the same but for dates that are not in the line: before a line without a date fail2ban shows
    the last one that it read, we show lines as they are written."""
    if theirs == mine or isinstance(theirs, str) or isinstance(mine, str):
        return theirs == mine
    return [found[:4] for found in theirs] == [found[:4] for found in mine] and all(
        len(a[4]) == len(b[4]) and all(map(str.endswith, a[4], b[4])) for a, b in zip(theirs, mine, strict=True)
    )


def _clamped(answer: list[Found] | str, now: float) -> list[Found] | str:
    """No time after now: fail2ban sees to that later, when it makes a ticket."""
    if isinstance(answer, str):
        return answer
    return [(regex, id_, min(at, now), fields, lines) for regex, id_, at, fields, lines in answer]


def machine_zone(name: str) -> None:
    if os.environ.get("TZ") != name:
        os.environ["TZ"] = name
        time.tzset()


def compare(oracle: Oracle, episode: Episode, row: Row) -> None:
    """Have both sides judge *episode*, and enter what came of it in *row*."""

    def judge(cured: Episode) -> Difference | None:
        if bearable(cured) != cured:
            return Difference(cured, [], [])
        theirs, mine = both(oracle, cured)
        return None if agree(theirs[-1], mine[-1]) else Difference(cured, theirs[-1], mine[-1])

    machine_zone(episode.machine)
    lines = len(episode.lines)
    episode = bearable(episode)
    row.unbearable += lines - len(episode.lines)
    while episode.lines:
        theirs, mine = both(oracle, episode)
        first = next((number for number, pair in enumerate(zip(theirs, mine, strict=True)) if not agree(*pair)), None)
        judged = len(episode.lines) if first is None else first + 1
        row.lines += judged
        row.theirs += _failures(theirs[:judged])
        row.ours += _failures(mine[:judged])
        if first is not None:
            difference = Difference(episode._replace(lines=episode.lines[:judged]), theirs[first], mine[first])
            reason = explanation(difference, judge)
            if reason is None:
                difference = shortened(oracle, difference)
                reason = explanation(difference, judge)
            if reason is None:
                row.unexplained.append(difference)
            else:
                row.explained[reason] += 1
        episode = episode._replace(lines=episode.lines[judged:])


def _failures(answers: Iterable[list[Found] | str]) -> int:
    return sum(len(answer) for answer in answers if not isinstance(answer, str))


def shortened(oracle: Oracle, difference: Difference) -> Difference:
    """Drop earlier lines that the difference does not need."""
    lines = list(difference.episode.lines)
    size = max(len(lines) // 2, 1)
    while len(lines) > 1:
        at = 0
        while at < len(lines) - 1:
            fewer = lines[:at] + lines[min(at + size, len(lines) - 1) :]
            episode = difference.episode._replace(lines=tuple(fewer))
            theirs, mine = both(oracle, episode)
            if not agree(theirs[-1], mine[-1]) and all(map(agree, theirs[:-1], mine[:-1])):
                lines, difference = fewer, Difference(episode, theirs[-1], mine[-1])
            else:
                at += size
        if size == 1:
            break
        size //= 2
    return difference._replace(shortened=True)


def run(oracle: Oracle, chosen: Sequence[Variant], lines: Callable[[Variant], int], seed: int) -> Iterator[Row]:
    """Yield a row for each variant, with as many lines as *lines* says."""
    for variant in chosen:
        author = Author(variant, seed)
        row = Row(variant.name)
        for episode in author.episodes(lines(variant)):
            compare(oracle, episode, row)
        row.never_matched = tuple(sorted(author.missed - author.hit))
        yield row


def told(difference: Difference) -> str:
    """A difference, for people."""
    episode = difference.episode
    earlier = "".join(f"    after     {text!r} (read at {now:.0f})\n" for text, now in episode.lines[:-1])
    text, now = episode.lines[-1]
    return (
        f"{episode.variant.name} usedns={episode.usedns} machine={episode.machine} logtimezone={episode.timezone!r} "
        f"live={episode.live}\n{earlier}    line      {text!r} (read at {now:.0f})\n"
        f"    fail2ban  {difference.theirs}\n    banish    {difference.ours}"
    )


def table(rows: Iterable[Row]) -> Iterator[str]:
    """The table as lines of text, each as soon as it is known."""
    total = Row("total")
    yield f"{'filter':<44}{'lines':>8}{'fail2ban':>10}{'banish':>10}{'explained':>11}{'unexplained':>13}"
    for row in rows:
        yield _row(row)
        if row.never_matched:
            yield f"    no line was found that matches expression {', '.join(map(str, row.never_matched))}"
        if row.unbearable:
            yield f"    {row.unbearable} lines on which an expression takes more than {PATIENCE} s were left out"
        for difference in row.unexplained:
            yield told(difference)
        total.lines += row.lines
        total.theirs += row.theirs
        total.ours += row.ours
        total.explained += row.explained
        total.unexplained += row.unexplained
    yield _row(total)
    for reason, count in total.explained.most_common():
        yield f"{count:>8}  {reason}"


def _row(row: Row) -> str:
    explained = sum(row.explained.values())
    return f"{row.variant:<44}{row.lines:>8}{row.theirs:>10}{row.ours:>10}{explained:>11}{len(row.unexplained):>13}"


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance.differential", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--lines", type=int, default=20000, help="how many lines over all filters")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--filter", default="", help="only filters whose name begins so")
    parser.add_argument(
        "--prefilter", choices=scanners.SCANNERS, help="pass over lines as the daemon does, with this scanner"
    )
    chosen = parser.parse_args(words)
    global _scanner  # noqa: PLW0603 - one run, one way
    _scanner = scanners.load(chosen.prefilter) if chosen.prefilter else None
    with tempfile.TemporaryDirectory() as work, Oracle() as oracle:
        picked = [variant for variant in variants(Path(work)) if variant.name.startswith(chosen.filter)]
        every = sum(len(variant.filter.failregex) for variant in picked) or 1
        rows: list[Row] = []

        def lines(variant: Variant) -> int:
            share: int = chosen.lines * len(variant.filter.failregex) // every
            return max(EPISODE, share)

        def noted() -> Iterator[Row]:
            for row in run(oracle, picked, lines, chosen.seed):
                rows.append(row)
                yield row

        for text in table(noted()):
            print(text.encode("utf-8", "backslashreplace").decode(), flush=True)
    return 1 if any(row.unexplained for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
