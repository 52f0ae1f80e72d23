"""Power cuts: the database file and its log as they may be found afterwards, opened and gone on from.

``synchronous=NORMAL`` (https://sqlite.org/wal.html) promises that the log is on the disk before a page of it goes to the database file, and
nothing else: what was written to the log since may be there, or not, or in parts of 512 bytes. So a power cut leaves

* the database file as it was after a checkpoint, or, in the midst of one, any mixture of pages before and after it;
* of the log all that a checkpoint needed, and behind that as much as the disk has got: cut off anywhere, with sectors of anything.

The daemon's pipeline judges a story and saves; at random commits such images are made; from each the story is judged to its end.
"""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

from banish.config.jails import load
from banish.daemon.assembly import assemble
from banish.daemon.logbook import Logbook
from banish.daemon.pipeline import Pipeline
from banish.daemon.remembering import Remembering
from banish.decisions.ledger import Ledger
from banish.enforcement.dispatch import Dispatch
from banish.lines.reader import LineReader
from banish.model import Batch, Position
from banish.store.database import Store
from banish.subscription import Subscription
from tests.torture.story import FILTERS, JAILS, LOGS

_SECTOR = 512
_BANS = "SELECT jail, id, at, expires_at, ban_count, failures, reason FROM bans WHERE jail != 'asked' ORDER BY jail, id"
_ASKED = "SELECT id, ban_count FROM bans WHERE jail = 'asked' ORDER BY id"
# Lines without their places: how well those are known depends on where the log was read piece by piece.
_LINES = "SELECT json_group_array(iif(type = 'array', json_extract(value, '$[0]'), value)) FROM json_each(matches)"
_EVIDENCE = f"SELECT jail, id, ({_LINES}) AS lines, fields FROM evidence WHERE jail != 'asked' ORDER BY jail, id"
_EVENTS = "SELECT jail, kind, id, iif(jail = 'asked', '', reason) FROM events WHERE jail != 'asked' OR kind = 'banned'"


class Image(NamedTuple):
    """The two files."""

    database: bytes
    log: bytes

    def put(self, path: Path) -> None:
        path.parent.mkdir(parents=True)
        path.write_bytes(self.database)
        Path(f"{path}-wal").write_bytes(self.log)


class Ended(NamedTuple):
    """What is in the database in the end."""

    bans: list[Any]
    asked: list[Any]
    evidence: list[Any]
    events: Counter[Any]


class Run:
    """One life of the daemon's pipeline over *logs*, with the database at *path*; without a firewall, and the time is always *now*."""

    def __init__(self, path: Path, logs: Path, now: float, dice: random.Random) -> None:
        self.path, self.now, self.dice = path, now, dice
        self.store = Store.open(path, now)
        self.logs = {name: (logs / name).read_bytes() for name in LOGS}
        ledger = Ledger()
        configuration = load(_configuration(logs), Path(str(resources.files("banish"))) / "data")
        running = assemble(configuration, {}, ledger).running
        quiet = SimpleNamespace(**dict.fromkeys(("events", "entries", "all_lifted", "say", "bug"), lambda *_: None))
        self.pipeline = Pipeline(ledger, Dispatch({}, lambda: ledger), self.store, cast(Logbook, quiet))
        self.remembering = self.pipeline.remembering = Remembering(self.store)
        for key, past in self.store.past(now):
            ledger.remember(*key, past)
        ledger.restore(self.store.standing(now), now)
        self.remembering.attend(running, now)
        self.jails = {name: each.jail for name, each in running.items()}
        self.places = {Path(source).name: at.offset for source, at in self.store.positions().items()}
        self.open = self.remembering.unanswered(running)
        self._subscriptions: dict[str, list[Subscription]] = {}
        for name in LOGS:
            source = str(logs / name)
            jails = [each.jail for each in running.values() if each.config.logpaths[0].pattern == source]
            readers = {jail.settings.lines: LineReader(jail.settings.lines) for jail in jails}
            for reader in readers.values():
                self.remembering.read_on(source, reader)
            self._subscriptions[source] = [
                Subscription(reader, [jail for jail in jails if jail.settings.lines == settings])
                for settings, reader in readers.items()
            ]
        self.pipeline.subscribe = self._subscriptions.__getitem__
        self.sources = {Path(source).name: source for source in self._subscriptions}

    def go_on(self) -> Iterator[None]:
        """Judge a batch at a time, of random length out of a random log, to the end of all; a question waits for a while."""
        while left := [name for name in LOGS if self.places.get(name, 0) < len(self.logs[name])]:
            name = self.dice.choice(left)
            begin, data = self.places.get(name, 0), self.logs[name]
            end = begin
            for _ in range(self.dice.choice((1, 2, 5, 20))):
                end = data.find(b"\n", end) + 1 or len(data)
                if end == len(data):
                    break
            self.places[name] = end
            position = Position(1, 2, end, data[:64], data[max(end - 64, 0) : end])
            self.pipeline.feed(Batch(self.sources[name], data[begin:end], position, live=False), self.now)
            if self.dice.random() < 0.3:
                self._answer(self.dice.randrange(3))
            if self.dice.random() < 0.3:
                self.pipeline.save(now=self.now)
            yield
        while self.open or self.pipeline.questions:
            self._answer(1000)
            yield
        self.pipeline.save(now=self.now)

    def _answer(self, count: int) -> None:
        self.open += self.pipeline.questions
        self.pipeline.questions = []
        for question in self.open[:count]:
            self.remembering.answered(question)
            ignored = question.match.id[-1] in "13579"
            self.pipeline.settle(self.jails[question.jail].answer(question, ignored), self.now)
        del self.open[:count]

    def keep_images(self) -> list[tuple[Image, Image]]:
        """Return a list that grows by the files before and after each commit: two of them may lie in what one step does."""
        images: list[tuple[Image, Image]] = []
        before, save = self.image(), self.store.save

        def watched(*words: Any, **more: Any) -> None:
            nonlocal before
            save(*words, **more)
            after = self.image()
            if after != before:
                images.append((before, after))
            before = after

        self.store.__dict__["save"] = watched
        return images

    def image(self) -> Image:
        """Return the two files as they are now."""
        return Image(self.path.read_bytes(), Path(f"{self.path}-wal").read_bytes())

    def finish(self) -> Ended:
        """Go on to the end, and return what there is then."""
        for _ in self.go_on():
            pass
        self.store.close()
        with closing(sqlite3.connect(self.path)) as connection:
            found = [connection.execute(query).fetchall() for query in (_BANS, _ASKED, _EVIDENCE, _EVENTS)]
        return Ended(found[0], found[1], found[2], Counter(found[3]))


def ruined(before: Image, after: Image, dice: random.Random) -> Image:
    """Return what a power cut may leave of *after*, of which *before* is known to be on the disk: the commit before it."""
    page = 4096
    if after.database != before.database:
        # A checkpoint: the log is on the disk, and the pages are on their way.
        pages = max(len(before.database), len(after.database)) // page
        mixed = b"".join(
            (after if dice.random() < 0.5 or number * page >= len(before.database) else before).database[
                number * page : number * page + page
            ]
            for number in range(pages)
        )
        return Image(mixed, after.log)
    log = bytearray(after.log)
    kept = _common(before.log, after.log)
    cut = dice.randrange(kept, len(log) + 1)
    how = dice.randrange(3)
    if how == 0:
        del log[cut:]
    else:
        for start in range(cut, len(log), _SECTOR):
            if how == 1 or dice.random() < 0.5:
                size = min(_SECTOR, len(log) - start)
                log[start : start + size] = dice.randbytes(size) if dice.random() < 0.5 else bytes(size)
    return Image(after.database, bytes(log))


def _common(one: bytes, other: bytes) -> int:
    """Return how many first bytes are equal, in steps of a frame (24 bytes before each page)."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _configuration(logs: Path) -> Path:
    etc = logs.parent / "etc"
    if not etc.exists():
        for name, text in {**FILTERS, "jail.local": JAILS.format(logs=logs)}.items():
            path = etc / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return etc
