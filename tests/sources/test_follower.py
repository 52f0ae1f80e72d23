"""A log and its follower, step by step: what is written, what happens to the file, and what is handed on."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from banish.model import Batch, Position
from banish.sources import follower as module
from banish.sources import zstd
from banish.sources.follower import LINGER, LINGER_RENAMED, Follower
from banish.sources.reading import LONGEST
from tests.sources.test_zstd import packed_by_zstd


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Log:
    """A log file, as its writer and logrotate handle it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0

    def line(self) -> bytes:
        self.count += 1
        return b"Jan 31 12:00:00 host sshd[1]: Failed password for root from 192.0.2.7 port %d\n" % self.count

    def write(self, lines: int = 1) -> list[bytes]:
        written = [self.line() for _ in range(lines)]
        self.append(b"".join(written))
        return written

    def append(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)

    def beside(self, suffix: str) -> Path:
        return Path(f"{self.path}{suffix}")

    def rename(self, suffix: str = ".1") -> Path:
        return self.path.rename(self.beside(suffix))

    def copytruncate(self, suffix: str = ".1") -> None:
        shutil.copyfile(self.path, self.beside(suffix))
        os.truncate(self.path, 0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "auth.log")


Open = Callable[..., Follower]


@pytest.fixture
def follow(log: Log, clock: Clock) -> Iterator[Open]:
    opened: list[Follower] = []

    def start(
        start: Literal["head", "tail"] = "head", resume: Position | None = None, path: Path | None = None
    ) -> Follower:
        opened.append(Follower(str(path or log.path), start, resume, clock=clock))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def batches(follower: Follower, limit: int = module.BLOCK) -> list[Batch]:
    found = []
    for _ in range(10000):
        batch = follower.read(limit)
        if batch is not None:
            found.append(batch)
        elif not follower.more:
            return found
    raise AssertionError("the follower never comes to the end")


def lines(follower: Follower, limit: int = module.BLOCK) -> list[bytes]:
    return b"".join(batch.data for batch in batches(follower, limit)).splitlines(keepends=True)


def stop(follower: Follower) -> Position:
    follower.close()
    assert follower.position is not None
    return follower.position


def test_a_file_is_read_from_its_head_and_followed(log: Log, follow: Open) -> None:
    first = log.write(3)
    follower = follow()
    assert lines(follower) == first
    assert follower.read() is None
    second = log.write(2)
    (batch,) = batches(follower)
    assert batch.data == b"".join(second)
    assert batch.source == str(log.path)
    assert batch.position.offset == log.path.stat().st_size
    assert batch.position.head == log.path.read_bytes()[:256]
    assert batch.position.anchor == log.path.read_bytes()[-64:]


def test_a_tail_begins_at_the_end_with_the_line_that_is_being_written(log: Log, follow: Open) -> None:
    log.write(3)
    log.append(b"half a ")
    follower = follow("tail")
    assert lines(follower) == []
    log.append(b"line\n")
    assert lines(follower) == [b"half a line\n"]


def test_a_tail_finds_the_start_of_a_line_far_back(log: Log, follow: Open) -> None:
    log.append(b"old\n" + b"x" * 200_000)
    follower = follow("tail")
    log.append(b"\nnext\n")
    assert [len(line) for line in lines(follower)] == [200_001, 5]


def test_a_batch_is_live_once_the_end_has_been_reached(log: Log, follow: Open) -> None:
    log.write(5)
    follower = follow()
    assert [batch.live for batch in batches(follower, 200)] == [False] * 2
    log.write()
    log.rename()
    log.write()
    assert [batch.live for batch in batches(follower)] == [True, True]


def test_a_batch_that_reaches_the_end_was_still_catching_up(log: Log, follow: Open) -> None:
    log.write()
    follower = follow()
    first = follower.read()
    log.write()
    second = follower.read()
    assert first is not None
    assert second is not None
    assert (first.live, second.live) == (False, True)


def test_an_unfinished_line_waits_in_memory_and_outside_of_the_position(log: Log, follow: Open) -> None:
    log.append(b"whole\nunfin")
    follower = follow()
    (batch,) = batches(follower)
    assert batch.data == b"whole\n"
    assert batch.position.offset == 6
    assert follower.lag() == 5
    log.append(b"ished")
    assert lines(follower) == []
    log.append(b"\n")
    assert lines(follower) == [b"unfinished\n"]
    assert follower.lag() == 0


@pytest.mark.parametrize("limit", [1, 7, 63, 64, 65, 100, 257])
def test_small_blocks_give_the_same_lines_and_a_true_position(log: Log, follow: Open, limit: int) -> None:
    written = log.write(9)
    follower = follow()
    for batch in batches(follower, limit):
        whole = log.path.read_bytes()
        offset = batch.position.offset
        assert whole[:offset].endswith(b"\n")
        assert whole.startswith(batch.position.head)
        assert batch.position.anchor == whole[max(0, offset - 64) : offset]
    follower = follow()
    assert lines(follower, limit) == written


def test_nul_bytes_and_binary_are_just_bytes(log: Log, follow: Open) -> None:
    data = bytes(range(256)).replace(b"\n", b"") + b"\n\x00\x00\n\xff\xfe\n"
    log.append(data)
    assert b"".join(lines(follow())) == data


def test_a_line_without_end_is_left_out_in_bounded_memory_and_counted(log: Log, follow: Open) -> None:
    log.append(b"before\n" + b"A" * (3 * LONGEST))
    follower = follow()
    assert lines(follower) == [b"before\n"]
    log.append(b"Failed password from 192.0.2.7\nafter\n")
    assert lines(follower) == [b"\n", b"after\n"]
    assert follower.left_out == 1
    assert follower.position is not None
    assert follower.position.offset == log.path.stat().st_size


def test_a_line_just_as_long_as_allowed_is_whole(log: Log, follow: Open) -> None:
    log.append(b"A" * LONGEST + b"\n" + b"B" * (LONGEST + 1) + b"\n")
    follower = follow()
    assert lines(follower) == [b"A" * LONGEST + b"\n", b"\n"]
    assert follower.left_out == 1


# Rotation while we look


def test_renamed_and_recreated_while_the_writer_stays_on_the_old_file(log: Log, follow: Open, clock: Clock) -> None:
    seen = log.write(2)
    follower = follow()
    assert lines(follower) == seen
    old = Log(log.rename())
    last = old.write(2)
    new = log.write(2)
    assert lines(follower) == last + new
    for _ in range(3):
        clock.now += LINGER + 1
        straggler = old.write()
        assert lines(follower) == straggler
    clock.now += LINGER_RENAMED + 1
    assert lines(follower) == []
    assert not follower.lingering


def test_a_straggler_in_the_old_file_does_not_take_the_position_back(log: Log, follow: Open) -> None:
    log.write()
    follower = follow()
    lines(follower)
    old = Log(log.rename())
    log.write()
    (new,) = batches(follower)
    old.write()
    (straggler,) = batches(follower)
    assert straggler.position == new.position
    assert straggler.position.inode == log.path.stat().st_ino


def test_the_position_stays_with_the_old_file_until_the_new_one_has_spoken(log: Log, follow: Open) -> None:
    log.write()
    follower = follow()
    lines(follower)
    old = Log(log.rename())
    log.path.touch()
    old.write()
    (batch,) = batches(follower)
    assert batch.position.inode == old.path.stat().st_ino
    last = old.write()
    new = log.write()
    assert lines(follow(resume=stop(follower))) == last + new


def test_an_unfinished_last_line_is_handed_on_when_the_old_file_is_given_up(
    log: Log, follow: Open, clock: Clock
) -> None:
    log.append(b"whole\nnever finished")
    follower = follow()
    assert lines(follower) == [b"whole\n"]
    log.rename()
    new = log.write()
    assert lines(follower) == new
    clock.now += LINGER_RENAMED - 1
    assert lines(follower) == []
    clock.now += 2
    assert lines(follower) == [b"never finished\n"]


def test_unlinked_and_recreated(log: Log, follow: Open, clock: Clock) -> None:
    log.write()
    follower = follow()
    lines(follower)
    last = log.write()
    log.append(b"half")
    log.path.unlink()
    new = log.write()
    assert lines(follower) == last + new
    assert follower.lingering
    clock.now += LINGER + 0.1
    assert lines(follower) == [b"half\n"]
    assert not follower.lingering


def test_a_deleted_file_does_not_hold_its_disk_space_for_ever(log: Log, follow: Open, clock: Clock) -> None:
    log.write()
    follower = follow()
    lines(follower)
    log.path.unlink()
    assert lines(follower) == []
    assert not follower.found
    assert follower.problem is not None
    assert "no such file" in follower.problem
    clock.now += LINGER + 0.1
    assert lines(follower) == []
    assert follower.idle
    new = log.write(2)
    assert lines(follower) == new
    assert follower.problem is None


def test_a_symlink_is_turned_to_the_next_file(tmp_path: Path, follow: Open) -> None:
    first, second = Log(tmp_path / "app-20260130.log"), Log(tmp_path / "app-20260131.log")
    current = tmp_path / "current.log"
    current.symlink_to(first.path.name)
    seen = first.write(2)
    follower = follow(path=current)
    assert lines(follower) == seen
    last = first.write()
    new = second.write(3)
    link = tmp_path / "link"
    link.symlink_to(second.path.name)
    link.rename(current)
    assert lines(follower) == last + new
    more = first.write()
    assert lines(follower) == more


def test_a_file_that_comes_back_to_its_name_goes_on_where_it_was(log: Log, follow: Open) -> None:
    log.write(2)
    follower = follow()
    lines(follower)
    old = log.rename(".aside")
    new = log.write()
    assert lines(follower) == new
    os.replace(old, log.path)
    more = log.write()
    assert lines(follower) == more


def test_a_file_moved_away_and_back_is_not_read_again(log: Log, follow: Open, clock: Clock) -> None:
    log.write(2)
    follower = follow()
    lines(follower)
    old = log.rename(".aside")
    assert lines(follower) == []
    clock.now += LINGER_RENAMED + 1
    assert lines(follower) == []
    assert follower.idle
    old.rename(log.path)
    more = log.write()
    assert lines(follower) == more


def test_two_rotations_between_two_looks(log: Log, follow: Open) -> None:
    log.write()
    follower = follow()
    lines(follower)
    first = log.write()
    log.rename(".2")
    second = log.write(2)
    log.rename(".1")
    third = log.write()
    assert lines(follower) == first + second + third


def test_two_rotations_between_two_looks_that_are_compressed_at_once(log: Log, follow: Open) -> None:
    log.write()
    follower = follow()
    lines(follower)
    first = log.write()
    log.rename(".2")
    second = log.write(2)
    log.rename(".1")
    for name in (".2", ".1"):
        packed = log.beside(name)
        log.beside(f"{name}.gz").write_bytes(gzip.compress(packed.read_bytes()))
        packed.unlink()
    third = log.write()
    assert lines(follower) == first + second + third


def test_an_editor_that_replaces_the_log_by_a_copy_of_itself(log: Log, follow: Open) -> None:
    log.write(10)
    follower = follow()
    lines(follower)
    copy = log.beside(".tmp")
    shutil.copyfile(log.path, copy)
    os.replace(copy, log.path)
    more = log.write()
    assert lines(follower) == more


# Truncation while we look


def test_copytruncate_of_a_log_that_was_read(log: Log, follow: Open) -> None:
    log.write(5)
    follower = follow()
    lines(follower)
    log.copytruncate()
    assert lines(follower) == []
    new = log.write(2)
    assert lines(follower) == new


def test_copytruncate_with_an_unread_rest_which_is_in_the_copy(log: Log, follow: Open) -> None:
    log.write(5)
    follower = follow()
    lines(follower)
    rest = log.write(3)
    log.copytruncate()
    new = log.write(1)
    assert lines(follower) == rest + new


def test_copytruncate_and_grown_past_the_old_offset_again(log: Log, follow: Open) -> None:
    log.write(5)
    follower = follow()
    lines(follower)
    rest = log.write(3)
    log.copytruncate()
    new = log.write(20)
    assert lines(follower) == rest + new


def test_a_copy_is_read_once_and_never_followed(log: Log, follow: Open) -> None:
    """A follower that stayed on the copy read all of it again when the next copytruncate rewrote it: 617619 duplicates."""
    log.write(5)
    follower = follow()
    lines(follower)
    for _ in range(6):
        rest = log.write(3)
        log.copytruncate()  # to the same name, rewritten in place, as `rotate 1` leaves it
        new = log.write(4)
        assert lines(follower) == rest + new
        assert not follower.lingering


def test_a_copy_that_is_rewritten_while_it_is_read_is_given_up(log: Log, follow: Open) -> None:
    log.write(5)
    follower = follow()
    lines(follower)
    rest = log.write(50)
    log.copytruncate()
    first = log.write(1)
    assert follower.read(200) is None
    batch = follower.read(200)
    assert batch is not None
    assert batch.data == rest[0] + rest[1]
    log.copytruncate()
    second = log.write(1)
    assert lines(follower) == first + second  # what the first copy held is nowhere any more; nothing is read twice


def test_a_renamed_file_that_becomes_the_target_of_a_copytruncate(log: Log, follow: Open) -> None:
    log.write(5)
    follower = follow()
    lines(follower)
    log.rename()
    new = log.write(9)
    assert lines(follower) == new
    log.copytruncate()
    after = log.write(2)
    assert lines(follower) == after
    assert not follower.lingering


def test_two_copytruncates_between_two_looks(log: Log, follow: Open) -> None:
    log.write(5)
    follower = follow()
    lines(follower)
    rest = log.write(2)
    log.copytruncate()
    log.beside(".1").rename(log.beside(".2"))
    between = log.write(3)
    log.copytruncate()
    new = log.write()
    assert lines(follower) == rest + between + new


def test_truncated_to_zero_and_no_copy(log: Log, follow: Open) -> None:
    log.write(5)
    log.append(b"unfinished")
    follower = follow()
    lines(follower)
    os.truncate(log.path, 0)
    assert lines(follower) == [b"unfinished\n"]
    new = log.write()
    assert lines(follower) == new


def test_truncated_below_a_writer_that_does_not_append(log: Log, follow: Open) -> None:
    with log.path.open("wb", buffering=0) as writer:
        writer.write(log.line() * 1000)
        follower = follow()
        lines(follower)
        os.truncate(log.path, 0)
        after = log.line()
        writer.write(after)
        assert lines(follower) == [after]
        again = log.line()
        writer.write(again)
        assert lines(follow(resume=stop(follower))) == [again]


def test_truncated_before_the_first_line_was_read(log: Log, follow: Open) -> None:
    log.append(b"unfin")
    follower = follow()
    lines(follower)
    log.append(b"ished\n")
    rest = log.write(3)
    log.copytruncate()
    new = log.write(1)
    assert lines(follower) == [b"unfinished\n", *rest, *new]


# Appearing late, and what is in the way


def test_a_log_that_appears_later_is_read_from_its_beginning(log: Log, follow: Open) -> None:
    follower = follow("tail")
    assert lines(follower) == []
    assert (follower.found, follower.live) == (False, False)
    written = log.write(2)
    assert lines(follower) == written
    assert follower.found


def test_a_directory_that_is_missing_at_start(tmp_path: Path, follow: Open) -> None:
    log = Log(tmp_path / "not" / "yet" / "auth.log")
    follower = follow(path=log.path)
    assert lines(follower) == []
    assert follower.problem == f"{log.path}: no such file (it is read as soon as it appears; check logpath)"
    log.path.parent.mkdir(parents=True)
    written = log.write(2)
    assert lines(follower) == written
    assert follower.problem is None


def test_a_directory_is_no_log(tmp_path: Path, follow: Open) -> None:
    follower = follow(path=tmp_path)
    assert lines(follower) == []
    assert follower.problem == f"{tmp_path}: is a directory (name the files in it: directory/*.log)"


def test_a_pipe_is_no_log_and_is_not_waited_for(tmp_path: Path, follow: Open) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    follower = follow(path=pipe)
    assert lines(follower) == []
    assert follower.problem is not None
    assert "not a regular file" in follower.problem


def test_a_log_below_a_file_and_a_symlink_to_itself(tmp_path: Path, log: Log, follow: Open) -> None:
    log.write()
    below = follow(path=log.path / "auth.log")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    around = follow(path=loop)
    assert lines(below) == lines(around) == []
    assert below.problem is not None
    assert "not a directory" in below.problem
    assert around.problem is not None
    assert "symbolic links" in around.problem


def test_a_log_we_may_not_read_is_tried_again(log: Log, follow: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    written = log.write()

    def refuse(path: str) -> int:
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patched:
        patched.setattr(module, "open_regular", refuse)
        follower = follow()
        assert lines(follower) == []
        assert follower.problem is not None
        assert "permission denied" in follower.problem
        assert follower.found
    assert lines(follower) == written
    assert follower.problem is None


def test_a_disk_that_fails_is_a_problem_and_not_the_end(
    log: Log, follow: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = log.write()
    follower = follow()
    assert lines(follower) == written
    more = log.write()

    def fail(fd: int, size: int, offset: int) -> bytes:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("os.pread", fail)
        assert lines(follower) == []
        assert follower.problem == f"{log.path}: Input/output error"
    assert lines(follower) == more
    assert follower.problem is None


# Restart


def test_restart_goes_on_at_the_saved_position(log: Log, follow: Open) -> None:
    log.write(5)
    log.append(b"unfini")
    follower = follow()
    lines(follower)
    position = stop(follower)
    log.append(b"shed\n")
    more = log.write(2)
    assert lines(follow("tail", position)) == [b"unfinished\n", *more]


def test_restart_after_a_rename(log: Log, follow: Open) -> None:
    log.write(5)
    follower = follow()
    lines(follower)
    position = stop(follower)
    rest = log.write(2)
    old = Log(log.rename())
    new = log.write(3)
    again = follow(resume=position)
    assert lines(again) == rest + new
    straggler = old.write()
    assert lines(again) == straggler


def test_restart_after_a_rename_when_there_is_no_new_file_yet(log: Log, follow: Open) -> None:
    log.write(5)
    follower = follow()
    lines(follower)
    position = stop(follower)
    rest = log.write(2)
    log.rename()
    again = follow(resume=position)
    assert lines(again) == rest
    new = log.write()
    assert lines(again) == new


@pytest.mark.parametrize("grown", [1, 30])
def test_restart_after_a_copytruncate(log: Log, follow: Open, grown: int) -> None:
    log.write(5)
    follower = follow()
    lines(follower)
    position = stop(follower)
    rest = log.write(2)
    log.copytruncate()
    new = log.write(grown)
    again = follow(resume=position)
    assert lines(again) == rest + new
    assert not again.lingering


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress), (".zst", packed_by_zstd)],
)
def test_restart_after_a_rename_and_compression(
    log: Log, follow: Open, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    log.write(50)
    follower = follow()
    lines(follower)
    position = stop(follower)
    rest = log.write(2)
    old = log.rename()
    Path(f"{old}{suffix}").write_bytes(pack(old.read_bytes()))
    old.unlink()
    new = log.write(3)
    assert lines(follow(resume=position)) == rest + new


def test_an_archive_that_cannot_be_unpacked_here_is_told(
    log: Log, follow: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write(50)
    follower = follow()
    lines(follower)
    position = stop(follower)
    log.write(2)
    old = log.rename()
    Path(f"{old}.zst").write_bytes(packed_by_zstd(old.read_bytes()))
    old.unlink()
    new = log.write(3)
    monkeypatch.setattr(zstd, "library", lambda: None)
    again = follow(resume=position)
    assert lines(again) == new
    assert again.rotations[-1] == f"{old}.zst cannot be unpacked (install libzstd1)"


def test_restart_with_a_damaged_archive_goes_on_with_the_new_file(log: Log, follow: Open) -> None:
    log.write(5000)
    follower = follow()
    lines(follower)
    position = stop(follower)
    log.write(2)
    old = log.rename()
    packed = gzip.compress(old.read_bytes())
    Path(f"{old}.gz").write_bytes(packed[: len(packed) // 2])
    old.unlink()
    new = log.write(3)
    assert lines(follow(resume=position)) == new


def test_restart_after_a_rotation_with_a_date_inside_the_name(log: Log, follow: Open) -> None:
    log.write(5)
    follower = follow()
    lines(follower)
    position = stop(follower)
    rest = log.write(2)
    log.path.rename(log.path.with_name("auth-20260131.log"))
    new = log.write(3)
    assert lines(follow(resume=position)) == rest + new


def test_restart_after_three_rotations_the_older_ones_compressed(log: Log, follow: Open) -> None:
    log.write(5)
    follower = follow()
    lines(follower)
    position = stop(follower)
    written = []
    for suffix in (".3", ".2", ".1"):
        written += log.write(4)
        old = log.rename(suffix)
        if suffix != ".1":
            Path(f"{old}.gz").write_bytes(gzip.compress(old.read_bytes()))
            old.unlink()
    written += log.write(2)
    assert lines(follow(resume=position)) == written


def test_restart_in_the_middle_of_what_a_rotation_left_over(log: Log, follow: Open) -> None:
    log.write(5)
    follower = follow()
    lines(follower)
    position = stop(follower)
    rest = log.write(20)
    log.copytruncate()
    new = log.write(3)
    seen: list[bytes] = []
    for _ in range(40):  # a crash after each batch
        again = follow(resume=position)
        batch = again.read(200)
        while batch is None and again.more:
            batch = again.read(200)
        if batch is None:
            break
        seen += batch.data.splitlines(keepends=True)
        position = batch.position
        again.close()
    assert seen == rest + new


def test_restart_after_a_symlink_was_turned(tmp_path: Path, follow: Open) -> None:
    first, second = Log(tmp_path / "app-20260130.log"), Log(tmp_path / "app-20260131.log")
    current = tmp_path / "current.log"
    current.symlink_to(first.path)
    first.write(2)
    follower = follow(path=current)
    lines(follower)
    position = stop(follower)
    last, new = first.write(), second.write(2)
    current.unlink()
    current.symlink_to(second.path)
    assert lines(follow(resume=position, path=current)) == last + new


def test_restart_on_another_disk_with_the_same_content(log: Log, follow: Open) -> None:
    log.write(5)
    follower = follow()
    lines(follower)
    position = stop(follower)._replace(device=99, inode=99)
    more = log.write()
    assert lines(follow(resume=position)) == more


def test_restart_when_an_empty_file_was_filled_and_rotated(log: Log, follow: Open) -> None:
    log.path.touch()
    follower = follow()
    assert lines(follower) == []
    position = stop(follower)
    first = log.write()
    log.rename()
    second = log.write()
    assert lines(follow(resume=position)) == first + second


def test_restart_with_a_position_that_fits_nothing(log: Log, follow: Open) -> None:
    written = log.write(2)
    strange = Position(1, 2, 5000, b"something else", b"entirely")
    assert lines(follow("tail", strange)) == written
    assert lines(follow(resume=Position(1, 2, -7, b"", b"x"))) == written


def test_a_sibling_of_another_program_is_never_read(log: Log, follow: Open) -> None:
    log.write(2)
    follower = follow()
    lines(follower)
    position = stop(follower)
    rest = log.write()
    log.rename(".2")
    Log(log.path.with_name("auth.err")).write()
    log.beside(".1.swp").write_bytes(b"not a log\n")
    between = log.write()
    log.rename(".1")
    new = log.write()
    assert lines(follow(resume=position)) == rest + between + new


def test_a_log_of_another_program_with_the_same_first_line_is_not_our_rest(log: Log, follow: Open) -> None:
    log.append(b"# Fields: date time c-ip\n")
    follower = follow()
    lines(follower)
    position = stop(follower)
    log.path.with_name("auth-other.log").write_bytes(b"# Fields: date time c-ip\nsomebody else's line\n")
    log.path.unlink()
    new = log.write()
    assert lines(follow(resume=position)) == new


# What it costs


def test_lag_counts_what_is_written_and_not_handed_over(log: Log, follow: Open) -> None:
    first = log.write(4)
    follower = follow()
    assert follower.lag() == len(b"".join(first))
    assert follower.read(len(first[0])) is not None
    assert follower.lag() == len(b"".join(first[1:]))
    log.rename()
    new = log.write()
    assert follower.read(len(first[1])) is not None
    assert follower.lag() == len(b"".join(first[2:])) + len(new[0])
    lines(follower)
    assert follower.lag() == 0


def test_an_idle_file_costs_one_stat(log: Log, follow: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write()
    follower = follow()
    for _ in range(3):
        lines(follower)
        clock.now += 1
    with monkeypatch.context() as patched:
        patched.delattr("os.pread")
        patched.delattr("os.fstat")
        assert follower.read() is None
    more = log.write()
    assert lines(follower) == more


def test_no_descriptor_is_left_open(log: Log, follow: Open, clock: Clock) -> None:
    before = len(os.listdir("/proc/self/fd"))
    log.write()
    follower = follow()
    for turn in range(30):
        log.write(2)
        lines(follower)
        log.rename(".1") if turn % 2 else log.copytruncate()
        log.write(2)
        lines(follower)
        clock.now += 1
    assert len(os.listdir("/proc/self/fd")) - before < 20
    clock.now += LINGER_RENAMED + 1
    lines(follower)
    assert len(os.listdir("/proc/self/fd")) - before == 1
    follower.close()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    "happens",
    [
        lambda log: log.write(),
        lambda log: log.copytruncate(),
        lambda log: log.rename(),
        lambda log: (log.rename(), log.path.write_bytes(b"")),
        lambda log: log.path.write_bytes(b"X" * log.path.stat().st_size),
    ],
    ids=["written", "truncated", "renamed", "replaced", "rewritten"],
)
def test_one_look_tells_whether_anything_happened(
    log: Log, follow: Open, clock: Clock, happens: Callable[[Log], object]
) -> None:
    log.write()
    follower = follow()
    assert not follower.unchanged()
    while follower.read():
        pass
    assert not follower.unchanged()  # within a kernel tick the time stamps would not tell
    clock.now += 1
    assert follower.read() is None
    assert follower.unchanged()
    happens(log)
    assert not follower.unchanged()


def test_a_log_that_comes_back_as_it_was_has_changed(log: Log, follow: Open, clock: Clock) -> None:
    log.write()
    follower = follow()
    while follower.read():
        pass
    clock.now += 1
    assert follower.read() is None
    away = log.rename()
    assert follower.read() is None
    away.rename(log.path)
    assert not follower.unchanged()
    assert follower.read() is None
    assert follower.problem is None
