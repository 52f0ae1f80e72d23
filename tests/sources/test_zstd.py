"""Zstandard without Python's help."""

from __future__ import annotations

import io
import random
import shutil
import subprocess

import pytest

from banish.sources import zstd

TEXT = bytes(random.Random(1).choices(b"abc \n", k=700_000))


def packed_by_zstd(data: bytes) -> bytes:
    """Return *data* as zstd(1) packs it; the test that asks is skipped where there is none."""
    if shutil.which("zstd") is None or zstd.library() is None:
        pytest.skip("zstd is not installed")
    return subprocess.run(["zstd", "-c"], input=data, capture_output=True, check=True).stdout


def unpacked(data: bytes, size: int = -1) -> bytes:
    with io.BufferedReader(zstd.Unpacked(io.BytesIO(data))) as stream:
        return stream.read(size)


@pytest.mark.parametrize("text", [b"", b"x", TEXT], ids=len)
def test_what_was_packed_is_unpacked(text: bytes) -> None:
    assert unpacked(packed_by_zstd(text)) == text
    assert unpacked(packed_by_zstd(text), 1000) == text[:1000]


def test_frames_follow_each_other() -> None:
    assert (
        unpacked(packed_by_zstd(b"one, ") + packed_by_zstd(TEXT) + packed_by_zstd(b"three"))
        == b"one, " + TEXT + b"three"
    )


def test_an_end_that_is_missing_is_an_error_and_so_is_other_data() -> None:
    packed = packed_by_zstd(TEXT)
    for length in (3, 1000, len(packed) - 1):
        with pytest.raises(EOFError, match="ended before"):
            unpacked(packed[:length])
    with pytest.raises(OSError, match="no Zstandard"):
        unpacked(b"this was never packed")


def test_without_the_library_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zstd, "library", lambda: None)
    with pytest.raises(OSError, match=r"libzstd\.so\.1"):
        unpacked(b"")
