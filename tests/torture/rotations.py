"""Busy logs and a journal, rotated in every way at random while they are read: ``python -m tests.torture.rotations --seconds 600``.

Each log has a writer in a thread of its own that never stops, and rotates it in its way; the readers are those of the daemon, with
real inotify and a real journald, and are stopped and started again from their positions, with writing and rotating going on meanwhile.
In the end every line must have been read once: by count, and by content.

What nobody can promise is kept out: a file that is removed before it was ever opened, a line that is added to a file that was
rotated already while no reader runs, and more rotations than old files are kept.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from banish.model import Batch, Cursor, JournalBatch, Position
from banish.sources.files import FileSource
from banish.sources.filetape import FileTape
from banish.sources.journal import JournalSource
from banish.sources.matches import Watch
from banish.sources.paths import LogPath
from banish.sources.tape import JournalOptions
from banish.sources.watching import PollingWatcher
from lab.journald import Journald
from lab.namespaces import Lab

KEPT = 9
"""Rotated files that are kept."""
PATIENCE = 45.0
"""Seconds that may pass, on a busy machine, until what was written has been read."""
_PAUSE = 0.02


@dataclass
class Log:
    """What was written under one name, and what was read of it."""

    name: str
    written: list[bytes] = field(default_factory=list)
    read: Counter[bytes] = field(default_factory=Counter)
    rotations: Counter[str] = field(default_factory=Counter)

    def difference(self) -> str:
        """Return what is wrong; empty when every line was read once."""
        wanted = Counter(self.written)
        lost, extra = wanted - self.read, self.read - wanted
        if not lost and not extra:
            return ""
        return f"{self.name}: {lost.total()} lines lost {list(lost)[:3]}, {extra.total()} too many {list(extra)[:3]}"

    @property
    def unread(self) -> int:
        return len(self.written) - self.read.total()


class Writer(ABC):
    """Writes to a log and rotates it, in a thread, until told to stop."""

    def __init__(self, log: Log, seed: int, readers: Readers) -> None:
        self.log = log
        self.random = random.Random(seed)
        self.readers = readers
        self.ended = threading.Event()
        self.calm = threading.Lock()
        """Held while something is done in several steps."""
        self.error: BaseException | None = None
        self._marks: list[int] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.ended.set()
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        try:
            turn_at = 0.0
            while not self.ended.is_set():
                with self.calm:
                    self.write(self.lines(self.random.randrange(1, 12)))
                    now = time.monotonic()
                    if now >= turn_at and self._may_turn():
                        turn_at = now + self.random.uniform(0.1, 1.2)
                        self._marks.append(len(self.log.written))
                        self.log.rotations[self.turn()] += 1
                time.sleep(self.random.uniform(0, 2 * _PAUSE))
        except BaseException as error:  # noqa: BLE001 - told at the end
            self.error = error
        finally:
            self.close()

    def _may_turn(self) -> bool:
        """Not before a reader knows the files; not more rotations than files are kept, before what they hold was read."""
        return self.readers.begun and (len(self._marks) < KEPT - 3 or self.log.read.total() >= self._marks[-(KEPT - 3)])

    def lines(self, count: int) -> list[bytes]:
        first = len(self.log.written)
        found = [
            b"%s %d %s\n" % (self.log.name.encode(), number, b"x" * self.random.choice((0, 20, 300)))
            for number in range(first, first + count)
        ]
        self.log.written += found
        return found

    @abstractmethod
    def write(self, lines: list[bytes]) -> None: ...

    @abstractmethod
    def turn(self) -> str:
        """Rotate, and say in which way."""

    def settle(self) -> None:
        """Write no more to what is rotated already: readers are about to stop."""
        return

    def close(self) -> None:
        """Close what is open."""
        return


class FileWriter(Writer):
    """Writes to *path*, a part of a line at a time now and then."""

    def __init__(self, path: Path, seed: int, readers: Readers) -> None:
        super().__init__(Log(str(path)), seed, readers)
        self.path = path
        self.file: BinaryIO = path.open("ab", buffering=0)

    def write(self, lines: list[bytes]) -> None:
        data = b"".join(lines)
        cut = self.random.randrange(len(data))
        self.file.write(data[:cut])
        if self.random.random() < 0.1:
            time.sleep(_PAUSE)
        self.file.write(data[cut:])

    def close(self) -> None:
        self.file.close()

    def beside(self, number: int, suffix: str = "") -> Path:
        return Path(f"{self.path}.{number}{suffix}")

    def shift(self) -> None:
        """From the oldest on, as logrotate does: at no moment does an older file have the number of a newer one."""
        for number in range(KEPT, 0, -1):
            for suffix in ("", ".gz"):
                old = self.beside(number, suffix)
                if number == KEPT:
                    old.unlink(missing_ok=True)
                elif old.exists():
                    old.rename(self.beside(number + 1, suffix))

    def compress(self, number: int) -> None:
        old, packed = self.beside(number), self.beside(number, ".gz")
        if old.exists():
            packed.write_bytes(gzip.compress(old.read_bytes(), 1))
            old.unlink()


class Renamed(FileWriter):
    """Renamed and made anew; its writer goes on with the old file for a while, as one does that has not reopened yet."""

    def __init__(self, path: Path, seed: int, readers: Readers) -> None:
        super().__init__(path, seed, readers)
        self.old: BinaryIO | None = None

    def write(self, lines: list[bytes]) -> None:
        if self.old is not None and self.readers.running and self.random.random() < 0.3:
            self.old.write(b"".join(lines))
        else:
            self.settle()
            super().write(lines)

    def turn(self) -> str:
        self.settle()
        self.shift()
        packed = self.random.random() < 0.8 and not self.readers.running
        self.path.rename(self.beside(1))
        if self.readers.running and self.random.random() < 0.5:
            self.old = self.file
        else:
            self.file.close()
        if packed:
            self.compress(1)
        elif self.random.random() < 0.5:
            self.compress(3)
        self.file = self.path.open("ab", buffering=0)
        return "renamed and compressed" if packed else "renamed"

    def settle(self) -> None:
        if self.old is not None:
            self.old.close()
            self.old = None

    def close(self) -> None:
        self.settle()
        super().close()


class Copied(FileWriter):
    """Copied and truncated; now and then it has grown beyond its former length before anybody can look."""

    def turn(self) -> str:
        self.shift()
        shutil.copyfile(self.path, self.beside(1))
        size = self.path.stat().st_size
        os.truncate(self.path, 0)
        grown = self.random.random() < 0.3 and size < 200_000
        written = 0
        while grown and written <= size:
            lines = self.lines(20)
            self.file.write(b"".join(lines))
            written += sum(map(len, lines))
        self.file.write(b"".join(self.lines(1)))
        return "copied, truncated, grown" if grown else "copied and truncated"


class Removed(FileWriter):
    """Removed and made anew, once a reader has it open."""

    def turn(self) -> str:
        if not self.readers.has_open(self.path):
            return "not removed"
        self.path.unlink()
        self.file.close()
        if self.random.random() < 0.3:
            time.sleep(5 * _PAUSE)  # it appears late
        self.file = self.path.open("ab", buffering=0)
        return "removed"


class Linked(FileWriter):
    """A symlink that is turned to another file, as a program does that puts the date into the name."""

    def __init__(self, path: Path, seed: int, readers: Readers) -> None:
        self.number = 0
        target = path.with_name(f"dated-{self.number}.log")
        target.touch()
        path.symlink_to(target)
        super().__init__(path, seed, readers)

    def turn(self) -> str:
        if not self.readers.has_open(self.path):
            return "not turned"
        self.number += 1
        target = self.path.with_name(f"dated-{self.number}.log")
        self.file.close()
        self.file = target.open("ab", buffering=0)
        beside = self.path.with_name("link")
        beside.symlink_to(target)
        beside.rename(self.path)
        return "symlink turned"


class Many(Writer):
    """New files that a glob hits, the later ones in a directory that is made meanwhile."""

    def __init__(self, directory: Path, seed: int, readers: Readers) -> None:
        super().__init__(Log(str(directory / "*" / "app*.log")), seed, readers)
        self.directory = directory
        self.number = 0
        self.files: list[BinaryIO] = []
        self.turn()

    def write(self, lines: list[bytes]) -> None:
        self.random.choice(self.files).write(b"".join(lines))

    def turn(self) -> str:
        place = self.directory / f"{self.number // 5}"
        place.mkdir(parents=True, exist_ok=True)
        self.files.append((place / f"app{self.number}.log").open("ab", buffering=0))
        while len(self.files) > 5:
            self.files.pop(0).close()
        self.number += 1
        return "new file"

    def close(self) -> None:
        for file in self.files:
            file.close()


class Entries(Writer):
    """Entries of the journal, whose files are put aside and removed; journald is started again now and then."""

    def __init__(self, journald: Journald, seed: int, readers: Readers) -> None:
        super().__init__(Log("journal"), seed, readers)
        self.journald = journald

    def write(self, lines: list[bytes]) -> None:
        for line in lines:
            self.journald.send(line.rstrip(b"\n"), SYSLOG_IDENTIFIER="load", WAY=self.random.choice("ab"))
            self.journald.send(b"nothing", SYSLOG_IDENTIFIER="other")

    def turn(self) -> str:
        way = self.random.random()
        if way < 0.2 and self.readers.running and self._read_all():
            self.journald.vacuum()
            return "journal files removed"
        if way < 0.3 and self.readers.running and self._read_all():
            self.journald.stop()
            self.journald.start()
            return "journald started again"
        self.journald.rotate()
        return "journal rotated"

    def _read_all(self) -> bool:
        """What is taken away, or waits in a socket that closes, must have been read."""
        deadline = time.monotonic() + 2
        while self.log.unread and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        return not self.log.unread


class Readers:
    """The readers of the daemon: of files and of the journal, started again from their positions."""

    def __init__(self, journal: Path | None) -> None:
        self.running = self.begun = False
        self.paths: list[LogPath] = []
        self.logs: dict[str, Log] = {}
        self.starts = 0
        self._journal = journal
        self._positions: dict[str, Position] = {}
        self._cursors: dict[str, Cursor] = {}
        self._files: FileSource | None = None

    def all_known(self) -> bool:
        """True when no file that is read is empty."""
        return all(position.head for position in self._positions.values())

    def has_open(self, path: Path) -> bool:
        """True when the file that stands at *path* is open."""
        files = self._files
        if not self.running or files is None:
            return False
        position, found = self._positions.get(str(path)), path.stat()
        return position is not None and (position.device, position.inode) == (found.st_dev, found.st_ino)

    async def run(self, seconds: float, enough: Callable[[], bool], settle: Callable[[], None] = lambda: None) -> bool:
        """Read for *seconds*, and then until there is *enough*; *settle* is called before the last of it.

        False when there was not enough for as long as `PATIENCE`.
        """
        self.starts += 1
        # Every fourth time as on a file system that tells nothing.
        watcher = None if self.starts % 4 else PollingWatcher()
        self._files = files = FileSource(self.paths, self._positions, watcher=watcher)
        journal = JournalSource(self._cursors, opener=self._open)
        if self._journal is not None:
            watches = [Watch(JournalOptions(), (f"SYSLOG_IDENTIFIER=load WAY={way}",)) for way in "ab"]
            journal.configure((watch, 3600.0) for watch in watches)
        self.running = True
        tasks = [asyncio.create_task(self._take(source.batches())) for source in (files, journal)]
        try:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                await asyncio.sleep(_PAUSE)
                self._positions.update(files.positions())
                self.begun = self.begun or len(self._positions) >= len(self.paths)
            self.running = False
            settle()
            deadline = time.monotonic() + PATIENCE
            while not enough() and time.monotonic() < deadline:
                await asyncio.sleep(_PAUSE)
                self._positions.update(files.positions())
            return enough()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._positions.update(files.positions())
            self._cursors.update(journal.positions())
            self._files = None
            files.close()
            journal.close()

    async def _take(self, batches: AsyncIterator[Batch] | AsyncIterator[JournalBatch]) -> None:
        async for batch in batches:
            if isinstance(batch, JournalBatch):
                log, lines = (
                    self.logs["journal"],
                    [line[line.index(b"journal ") :] for line in batch.data.splitlines(keepends=True)],
                )
            else:
                self._positions[batch.source] = batch.position
                log, lines = self._log_of(batch.source), batch.data.splitlines(keepends=True)
            log.read.update(lines)

    def _log_of(self, source: str) -> Log:
        return self.logs.get(source) or self.logs[f"{Path(source).parents[1]}/*/app*.log"]

    def _open(self, options: JournalOptions) -> FileTape:
        return FileTape(JournalOptions(options.flags, str(self._journal)))


def run(directory: Path, journald: Journald | None, seconds: float, seed: int) -> tuple[list[Log], list[str]]:
    """Torture files in *directory*, and the journal, for *seconds*; return the logs, and what is wrong with them."""
    readers = Readers(journald.files if journald is not None else None)
    writers: list[Writer] = [
        Renamed(directory / "renamed.log", seed, readers),
        Copied(directory / "copied.log", seed + 1, readers),
        Removed(directory / "removed.log", seed + 2, readers),
        Linked(directory / "linked.log", seed + 3, readers),
        Many(directory / "many", seed + 4, readers),
    ]
    if journald is not None:
        writers.append(Entries(journald, seed + 11, readers))
    readers.logs = {writer.log.name: writer.log for writer in writers}
    readers.paths = [LogPath(writer.log.name) for writer in writers if not isinstance(writer, Entries)]
    choice = random.Random(seed)
    for writer in writers:
        writer.start()

    marks: dict[str, int] = {}

    def settle() -> None:
        for writer in writers:
            with writer.calm:
                writer.settle()
        marks.update({name: len(log.written) for name, log in readers.logs.items()})

    def known() -> bool:
        """All of what was there has been read, and no file is empty, for nothing is known again by nothing."""
        return readers.all_known() and all(log.read.total() >= marks[log.name] for log in readers.logs.values())

    async def story() -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not await readers.run(min(left, choice.uniform(0.5, 5.0)), known, settle):
                break  # something was lost, or nearly: more of it tells nothing new
            await asyncio.sleep(choice.choice((0.0, 0.1, 0.8)))
        for writer in writers:
            await asyncio.to_thread(writer.stop)
        await readers.run(0.5, lambda: all(log.unread <= 0 for log in readers.logs.values()))

    try:
        asyncio.run(story())
    finally:
        for writer in writers:
            writer.stop()
    troubles = [repr(writer.error) for writer in writers if writer.error is not None]
    return list(readers.logs.values()), troubles + [
        log.difference() for log in readers.logs.values() if log.difference()
    ]


@contextlib.contextmanager
def place() -> Iterator[tuple[Path, Journald]]:
    """A directory, and a journald of a laboratory."""
    with (
        tempfile.TemporaryDirectory(dir="/var/tmp") as directory,
        Lab.hold() as held,
        Journald(held, held.host("journal")) as journald,
    ):
        yield Path(directory), journald


def main() -> int:
    """Torture for as long as the command line says, and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.rotations", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    words = parser.parse_args()
    print(f"seed {words.seed}", flush=True)
    with place() as (directory, journald):
        logs, troubles = run(directory, journald, words.seconds, words.seed)
    for log in logs:
        ways = ", ".join(f"{count} x {way}" for way, count in sorted(log.rotations.items()))
        print(f"{Path(log.name).name:14} {len(log.written):8} lines; {ways}")
    print("\n".join(troubles) or "every line was read once")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
