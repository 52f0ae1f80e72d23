"""Where in a long log the last minutes begin."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from banish.sources.files import FileSource
from banish.sources.follower import Follower
from banish.sources.paths import LogPath
from banish.sources.since import SHORT, SLACK, beginning


def date_of(line: bytes) -> float | None:
    word = line.split(b" ", 1)[0]
    return float(word) if word.replace(b".", b"").isdigit() else None


def write(path: Path, seed: int, lines: int = 20_000) -> list[tuple[int, float]]:
    """Write a log, some of whose lines have no date or are a little out of order; return where dated lines begin, and their dates."""
    choice = random.Random(seed)
    data, found, at = [], [], 0.0
    size = 0
    for number in range(lines):
        at += choice.expovariate(1 / choice.choice((0.1, 1, 30)))
        stated = at - choice.uniform(0, SLACK / 2)
        dated = choice.random() < 0.8
        words = b"%.3f " % stated if dated and stated > 0 else b"  continued "
        line = words + b"%d " % number + b"x" * choice.choice((0, 10, 200)) + b"\n"
        if dated and stated > 0:
            found.append((size, stated))
        data.append(line)
        size += len(line)
    path.write_bytes(b"".join(data))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_no_line_that_is_young_enough_stands_before_it(tmp_path: Path, seed: int) -> None:
    log = tmp_path / "long.log"
    found = write(log, seed)
    fd = os.open(log, os.O_RDONLY)
    try:
        last = found[-1][1]
        for since in (0.0, last / 3, last / 2, last * 0.9, last - 1, last + 10 * SLACK):
            at = beginning(fd, since, date_of)
            assert at == 0 or os.pread(fd, 1, at - 1) == b"\n"
            assert all(offset >= at for offset, stated in found if stated >= since)
            old = [offset for offset, stated in found if offset >= at and stated < since - 4 * SLACK]
            assert len(old) < 5_000, "what is too old is left out, but for a little"
    finally:
        os.close(fd)


def test_a_log_without_dates_and_a_short_one_are_read_from_the_beginning(tmp_path: Path) -> None:
    for name, data in (("undated", b"no date in here\n" * 50_000), ("short", b"1.0 old\n" * (SHORT // 8))):
        (tmp_path / name).write_bytes(data)
        fd = os.open(tmp_path / name, os.O_RDONLY)
        assert beginning(fd, 1000.0, date_of) == 0
        os.close(fd)


def test_only_a_log_that_is_there_at_first_and_new_to_us_is_begun_late(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    log.write_bytes(b"old\nnew\n")
    follower = Follower(str(log), "head", begin=lambda fd: 4)
    batch = follower.read()
    assert batch is not None
    assert batch.data == b"new\n"
    follower.close()
    follower = Follower(str(log), "head", batch.position._replace(offset=0, anchor=b""), begin=lambda fd: 4)
    assert (again := follower.read()) is not None
    assert again.data == b"old\nnew\n"
    follower.close()
    late = tmp_path / "late.log"
    follower = Follower(str(late), "head", begin=lambda fd: 4)
    late.write_bytes(b"old\nnew\n")
    assert (found := follower.read()) is not None
    assert found.data == b"old\nnew\n"
    follower.close()


def test_it_is_asked_by_the_pattern_that_found_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"old\nnew\n")
    asked = []

    def begin(pattern: str, fd: int) -> int:
        asked.append(pattern)
        return os.fstat(fd).st_size // 2

    source = FileSource([LogPath(f"{tmp_path}/*.log")], begin=begin)
    assert asked == [f"{tmp_path}/*.log"]
    assert [position.offset for position in source.positions().values()] == [4]
    source.close()
