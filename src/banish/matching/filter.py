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

With ``maxlines`` above 1 all this is tried on the last lines together (``window``); ``^`` and ``$`` of a failregex then match at
every line, those of the other expressions do not, and step 4 sees the matched lines only, without those that were skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from banish.matching.groups import capture_of
from banish.matching.identity import identify
from banish.matching.sessions import Sessions
from banish.matching.tags import RegexOption, UseDns, compile_expression
from banish.matching.window import Window
from banish.model import Line, Match

Outcome = Literal["failure", "nofail", "pending", "ignored", "none"]


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
    whose address is not known yet. ``ignored``: an ignoreregex dropped it. ``none``: nothing to this filter, or by nobody."""
    regex: int | None = None
    """Index of the failregex that was found; None when none was, or none was tried."""
    matches: tuple[Match, ...] = ()
    """What there is to count; empty unless *outcome* is a failure."""


NONE = Verdict("none")
IGNORED = Verdict("ignored")


class Filter:
    """A filter, compiled; holds the state of its sessions and, with maxlines, its last lines.

    Raises RegexError, naming option, expression and place, for the first expression that cannot be used.
    """

    def __init__(self, settings: FilterSettings) -> None:
        self.settings = settings
        self.prefregex: re.Pattern[str] | None = None
        """The compiled expressions, for whoever wants to tell from afar which lines can match (a prefilter)."""
        if settings.prefregex:
            (self.prefregex,) = self._compiled("prefregex", (settings.prefregex,))
        self.failregex = self._compiled("failregex", settings.failregex)
        self.ignoreregex = self._compiled("ignoreregex", settings.ignoreregex)
        self._all = range(len(self.failregex))
        self._captures = tuple(capture_of(pattern) for pattern in self.failregex)
        self._prefix = _Prefix(self.prefregex) if self.prefregex else None
        self._ignores_first = 0 < len(self.ignoreregex) < len(self.failregex) - 2
        self._sessions = Sessions()
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

    def judge(self, line: Line, at: float, now: float | None = None) -> Verdict:
        """Return the verdict on *line*, which counts as written at *at*.

        Sessions age by *now*, which is *at* unless given: give the machine's clock to age them as fail2ban does.
        """
        found = self.find(line)
        return found if isinstance(found, Verdict) else self.conclude(found, at, now)

    def find(self, line: Line, suspected: Iterable[int] | None = None) -> Sighting | Verdict:
        """Return what the expressions find in *line* (steps 1 to 5), or the verdict where there is nothing to go on with.

        Without maxlines this depends on nothing but the line. With *suspected* only these failregex are tried: give them, in
        order, where it is known that no other can be found.
        """
        text = line.message + "\n" if self._window is None else self._window.add(line)
        if self._ignores_first and self._ignored(text):
            return IGNORED
        begun: re.Match[str] | None = None
        span = (0, len(text))
        if self._prefix is not None:
            begun = self._prefix.regex.search(text)
            if begun is None:
                return NONE
            content = self._prefix.content(begun)
            if content is not None:
                text, span = content
                text += "\n"
        for index in self._all if suspected is None else suspected:
            found = self.failregex[index].search(text)
            if found is not None:
                lines: tuple[str, ...] = (line.text,)
                if self._window is not None:
                    lines, text = self._window.take(found, *span)
                if self.ignoreregex and self._ignored(text):
                    return Verdict("ignored", index)
                fields = self._captures[index](found)
                if self._prefix is not None and begun is not None:
                    fields = self._prefix.fields(begun) | fields
                return Sighting(index, fields, lines)
        return NONE

    def conclude(self, sighting: Sighting, at: float, now: float | None = None) -> Verdict:
        """Return the verdict on a line in which *sighting* was found (steps 6 and 7); *at* and *now* as for ``judge``."""
        index, fields, lines = sighting
        session = fields.get("mlfid")
        if session is not None:
            outcome, fields, lines = self._sessions.join(session, fields, lines, at if now is None else now)
            if outcome != "failure":
                return Verdict(outcome, index)
        elif fields.get("nofail") or fields.get("mlfgained"):
            return Verdict("nofail", index)
        who = identify(fields, self.settings.usedns)
        if who is None:
            return Verdict("none", index)
        if who.ip is not None:
            fields["ip"] = who.ip
        return Verdict("failure", index, (Match(index, who.id, who.network, at, fields, lines, who.name),))

    def _ignored(self, text: str) -> bool:
        return any(pattern.search(text) for pattern in self.ignoreregex)


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
