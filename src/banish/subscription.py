"""One source for all jails that watch it with the same line settings: its lines are told apart, decoded and dated once for all of them.

::

    shares(data, now)     what each jail has to judge of a stretch
    aside(jail)           why that is every line, if it is

Most lines are no attack. They are told by the bytes they hold (``matching.prefilter``), for all jails in one pass, and are neither
decoded nor dated nor shown to any jail. Which lines may be left out depends on the dates of the source:

* Nothing is, until a date has been seen, and where another date before it could change what a date means.
* Where lines begin with the date, as most do, those that begin otherwise are dated whatever they hold (``lines.strays``). Where
  none does, lines are read only when a jail asks for them, and a jail that most of them matter to may have them all, unsifted.
* Where the date is clear by itself, wherever it stands, only lines that a jail may want are dated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from banish.jail import Jail
from banish.lines.cuts import habits
from banish.lines.datepattern import Template
from banish.lines.excerpt import Excerpt, end_of
from banish.lines.excerpt import spans as spans_of
from banish.lines.reader import LineReader
from banish.lines.strays import Strays
from banish.lines.stretch import Calm, Share, Stretch, Suspects, joined
from banish.matching import scanners
from banish.matching.literals import Cut
from banish.matching.prefilter import Candidates, Prefilter

_FEW = 16
"""Lines of a jail, up to which it is not asked whether they are most of a stretch."""
_UNSIFTED = 15
"""How many stretches are judged whole, unsifted, once most lines were found to matter: sifting is work too."""

_Pick = tuple[tuple[int, int], tuple[int, ...]]
"""Where a line stands, with its newline, and which failregex it may hold."""


class Subscription:
    """The jails that watch one source, and the reader of its lines.

    *scanner* looks for literals, the best there is unless given. With *thorough* every jail is shown every line.
    """

    def __init__(
        self,
        reader: LineReader,
        jails: Sequence[Jail],
        scanner: type[scanners.Scanner] | None = None,
        *,
        thorough: bool = False,
    ) -> None:
        self.reader = reader
        self.jails = tuple(jails)
        self._scanner = scanner or scanners.best()
        self._thorough = thorough
        self._prefilters: dict[Template | None, Prefilter] = {}
        """By the template that finds the dates."""
        self._strays_of: dict[Template, Strays] = {}
        self._unsifted = 0

    def shares(self, data: bytes, now: float) -> Iterable[tuple[Jail, Stretch]]:
        """Return each jail with what it has to judge of *data* (whole lines read at *now*)."""
        stretch = Stretch(data, self.reader, now)
        prefilter = None if self._obstacle() else self._prefilter()
        if prefilter is None or len(prefilter.aside) == len(self.jails):
            self._learn(stretch)
            return [(jail, stretch) for jail in self.jails]
        if self._unsifted:
            self._unsifted -= 1
            return [(jail, stretch) for jail in self.jails]
        found = prefilter.candidates(data)
        strays = self._strays()
        if strays is None:
            picks = _picks(found)
            if len(self._whole(stretch, picks)) == len(self.jails):
                self._unsifted = _UNSIFTED
                return [(jail, stretch) for jail in self.jails]
            return self._excerpts(stretch, prefilter, found, picks)
        last = data.rfind(b"\n", 0, -1) + 1, len(data)  # it tells the time to what may come after it
        spans = found.spans if found.spans and found.spans[-1] == last else [*found.spans, last]
        chosen = joined(data, spans)
        if self._certain(prefilter):
            stray: Sequence[int] = _places(spans, strays.offsets(chosen))
        else:
            stray = strays.offsets(data)
        if stray or prefilter.aside:
            return self._excerpts(stretch, prefilter, found, _picks(found), strays, stray=stray)
        return self._calm(stretch, found, spans, chosen)

    def _whole(self, stretch: Stretch, picks: dict[int, list[_Pick]]) -> set[int]:
        """Return the jails, by number, that most of *stretch* matters to, and that judge it at once for little more than by the line."""
        half = len(stretch.data) / 2
        return {
            number
            for number, own in picks.items()
            if len(own) > _FEW
            and sum([stop - start for (start, stop), _ in own]) > half
            and self.jails[number].judges_at_once(stretch)
        }

    def _calm(
        self, stretch: Stretch, found: Candidates, spans: list[tuple[int, int]], chosen: bytes
    ) -> Iterable[tuple[Jail, Stretch]]:
        """Return the shares of a stretch whose lines all begin with a date as expected: nothing needs to be read to tell them.

        *spans* are those of *found* and of the last line, *chosen* the bytes there.
        """
        many = len(spans) > _FEW and 2 * len(chosen) > len(stretch.data)
        lines = Calm(stretch)
        if len(self.jails) == 1:
            (jail,) = self.jails
            if many and jail.judges_at_once(stretch):
                self._unsifted = _UNSIFTED
                return [(jail, stretch)]
            suspects: list[Suspects] = [suspicions[0].regexes for suspicions in found.suspicions]
            if len(spans) > len(suspects):
                suspects.append(())
            return [(jail, Share(stretch, spans, suspects, lines, chosen))]
        return self._calm_shares(stretch, lines, _picks(found), spans[-1], many=many)

    def _calm_shares(
        self, stretch: Stretch, lines: Calm, picks: dict[int, list[_Pick]], last: tuple[int, int], *, many: bool
    ) -> Iterator[tuple[Jail, Stretch]]:
        whole = self._whole(stretch, picks) if many else set()
        if whole and len(whole) >= len(self.jails) - 1:
            self._unsifted = _UNSIFTED
        idle = Share(stretch, [last], [()], [lines.line(*last)])
        for number, jail in enumerate(self.jails):
            if number in whole:
                yield jail, stretch
            elif number in picks:
                spans = [span for span, _ in picks[number]]
                suspects: list[Suspects] = [regexes for _, regexes in picks[number]]
                if spans[-1] != last:
                    spans.append(last)
                    suspects.append(())
                yield jail, Share(stretch, spans, suspects, lines)
            else:
                yield jail, idle

    def _excerpts(
        self,
        stretch: Stretch,
        prefilter: Prefilter,
        found: Candidates,
        picks: dict[int, list[_Pick]],
        strays: Strays | None = None,
        *,
        stray: Sequence[int] = (),
    ) -> Iterator[tuple[Jail, Stretch]]:
        """Yield the shares of a stretch of which lines must be read to tell which they are, *stray* (their offsets) among them.

        *picks* are those of *found*.
        """
        data = stretch.data
        if prefilter.aside:
            wanted = dict(spans_of(data))
        else:
            wanted = {start: end_of(data, start) for start, _ in found.spans}
            wanted |= {start: end_of(data, start) for start in stray}
        excerpt = Excerpt(data, self.reader, stretch.now, sorted(wanted.items()), frozenset(stray))
        if strays is not None:
            strays.learn(reversed(excerpt.lines), self._real(stretch.now))
        idle = _share(stretch, excerpt, ())
        for number, jail in enumerate(self.jails):
            if number in prefilter.aside:
                stretch.lines = excerpt.lines
                yield jail, stretch
            else:
                yield jail, _share(stretch, excerpt, picks[number]) if number in picks else idle

    def aside(self, jail: Jail) -> str:
        """Return why *jail* is shown every line of this source at present; empty when it is not."""
        return self._obstacle() or self._prefilter().aside.get(self.jails.index(jail), "")

    def _obstacle(self) -> str:
        """Return why every line must be judged as things stand, whatever jails look for; empty when some may be left out."""
        if self._thorough:
            return "so it was asked for"
        if not self.reader.bytewise:
            return f"{self.reader.encoding} is not written byte by byte as ASCII is"
        if not self.reader.dated:
            return ""
        template = self.reader.detector.locked
        if template is None:
            return "no date has been seen yet"
        strays = self._strays()
        if strays is not None:
            return "" if strays.known else "how lines begin is not known yet"
        return "" if habits(template).clear else f"other dates could change what one of the form {template.name} means"

    def _certain(self, prefilter: Prefilter) -> bool:
        """Tell whether a date in another format, in a line that nobody wants, cannot change what the dates of others mean."""
        template = self.reader.detector.locked
        return template is not None and not prefilter.aside and self.reader.detector.calm and habits(template).distinct

    def _strays(self) -> Strays | None:
        """Return what tells lines by how they begin; None where that says nothing about dates."""
        template = self.reader.detector.locked
        if template is None or not (habits(template).at_begin and habits(template).regular):
            return None
        if template not in self._strays_of:
            self._strays_of[template] = Strays(template, self._scanner.strays)
        return self._strays_of[template]

    def _prefilter(self) -> Prefilter:
        """Return the prefilter for lines with dates as they are at present."""
        detector = self.reader.detector
        if detector.locked not in self._prefilters:
            templates = detector.templates if self._strays() is None else (detector.locked,)
            cuts = {habits(template).cut for template in templates if template is not None}
            self._prefilters[detector.locked] = Prefilter(
                [jail.filter for jail in self.jails],
                frozenset(Cut(*cut) for cut in cuts if cut is not None),
                self.reader.encoding,
                self._scanner,
            )
        return self._prefilters[detector.locked]

    def _real(self, now: float) -> Callable[[str], bool]:
        return lambda text: self.reader.line(text, now).at is not None

    def _learn(self, stretch: Stretch) -> None:
        """Learn what can be learnt of the dates in *stretch*, as long as something is not known that helps to leave out lines."""
        if self._thorough or not self.reader.bytewise or not self.reader.dated:
            return
        if self.reader.detector.locked is None:
            _ = stretch.lines
        strays = self._strays()
        if strays is not None and not strays.known:
            strays.learn(reversed(stretch.lines), self._real(stretch.now))


def _picks(found: Candidates) -> dict[int, list[_Pick]]:
    """Return what each filter, by its number, has to look at."""
    picks: dict[int, list[_Pick]] = {}
    for span, suspicions in zip(*found, strict=True):
        for number, regexes in suspicions:
            picks.setdefault(number, []).append((span, regexes))
    return picks


def _places(spans: Iterable[tuple[int, int]], offsets: Sequence[int]) -> list[int]:
    """Return where those of *spans* begin that stand at *offsets* when all are put together."""
    if not offsets:
        return []
    places, wanted, offset = [], set(offsets), 0
    for start, stop in spans:
        if offset in wanted:
            places.append(start)
        offset += stop - start
    return places


def _share(stretch: Stretch, excerpt: Excerpt, picks: Sequence[_Pick]) -> Share:
    """Return the lines of *excerpt* that a jail picked, with others only where these tell it the time."""
    lines, surprise = excerpt.lines, excerpt.surprise
    numbers: list[int] = []
    suspects: list[Suspects] = []

    def tell(dated: int) -> None:
        if dated > (numbers[-1] if numbers else -1):
            numbers.append(dated)
            suspects.append(())

    for (start, _), regexes in picks:
        number = excerpt.places[start]
        if surprise is not None and number >= surprise:
            break
        if lines[number].at is None:
            tell(excerpt.before(number))
        numbers.append(number)
        suspects.append(regexes)
    if surprise is None:
        tell(excerpt.last_dated)
    else:
        tell(excerpt.before(surprise))
        numbers += range(surprise, len(lines))
        suspects += [None] * (len(lines) - surprise)
    return Share(
        stretch, [excerpt.spans[number] for number in numbers], suspects, [lines[number] for number in numbers]
    )
