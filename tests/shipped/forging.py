"""Tries to get somebody else banned, and to stay unseen, with what a stranger can write into the log of each filter of ours.

``python -m tests.shipped.forging [NAME …]`` tells what it found; it exits with 1 when there was something.

It takes the lines of ``tests/samples``, finds the parts that a stranger has chosen (``pens``: what the filter itself captures,
and what is known by what stands around it), and puts hostile text in their place, written as the service would have written it.
Then the line, with the earlier lines of its session, is judged:

* **forged**: an address is reported that the line as it was did not report;
* **hidden**: a line that was caught is not caught any more;
* **another time**: what a stranger wrote was taken for the date, so that the line counts as old, or as of tomorrow.

Lines that must not match are tried too: no address of the attacker's choice may come out of them.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import banish
from banish.errors import ConfigError
from banish.matching.filter import Sighting
from banish.matching.sessions import Sessions
from banish.model import Line
from banish.replay.replay import Judged, Replay
from banish.replay.rules import load
from tests.samples.notation import Options, Sample, read
from tests.shipped.hostile import BLAME, DATES, TROUBLE
from tests.shipped.pens import Part, known_parts, usual, with_pens, write

DATA = Path(banish.__file__).parent / "data"
SAMPLES = Path(__file__).parent.parent / "samples"
AS_OF = datetime(2026, 12, 1).timestamp()  # see samples/README.md

FORGED4, FORGED6 = "203.0.113.213", "2001:db8:bad::213"
"""Who is to be blamed: in no sample."""
EACH = 2
"""Lines that are tried for each expression and part."""
LONG = 200
"""Characters of a hostile text beyond which nobody has to catch the line: services cut what is long."""

_PATHS = frozenset({"path", "url", "uri", "request", "query"})
_AGENTS = frozenset({"agent", "referer", "referrer", "user-agent", "user_agent", "useragent", "x-forwarded-for"})
_NOTE = re.compile(r"#\s*attacker:\s*(?P<json>\{.*\})\s*")
_NOT_THEIRS = re.compile(
    r"ip4|ip6|dns|fid|cidr|mlfid|mlfforget|mlfgained|nofail|content|fport|port|skiplines\d*|alt_ip\w*|tuple\w*"
)


class Finding(NamedTuple):
    what: str
    """``forged``, ``hidden``, ``another time`` or ``vacuous``."""
    part: str
    place: str
    """File and line of the sample."""
    options: Options
    lines: tuple[str, ...]
    """As they were judged."""
    told: str

    def __str__(self) -> str:
        lines = "\n    ".join(ascii(line)[1:-1] for line in self.lines)
        return f"{self.place} {json.dumps(self.options)}: {self.what} by {self.part}: {self.told}\n    {lines}"


class Story(NamedTuple):
    """A sample line, with the earlier ones of its session."""

    sample: Sample
    lines: tuple[str, ...]
    parts: tuple[tuple[Part, ...], ...]
    """Of each line."""
    shape: str
    """What the last line was found by."""


class Examiner:
    """One filter with its samples' lines."""

    def __init__(
        self, wanted: str, samples: Sequence[Sample], stated: dict[int, dict[str, str]], config: Path | None
    ) -> None:
        self._samples = samples
        self._stated = stated
        self._replay = Replay(load(wanted, None, config, DATA, raw_host=True), AS_OF, lambda _: ())
        self._filter = self._replay.rules.filter
        self._deep = max(self._filter.settings.maxlines, 1)

    def judge(self, lines: Iterable[str]) -> list[Judged]:
        """Return the verdicts on *lines*, which nothing came before."""
        self._filter.sessions = Sessions()
        if self._filter._window is not None:
            self._filter._window.clear()
        return [self._replay.judge_text(text) for line in lines for text in line.split("\n")]

    def stories(self) -> Iterator[Story]:
        seen: list[tuple[str, str, tuple[Part, ...]]] = []
        sessions: list[str] = []
        for sample in self._samples:
            session, shape, parts = self._look(sample)
            seen.append((sample.text, shape, parts))
            sessions.append(session)
            if session:
                chosen = [one for one, its in zip(seen, sessions, strict=True) if its == session]
            else:
                chosen = seen[-self._deep :]
            yield Story(
                sample,
                tuple(text for text, _, _ in chosen),
                tuple(each for _, _, each in chosen),
                f"{shape} {sample.matches}",
            )

    def _look(self, sample: Sample) -> tuple[str, str, tuple[Part, ...]]:
        """Return the session of a line, the expression that is found in it, and what a stranger chose in it."""
        text = sample.text
        stated = self._stated.get(sample.number, {})
        found = self._replay._reader.date(text, AS_OF)
        cut = (found.start, found.end) if found else (0, 0)
        message = text[: cut[0]] + text[cut[1] :]
        parts: list[Part] = []
        if self._filter._window is not None:
            self._filter._window.clear()
        sighting = self._filter.find(Line(text, message, None))
        session, shape = "", ""
        if isinstance(sighting, Sighting):
            session = str(sighting.fields.get("mlfid", ""))
            shape = self._filter.failregex[sighting.regex].pattern
            if self._deep == 1:
                parts += self._captured(text, message, cut, sighting.regex, stated)
        host = str(sample.expected.get("host") or "")
        for part in known_parts(text, stated):
            inside = text[part.start : part.end]
            if not (host and inside.strip("[]") == host) and not any(_overlap(part, each) for each in parts):
                parts.append(part)
        return session, shape, tuple(sorted(parts, key=lambda part: part.start))

    def _captured(
        self, text: str, message: str, cut: tuple[int, int], regex: int, stated: dict[str, str]
    ) -> Iterator[Part]:
        """Yield what the filter captures, where the line has it."""
        content, offset = message + "\n", 0
        searches = [self._filter.failregex[regex]]
        if self._filter.prefregex is not None:
            begun = self._filter.prefregex.search(content)
            assert begun is not None
            yield from self._groups(begun, 0, text, cut, stated)
            for name, value in begun.groupdict().items():
                if name.startswith("content") and value:
                    content, offset = value + "\n", begun.start(name)
        for pattern in searches:
            found = pattern.search(content)
            if found is not None:
                yield from self._groups(found, offset, text, cut, stated)

    def _groups(
        self, found: re.Match[str], offset: int, text: str, cut: tuple[int, int], stated: dict[str, str]
    ) -> Iterator[Part]:
        gap = cut[1] - cut[0]
        for name in found.re.groupindex:
            start, end = (place + offset for place in found.span(name))
            if start < offset or _NOT_THEIRS.fullmatch(name):
                continue
            start, end = start + gap * (start >= cut[0]), end + gap * (end > cut[0] or start >= cut[0])
            if not start < cut[0] < end:
                yield from with_pens(name.removeprefix("alt_"), (start, min(end, len(text))), usual(text), stated)


def _overlap(one: Part, other: Part) -> bool:
    return (one.start < other.end and other.start < one.end) or (one.start, one.end) == (other.start, other.end)


def search(path: Path, config: Path | None = None) -> Iterator[Finding]:
    """Yield what can be forged or hidden in the filter whose samples are at *path*; *config* is a tree above the packaged one.

    A filter in whose matching lines nothing of a stranger's was found is a finding too, unless a note says something about it.
    """
    stated = _stated(path)
    tried: Counter[tuple[str, str, str]] = Counter()
    matching = False
    for options, samples in read(path):
        wanted = path.stem + "".join(f"[{name}='{value}']" for name, value in options.items())
        examiner = Examiner(wanted, samples, stated, config)
        others = list(dict.fromkeys(_message(sample.text) for sample in samples if sample.matches))[:40:5]
        for story in examiner.stories():
            names = dict.fromkeys(
                (part.name, line[part.start : part.end], pen)
                for line, parts in zip(story.lines, story.parts, strict=True)
                for part in parts
                for pen in part.pens
            )
            chosen = []
            for name, value, pen in names:
                tried[story.shape, name, pen] += 1
                if tried[story.shape, name, pen] <= EACH:
                    chosen.append((name, value, pen))
            matching = matching or (bool(names) and story.sample.matches)
            if chosen:
                yield from _attack(examiner, story, options, chosen, others)
    if not matching and not any(stated.values()) and not _says_nothing(path):
        told = "no line has a part that a stranger chooses, as far as we know: name one, or say # attacker: {}"
        yield Finding("vacuous", "nothing", path.name, {}, (), told)


def _attack(
    examiner: Examiner, story: Story, options: Options, chosen: Iterable[tuple[str, str, str]], others: Sequence[str]
) -> Iterator[Finding]:
    sample = story.sample
    before = examiner.judge(story.lines)
    if (before[-1].outcome == "failure") != sample.matches:
        return  # it depends on more than its session; test_samples judges it
    rightful = {match.id for judged in before for match in judged.matches}
    count = sum(len(judged.matches) for judged in before)
    for name, value, pen in chosen:
        for hostile, attacks in dict.fromkeys(_attempts(story, name, value, rightful, others)):
            # What stands there already was written by this pen.
            kept = value if attacks and hostile.startswith(value) else ""
            written = kept + write(pen, hostile.removeprefix(kept))
            lines, demanded = _rewritten(story, name, value, written)
            if not attacks or len(written) - len(kept) > LONG or "\n" in written or (name in _PATHS and " " in written):
                demanded = False
            after = examiner.judge(lines)
            matches = [match for judged in after for match in judged.matches]

            def finding(what: str, told: str, lines: tuple[str, ...] = lines, name: str = name) -> Finding:
                return Finding(what, name, f"{sample.file}:{sample.number}", options, lines, told)

            wrong = [match for match in matches if match.id not in rightful]
            if (sample.matches and wrong) or any(FORGED4 in match.id or FORGED6 in match.id for match in wrong):
                yield finding("forged", f"{wrong[0].id} is reported")
            elif sample.matches and demanded and len(matches) < count:
                yield finding("hidden", f"it is {after[-1].outcome}")
            elif sample.matches and demanded and before[-1].at != after[-1].at:
                yield finding("another time", f"{after[-1].at}, was {before[-1].at}")


def _rewritten(story: Story, name: str, value: str, written: str) -> tuple[tuple[str, ...], bool]:
    """Return the story with *written* wherever the stranger called himself *value*."""
    lines, demanded = [], True
    for line, parts in zip(story.lines, story.parts, strict=True):
        for part in sorted(parts, key=lambda part: -part.start):
            if part.name == name and line[part.start : part.end] == value:
                line = line[: part.start] + written + line[part.end :]
                demanded = demanded and part.demanded
        lines.append(line)
    return tuple(lines), demanded


def _attempts(
    story: Story, name: str, value: str, rightful: Iterable[str], others: Sequence[str]
) -> Iterator[tuple[str, bool]]:
    """Yield what to put in place of *value*, and whether the line is still an attack that has to be caught."""
    for text in _texts(story, name, value, rightful, others):
        if name in _PATHS | _AGENTS:
            # It may be what makes the line an attack, so it stays, and is added to.
            join = " " if name in _AGENTS else "&" if "?" in value else "?"
            yield value + join + text, True
            yield text, False
        else:
            yield text, True


def _texts(story: Story, name: str, value: str, rightful: Iterable[str], others: Sequence[str]) -> Iterator[str]:
    """Yield hostile texts: trouble in general, and what looks like the line itself, with somebody else's address."""
    yield from TROUBLE
    for blame in BLAME:
        yield blame.format(FORGED4)
    for blame in BLAME[:12]:
        yield blame.format(FORGED6)
    yield from DATES
    hosts = [*rightful, str(story.sample.expected.get("host", ""))]

    def blamed(text: str, whom: str = FORGED4) -> str:
        for host in filter(None, hosts):
            text = re.sub(rf"(?:::ffff:)?{re.escape(host)}", whom, text, flags=re.IGNORECASE)
        return text

    line, parts = story.lines[-1], story.parts[-1]
    for part in parts:
        if part.name == name and line[part.start : part.end] == value:
            head, tail = blamed(_message(line[: part.start])), blamed(line[part.end :])
            yield from (
                "x" + tail,
                "x" + tail + " ",
                "x" + tail + tail,
                "x" + tail + " " + head + "y",
                head + "y",
                "x " + head + "y",
            )
            yield from ("x" + blamed(line[part.end :], FORGED6), "x" + tail[:-1], "x" + tail.rstrip() + "\\n")
    yield "x " + blamed(_message(line))
    yield "x\\n" + blamed(line)
    for other in others:
        yield "x " + re.sub(r"192\.0\.2\.\d+|198\.51\.100\.\d+|2001:db8:[0-9a-f:]+", FORGED4, other)


def _message(text: str) -> str:
    """*text* without what syslog writes in front."""
    return re.sub(r"^(?:<\d+>)?(?:[A-Z][a-z]{2} [ \d]\d [\d:]{8}|\d{4}-\d\d-\d\dT\S+) (?:\S+ )?", "", text)


def _stated(path: Path) -> dict[int, dict[str, str]]:
    """Return, for each line of the file, what its notes on attackers have said so far."""
    found: dict[int, dict[str, str]] = {}
    stated: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").split("\n"), 1):
        if note := _NOTE.fullmatch(line):
            said: Any = json.loads(note["json"])
            stated = stated | said
        found[number] = stated
    return found


def _says_nothing(path: Path) -> bool:
    return any(_NOTE.fullmatch(line) for line in path.read_text(encoding="utf-8", errors="replace").split("\n"))


def main(names: Sequence[str]) -> int:
    bad = 0
    for path in sorted(SAMPLES.glob("*.log")):
        if not names or path.stem in names:
            began = time.process_time()
            try:
                findings = list(search(path))
            except ConfigError as error:
                findings = []
                sys.stdout.write(f"{path.stem}: {error}\n")
                bad += 1
            for finding in findings[:12]:
                sys.stdout.write(f"{finding}\n")
            bad += len(findings)
            spent = time.process_time() - began
            kinds = Counter(finding.what for finding in findings)
            told = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "nothing"
            sys.stdout.write(f"{path.stem}: {told} ({spent:.1f} s)\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
