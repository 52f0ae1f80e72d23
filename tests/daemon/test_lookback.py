"""A jail that is new to a log is shown what it missed, and nothing twice."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from banish.daemon import lookback
from banish.daemon.lookback import missed
from banish.failures.window import WindowSettings
from banish.jail import Jail, JailSettings
from banish.matching.filter import FilterSettings
from banish.model import Position

NOW = 1_800_000_000.0
FAILED = FilterSettings(failregex=(r"^ failed from <HOST>$",))


def jail(name: str, findtime: float = 600.0) -> Jail:
    return Jail(JailSettings(name, filter=FAILED, window=WindowSettings(findtime=findtime)))


def line(age: float) -> bytes:
    return f"{datetime.fromtimestamp(NOW - age, UTC).isoformat()} failed from 192.0.2.7\n".encode()


def log(path: Path, *ages: float) -> Position:
    path.write_bytes(b"".join(map(line, ages)))
    status = path.stat()
    return Position(status.st_dev, status.st_ino, status.st_size, b"", b"")


def test_all_that_others_have_judged_and_nothing_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    here = log(path, 30, 20)
    with path.open("ab") as more:
        more.write(line(10))
    new = jail("new")
    (found,) = missed(str(path), here, {new: None}, NOW)
    assert (found.jails, b"".join(found.blocks)) == ([new], line(30) + line(20))


def test_a_jail_that_comes_back_begins_where_it_left_off(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    here = log(path, 30, 20, 10)
    back, new, elsewhere = jail("back"), jail("new"), jail("elsewhere")
    left = here._replace(offset=len(line(30)))
    found = missed(str(path), here, {back: left, new: None, elsewhere: left._replace(inode=1)}, NOW)
    assert [([each.name for each in part.jails], b"".join(part.blocks)) for part in found] == [
        (["back"], line(20) + line(10)),
        (["new", "elsewhere"], line(30) + line(20) + line(10)),
    ]


def test_of_a_long_log_no_more_is_read_than_findtime_or_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.log"
    here = log(path, *(age / 10 for age in range(100_000, 0, -1)))
    (found,) = missed(str(path), here, {jail("new"): None}, NOW)
    read = sum(map(len, found.blocks))
    assert 6000 <= read // len(line(0)) < 10_000, "ten minutes, and a little more"
    assert all(block.startswith(b"20") and block.endswith(b"\n") for block in found.blocks)
    monkeypatch.setattr(lookback, "MOST", 1000)
    (found,) = missed(str(path), here, {jail("new"): None}, NOW)
    assert 900 < sum(map(len, found.blocks)) <= 1000
    assert found.blocks[0].startswith(b"20")


def test_another_file_than_the_one_that_was_judged_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    here = log(path, 30, 20)
    assert missed(str(tmp_path / "none.log"), here, {jail("new"): None}, NOW) == []
    path.rename(tmp_path / "a.log.1")
    log(path, 10, 5, 3)
    assert missed(str(path), here, {jail("new"): None}, NOW) == []
    os.mkfifo(tmp_path / "fifo")
    assert missed(str(tmp_path / "fifo"), here, {jail("new"): None}, NOW) == []
