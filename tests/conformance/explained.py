"""Where we judge generated lines differently from fail2ban on purpose: each with its reason, as narrow as can be told.

Most reasons can be put to the test: they come with a cure, which makes of the lines others without what is said to be the reason, and
hold only if both sides agree on those. So a reason about dates cannot hide that the rest of a line is judged differently.

The same list in plain words, with differences that generated lines do not reach, is docs/reference/differences.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from banish.addresses import parse, show
from banish.lines import zones
from banish.lines.clock import Clock
from banish.lines.datepattern import MONTHS
from banish.lines.detector import DateDetector
from banish.lines.reader import LineReader, LineSettings
from tests.conformance.corpus import FINDTIME, Episode
from tests.conformance.oracle import Found


class Dated(NamedTuple):
    """What we find in a line: the text of its date, its parts by the letters of strptime(3), and what stands around it."""

    before: str
    date: str
    parts: dict[str, str | None]
    after: str
    now: float

    @property
    def zone(self) -> str:
        return self.parts.get("z") or self.parts.get("Z") or ""


class Difference(NamedTuple):
    """One line of an episode on which the answers differ; it is the last of *episode*'s lines."""

    episode: Episode
    theirs: list[Found] | str
    ours: list[Found] | str
    shortened: bool = False
    """There are no earlier lines but those without which the answers do not differ."""

    @property
    def line(self) -> str:
        return self.episode.lines[-1][0]

    def dates(self) -> list[Dated]:
        """The dates of the lines that matter: of the last, and of those before it when the episode has been shortened."""
        reader = LineReader(LineSettings(self.episode.variant.datepattern, "utf-8", self.episode.timezone))
        dates = []
        for text, now in self.episode.lines:
            text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").rstrip("\r")
            found = reader.detector.find(text, now)
            if found is None:
                dates.append(Dated("", "", {}, "", now))
            else:
                match = found.template.regex.search(text)
                parts = match.groupdict() if match else {}
                dates.append(Dated(text[: found.start], text[found.start : found.end], parts, text[found.end :], now))
        return dates if self.shortened else dates[-1:]

    def both(self) -> tuple[Found, Found] | None:
        """The failures on both sides, when there is one on each."""
        if isinstance(self.theirs, str) or isinstance(self.ours, str) or len(self.theirs) != 1 or len(self.ours) != 1:
            return None
        return self.theirs[0], self.ours[0]


class Explanation(NamedTuple):
    reason: str
    holds: Callable[[Difference], bool]
    cure: Callable[[Difference], Episode] | None = None
    """Takes away what the reason speaks of; None when *holds* compares the answers in full."""


def without_dates(difference: Difference) -> Episode:
    """The lines that count as expressions see them by our reading of their dates, for a log that has no dates."""
    episode = difference.episode
    reader = LineReader(LineSettings(episode.variant.datepattern, "utf-8", episode.timezone))
    clock = Clock("cured", FINDTIME, dated=reader.dated)
    lines = []
    for number, (text, now) in enumerate(episode.lines, 1):
        (line,) = reader.read(text.encode("utf-8", "surrogateescape") + b"\n", now)
        timing = clock.judge(line, now, live=episode.live)
        if timing.at is not None or number == len(episode.lines):
            lines.append((timing.line(line).message, now))
    variant = replace(episode.variant, datepattern=("{NONE}",))
    return episode._replace(variant=variant, lines=tuple(lines), live=True, timezone="")


def plain_addresses(difference: Difference) -> Episode:
    """The same lines with an ordinary address where a colon stands alone."""
    ours = difference.ours[0][3].get("ip6", "") if difference.ours and not isinstance(difference.ours, str) else ""

    def plain(run: re.Match[str]) -> str:
        return "dead:beef::5" if _LONE_COLON.search(run[0]) or (ours and ours in run[0]) else run[0]

    lines = tuple((_COLONS.sub(plain, text), now) for text, now in difference.episode.lines)
    return difference.episode._replace(lines=lines)


def read_live(difference: Difference) -> Episode:
    return difference.episode._replace(live=True)


def _another_century(difference: Difference) -> bool:
    return any(re.search(r"(?<!\d)(?:19\d\d|20[3-9]\d)", found.date) for found in difference.dates())


def _compact_date(difference: Difference) -> bool:
    """All but ``20260528T202640``."""
    return any(
        re.search(r"\d{8}(?:[-T]|  ?)?\d\d:?\d\d:?\d\d", found.date) and not re.search(r"\d{8}T\d{6}", found.date)
        for found in difference.dates()
    )


def _in_its_zone(difference: Difference) -> bool:
    """A year or day is missing, and is another one in the date's zone than in the machine's."""
    machine = ZoneInfo(difference.episode.machine)
    for found in difference.dates():
        zone = zones.fixed(found.zone or difference.episode.timezone)
        if zone is None or not found.date:
            continue
        present = datetime.fromtimestamp(found.now, machine)
        offsets = {zone.utcoffset(None), present.utcoffset()}
        if not found.parts.get("d") and found.parts.get("M") and offsets != {timedelta()}:
            return True
        if _completed(found, machine) != _completed(found, zone) or _nearly_ahead(found, zone, present):
            return True
    return False


def _completed(found: Dated, zone: tzinfo) -> datetime | None:
    """The date with what it leaves out taken from the present in *zone*."""
    parts, present = found.parts, datetime.fromtimestamp(found.now, zone).replace(tzinfo=None)
    if parts.get("Y") or parts.get("y") or not parts.get("M"):
        return None
    hour, minute, second = (int(parts.get(name) or 0) for name in "HMS")
    try:
        if not parts.get("d"):
            moment = datetime(present.year, present.month, present.day, hour, minute, second)
            return moment - timedelta(days=1) if moment > present else moment
        name = (parts.get("b") or "").lower()
        month = [month[:3].lower() for month in MONTHS].index(name) + 1 if name else int(parts.get("m") or 1)
        moment = datetime(present.year, month, int(parts["d"] or 1), hour, minute, second)
        return moment.replace(year=present.year - 1) if moment > present + timedelta(days=1) else moment
    except ValueError:
        return None


def _nearly_ahead(found: Dated, zone: tzinfo, present: datetime) -> bool:
    """A date without year lies a day ahead: fail2ban's day is longer by the machine's distance from Greenwich."""
    moment = _completed(found, zone)
    distance = present.utcoffset()
    if moment is None or not distance or not found.parts.get("d"):
        return False
    ahead = [moment.replace(year=year, tzinfo=zone) - present - timedelta(days=1) for year in _years(moment)]
    return any(min(timedelta(), distance) <= each <= max(timedelta(), distance) for each in ahead)


def _years(moment: datetime) -> tuple[int, ...]:
    return (moment.year,) if (moment.month, moment.day) == (2, 29) else (moment.year, moment.year + 1)


def _no_zone(difference: Difference) -> bool:
    """``-1661`` behind a date, or ``utc``."""
    return any(re.match(r"\s*(?:[-+][01]\d:?[6-9]?\d?|(?i:utc|gmt|z)\b)", found.after) for found in difference.dates())


def _word_for_zone(difference: Difference) -> bool:
    date = difference.dates()[-1]
    if difference.theirs == "raised KeyError":
        return re.search(r"[A-Z]{3,5} (?:\w{3} )?[A-Za-z]{3} +\d{1,2} ", difference.line) is not None
    if not date.date:
        return re.match(r"(?:\W{0,2}|<\d+>\d+\s+)\w{3,5} [A-Za-z]{3} ", difference.line) is not None
    return re.search(r"\w{3,5} $", date.before) is not None and re.match(r"[A-Za-z]{3} ", date.date) is not None


def _another_day(difference: Difference) -> bool:
    """A date of last year without a year, whose zone says that in UTC it was another day."""
    machine = ZoneInfo(difference.episode.machine)
    for found in difference.dates():
        zone = zones.fixed(found.zone)
        moment = None if zone is None else _completed(found, zone)
        if zone is not None and moment is not None:
            last_year = moment.year < datetime.fromtimestamp(found.now, machine).year
            if last_year and moment.date() != (moment - (zone.utcoffset(None) or timedelta())).date():
                return True
    return False


def _zone_now_and_then(difference: Difference) -> bool:
    """A date as syslog writes it, in a log in which other dates were read: a zone may stand before it."""
    dates = difference.dates()
    return len(dates) > 1 and any(re.search(r"(?i)(?:^|\W)[a-z]{3} +\d{1,2} ", found.date) for found in dates[1:])


def _formats_compete(difference: Difference) -> bool:
    """Several formats fit in different ways, and the choice depends on what was read before."""
    if not difference.shortened:
        return False
    for dated in difference.dates()[1:]:
        text = dated.before + dated.date + dated.after
        fitting = (template.regex.search(text) for template in difference.episode.variant.templates)
        if len({(found.span(1), found["d"] if "d" in found.re.groupindex else "") for found in fitting if found}) > 1:
            return True
    return False


def _unknown_age(difference: Difference) -> bool:
    """A line without date, while a file of a filter of several lines is caught up with."""
    return (
        difference.shortened
        and not difference.episode.live
        and difference.episode.variant.filter.maxlines > 1
        and any(not found.date for found in difference.dates()[:-1])
    )


def _two_dates(difference: Difference) -> bool:
    """There is another date behind ours, and the choice depends on what was read before."""
    patterns = difference.episode.variant.datepattern
    last = difference.dates()[-1]
    return (
        difference.shortened
        and len(difference.episode.lines) > 1
        and bool(last.date)
        and DateDetector(patterns).find(f" {last.after}", last.now) is not None
    )


def _lone_colon(difference: Difference) -> bool:
    texts = [line for line, _ in difference.episode.lines] if difference.shortened else [difference.line]
    ours = difference.ours[0][3].get("ip6", "") if difference.ours and not isinstance(difference.ours, str) else ""
    return any(_LONE_COLON.search(text) for text in texts) or re.match(":(?!:)|::$", ours) is not None


_COLONS = re.compile(r"[0-9A-Fa-f:]*:[0-9A-Fa-f:]*")
_LONE_COLON = re.compile(r":::|(?<![0-9A-Fa-f:]):[0-9A-Fa-f]|(?<![0-9A-Fa-f]):(?=:(?![0-9A-Fa-f]))")


def _compatible(difference: Difference) -> bool:
    both = difference.both()
    if both is None:
        return False
    (_, theirs, *their_rest), (_, ours, *our_rest) = both
    network = parse(theirs)
    return (
        theirs.startswith("::")
        and "." in theirs
        and network is not None
        and show(network) == ours
        and their_rest[:2] == our_rest[:2]
    )


def _other_family(difference: Difference) -> bool:
    """The earlier address of the session is gone on our side; the later one is what counts."""
    both = difference.both()
    if both is None or "mlfid" not in both[0][3]:
        return False
    theirs, ours = both
    gone = theirs[3].keys() - ours[3].keys()
    return (
        (theirs[0], theirs[2]) == (ours[0], ours[2])
        and gone in ({"ip4"}, {"ip6"})
        and {name: text for name, text in theirs[3].items() if name not in gone} == ours[3]
        and (theirs[1] == ours[1] if gone == {"ip6"} else theirs[1] == _canonical(theirs[3]["ip4"]))
    )


def _canonical(text: str) -> str:
    network = parse(text)
    return text if network is None else show(network)


def _nothing_but_a_date(difference: Difference) -> bool:
    both = difference.both()
    if both is None or difference.episode.variant.filter.maxlines == 1 or both[0][:4] != both[1][:4]:
        return False
    dates = {found.date for found in difference.dates()}
    theirs, ours = ([line for line in found[4] if line not in dates] for found in both)
    return len(theirs) == len(ours) and all(map(str.endswith, theirs, ours))


def _skipped(difference: Difference) -> bool:
    """What <SKIPLINES> skipped is not told; fail2ban tells it when it has put a date before it."""
    both = difference.both()
    if both is None or both[0][:4] != both[1][:4]:
        return False
    skipped = any(text for name, text in both[0][3].items() if name.startswith("skiplines"))
    told = iter(both[0][4])
    return skipped and all(any(theirs.endswith(line) for theirs in told) for line in both[1][4])


EXPLAINED: tuple[Explanation, ...] = (
    Explanation("years of other centuries are read too", _another_century, without_dates),
    Explanation(
        "20260528-202640, 20260528 202640 and 20260528T20:26:40 are dates, as in fail2ban 1.1",
        _compact_date,
        without_dates,
    ),
    Explanation("a year or day that is missing is that of the date's own zone", _in_its_zone, without_dates),
    Explanation("what is no zone behind a date does not make it invalid", _no_zone, without_dates),
    Explanation(
        "a word that is no known zone is not taken for one (fail2ban fails on it)", _word_for_zone, without_dates
    ),
    Explanation("a line of nothing but a date is told as part of what it began", _nothing_but_a_date),
    Explanation("the zone does not move a date of last year by a day", _another_day, without_dates),
    Explanation(
        "of several dates in a line the first is its date, whatever earlier lines were like", _two_dates, without_dates
    ),
    Explanation(
        "which of several formats that fit is taken depends on earlier lines, not in the same way",
        _formats_compete,
        without_dates,
    ),
    Explanation(
        "a line of unknown age, read while catching up, is no part of a failure of several lines",
        _unknown_age,
        read_live,
    ),
    Explanation("lines that <SKIPLINES> skips are not among the failure's", _skipped),
    Explanation(
        "the zone before a date may be there in one line and not in the next", _zone_now_and_then, without_dates
    ),
    Explanation("a colon may stand alone in what looks like IPv6, as in later fail2ban", _lone_colon, plain_addresses),
    Explanation("an address displaces that of the other family within a session", _other_family),
    Explanation("IPv6 in the block ::/96 is written as all IPv6 is", _compatible),
)


Judge = Callable[[Episode], Difference | None]
"""Tells how the answers to the last line of an episode differ; None when they do not."""


def explanation(difference: Difference, judge: Judge, left: tuple[Explanation, ...] = EXPLAINED) -> str | None:
    """Return the reason for *difference*; None when nobody has given one that stands the test.

    Reasons may come together: what differs still after the cure of one must be explained by those that are *left*.
    """
    for each in left:
        if not each.holds(difference):
            continue
        if each.cure is None:
            return each.reason
        still = judge(each.cure(difference))
        others = tuple(other for other in left if other is not each)
        if still is None or explanation(still._replace(shortened=difference.shortened), judge, others) is not None:
            return each.reason
    return None
