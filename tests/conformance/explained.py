"""Where we judge generated lines differently from fail2ban on purpose: each with its reason, as narrow as can be told.

The same list in plain words, with differences that generated lines do not reach, is docs/reference/differences.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from banish.addresses import parse, show
from banish.lines import detector
from banish.lines.reader import LineReader, LineSettings
from tests.conformance.corpus import Episode
from tests.conformance.oracle import Found


class Difference(NamedTuple):
    """One line of an episode on which the answers differ; it is the last of *episode*'s lines."""

    episode: Episode
    theirs: list[Found] | str
    ours: list[Found] | str

    @property
    def line(self) -> str:
        return self.episode.lines[-1][0]

    def date(self) -> str | None:
        """The date that we find in the line; None when there is none."""
        found = self.found()
        return None if found is None else self._text[found.start : found.end]

    @property
    def _text(self) -> str:
        return self.line.encode("utf-8", "surrogateescape").decode("utf-8", "replace").rstrip("\r")

    def found(self) -> detector.Found | None:
        found = None
        reader = LineReader(LineSettings(self.episode.variant.datepattern, "utf-8", self.episode.timezone))
        for text, now in self.episode.lines:
            found = reader.detector.find(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").rstrip("\r"), now)
        return found

    def both(self) -> tuple[Found, Found] | None:
        """The failures on both sides, when there is one on each."""
        if isinstance(self.theirs, str) or isinstance(self.ours, str) or len(self.theirs) != 1 or len(self.ours) != 1:
            return None
        return self.theirs[0], self.ours[0]


class Explanation(NamedTuple):
    reason: str
    holds: Callable[[Difference], bool]


def _another_century(difference: Difference) -> bool:
    date = difference.date()
    return date is not None and re.search(r"(?<!\d)(?:19\d\d|20[3-9]\d)", date) is not None


def _compact_date(difference: Difference) -> bool:
    date = difference.date()
    return date is not None and re.match(r"\d{8}(?:-|  ?)?\d\d:?\d\d:?\d\d", date) is not None


def _lone_colon(difference: Difference) -> bool:
    if isinstance(difference.ours, str) or not difference.ours:
        return False
    address = difference.ours[0][3].get("ip6") or ""
    return re.fullmatch(r"(?:[0-9A-Fa-f]{1,4}::?|::)*(?:[0-9A-Fa-f]{1,4}|(?<=:):)", address) is None or address == "::"


def _compatible(difference: Difference) -> bool:
    both = difference.both()
    if both is None:
        return False
    (_, theirs, *their_rest), (_, ours, *our_rest) = both
    network = parse(theirs)
    return theirs.startswith("::") and "." in theirs and network is not None and show(network) == ours and their_rest[:2] == our_rest[:2]


def _other_family(difference: Difference) -> bool:
    both = difference.both()
    if both is None:
        return False
    theirs, ours = both
    hidden = theirs[3].get("ip4")
    return (
        "mlfid" in theirs[3]
        and theirs[3].get("ip6") == ours[3].get("ip6") is not None
        and theirs[1] == hidden
        and "ip4" not in ours[3]
        and theirs[0] == ours[0]
        and {name: text for name, text in theirs[3].items() if name != "ip4"} == ours[3]
    )


EXPLAINED: tuple[Explanation, ...] = (
    Explanation("years of other centuries are read too", _another_century),
    Explanation("20260528-202640 and 20260528 202640 are dates, as in fail2ban 1.1", _compact_date),
    Explanation("a colon may stand alone in what looks like IPv6, as in later fail2ban", _lone_colon),
    Explanation("an address displaces that of the other family within a session", _other_family),
    Explanation("IPv6 in the block ::/96 is written as all IPv6 is", _compatible),
)


def explanation(difference: Difference) -> str | None:
    """Return the reason for *difference*; None when nobody has given one."""
    return next((each.reason for each in EXPLAINED if each.holds(difference)), None)
