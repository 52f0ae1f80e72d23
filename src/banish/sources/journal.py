"""The hub over the systemd journal: many matches, one handle for each journal, one stream of batches.

The caller names what it wants to watch (`Watch`: which journal, which ``journalmatch``) and takes ``Batch`` after ``Batch`` from
``batches``; the source of a batch is the name of its watch. All watches of one journal share a handle, which asks the journal for
what any of them matches; every entry then goes to the watches that it meets, as a line (``lines.entries``).

Each watch has its own position: the cursor of an entry up to which all that is its own has been handed over. So it is committed
with what its lines led to, and a watch that is new begins ``findtime`` ago while the others go on where they are: the handle goes
back to where the earliest begins, and the others pass over what they have had.

Law: no threads, and never long at a stretch: after 20 ms the event loop gets its turn. Nothing is raised for what is wrong with a
journal; it is in ``problems`` and tried again. journald tells of new entries a quarter of a second late, so while there are some
it is asked every 20 ms (asking costs a microsecond); a journal at rest costs a look every two seconds, and wakes us by itself.
"""

from __future__ import annotations

import asyncio
import errno
import math
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from banish.lines.entries import EntryWriter
from banish.model import Cursor, JournalBatch, Notice
from banish.sources.matches import Match, Router, Watch
from banish.sources.opening import absent, open_by_systemd, open_tape
from banish.sources.pace import Pace
from banish.sources.tape import JournalError, JournalOptions, Place, Tape

HOT, WARM, COLD = 0.02, 0.25, 2.0
"""Seconds between two looks: while entries come (these are mere glances, and become rarer as time goes by without), for a minute
after, and later."""
HOT_FOR, WARM_FOR = 2.0, 60.0
CHANGED_EVERY = 0.25
"""Seconds after which the library is told to look at its files, whether or not it said that there is something to see."""
BREATH_SECONDS = 0.02
_CHUNK = 1000
_AT_ONCE = 64
"""Entries between two looks at the clock."""
_RETRIES = 3
"""How often a step that fails is tried again before the journal is opened anew."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 60.0
_FRESHEN = 60.0
"""Seconds that a watch without entries may lag behind the others of its journal before its position is moved up to theirs."""
_NOTICES = 100
_MICRO = 1_000_000


class JournalStatus(NamedTuple):
    """How one watch is doing."""

    name: str
    behind: bool
    """True while there are entries of its past to catch up with."""
    problem: str | None


@dataclass(slots=True, eq=False)
class _Stream:
    """One watch at work."""

    name: str
    match: Match
    since: int
    """Entries received before (microseconds) are too old."""
    after: Place | None = None
    """Entries up to here have been queued before; None once the handle is beyond, and when none have."""
    here: str = ""
    """The cursor that *after* was read off."""
    live: bool = False
    handed: Cursor | None = None


@dataclass(slots=True, eq=False)
class _Handle:
    """One journal, and all that is read from it."""

    options: JournalOptions
    streams: dict[str, _Stream] = field(default_factory=dict)
    tape: Tape | None = None
    router: Router[_Stream] = field(default_factory=lambda: Router[_Stream](()))
    last: Cursor | None = None
    """The last entry that was read."""
    behind: bool = True
    """Some streams have not been where the handle is."""
    places: tuple[str, ...] = ()
    second: bool = False
    """It holds what we ourselves cannot read."""
    problem: str | None = None
    failures: int = 0
    look_at: float = 0.0
    gather: float = math.inf
    """Seconds until the next glance at least; infinite when there are none."""
    changed_at: float = 0.0
    active_at: float = -math.inf
    pace: Pace = field(default_factory=lambda: Pace(0.0))
    ended_at: float = -math.inf
    """When the end was last seen, by the wall clock."""

    def glance(self, now: float) -> float:
        """Return in how many seconds it is asked whether something was added, before the next look; infinite for not at all."""
        return max(self.gather, (now - self.active_at) / 8)


class _Waiting(NamedTuple):
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[None]
    timer: asyncio.TimerHandle
    descriptors: list[int]


class JournalSource:
    """Follows the journal for what `configure` asks; *positions* (by name of watch) say what earlier runs have judged.

    *clock* gives seconds that never go back, *wall* Unix seconds; *opener* opens a journal, and *second* one that
    holds what the first cannot read.
    """

    def __init__(
        self,
        positions: Mapping[str, Cursor] | None = None,
        *,
        opener: Callable[[JournalOptions], Tape] = open_tape,
        second: Callable[[JournalOptions], Tape] = open_by_systemd,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._positions: dict[str, Cursor] = dict(positions or {})
        self._opener = opener
        self._second = second
        self._clock = clock
        self._wall = wall
        self._writer = EntryWriter()
        self._handles: dict[JournalOptions, _Handle] = {}
        self._pending: deque[tuple[_Stream, JournalBatch]] = deque()
        self._notices: deque[Notice] = deque(maxlen=_NOTICES)
        self._closed = False
        self._waiting: _Waiting | None = None

    # What is followed

    def configure(self, wanted: Iterable[tuple[Watch, float]]) -> None:
        """Follow exactly *wanted*, each with the seconds (``findtime``) that it looks back when it is new.

        What is followed already goes on where it is, and so does what was followed before.
        """
        spans: dict[Watch, float] = {}
        for watch, findtime in wanted:
            spans[watch] = max(findtime, spans.get(watch, 0.0))
        names = {watch.name for watch in spans}
        for options, handle in tuple(self._handles.items()):
            for name in handle.streams.keys() - names:
                self._drop(handle, name)
            if not handle.streams:
                self._shut(handle)
                del self._handles[options]
        for watch, findtime in spans.items():
            handle = self._handles.setdefault(watch.options, _Handle(watch.options))
            if watch.name not in handle.streams:
                self._add(handle, watch, findtime)
        self._stir()

    def _add(self, handle: _Handle, watch: Watch, findtime: float) -> None:
        since = max(0.0, self._wall() - findtime)
        stream = _Stream(watch.name, Match(watch.journalmatch), int(since * _MICRO))
        stream.handed = self._positions.pop(watch.name, None)
        if stream.handed is not None and stream.handed.at >= since:
            stream.after, stream.here = Place.of(stream.handed.text), stream.handed.text
        self._begin_again(handle)
        handle.streams[watch.name] = stream

    def _drop(self, handle: _Handle, name: str) -> None:
        stream = handle.streams.pop(name)
        self._pending = deque(item for item in self._pending if item[0] is not stream)
        if stream.handed is not None:
            self._positions[name] = stream.handed
        self._begin_again(handle)

    def seen_until(self, name: str) -> float:
        """Return the time (Unix seconds) at which *name* was known to be handed over to its end; -inf: never."""
        for handle in self._handles.values():
            if name in handle.streams and not self._pending:
                return handle.ended_at
        return -math.inf

    def handed_at(self, name: str) -> float:
        """Return when the last entry of *name* that was handed over had been received (Unix seconds); -inf: there was none."""
        for handle in self._handles.values():
            stream = handle.streams.get(name)
            if stream is not None and stream.handed is not None:
                return stream.handed.at
        return -math.inf

    def positions(self) -> dict[str, Cursor]:
        """Return where each watch goes on after what was handed over.

        One without entries for long is moved up to where the others are, lest they pass over much when it begins again.
        """
        waiting = {stream.name for stream, _ in self._pending}
        found = {}
        for handle in self._handles.values():
            for name, stream in handle.streams.items():
                last, handed = handle.last, stream.handed
                late = last is not None and (handed is None or last.at - handed.at >= _FRESHEN)
                if late and stream.live and stream.after is None and name not in waiting:
                    stream.handed = last
                if stream.handed is not None:
                    found[name] = stream.handed
        return found

    def status(self) -> list[JournalStatus]:
        """Return a row for every watch, by name."""
        return sorted(
            JournalStatus(name, not stream.live, handle.problem)
            for handle in self._handles.values()
            for name, stream in handle.streams.items()
        )

    def problems(self) -> dict[str, str]:
        """Return what keeps watches from being read."""
        return {row.name: row.problem for row in self.status() if row.problem is not None}

    def notices(self) -> list[Notice]:
        """Return what happened since the last call; when nobody asks, the oldest are dropped beyond a hundred."""
        told = list(self._notices)
        self._notices.clear()
        return told

    def close(self) -> None:
        """Close all journals; ``batches`` ends."""
        self._closed = True
        self._stir()
        for handle in self._handles.values():
            self._shut(handle)

    # The stream

    async def batches(self) -> AsyncIterator[JournalBatch]:
        """Yield batches as entries are written, until ``close``. One caller at a time."""
        while not self._closed:
            worked = False
            for handle in tuple(self._handles.values()):
                if self._clock() < handle.look_at:
                    continue
                worked = self._look(handle) or worked
                while self._pending and not self._closed:
                    stream, batch = self._pending.popleft()
                    stream.handed = batch.position
                    yield batch
            if worked:
                await asyncio.sleep(0)
            elif not self._closed:
                await self._wait()

    def _look(self, handle: _Handle) -> bool:
        """Read what is there, a little of it; True when there may be more at once."""
        now, wall = self._clock(), self._wall()
        try:
            tape = self._tape(handle)
            if now - handle.changed_at >= CHANGED_EVERY:
                handle.changed_at = now
                tape.changed()
            count, at_end = self._read(handle, tape)
        except JournalError as error:
            if error.errno == errno.EPROTONOSUPPORT and not handle.second:
                handle.second = True
                self._notices.append(Notice("INFO", "filtersystemd", f"{error.strerror}; libsystemd reads it"))
                self._begin_again(handle)
                return True
            if error.errno == errno.ESTALE:
                self._begin_again(handle)
                return True
            self._stumble(handle, error)
            return False
        if handle.failures > _RETRIES:
            self._notices.append(Notice("NOTICE", "filtersystemd", f"{handle.options}: it can be read again"))
        handle.failures, handle.problem = 0, None if handle.places else absent(handle.options)
        if count:
            handle.active_at = now
        if not at_end:
            handle.look_at = now
            return True
        handle.ended_at = wall
        for stream in handle.streams.values():
            stream.live = True
            stream.after = None if handle.last is not None else stream.after
        handle.behind = any(stream.after is not None for stream in handle.streams.values())
        quiet = now - handle.active_at
        pause = WARM if quiet < WARM_FOR or tape.fileno() is None else COLD
        handle.pace.wake(now)
        handle.gather = max(HOT, handle.pace.rest(now)) if quiet < HOT_FOR else math.inf
        handle.look_at = (
            now + pause if pause < COLD else now + COLD - now % COLD
        )  # on the stroke, as the daemon's clocks
        if pause == COLD and handle.places != handle.options.places():
            self._begin_again(handle)  # the library knows only the directories that were there when it began
        return False

    def _read(self, handle: _Handle, tape: Tape) -> tuple[int, bool]:
        """Queue a batch for each stream that the next entries belong to; return how many there were, and if that was the end."""
        lines: defaultdict[_Stream, list[bytes]] = defaultdict(list)
        clock = self._clock
        stop = clock() + BREATH_SECONDS
        count, turns, at_end = 0, 0, False
        try:
            behind = handle.behind
            for entries in tape.lines(handle.router, self._writer, 1 if behind else _AT_ONCE):
                turns += 1
                count += len(entries)
                for streams, line in entries:
                    handle.pace.read += len(line)
                    for stream in streams:
                        if not (behind and self._has_had(stream, tape)):
                            lines[stream].append(line)
                if count >= _CHUNK or clock() >= stop:
                    break
            else:
                at_end = True
            if turns or tape.moved:
                handle.last = Cursor(tape.cursor(), tape.realtime() / _MICRO)
        except JournalError:
            if turns:
                self._begin_again(handle)  # what was read is read again, from where all of it had been queued
            raise
        if handle.last is not None:
            for stream, found in lines.items():
                self._pending.append((stream, JournalBatch(stream.name, b"".join(found), handle.last, stream.live)))
        return count, at_end

    @staticmethod
    def _has_had(stream: _Stream, tape: Tape) -> bool:
        """True when the present entry was handed over to *stream* before, or is too old for it."""
        if stream.after is not None:
            here = tape.place()
            if here is None or not here.reaches(stream.after):
                return True
            had = here[:2] == stream.after[:2]
            stream.after = None
            return had
        return not stream.live and tape.realtime() < stream.since

    # The handle

    def _tape(self, handle: _Handle) -> Tape:
        if handle.tape is not None:
            return handle.tape
        tape = (self._second if handle.second else self._opener)(handle.options)
        try:
            streams = handle.streams.values()
            groups = [group for stream in streams for group in stream.match.groups]
            tape.match([] if any(not stream.match.groups for stream in streams) else list(dict.fromkeys(groups)))
            start = self._seek(handle, tape)
        except BaseException:
            tape.close()
            raise
        handle.tape = tape
        handle.behind = any(stream.after or (not stream.live and stream.since > start) for stream in streams)
        handle.places = handle.options.places()
        handle.router = Router((stream, stream.match) for stream in streams)
        return tape

    def _seek(self, handle: _Handle, tape: Tape) -> int:
        """Go to where the earliest stream begins; return the time (microseconds) that this is."""
        known = [stream for stream in handle.streams.values() if stream.after is not None]
        floor = min((stream.since for stream in handle.streams.values() if stream.after is None), default=None)
        first = min(known, key=lambda stream: stream.after.realtime if stream.after else 0, default=None)
        if first is not None and first.after is not None and (floor is None or first.after.realtime <= floor):
            tape.seek_cursor(first.here)
            return first.after.realtime
        tape.seek_time(floor or 0)
        return floor or 0

    def _begin_again(self, handle: _Handle) -> None:
        """Have the journal opened anew, each stream to go on behind what has been read for it."""
        self._shut(handle)
        for stream in handle.streams.values():
            if stream.after is None and handle.last is not None:
                stream.after, stream.here = Place.of(handle.last.text), handle.last.text
        handle.last, handle.behind, handle.look_at = None, True, -math.inf

    def _shut(self, handle: _Handle) -> None:
        tape, handle.tape = handle.tape, None
        if tape is not None:
            self._stir()
            tape.close()

    def _stumble(self, handle: _Handle, error: JournalError) -> None:
        """Try again at once, a few times; then open the journal anew, and less and less often."""
        handle.failures += 1
        now = self._clock()
        if handle.failures <= _RETRIES:
            handle.changed_at = -math.inf
            handle.look_at = now + HOT
            return
        text = f"the journal cannot be read: {error.strerror or error}"
        if text != handle.problem:
            self._notices.append(Notice("ERROR", "filtersystemd", f"{handle.options}: {text}"))
        handle.problem = text
        self._begin_again(handle)
        times = max(0, handle.failures - _RETRIES - 1)
        handle.look_at = now + min(_FIRST_PAUSE * 2 ** min(times, 20), _LONGEST_PAUSE)

    # Waiting

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        now = self._clock()
        look_at = min((handle.look_at for handle in self._handles.values()), default=now + COLD)
        future = loop.create_future()
        glance = min((handle.glance(now) for handle in self._handles.values()), default=math.inf)
        timer = loop.call_later(max(0.0, min(look_at - now, glance)), self._glance)
        descriptors = []
        for handle in self._handles.values():
            descriptor = handle.tape.fileno() if handle.tape is not None else None
            if descriptor is not None and handle.look_at - now > HOT and handle.gather == math.inf:
                loop.add_reader(descriptor, self._woken, handle)
                descriptors.append(descriptor)
        self._waiting = _Waiting(loop, future, timer, descriptors)
        try:
            await future
        finally:
            self._stir()

    def _glance(self) -> None:
        """End the waiting if there is something to look at; else go on with it: to ask costs less than to look."""
        waiting, now = self._waiting, self._clock()
        if waiting is None:
            return
        pause = COLD
        for handle in self._handles.values():
            hot = handle.tape is not None and handle.gather < math.inf and handle.tape.added()
            if hot or now >= handle.look_at:
                handle.look_at = now
                self._stir()
                return
            pause = min(pause, handle.look_at - now, handle.glance(now))
        self._waiting = waiting._replace(timer=waiting.loop.call_later(pause, self._glance))

    def _woken(self, handle: _Handle) -> None:
        handle.look_at = handle.changed_at = -math.inf
        self._stir()

    def _stir(self) -> None:
        """End the waiting; descriptors are registered only while we wait, and none is closed before it is forgotten."""
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        waiting.timer.cancel()
        for descriptor in waiting.descriptors:
            waiting.loop.remove_reader(descriptor)
        if not waiting.future.done():
            waiting.future.set_result(None)
