"""What ``banish match`` tells a person: what matched how often, which dates were read, and what was missed by how much.

It counts while lines pass and keeps none of them; what is to be listed goes into a file without a name once there is much of it.
All that comes from the log or from files passes `visible`.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Self

from banish.control.render import visible
from banish.replay.closest import Closest
from banish.replay.log import Log
from banish.replay.replay import Judged
from banish.replay.rules import Rules

if TYPE_CHECKING:
    from banish.control.render import Paint

LISTED = 20
"""Missed lines that are listed unless all are asked for."""
_IN_MEMORY = 1 << 20  # bytes
_HIT = ("failure", "pending")
_IGNORED = ("ignored", "nofail")
_MISSED = ("none", "given up")


class _Listing:
    """Text that is written now and told at the end; *limit* entries of it, None for all."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.entries = 0
        self._file: IO[str] = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - see close
            _IN_MEMORY, "w+", encoding="utf-8", errors="backslashreplace"
        )

    @property
    def full(self) -> bool:
        return self.limit is not None and self.entries >= self.limit

    def add(self, *lines: str) -> None:
        self.entries += 1
        self._file.writelines(f"|  {line}\n" for line in lines)

    def read(self) -> Iterator[str]:
        self._file.seek(0)
        yield from self._file

    def close(self) -> None:
        self._file.close()


class Report:
    """Counts what *rules* make of *log*; to be used in a ``with`` statement.

    *width*: expressions and lines are cut to so many columns (None: they are not).
    """

    def __init__(
        self,
        rules: Rules,
        log: Log,
        paint: Paint,
        width: int | None = None,
        *,
        all_missed: bool = False,
        all_matched: bool = False,
    ) -> None:
        self._rules = rules
        self._log = log
        self._paint = paint
        self._width = width
        self._closest = Closest(rules.filter)
        self._lines = 0
        self._outcomes: Counter[str] = Counter()
        self._failures = 0
        self._prefregex = 0
        self._failregex: Counter[int] = Counter()
        self._ignoreregex: Counter[int] = Counter()
        self._templates: Counter[str] = Counter()
        self._unresolved: dict[str, None] = {}
        self._missed = _Listing(None if all_missed else LISTED)
        self._matched = _Listing(None if all_matched else 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._missed.close()
        self._matched.close()

    def add(self, judged: Judged) -> None:
        """Take note of the next line."""
        if judged.passed_over:
            return
        self._lines += 1
        self._outcomes[judged.outcome] += 1
        self._failures += len(judged.matches)
        if judged.template is not None:
            self._templates[judged.template.name] += 1
        if judged.regex is not None and judged.outcome != "given up":
            self._failregex[judged.regex] += 1
        if judged.unresolved and len(self._unresolved) < LISTED:
            self._unresolved[judged.unresolved] = None
        text = self._content(judged)
        if judged.outcome == "ignored":
            patterns = enumerate(self._rules.filter.ignoreregex)
            self._ignoreregex.update([index for index, each in patterns if each.search(text)][:1])
        elif judged.outcome in _MISSED and not self._missed.full:
            self._missed.add(*self._miss(judged))
        elif judged.outcome in _HIT and not self._matched.full:
            self._matched.add(*self._hit(judged))

    def _content(self, judged: Judged) -> str:
        """Return what the expressions were tried on, as far as one line tells, and count the prefregex."""
        text = f"{judged.line.message}\n"
        prefregex = self._rules.filter.prefregex
        if prefregex is None or judged.outcome == "given up" or (judged.outcome == "ignored" and judged.regex is None):
            return text
        found = prefregex.search(text)
        if found is None:
            return text
        self._prefregex += 1
        content = found.groupdict().get("content")
        return f"{content}\n" if content else text

    def _miss(self, judged: Judged) -> Iterator[str]:
        yield self._cut(f"{judged.number}: {visible(judged.line.text)}", 3)
        if judged.unresolved:
            yield f"   failregex {judged.regex} fits, but {visible(judged.unresolved)} stands for no address"
            return
        if judged.outcome == "given up":
            which = "an expression" if judged.regex is None else f"failregex {judged.regex}"
            yield f"   given up: {which} takes too long over it (see banish check)"
            return
        if judged.regex is not None:
            yield f"   failregex {judged.regex} fits, but names nobody"
            return
        near = self._closest.find(judged.line)
        if near is None:
            yield "   no expression begins to fit"
            return
        name = near.option if near.option == "prefregex" else f"failregex {near.regex}"
        yield self._cut(f"   {name} fits as far as: {visible(near.fits)}", 3)
        yield self._cut(f"   and then does not: {visible(near.unfit) or '(the lines around are missing)'}", 3)

    def _hit(self, judged: Judged) -> Iterator[str]:
        yield self._cut(f"{judged.number}: {visible(judged.line.text)}", 3)
        if judged.outcome == "pending":
            yield "   pending: whose it is will be told by a later line of the session"
        for match in judged.matches:
            host = match.fields.get("ip", match.id)
            told = [f"host {visible(host)}"]
            if match.id != host:
                told.append(f"id {visible(match.id)}")
            if "user" in match.fields:
                told.append(f"user {visible(match.fields['user'])}")
            told += [f"time {_time(match.at)}", f"failregex {match.regex}"]
            yield f"   {', '.join(told)}"

    def render(self) -> Iterator[str]:
        """Yield the report, line by line."""
        yield from self._header()
        yield from self._expressions()
        yield from self._dates()
        yield from self._totals()
        if self._matched.entries:
            yield from self._listing("Matched", self._matched, "")
        missed = sum(map(self._outcomes.get, _MISSED, (0, 0)))
        if missed:
            beyond = missed - self._missed.entries
            yield from self._listing("Missed", self._missed, f"{beyond} more: --print-all-missed" if beyond else "")

    def _header(self) -> Iterator[str]:
        yield f"{self._paint('Log:', 'bold')}     {visible(self._log.name)}{' (a line)' if self._log.kind == 'line' else ''}\n"
        yield f"{self._paint('Filter:', 'bold')}  {visible(self._rules.title)}\n"
        for file in self._rules.files:
            yield f"         {visible(file)}\n"
        if self._rules.lines.datepattern:
            yield f"{self._paint('Dates:', 'bold')}   {visible(' | '.join(self._rules.lines.datepattern))}\n"
        if self._rules.filter.settings.maxlines > 1:
            yield f"{self._paint('Lines:', 'bold')}   {self._rules.filter.settings.maxlines} together (maxlines)\n"

    def _expressions(self) -> Iterator[str]:
        settings = self._rules.filter.settings
        if settings.prefregex:
            yield from self._table("Prefregex", {0: self._prefregex}, (settings.prefregex,))
        yield from self._table("Failregex", self._failregex, settings.failregex)
        yield from self._table("Ignoreregex", self._ignoreregex, settings.ignoreregex)

    def _table(self, title: str, hits: dict[int, int], expressions: tuple[str, ...]) -> Iterator[str]:
        yield f"\n{self._paint(f'{title}: {sum(hits.values())} total', 'bold')}\n"
        if not expressions:
            return
        yield "|-  #) [# of hits] regular expression\n"
        for index, expression in enumerate(expressions):
            if hits.get(index):
                yield self._cut(f"|  {index:2}) [{hits[index]}] {visible(expression)}") + "\n"
        silent = sum(not hits.get(index) for index in range(len(expressions)))
        yield f"`- {silent} without a hit\n" if silent else "`-\n"

    def _dates(self) -> Iterator[str]:
        yield f"\n{self._paint('Date template hits:', 'bold')}\n|- [# of hits] date format\n"
        for name, count in self._templates.most_common():
            yield self._cut(f"|  [{count}] {visible(name)}") + "\n"
        undated = self._lines - sum(self._templates.values())
        yield f"`- {undated} without a date\n" if undated else "`-\n"

    def _totals(self) -> Iterator[str]:
        outcomes = self._outcomes
        ignored, matched = sum(map(outcomes.get, _IGNORED, (0, 0))), sum(map(outcomes.get, _HIT, (0, 0)))
        totals = f"Lines: {self._lines} lines, {ignored} ignored, {matched} matched, {outcomes['none']} missed"
        yield f"\n{self._paint(totals, 'bold')}\n"
        if ignored:
            yield f"       ignored: {outcomes['nofail']} information (nofail), {outcomes['ignored']} by ignoreregex\n"
        if matched:
            pending = f", {outcomes['pending']} pending" if outcomes["pending"] else ""
            yield f"       matched: {self._failures} failures{pending}\n"
        if outcomes["given up"]:
            text = f"given up: {outcomes['given up']} lines, over which an expression takes too long"
            yield f"       {self._paint(text, 'red')}\n"
        if self._unresolved:
            yield f"       names without an address: {', '.join(map(visible, self._unresolved))}\n"

    def _listing(self, title: str, listing: _Listing, more: str) -> Iterator[str]:
        yield f"\n{self._paint(f'{title} line(s):', 'bold')}\n"
        yield from listing.read()
        yield f"`- {more}\n" if more else "`-\n"

    def _cut(self, text: str, indent: int = 0) -> str:
        if self._width is None or len(text) + indent <= self._width:
            return text
        return text[: max(self._width - indent - 1, 1)] + "…"


def _time(at: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    except (OverflowError, OSError, ValueError):
        return f"{at:.0f}"
