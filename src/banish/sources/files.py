"""The hub over all log files: many paths and patterns, one inotify instance, one stream of batches.

The caller names patterns and takes ``Batch`` after ``Batch`` from ``batches``; which jail wants which file it asks with
``patterns_of``. A file is read once, however many jails watch it. A journal source stands beside this one, in ``journal.py``:
it yields the same ``Batch`` from an ``async def batches``, with a cursor where a file has its offset, and the daemon merges the two.

Law: no threads, and never long at a stretch: after 1 MiB or 20 ms the event loop gets its turn, and of a log whose batches take long to
judge (in a flood of addresses a line costs ten times as much) less is read at once. Nothing is raised for what is
wrong with a file; it is in ``status`` and, once, in ``notices``. What inotify misses is found by looking, see `TURNS`.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

from banish.model import Batch, Notice, Position
from banish.sources import globs, watching
from banish.sources.follower import BLOCK, Follower
from banish.sources.pace import Pace
from banish.sources.paths import LogPath
from banish.sources.reading import Identity, identity_of

POLL_INTERVAL = 1.0
"""Seconds between two looks at everything where inotify may be blind: without a watch, or while a log is missing."""
SURE = 2
"""Where every watch stands there are that many times as many: nothing is missed then but where nothing is told."""
TURNS = 5
"""Of the files of which inotify has missed nothing so far, a fifth is looked at each time: what it does miss (network file systems,
hard links, single files mounted into a container) is found ten seconds late once, and from then on as soon as with the others."""
BREATH_BYTES = 1 << 20
BREATH_SECONDS = 0.02
PORTION = 16 * 1024
"""Bytes that are read of a log at once at least, if there are so many; at first it is `BLOCK`."""
LARGEST = 2 * BLOCK
"""At most: more would not fit the cache of many a processor."""
_NOTICES = 1000
_OPENING: Identity = (-1, -1)


class FileStatus(NamedTuple):
    """How one path is doing; a pattern that hits nothing has a row of its own, under its own name."""

    path: str
    size: int
    """Bytes in the present file."""
    lag_bytes: int
    """Bytes written but not yet handed over."""
    found: bool
    problem: str | None
    left_out: int = 0
    """Lines so far that were longer than 1 MiB; a new number only when it has doubled."""


@dataclass(slots=True, eq=False)
class _Followed:
    follower: Follower
    patterns: set[str] = field(default_factory=set)
    places: set[tuple[str, str]] = field(default_factory=set)
    identity: Identity | None = _OPENING
    problem: str | None = None
    left_out: int = 0
    turn: int = 0
    """In which of the `TURNS` it is looked at."""
    untold: bool = False
    """Something was written to it and inotify did not say so."""
    portion: int = BLOCK
    """Bytes that are read of it at once."""

    def took(self, seconds: float) -> None:
        """Take note how long the last batch was worked on."""
        if seconds > BREATH_SECONDS:
            self.portion = max(PORTION, self.portion // 2)
        elif seconds < BREATH_SECONDS / 4:
            self.portion = min(LARGEST, self.portion * 2)


class FileSource:
    """Follows *paths*, going on from *positions* (by path) where there is one.

    A pattern that is given with ``head`` and with ``tail`` is read from its head: from where *begin* says, of a pattern and the
    descriptor of a file, that anything begins that matters. *clock* gives seconds that never go back.
    """

    def __init__(
        self,
        paths: Iterable[LogPath] = (),
        positions: Mapping[str, Position] | None = None,
        *,
        begin: Callable[[str, int], int] = lambda pattern, fd: 0,
        clock: Callable[[], float] = time.monotonic,
        watcher: watching.Watcher | None = None,
        poll_interval: float = POLL_INTERVAL,
    ) -> None:
        self._begin = begin
        self._clock = clock
        self._poll_interval = poll_interval
        self._notices: deque[Notice] = deque(maxlen=_NOTICES)
        self._starts: dict[str, Literal["head", "tail"]] = {}
        self._globs: tuple[str, ...] = ()
        self._hits: dict[str, frozenset[str]] = {}
        self._files: dict[str, _Followed] = {}
        self._positions: dict[str, Position] = dict(positions or {})
        self._index: dict[str, dict[str, set[str]]] = {}
        self._glob_directories: dict[str, set[str]] = {}
        self._directories_of: dict[str, set[str]] = {}
        self._stamped: globs.Stamps = {}
        self._watched: dict[str, str | None] = {}
        self._ready: dict[str, None] = {}
        self._lingering: set[str] = set()
        self._turns = itertools.cycle(range(TURNS))
        self._turn = 0
        self._next_poll = clock() + poll_interval
        self._closed = False
        self._waiting: (
            tuple[asyncio.AbstractEventLoop, asyncio.Future[None], asyncio.TimerHandle, int | None] | None
        ) = None
        if watcher is None:
            watcher, notice = watching.watcher()
            if notice is not None:
                self._notices.append(notice)
        self._watcher = watcher
        self.add(paths)

    # What is followed

    def add(self, paths: Iterable[LogPath], positions: Mapping[str, Position] | None = None) -> None:
        """Follow *paths* too. A file that is followed already goes on where it is, whatever its start says now."""
        self._positions.update(positions or {})
        starts: dict[str, Literal["head", "tail"]] = {}
        for path in paths:
            starts[path.pattern] = "head" if "head" in (path.start, starts.get(path.pattern)) else "tail"
        for pattern, start in sorted(
            starts.items(), key=lambda item: item[1]
        ):  # head first: it wins for a file in both
            fresh = pattern not in self._starts
            self._starts[pattern] = start if fresh or start == "head" else self._starts[pattern]
            if fresh:
                self._expand(pattern, start, first=True)
        self._globs = tuple(filter(globs.is_glob, self._starts))
        self._watch()
        self._stir()

    def remove(self, patterns: Iterable[str]) -> None:
        """Stop following what only *patterns* asked for. Added again, a file goes on where it was handed over to."""
        for pattern in patterns:
            self._starts.pop(pattern, None)
            self._hits.pop(pattern, None)
            for path in tuple(self._files):
                self._unwant(path, pattern)
        self._globs = tuple(filter(globs.is_glob, self._starts))
        self._watch()

    def patterns_of(self, path: str) -> frozenset[str]:
        """Return the patterns that the file of a batch (its ``source``) belongs to; empty when it is not followed."""
        followed = self._files.get(path)
        return frozenset(followed.patterns) if followed else frozenset()

    def positions(self) -> dict[str, Position]:
        """Return where reading goes on after all that was handed over, also for files that had nothing to hand over yet."""
        files = self._files.items()
        return {path: at for path, followed in files if (at := followed.follower.position) is not None}

    def status(self) -> list[FileStatus]:
        """Return a row for every file, and for every pattern that hits none, sorted by path."""
        rows = []
        hit: set[str] = set()
        for path, followed in self._files.items():
            follower = followed.follower
            hit |= followed.patterns
            rows.append(
                FileStatus(path, follower.size(), follower.lag(), follower.found, follower.problem, followed.left_out)
            )
        for pattern in self._starts.keys() - hit:
            rows += [FileStatus(pattern, 0, 0, False, _no_file(pattern))]
        return sorted(rows)

    def problems(self) -> list[tuple[str, str]]:
        """Return what keeps paths, and patterns that hit none, from being read, and lines from being judged.

        By path, in order; no file is looked at for it.
        """
        found = []
        for path, followed in self._files.items():
            if followed.follower.problem:
                found.append((path, followed.follower.problem))
            if followed.left_out:
                text = f"{path}: lines longer than 1 MiB are not judged ({followed.left_out} or more so far)"
                found.append((path, text))
        return sorted(found + [(pattern, _no_file(pattern)) for pattern in self._unmet()])

    def _unmet(self) -> set[str]:
        """Return the patterns that hit no file."""
        return self._starts.keys() - set().union(*(followed.patterns for followed in self._files.values()))

    def notices(self) -> list[Notice]:
        """Return what happened since the last call; when nobody asks, the oldest are dropped beyond a thousand."""
        told = list(self._notices)
        self._notices.clear()
        return told

    def close(self) -> None:
        """Close all files and the watcher; ``batches`` ends."""
        self._closed = True
        self._stir()
        for followed in self._files.values():
            followed.follower.close()
        self._watcher.close()

    # The stream

    async def batches(self) -> AsyncIterator[Batch]:
        """Yield batches as they are written, until ``close``. Files take turns; one caller at a time."""
        handed, since = 0, self._clock()
        pace = Pace(since)
        heard = False
        while not self._closed:
            if not heard:
                self._listen()
            heard = False
            while self._ready and not self._closed:
                path = next(iter(self._ready))
                del self._ready[path]
                batch, worked = self._read(path)
                if batch is not None:
                    pace.read += len(batch.data)
                    began = self._clock()
                    yield batch
                    took = self._clock() - began
                    pace.worked += took
                    if path in self._files:
                        self._files[path].took(took)
                # What is read next takes its place, in the processor's cache too; whoever is handed it lets go of it as well.
                del batch
                handed += worked
                if handed >= BREATH_BYTES or self._clock() - since >= BREATH_SECONDS:
                    await asyncio.sleep(0)
                    handed, since = 0, self._clock()
                    break
            else:
                rest = pace.rest(self._clock())
                if rest > 0 and not self._closed:
                    await asyncio.sleep(rest)
                    self._listen()
                    heard = bool(self._ready)
                if not self._ready and not self._closed:
                    await self._wait()
                handed, since = 0, self._clock()
                pace.wake(since)

    def _read(self, path: str) -> tuple[Batch | None, int]:
        followed = self._files.get(path)
        if followed is None:
            return None, 0
        follower = followed.follower
        batch = follower.read(followed.portion)
        if follower.more:
            self._ready[path] = None
        if follower.lingering:
            self._lingering.add(path)
        else:
            self._lingering.discard(path)
        if follower.identity != followed.identity:
            followed.identity = follower.identity
            self._place(path, followed)
        self._tell(followed)
        return batch, len(batch.data) if batch else BLOCK * follower.more

    def _listen(self) -> None:
        now = self._clock()
        everything = self._take_told()
        if now >= self._next_poll:
            self._poll(everything=everything)
            interval = self._poll_interval * (1 if self._blind() else SURE)
            self._next_poll = now + interval - now % interval  # on the stroke, as the daemon's other clocks
        elif everything and self._watcher.fileno() is not None:
            self._poll(everything=True)

    def _take_told(self) -> bool:
        """Have what the watcher tells of looked at; True when it cannot say."""
        changes = self._watcher.changes()
        for directory, names in changes.names.items():
            known = self._index.get(directory, {})
            for name in names:
                paths = known.get(name)
                if paths:
                    self._ready.update(dict.fromkeys(paths))
                else:
                    self._stray(directory, name)
        if changes.names:  # a renamed file has a name that nobody knows
            self._ready.update(dict.fromkeys(self._lingering))
        return changes.everything

    def _poll(self, *, everything: bool) -> None:
        now = self._stamps()
        moved = [pattern for pattern in self._globs if self._moved(pattern, now)]
        for pattern in moved:
            self._expand(pattern, "head", first=False)
        self._watch(moved)
        self._stamped = now
        self._turn = (self._turn + 1) % TURNS
        everything = everything or any(self._watched.values())
        found: list[str] = []
        gone: list[str] = []
        for path, followed in self._files.items():
            follower = followed.follower
            if not follower.certain:
                (gone if self._is_gone(path, followed) else found).append(path)
            elif (everything or followed.turn == self._turn or followed.untold) and not follower.unchanged():
                found.append(path)
        for path in gone:
            self._forget(path)
        # What was found by looking, and is not told of by now, will not be told of next time either.
        suspects = [path for path in found if path not in self._ready and self._files[path].follower.certain]
        if suspects and not everything:
            if self._take_told():
                self._poll(everything=True)
                return
            for path in suspects:
                if path not in self._ready and path in self._files:
                    self._files[path].untold = True
        self._ready.update(dict.fromkeys(found))

    @staticmethod
    def _is_gone(path: str, followed: _Followed) -> bool:
        follower = followed.follower
        globbed = follower.idle and follower.problem and all(map(globs.is_glob, followed.patterns))
        return bool(globbed) and not os.path.lexists(path)

    def _blind(self) -> bool:
        """True when something can appear or be written of which the watcher certainly does not tell."""
        troubled = any(followed.follower.problem for followed in self._files.values())
        return self._watcher.fileno() is None or any(self._watched.values()) or troubled or bool(self._unmet())

    def _stray(self, directory: str, name: str) -> None:
        """A name that nobody follows: perhaps a pattern hits it now."""
        path = os.path.join(directory, name)
        for pattern in tuple(self._glob_directories.get(directory, ())):
            if path not in self._hits.get(pattern, ()) and path not in self._watched and globs.may_hit(pattern, path):
                self._expand(pattern, "head", first=False)
                self._watch()

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        descriptor = self._watcher.fileno()
        timer = loop.call_later(max(0.0, self._next_poll - self._clock()), self._stir)
        future = loop.create_future()
        self._waiting = (loop, future, timer, descriptor)
        if descriptor is not None:
            loop.add_reader(descriptor, self._stir)
        try:
            await future
        finally:
            self._stir()

    def _stir(self) -> None:
        """End the waiting. The reader is registered only while we wait: a caller at work must not spin the loop."""
        if self._waiting is None:
            return
        loop, future, timer, descriptor = self._waiting
        self._waiting = None
        timer.cancel()
        if descriptor is not None:
            loop.remove_reader(descriptor)
        if not future.done():
            future.set_result(None)

    # Names

    def _expand(self, pattern: str, start: Literal["head", "tail"], *, first: bool) -> None:
        """Follow what *pattern* hits; a file that it did not hit at *first* is new, and is read from its beginning."""
        if not globs.is_glob(pattern):
            self._follow(pattern, pattern, start, first)
            return
        found = frozenset(globs.hits(pattern))
        if found == self._hits.get(pattern):
            return
        self._hits[pattern] = found
        logs = globs.logs(sorted(found), self._files)
        for path in found.difference(logs) & self._files.keys():
            self._unwant(path, pattern)  # the log whose rotated file this is has appeared
        for path in logs:
            self._follow(path, pattern, start, first)

    def _follow(self, path: str, pattern: str, start: Literal["head", "tail"], first: bool) -> None:
        followed = self._files.get(path)
        if followed is None:
            resume = self._positions.pop(path, None) or (None if first else self._handed_on(path))
            follower = Follower(path, start, resume, begin=partial(self._begin, pattern), clock=self._clock)
            followed = self._files[path] = _Followed(follower, turn=next(self._turns))
            self._place(path, followed)
            self._ready[path] = None
        followed.patterns.add(pattern)

    def _handed_on(self, path: str) -> Position | None:
        """A file that was followed under a name it no longer has goes on where it was."""
        try:
            identity = identity_of(os.stat(path))
        except (OSError, ValueError):
            return None
        for followed in self._files.values():
            position = followed.follower.release(identity)
            if position is not None:
                return position
        return None

    def _unwant(self, path: str, pattern: str) -> None:
        followed = self._files[path]
        followed.patterns.discard(pattern)
        if not followed.patterns:
            if followed.follower.position is not None:
                self._positions[path] = followed.follower.position
            self._forget(path)

    def _forget(self, path: str) -> None:
        followed = self._files.pop(path)
        followed.follower.close()
        self._unplace(path, followed)
        self._ready.pop(path, None)
        self._lingering.discard(path)

    def _place(self, path: str, followed: _Followed) -> None:
        """Note the directories whose changes concern *path*: its own, and that of the file it points to."""
        places = {os.path.split(os.path.abspath(path))}
        with suppress(ValueError):  # a NUL byte: the follower has the problem
            places.add(os.path.split(os.path.realpath(path)))
        if places == followed.places:
            return
        self._unplace(path, followed)
        followed.places = places
        for directory, name in places:
            self._index.setdefault(directory, {}).setdefault(name, set()).add(path)
            self._watch_one(directory)

    def _unplace(self, path: str, followed: _Followed) -> None:
        for directory, name in followed.places:
            names = self._index.get(directory, {})
            paths = names.get(name, set())
            paths.discard(path)
            if not paths:
                names.pop(name, None)
            if not names:
                self._index.pop(directory, None)
        followed.places = set()

    def _stamps(self) -> globs.Stamps:
        return globs.stamps({name for names in self._directories_of.values() for name in names}, time.time_ns())

    def _moved(self, pattern: str, now: globs.Stamps) -> bool:
        """False when no name can have appeared that *pattern* hits since the last look."""
        directories = self._directories_of.get(pattern)
        return not directories or any(now[name] is None or now[name] != self._stamped.get(name) for name in directories)

    def _watch(self, moved: Iterable[str] | None = None) -> None:
        """Watch the directories that matter, and only those; a watch that was lost is renewed.

        *moved* are the patterns in whose directories something changed; None: perhaps all.
        """
        for pattern in self._directories_of.keys() - set(self._globs):
            del self._directories_of[pattern]
        for pattern in self._globs if moved is None else moved:
            self._directories_of[pattern] = globs.directories(pattern)
        self._glob_directories = {}
        for pattern, directories in self._directories_of.items():
            for directory in directories:
                self._glob_directories.setdefault(directory, set()).add(pattern)
        wanted = self._index.keys() | self._glob_directories.keys()
        for directory in self._watched.keys() - wanted:
            self._watcher.unwatch(directory)
            del self._watched[directory]
        for directory in wanted:
            self._watch_one(directory)

    def _watch_one(self, directory: str) -> None:
        problem = self._watcher.watch(directory)
        if problem is not None and problem != self._watched.get(directory):
            self._notices.append(Notice("WARNING", "filter", problem))
        self._watched[directory] = problem

    def _tell(self, followed: _Followed) -> None:
        follower = followed.follower
        for reason in follower.rotations:
            self._notices.append(
                Notice("INFO", "filter", f"Log rotation detected for {follower.path}, reason: {reason}")
            )
        follower.rotations.clear()
        if follower.problem != followed.problem:
            followed.problem = follower.problem
            if follower.problem:
                self._notices.append(Notice("WARNING", "filter", follower.problem))
            else:
                self._notices.append(Notice("INFO", "filter", f"{follower.path}: it is read again"))
        if follower.left_out > 2 * followed.left_out:
            followed.left_out = follower.left_out


def _no_file(pattern: str) -> str:
    return f"{pattern}: no file matches (what appears is read)"
