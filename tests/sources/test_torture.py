"""Random lives of a log: whatever its writer, logrotate and restarts do in whatever order, no line is lost and none comes twice.

Two ways of life: one that renames and unlinks, one that copies and truncates. What the module docstring of the follower calls
lost (a line written to an already rotated file while we were down) is kept out: a restart happens when no old file lingers.
"""

from __future__ import annotations

import gzip
import os
import random
import shutil
from pathlib import Path
from typing import BinaryIO

import pytest

from banish.model import Position
from banish.sources.follower import LINGER_RENAMED, Follower

KEPT = 9


class Life:
    def __init__(self, path: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.path = path
        self.now = 0.0
        self.count = 0
        self.written: list[bytes] = []
        self.unfinished = b""
        self.writer: BinaryIO = path.open("ab", buffering=0)
        self.old_writers: list[BinaryIO] = []
        self.read: list[bytes] = []
        self.position: Position | None = None
        self.follower: Follower | None = self.start()

    def start(self) -> Follower:
        return Follower(str(self.path), "head", self.position, clock=lambda: self.now)

    def line(self) -> bytes:
        self.count += 1
        return b"%d %s" % (self.count, b"x" * self.random.choice((0, 3, 40, 200, 400)))

    # The writer

    def append(self) -> None:
        for _ in range(self.random.randrange(1, 6)):
            line = self.line()
            self.writer.write(line + b"\n")
            self.written.append(self.unfinished + line + b"\n")
            self.unfinished = b""

    def append_a_part(self) -> None:
        part = self.line()
        self.writer.write(part)
        self.unfinished += part

    def append_to_an_old_file(self) -> None:
        if self.old_writers and self.follower is not None:
            line = self.line() + b"\n"
            self.random.choice(self.old_writers).write(line)
            self.written.append(line)

    # logrotate

    def beside(self, number: int, suffix: str = "") -> Path:
        return Path(f"{self.path}.{number}{suffix}")

    def shift(self) -> None:
        for suffix in ("", ".gz"):
            self.beside(KEPT, suffix).unlink(missing_ok=True)
            for number in range(KEPT - 1, 0, -1):
                if self.beside(number, suffix).exists():
                    self.beside(number, suffix).rename(self.beside(number + 1, suffix))

    def cut_off(self) -> None:
        if self.unfinished:
            self.written.append(self.unfinished + b"\n")
            self.unfinished = b""

    def rename(self) -> None:
        self.shift()
        self.path.rename(self.beside(1))
        if self.random.random() < 0.5:
            self.look()
        if self.follower is not None and not self.unfinished:
            self.old_writers.append(self.writer)
        else:
            self.writer.close()
        self.cut_off()
        self.writer = self.path.open("ab", buffering=0)

    def compress(self) -> None:
        old, packed = self.beside(2), self.beside(2, ".gz")
        if old.exists() and not self.old_writers:
            packed.write_bytes(gzip.compress(old.read_bytes(), 1))
            old.unlink()

    def unlink(self) -> None:
        if self.follower is not None:
            self.look()
            self.path.unlink()
            self.cut_off()
            self.writer.close()
            self.writer = self.path.open("ab", buffering=0)
            self.look()

    def copytruncate(self) -> None:
        self.look()
        self.shift()
        shutil.copyfile(self.path, self.beside(1))
        os.truncate(self.path, 0)
        self.cut_off()

    # The follower

    def look(self) -> None:
        """A wake-up, as inotify gives one after each write: what was written is noticed, though not all of it read."""
        if self.follower is not None:
            self.take(self.follower, 1)

    def read_some(self) -> None:
        if self.follower is not None:
            for _ in range(self.random.randrange(1, 4)):
                self.take(self.follower, self.random.choice((1, 50, 300, 1000, 100_000)))

    def take(self, follower: Follower, limit: int) -> bool:
        batch = follower.read(limit)
        if batch is not None:
            assert batch.data.endswith(b"\n")
            self.read += batch.data.splitlines(keepends=True)
            self.position = batch.position
        assert follower.lag() >= 0
        return batch is not None or follower.more

    def drain(self) -> None:
        if self.follower is None:
            self.follower = self.start()
        while self.take(self.follower, 100_000):
            pass

    def restart(self) -> None:
        if self.follower is not None:
            if self.follower.lingering or self.position is None:
                self.let_go()
            if self.follower.position is None or not self.follower.position.head:
                self.append()  # an empty file has nothing by which a copy of it could be known again
                self.drain()
            self.position = self.follower.position
            self.follower.close()
            self.follower = None
        else:
            self.follower = self.start()

    def let_go(self) -> None:
        self.drain()
        for old in self.old_writers:
            old.close()
        self.old_writers.clear()
        self.now += LINGER_RENAMED + 1
        self.drain()

    def wait(self) -> None:
        if not self.old_writers:
            self.now += self.random.choice((0.2, 6.0, 100.0))

    def end(self) -> None:
        self.cut_off()
        self.writer.close()
        self.let_go()
        self.path.unlink()
        self.let_go()
        assert self.follower is not None
        self.follower.close()


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("kind", ["rename", "copytruncate"])
def test_no_line_is_lost_and_none_comes_twice(tmp_path: Path, kind: str, seed: int) -> None:
    life = Life(tmp_path / "auth.log", seed)
    steps = [life.append] * 6 + [life.append_a_part, life.read_some, life.read_some, life.wait, life.restart]
    if kind == "rename":
        steps += [life.append_to_an_old_file, life.append_to_an_old_file, life.rename, life.compress, life.unlink]
    else:
        steps += [life.copytruncate]
    life.append()
    life.drain()
    rotations = 0
    for _ in range(100):
        step = life.random.choice(steps)
        if step in (life.rename, life.copytruncate):
            rotations += 1
            if rotations % (KEPT - 2) == 0:
                life.drain()
        step()
    life.end()
    assert sorted(life.read) == sorted(life.written)
