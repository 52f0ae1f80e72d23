"""Log files made up for every filter of the installed tree: what it should match, near misses, sessions, noise.

A *variant* is a filter with options (a mode, the journal's log type) as our configuration room reads it. Its *episodes* are short log
files, each with a clock, a machine's zone and a state of the source (read live, or caught up with), which both sides are fed in order.
"""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from banish.config.jails import load
from banish.lines import zones
from banish.lines.datepattern import Template, compile_patterns
from banish.lines.detector import DateDetector
from banish.matching.filter import Filter, FilterSettings
from tests.conformance.generation import ADDRESSES4, ADDRESSES6, HOSTS, NO_ADDRESSES, PHRASES, Writer

STOCK = Path("/etc/fail2ban")
MODES = ("", "normal", "ddos", "extra", "aggressive", "more", "auth", "rbl", "errors", "fallback")
OPTIONS = {
    "sshd": ("mode=aggressive, publickey=any", "publickey=invalid", "publickey=ignore", "logtype=journal", "logtype=rfc5424"),
    "postfix": ("mode=aggressive, logtype=short",),
    "dovecot": ("logtype=rfc5424",),
    "pam-generic": ("logtype=journal",),
    "named-refused": ("logtype=journal",),
}  # fmt: skip
"""What modes alone do not reach."""

EPISODE = 40
"""Lines of an episode, more or less."""
FINDTIME = 600.0
"""How far back lines count while a file is caught up with; fail2ban's own default."""

_UNKNOWN = re.compile(rf"<[\w-]+-(?:{'|'.join(MODES[1:])})>")
"""What is left of a mode that a filter does not have."""
_MOMENTS = [datetime(*parts, tzinfo=UTC).timestamp() for parts in (
    (2026, 5, 28, 20, 26, 40), (2026, 11, 22, 12, 50, 52), (2026, 12, 31, 23, 59, 30), (2027, 1, 1, 0, 0, 20),
    (2024, 2, 29, 11, 22, 33), (2026, 8, 3, 4, 5, 6), (2026, 6, 10, 0, 0, 1),
)]  # fmt: skip
_MACHINES = ["UTC", "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]
_ZONES = ["Z", "UTC", "GMT", "+0100", "-0330", "+05:30", "CET", "CEST", "EST", "PST", "CET+01:00"]


@dataclass(frozen=True, slots=True)
class Variant:
    """A filter with the options it is used with."""

    name: str
    filter: FilterSettings
    datepattern: tuple[str, ...]

    @property
    def templates(self) -> tuple[Template, ...]:
        return compile_patterns(self.datepattern)


class Episode(NamedTuple):
    """A log file: lines, each with the time it is read at."""

    variant: Variant
    lines: tuple[tuple[str, float], ...]
    usedns: str = "raw"
    timezone: str = ""
    machine: str = "UTC"
    live: bool = True

    @property
    def settings(self) -> FilterSettings:
        return replace(self.variant.filter, usedns=self.usedns)  # type: ignore[arg-type]


def variants(work: Path, tree: Path = STOCK) -> list[Variant]:
    """Return every filter of *tree* in every mode that it has; *work* is an empty directory to write to."""
    user, packaged = work / "user", work / "packaged"
    shutil.copytree(tree, user, ignore=shutil.ignore_patterns("jail.*"))
    packaged.mkdir()
    jails = ["[DEFAULT]\nbackend = auto\n"]
    for path in sorted((user / "filter.d").glob("*.conf")):
        name = path.stem
        if not name.endswith("common"):
            for option in (*(f"mode={mode}" if mode else "" for mode in MODES), *OPTIONS.get(name, ())):
                title = "+".join([name, *option.split(", ")]).rstrip("+")
                jails.append(f"[{title}]\nfilter = {name}[{option}]\nlogpath = {work}/log\naction =\nenabled = true\n")
    (user / "jail.conf").write_text("\n".join(jails))
    found: dict[tuple[str, FilterSettings, tuple[str, ...]], Variant] = {}
    for jail in load(user, packaged).jails:
        parts, dates = jail.settings.filter, jail.settings.lines.datepattern
        if not any(_UNKNOWN.search(expression) for expression in (*parts.failregex, parts.prefregex)):
            found.setdefault((jail.filter_name, parts, dates), Variant(jail.name, parts, dates))
    return list(found.values())


class Author:
    """Writes the episodes of one variant; equal seeds write equal episodes."""

    def __init__(self, variant: Variant, seed: int) -> None:
        self.variant = variant
        self._chance = random.Random(f"{seed} {variant.name}")
        self._writer = Writer(self._chance)
        self.filters = {usedns: Filter(replace(variant.filter, usedns=usedns)) for usedns in ("raw", "no")}
        self._sessions: list[str] = []
        self.missed: set[int] = set()
        """Expressions for which no matching text was found, so far."""
        self.hit: set[int] = set()

    def episodes(self, lines: int) -> Iterator[Episode]:
        """Yield episodes with about *lines* lines together, shared equally by the expressions."""
        targets: list[int] = []
        while lines > 0:
            if not targets:
                targets = list(range(len(self.variant.filter.failregex)))
                self._chance.shuffle(targets)
            episode = self._episode(targets)
            lines -= len(episode.lines)
            yield episode

    def _episode(self, targets: list[int]) -> Episode:
        chance = self._chance
        usedns = "raw" if chance.random() < 0.75 else "no"
        filter_ = self.filters[usedns]
        now = chance.choice(_MOMENTS)
        machine = chance.choice(_MACHINES)
        timezone = chance.choice(["+0100", "UTC+02:00", "CET", "Z"]) if chance.random() < 0.15 else ""
        zone = zones.configured(timezone) if timezone else ZoneInfo(machine)
        dates = _Dates(self.variant, zone, chance)
        self._sessions = []
        self._writer.families = chance.choice([(4,), (4,), (6,), (4, 6)])
        lines: list[tuple[str, float]] = []
        while len(lines) < EPISODE:
            if not targets:
                targets.extend(range(len(filter_.failregex)))
                chance.shuffle(targets)
            now += chance.choice([0, 0, 0, 1, 1, 5, 20])
            if lines and chance.random() < 0.04:
                lines.append((chance.choice(lines)[0], now))
                continue
            message = self.message(filter_, targets.pop())
            for part in message.split("\n"):
                text = dates.put(part, now)
                if chance.random() < 0.4:
                    text = mutated(text, chance)
                lines.append((text.replace("\n", " "), now))
            if chance.random() < 0.06:
                lines.append((dates.put(chance.choice(PHRASES), now), now))
        return Episode(self.variant, tuple(lines), usedns, timezone, machine, live=chance.random() < 0.7)

    def message(self, filter_: Filter, index: int) -> str:
        """Write a message, without date, for the expression at *index*; one that should match, if such can be found."""
        text = ""
        for _ in range(14):
            text, found = self._try(filter_, index)
            if found:
                self.hit.add(index)
                return text
        if index not in self.hit:
            self.missed.add(index)
        return text

    def _try(self, filter_: Filter, index: int) -> tuple[str, bool]:
        chance, writer, pattern = self._chance, self._writer, filter_.failregex[index]
        given = {}
        if self._sessions and chance.random() < 0.7:
            session = chance.choice(self._sessions[-3:])
            given["mlfid"] = lambda: session
        text = writer.write(pattern, given)
        if not pattern.pattern.startswith("^") and chance.random() < 0.3:
            text = f"{chance.choice(PHRASES)} {text}"
        if not pattern.pattern.endswith("$") and chance.random() < 0.3:
            text = f"{text} {chance.choice(PHRASES)}"
        content = text
        prefix = filter_.prefregex
        if prefix is not None:
            if "content" in prefix.groupindex:
                text = writer.write(prefix, given | {"content": lambda: content})
            if chance.random() < 0.8 and not text[:1].isspace():
                text = " " + text
            found = prefix.search(text + "\n")
            if found is None:
                return text, False
            content = found.groupdict().get("content") or text
            if session_found := found.groupdict().get("mlfid"):
                self._sessions.append(session_found)
        elif chance.random() < 0.8 and not text[:1].isspace() and pattern.search(f" {text}\n"):
            content = text = " " + text
        return text, pattern.search(content + "\n") is not None


class _Dates:
    """Puts dates into messages, so that cutting them out leaves the message."""

    def __init__(self, variant: Variant, zone: object, chance: random.Random) -> None:
        self._templates = variant.templates
        self._patterns = variant.datepattern
        self._zone = zone
        self._chance = chance
        self._writer = Writer(chance)
        self._usual = self._templates[: chance.choice([1, 1, 3, 40])]

    def put(self, message: str, now: float) -> str:
        chance = self._chance
        if chance.random() < 0.05:
            return message
        found = DateDetector(self._patterns).find(message, now)
        if found is not None and found.start == found.end:  # a line that is not meant to have a date
            return message
        template = chance.choice(self._usual if chance.random() < 0.8 else self._templates)
        date = self._date(template, self._when(now))
        places = [0, *(found.end() for found in re.finditer(r'[\[("<]|- ', message))][:6]
        if chance.random() < 0.1:
            places.insert(0, chance.randint(0, len(message)))
        for place in places:
            text = message[:place] + date + message[place:]
            found = DateDetector(self._patterns).find(text, now)
            if found is not None and text[: found.start] + text[found.end :] == message:
                return text
        return date + message

    def _when(self, now: float) -> float:
        chance = self._chance
        luck = chance.random()
        if luck < 0.8:
            return now - chance.choice([0, 0, 0, 1, 2, 15, 59])
        if luck < 0.9:
            return now - chance.choice([61, 90, 599, 601, 3600, 7200, 86400, 200 * 86400])
        if luck < 0.98:
            return now + chance.choice([1, 30, 61, 3600, 86000, 90000, 200 * 86400])
        return now - chance.choice([366, 700, 7000, 12000]) * 86400.0

    def _date(self, template: Template, at: float) -> str:
        chance = self._chance
        zoned = chance.random() < 0.3 and not {"z", "Z"}.isdisjoint(template.regex.groupindex)
        text = ""
        for _ in range(8):
            stated = chance.choice(_ZONES)
            zone = zones.fixed(stated) if zoned else self._zone
            moment = datetime.fromtimestamp(at, zone)  # type: ignore[arg-type]
            seen: list[str] = []
            values = {
                name: _Value(name, moment, stated, seen, chance)
                for name in template.regex.groupindex
                if name in _SPELLED
            }
            text = self._writer.write(template.regex, values, group=1)
            if zoned == ("z" in seen or "Z" in seen):
                break
        return text


class _Value:
    """Spells one part of a date, and notes that it was needed."""

    def __init__(self, name: str, moment: datetime, zone: str, seen: list[str], chance: random.Random) -> None:
        self._name, self._moment, self._zone, self._seen, self._chance = name, moment, zone, seen, chance

    def __call__(self) -> str:
        self._seen.append(self._name)
        moment, chance = self._moment, self._chance
        match self._name:
            case "z" | "Z":
                return self._zone
            case "epoch":
                return f"{moment.timestamp():.{chance.choice([0, 3, 6])}f}"
            case "lepoch":
                return str(int(moment.timestamp() * chance.choice([1, 1000, 1_000_000])))
            case "tai64n":
                return f"@4{int(moment.timestamp()):015x}00000000"
            case "f":
                return f"{chance.randrange(1000000):06d}"[: chance.choice([1, 3, 6])]
            case name:
                text = moment.strftime(f"%{name}")
                short = text.startswith("0") and name in "dHIm" and chance.random() < 0.1
                return f"{chance.choice([' ', ''])}{text[1:]}" if short else text


_SPELLED = frozenset("YymdHIMSbBaApfjUWuwVGzZ") | {"epoch", "lepoch", "tai64n"}


@lru_cache(maxsize=1)
def _address() -> re.Pattern[str]:
    every = sorted((*ADDRESSES4, *ADDRESSES6, *NO_ADDRESSES, *HOSTS), key=len, reverse=True)
    return re.compile("|".join(re.escape(text) for text in every))


def mutated(text: str, chance: random.Random) -> str:
    """Return *text* a little different: what attackers, broken daemons and odd configurations make of a line."""
    for _ in range(chance.choice([1, 1, 2])):
        text = _mutation(text, chance)
    return text


def _mutation(text: str, chance: random.Random) -> str:
    at = chance.randint(0, len(text))
    words = text.split(" ")
    match chance.randrange(16):
        case 0:
            return text[:at] + text[at + 1 :]
        case 1:
            return (
                text[:at]
                + chance.choice(" \t\r\x00\x0b[]()<>\"':=,.;0aZé\ud800ÿ\udcff\u2028").replace("\ud800", "\udcc3")
                + text[at:]
            )
        case 2:
            return text[:at] + chance.choice("x0 :") + text[at + 1 :]
        case 3 if len(words) > 1:
            a, b = chance.randrange(len(words)), chance.randrange(len(words))
            words[a], words[b] = words[b], words[a]
            return " ".join(words)
        case 4:
            return text[:at]
        case 5:
            return f"{text} {text}" if chance.random() < 0.5 else text + text[at:]
        case 6:
            return chance.choice([text.upper(), text.lower(), text.swapcase(), text.title()])
        case 7 | 8 | 9:
            others = [*ADDRESSES4, *ADDRESSES6, *NO_ADDRESSES, *HOSTS, "[2001:db8::9]", "::ffff:192.0.2.4", "[::ffff:192.0.2.4]",
                      "[192.0.2.5]", "192.0.2.7/24", "192.0.2.7:22", "", "fe80::1%eth0", "::ffff:c000:0204"]  # fmt: skip
            return _address().sub(lambda _: chance.choice(others), text, count=chance.choice([1, 0]))
        case 10:
            return text.replace(" ", "  ", chance.choice([1, -1]))
        case 11:
            return text + chance.choice(
                [" ", ".", "\r", "\t", " junk", "\x00", " port 22 ssh2", " [preauth]", "\udcfe"]
            )
        case 12:
            return text.replace(" ", "\t", 1)
        case 13:
            return chance.choice(PHRASES) + text
        case 14:
            return text[at:]
        case _:
            return text[:at] + chance.choice(PHRASES) + text[at:]
