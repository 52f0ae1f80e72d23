"""What LOG may be, and that it is read in whole lines without being held."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.errors import ControlError
from banish.replay import log as module
from banish.replay.log import Log
from banish.sources.reading import LONGEST
from tests.sources.test_zstd import packed_by_zstd

TEXT = b"one\ntwo\nthree"


def test_a_file_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(TEXT)

    assert b"".join(Log(str(path)).batches()) == TEXT


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress), (".zst", packed_by_zstd)],
)
def test_a_rotated_log_may_be_compressed(tmp_path: Path, suffix: str, pack: object) -> None:
    assert callable(pack)
    path = tmp_path / f"x.log.1{suffix}"
    path.write_bytes(pack(TEXT))

    assert b"".join(Log(str(path)).batches()) == TEXT


def test_a_compressed_log_that_breaks_off_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.log.1.gz"
    path.write_bytes(gzip.compress(TEXT)[:-9])

    with pytest.raises(ControlError, match=r"x\.log\.1\.gz: Compressed file ended"):
        list(Log(str(path)).batches())


def test_what_is_no_file_and_has_a_space_is_a_line() -> None:
    log = Log("Nov 22 12:00:00 host sshd[1]: hello\nand another")

    assert log.kind == "line"
    assert list(log.batches()) == [b"Nov 22 12:00:00 host sshd[1]: hello\nand another"]


def test_what_is_no_file_and_has_none_is_a_file_that_is_missing() -> None:
    with pytest.raises(ControlError, match=r"/nowhere/auth\.log: No such file") as refused:
        Log("/nowhere/auth.log")
    assert refused.value.code == 1
    assert "standard input" in refused.value.hint


def test_a_directory_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="Is a directory"):
        list(Log(str(tmp_path)).batches())


def test_a_log_was_written_when_its_file_was(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(TEXT)
    os.utime(path, (1_000_000_000, 1_100_000_000))
    assert Log(str(path)).written_at() == 1_100_000_000

    os.utime(path, (1_000_000_000, 99_100_000_000))
    assert Log(str(path)).written_at() == pytest.approx(time.time(), abs=60)
    assert Log("a line").written_at() == pytest.approx(time.time(), abs=60)


def test_a_named_pipe_is_opened_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    log = Log(str(path))
    assert log.written_at() == pytest.approx(time.time(), abs=60)
    writer = threading.Thread(target=path.write_bytes, args=(TEXT,))
    writer.start()

    assert b"".join(log.batches()) == TEXT
    writer.join(10)


def test_a_pipe_is_judged_while_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with open(reading, encoding="utf-8") as stdin, open(writing, "wb", buffering=0) as pipe:
        monkeypatch.setattr(sys, "stdin", stdin)
        batches = Log("-").batches()
        pipe.write(b"one\ntw")
        assert next(batches) == b"one\n"
        pipe.write(b"o\n")
        assert next(batches) == b"two\n"
        pipe.close()
        assert list(batches) == []


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=60).map(lambda data: data.replace(b"x", b"\n")), st.integers(1, 9))
def test_batches_are_whole_lines_whatever_a_read_gives(data: bytes, size: int) -> None:
    batches = list(module._whole_lines(_Slow(data, size)))

    assert b"".join(batches) == data
    assert all(batch.endswith(b"\n") for batch in batches[:-1])


def test_a_line_without_end_costs_bounded_memory() -> None:
    endless = b"a" * (LONGEST + 200_000)
    batches = list(module._whole_lines(_Slow(b"one\n" + endless + b"\ntwo\n" + endless, 1 << 16)))

    assert b"".join(batches).split(b"\n") == [b"one", b"", b"two", b"", b""]


class _Slow(io.BytesIO):
    """A stream that gives *size* bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self._size = size

    def read1(self, _size: int | None = -1, /) -> bytes:
        return super().read1(self._size)
