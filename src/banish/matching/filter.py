"""One filter: its expressions, and the verdict on a line in fail2ban's order.

A line comes in dated, with the date cut out; out comes a verdict: what the line is to this filter and, if it is (or
completes) a failure, the matches to count. The order is normative, because first matches win and groups overwrite each other:

1. With few ignoreregex (fewer than the failregex less two) these are tried first, on the whole line: a hit drops it.
2. The prefregex; a line without it is nothing to this filter. What ``<F-CONTENT>`` captured takes the line's place, unless empty.
3. The failregex, in order; the first that is found wins and no other is tried, whatever becomes of the match.
4. The ignoreregex, on the same text; a hit drops the line.
5. Groups: the failregex' over the prefregex', as far as they took part in the match.
6. The session, if ``mlfid`` is among them (``sessions``); otherwise a line with ``nofail`` or ``mlfgained`` is information.
7. Who it was (``identity``).

A line over which an expression takes too long is given up (``patience``): it is nothing to this filter.

With ``maxlines`` above 1 all this is tried on the last lines together (``window``); ``^`` and ``$`` of a failregex then match at
every line, those of the other expressions do not, and step 4 sees the matched lines only, without those that were skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

from banish.matching.groups import capture_of
from banish.matching.identity import identify
from banish.matching.sessions import Sessions
from banish.matching.tags import RegexOption, UseDns, compile_expression
from banish.matching.window import Window
from banish.model import Line, Match
from banish.patience import ENDLESS, GivenUp, Patience, Place

Outcome = Literal["failure", "nofail", "pending", "ignored", "given up", "none"]


@dataclass(frozen=True, slots=True)
class FilterSettings:
    """What makes up a filter, tags of configuration already substituted, tags of expressions (``<HOST>``) not yet."""

    failregex: tuple[str, ...] = ()
    ignoreregex: tuple[str, ...] = ()
    prefregex: str = ""
    maxlines: int = 1
    usedns: UseDns = "warn"


class Sighting(NamedTuple):
    """A failregex that was found in a line, before anybody asks what its session and its id make of it."""

    regex: int
    """Index in the filter's list of failregex."""
    fields: dict[str, Any]
    """What its groups captured, the prefregex' beneath; only groups that took part (no None)."""
    lines: tuple[str, ...]
    """The lines that matched, as written."""


class Verdict(NamedTuple):
    """What a line is to a filter."""

    outcome: Outcome
    """``failure``: it is one, or completes one. ``nofail``: information for its session. ``pending``: a failure by somebody
    whose address is not known yet. ``ignored``: an ignoreregex dropped it. ``given up``: an expression took too long over it.
    ``none``: nothing to this filter, or by nobody."""
    regex: int | None = None
    """Index of the failregex that was found; None when none was, or none was tried."""
    matches: tuple[Match, ...] = ()
    """What there is to count; empty unless *outcome* is a failure."""


_new = tuple.__new__
"""Makes a NamedTuple in half the time that calling it takes."""

_Search = Callable[[re.Pattern[str], str], re.Match[str] | None]
_SEARCH: _Search = re.Pattern.search

NONE = Verdict("none")
IGNORED = Verdict("ignored")


class Filter:
    """A filter, compiled; holds the state of its sessions and, with maxlines, its last lines.

    Raises RegexError, naming option, expression and place, for the first expression that cannot be used.
    """

    def __init__(self, settings: FilterSettings, patience: Patience = ENDLESS) -> None:
        self.settings = settings
        self.patience = patience
        self.prefregex: re.Pattern[str] | None = None
        """The compiled expressions, for whoever wants to tell from afar which lines can match (a prefilter)."""
        if settings.prefregex:
            (self.prefregex,) = self._compiled("prefregex", (settings.prefregex,))
        self.failregex = self._compiled("failregex", settings.failregex)
        self.ignoreregex = self._compiled("ignoreregex", settings.ignoreregex)
        self._all = range(len(self.failregex))
        self._usedns = settings.usedns
        self._captures = tuple(capture_of(pattern) for pattern in self.failregex)
        self._prefix = _Prefix(self.prefregex) if self.prefregex else None
        self._ignores_first = 0 < len(self.ignoreregex) < len(self.failregex) - 2
        self.sessions = Sessions()
        self.farewell = self.sessions.farewell
        self._window = Window(settings.maxlines) if settings.maxlines > 1 else None

    def _compiled(self, option: RegexOption, expressions: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
        prefix_groups = tuple(self.prefregex.groupindex) if self.prefregex else ()
        return tuple(
            compile_expression(
                expression,
                option,
                index,
                usedns=self.settings.usedns,
                multiline=option == "failregex" and self.settings.maxlines > 1,
                prefix_groups=prefix_groups,
            )
            for index, expression in enumerate(expressions)
        )

    @property
    def lines(self) -> tuple[Line, ...]:
        """With maxlines, the last lines, oldest first."""
        return () if self._window is None else self._window.lines

    def inherit(self, sessions: Sessions, lines: Iterable[Line]) -> None:
        """Go on where another filter of the same settings stood."""
        self.sessions = sessions
        self.farewell = sessions.farewell
        if self._window is not None:
            self._window = Window(self.settings.maxlines, lines)

    def judge(self, line: Line, at: float, now: float | None = None) -> Verdict:
        """Return the verdict on *line*, which counts as written at *at*.

        Sessions age by *now*, which is *at* unless given: give the machine's clock to age them as fail2ban does.
        """
        found = self.find(line)
        return found if isinstance(found, Verdict) else self.conclude(found, at, now)

    def find(self, line: Line, suspected: Sequence[int] | None = None) -> Sighting | Verdict:
        """Return what the expressions find in *line* (steps 1 to 5), or the verdict where there is nothing to go on with.

        Without maxlines this depends on nothing but the line, unless patience runs out. With *suspected* only these failregex are
        tried: give them, in order, where it is known that no other can be found.
        """
        tried = self._all if suspected is None else suspected
        text = line.message + "\n" if self._window is None else self._window.add(line)
        patience = self.patience
        try:
            if len(text) > patience.limit:
                return self._find_apart(line, text, tried)
            patience.text = text
            return self._find(line, text, tried, self._window, _SEARCH)
        except GivenUp as given_up:
            patience.text = None
            if self._window is not None:
                self._window.clear()  # else the lines that follow would be searched together with this one
            place = given_up.place or Place("failregex")
            patience.gave_up(text, place)
            return Verdict("given up", place.number if place.option == "failregex" else None)
        finally:
            patience.text = None

    def _find(
        self, line: Line, text: str, tried: Sequence[int], window: Window | None, search: _Search
    ) -> Sighting | Verdict:
        option, at = "ignoreregex", 0
        try:
            if self._ignores_first and self._ignored(text, search):
                return IGNORED
            begun: re.Match[str] | None = None
            span = (0, len(text))
            if self._prefix is not None:
                option = "prefregex"
                begun = search(self._prefix.regex, text)
                if begun is None:
                    return NONE
                content = self._prefix.content(begun)
                if content is not None:
                    text, span = content
                    text += "\n"
            option = "failregex"
            for at in tried:
                found = search(self.failregex[at], text)
                if found is not None:
                    lines: tuple[str, ...] = (line.text,)
                    if window is not None:
                        lines, text = window.take(found, *span)
                    option = "ignoreregex"
                    if self.ignoreregex and self._ignored(text, search):
                        return Verdict("ignored", at)
                    fields = self._captures[at](found)
                    if self._prefix is not None and begun is not None:
                        fields = self._prefix.fields(begun) | fields
                    return Sighting(at, fields, lines)
        except GivenUp as given_up:
            given_up.place = Place(option, at if option == "failregex" else None)
            raise
        return NONE

    def _find_apart(self, line: Line, text: str, tried: Sequence[int]) -> Sighting | Verdict:
        """Do the same for a long *text*: somebody else tells where each search finds something, so that it is found at once."""
        messages = [line.message] if self._window is None else [each.message for each in self._window.lines]
        told = iter(self.patience.apart(partial(self._trial, tried), messages, text))

        def search(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
            start = next(told, None)
            if start is None:
                raise GivenUp
            return None if start < 0 else pattern.match(text, start)

        return self._find(line, text, tried, self._window, search)

    def _trial(self, tried: Sequence[int], messages: list[str], tell: Callable[[int], None]) -> None:
        lines = [Line(message, message, None) for message in messages]
        window = None if self._window is None else Window(self.settings.maxlines, lines)

        def search(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
            found = pattern.search(text)
            tell(-1 if found is None else found.start())
            return found

        self._find(lines[-1], "".join(f"{message}\n" for message in messages), tried, window, search)

    def conclude(self, sighting: Sighting, at: float, now: float | None = None) -> Verdict:
        """Return the verdict on a line in which *sighting* was found (steps 6 and 7); *at* and *now* as for ``judge``."""
        found = self.match(sighting, at, now)
        if isinstance(found, Match):
            return Verdict("failure", sighting.regex, (found,))
        return Verdict(found, sighting.regex)

    def match(self, sighting: Sighting, at: float, now: float | None = None) -> Match | Outcome:
        """Return what there is to count of *sighting*, or what else it is; as ``conclude``, without the words around it."""
        index, fields, lines = sighting
        if "mlfid" in fields:
            joined = self.sessions.join(fields["mlfid"], fields, lines, at if now is None else now)
            if isinstance(joined, str):
                return joined
            fields, lines = joined
        elif fields.get("nofail") or fields.get("mlfgained"):
            return "nofail"
        who = identify(fields, self._usedns)
        if who is None:
            return "none"
        id_, network, name, ip = who
        if ip is not None:
            fields["ip"] = ip
        return _new(Match, (index, id_, network, at, fields, lines, name))

    def _ignored(self, text: str, search: _Search) -> bool:
        return any(search(pattern, text) for pattern in self.ignoreregex)


_CONTENT = re.compile(r"content|alt_content(?:_\d+)?")


class _Prefix:
    """The prefregex. Many a line has it and is nothing to the filter all the same: its fields are made when they are needed."""

    def __init__(self, regex: re.Pattern[str]) -> None:
        self.regex = regex
        self._capture = capture_of(regex)
        # "content" first, then what stands in for it (see ``groups``).
        self._contents = sorted(
            filter(_CONTENT.fullmatch, regex.groupindex), key=lambda name: (name != "content", name)
        )

    def content(self, found: re.Match[str]) -> tuple[str, tuple[int, int]] | None:
        """Return what ``<F-CONTENT>`` captured and where; None when it captured nothing."""
        for name in self._contents:
            if text := found[name]:
                return text, found.span(name)
        return None

    def fields(self, found: re.Match[str]) -> dict[str, Any]:
        """Return what the other groups captured."""
        fields = self._capture(found)
        fields.pop("content", None)
        return fields
