"""Nobody stalls the daemon with a line: measures what expressions take, and breaks off what takes too long (see ``patience``).

While a batch is judged, a timer ticks. Nothing is done for a line unless a tick finds it; a line that two ticks in a row find,
a millisecond apart, is slow. What it takes in processor time is summed up over all jails; a line may take `PATIENT` seconds for
each and `ALTOGETHER` seconds for all, then `GivenUp` is raised in the middle of the search. Long texts are searched ``apart``.

**Credit.** What slow lines take is also written down for each jail (and for the dates of each source), which gets back `REFILL`
seconds for every second of the clock. Whose credit is used up has no patience for slow lines any more until half of it is back:
a line may take `IMPATIENT` seconds, which is still ten times what an ordinary one takes, and what is too long to be broken off
so soon is not searched at all. So a stream of slow lines takes little more than one of ordinary lines, and ordinary ones are
judged as ever. (A line that takes less than a millisecond is not slow: there are filters with which every line takes so long, and
an administrator who wants them.)

Signals reach the main thread only: elsewhere nothing is measured.
"""

from __future__ import annotations

import gc
import math
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from banish.daemon.apart import Apart
from banish.daemon.ticks import Ticks
from banish.patience import LONG, GivenUp, Patience, Place, Trial

PATIENT = 0.02
"""Seconds of processor time for one line in one jail."""
ALTOGETHER = 0.04
"""For one line in all jails."""
IMPATIENT = 0.0005
CREDIT = 0.25
"""Seconds of processor time that slow lines of one jail may take before patience is lost …"""
REFILL = 0.15
"""… and how much of it comes back in a second."""
SHORT = 512
"""Characters; a line up to this length is always searched."""
TELL_EVERY = 600.0
"""Seconds between two reports on the same jail."""
FORGET_AFTER = 3600.0
"""Seconds after which a report is no problem any more."""
_TICK, _FINE_TICK = 0.001, 0.0001
_NO_COST = 0.005
"""Seconds; what takes no longer apart is not slow."""
_SLOW_TEXTS = 1000
_EXCERPT = 80


class GaveUp(NamedTuple):
    """That lines were given up, for a person to mend the expression."""

    place: Place
    """Of the last one."""
    lines: int
    """So far."""
    characters: int
    """Of the last one."""
    excerpt: str
    """What the last one begins with."""


class Allowance(Patience):
    """The patience of one jail, or of looking for dates in one source."""

    __slots__ = (
        "_at",
        "_clock",
        "_credit",
        "_full",
        "_guard",
        "_last",
        "_last_at",
        "_refused",
        "_told_at",
        "lines",
        "told",
    )

    def __init__(self, guard: Guard, clock: Callable[[], float], credit: float = CREDIT) -> None:
        super().__init__(LONG)
        self.lines = 0
        """Lines given up so far."""
        self.told: GaveUp | None = None
        """What was reported last."""
        self._guard = guard
        self._clock = clock
        self._full = self._credit = credit
        self._at = clock()
        self._last: tuple[Place, int, str] | None = None
        self._last_at = self._told_at = 0.0
        self._refused = False

    def impatient(self) -> bool:
        """True from when all credit is used up until half of it is back."""
        if self not in self._guard.impatient:
            return False
        self._refill()
        if self._credit < self._full / 2:
            return True
        self._guard.impatient.remove(self)
        self.limit = LONG
        return False

    def charge(self, seconds: float) -> None:
        """Take note that a slow line took so much processor time, or so much more."""
        self._refill()
        self._credit -= seconds
        if self._credit < 0:
            # Not below: a stall that was not foreseen must not be paid for by the lines of minutes.
            self._credit = 0.0
            self._guard.impatient.add(self)

    def too_long(self, characters: int) -> None:
        """Take note that a line of so many *characters* could not be broken off in time."""
        if self in self._guard.impatient:
            self.limit = max(SHORT, min(self.limit, characters * 3 // 4))

    def apart(self, trial: Trial, about: Any, text: str) -> Sequence[int]:
        told = None if self.impatient() else self._guard.apart(self, trial, about, text)
        self._refused = told is None
        return told or ()

    def gave_up(self, text: str, place: Place) -> None:
        self.lines += 1
        self._last_at = self._clock()
        if not self._refused or self._last is None:  # what was not even searched proves nothing
            self._last = (place, len(text), text[:_EXCERPT])
        self._refused = False

    def report(self) -> GaveUp | None:
        """Return what to tell a person: the same for `TELL_EVERY` seconds, None when there has been nothing for long."""
        now = self._clock()
        if self._last is None or now - self._last_at > FORGET_AFTER:
            self.told = None
        elif self.told is None or (self.told.lines != self.lines and now - self._told_at >= TELL_EVERY):
            place, characters, excerpt = self._last
            self.told, self._told_at = GaveUp(place, self.lines, characters, excerpt), now
        return self.told

    def _refill(self) -> None:
        now = self._clock()
        self._credit = min(self._full, self._credit + max(now - self._at, 0.0) * REFILL)
        self._at = now


class Guard:
    """Lends patience, and watches that nobody takes more. *clock* gives seconds that never go back, *cpu* those of our thread."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, cpu: Callable[[], float] = time.thread_time
    ) -> None:
        self._clock = clock
        self._cpu = cpu
        self._allowances: dict[tuple[str, str], Allowance] = {}
        self.impatient: set[Allowance] = set()
        """Those whose credit was used up, until it is found that half of it is back."""
        self._apart: dict[Trial, Apart] = {}
        self._slow: dict[str, float] = {}
        """Seconds that slow texts of the batch have taken so far."""
        self._text: str | None = None
        self._before = self._last = 0.0
        self._ticks = Ticks(self._tick)

    def jail(self, name: str) -> Allowance:
        """Return the patience of jail *name*: the same object for the same name, so that a reload buys no new credit."""
        return self._allowance("jail", name)

    def source(self, name: str) -> Allowance:
        """Return the patience for the dates of source *name*."""
        return self._allowance("source", name)

    def trial(self) -> Allowance:
        """Return patience that does not wear out: to try a filter on a log, where nobody else waits."""
        return self._allowances.setdefault(("trial", ""), Allowance(self, self._clock, math.inf))

    def reports(self) -> dict[tuple[str, str], GaveUp]:
        """Return what was given up lately, by ``("jail", name)`` or ``("source", name)``."""
        found = {who: allowance.report() for who, allowance in self._allowances.items()}
        return {who: report for who, report in found.items() if report is not None}

    @contextmanager
    def watching(self) -> Generator[None]:
        """Break off, within the block, what takes too long: for one batch, of which a line may come to many jails."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        collected = gc.isenabled()
        gc.disable()  # a collection in the middle of a search would be put down to the line
        self._last = self._cpu()
        impatient = [each for each in tuple(self.impatient) if each.impatient()]
        try:
            with self._ticks.running(_FINE_TICK if impatient else _TICK):
                yield
        finally:
            if collected:
                gc.enable()
            self._text = None
            self._slow.clear()
            for process in self._apart.values():
                process.close()
            self._apart.clear()

    def apart(self, allowance: Allowance, trial: Trial, about: Any, text: str) -> Sequence[int] | None:
        """Return what *trial* tells about *text*, see ``Patience.apart``; None when there is no time left for it."""
        before = self._slow.get(text, 0.0)
        seconds = min(PATIENT, ALTOGETHER - before)
        if seconds < _TICK:
            return None
        try:
            process = self._apart.get(trial) or self._apart.setdefault(trial, Apart(trial))
        except OSError:
            return None
        told = process.ask(about, seconds)
        spent = seconds if told.seconds is None else told.seconds
        if told.seconds is None:
            self._apart.pop(trial).close()
        if spent > _NO_COST:
            allowance.charge(spent)
            self._remember(text, before + spent)
        return told.numbers

    def _allowance(self, kind: str, name: str) -> Allowance:
        return self._allowances.setdefault((kind, name), Allowance(self, self._clock))

    def _tick(self) -> None:
        now = self._cpu()
        since, self._last = now - self._last, now
        allowance = next((each for each in self._allowances.values() if each.text is not None), None)
        text = None if allowance is None else allowance.text
        # The tick itself may be late: as long as a step of a search cannot be interrupted, nobody learns of it.
        late = since > 3 * self._ticks.interval
        if allowance is None or text is None or (text is not self._text and not late):
            self._text = text
            if text is not None:
                self._before = self._slow.get(text, 0.0)
            return
        if text is not self._text:
            self._text, self._before = text, self._slow.get(text, 0.0)
        spent = self._slow.get(text, 0.0) + since
        self._remember(text, spent)
        allowance.charge(since)
        impatient = allowance.impatient()
        if impatient and self._ticks.interval == _TICK:
            self._ticks.every(_FINE_TICK)
        if impatient and since > 10 * IMPATIENT:
            allowance.too_long(len(text))
        if spent - self._before >= (IMPATIENT if impatient else PATIENT) or spent >= ALTOGETHER:
            raise GivenUp

    def _remember(self, text: str, seconds: float) -> None:
        if len(self._slow) >= _SLOW_TEXTS:
            self._slow.clear()
        self._slow[text] = seconds
