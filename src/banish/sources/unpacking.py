"""Fields of a journal file that journald compressed: those of 512 bytes and more, with Zstandard, LZ4 or XZ.

The libraries are those that libsystemd itself needs, so where the journal is written they are there.
"""

from __future__ import annotations

import ctypes
import io
import lzma
from functools import cache
from typing import Any

from banish.sources import zstd

XZ, LZ4, ZSTD = 1, 2, 4
"""Flags of an object in the file."""


def unpack(how: int, data: bytes, most: int) -> bytes | None:
    """Return what *data* was before it was compressed, *most* bytes of it; None when that cannot be found out here."""
    match how:
        case 1:
            try:
                return lzma.LZMADecompressor().decompress(data, most)
            except lzma.LZMAError:
                return None
        case 2:
            return _lz4(data, most)
        case 4:
            return _zstd(data, most)
    return None


def _zstd(data: bytes, most: int) -> bytes | None:
    try:
        with io.BufferedReader(zstd.Unpacked(io.BytesIO(data))) as stream:
            return stream.read(most)
    except (OSError, EOFError):
        return None


def _lz4(data: bytes, most: int) -> bytes | None:
    library = _load("liblz4.so.1")
    size = int.from_bytes(data[:8], "little")
    if library is None or len(data) <= 8 or not size:
        return None
    size = min(size, most)
    unpacked = ctypes.create_string_buffer(size)
    got = library.LZ4_decompress_safe_partial(data[8:], unpacked, len(data) - 8, size, size)
    return unpacked.raw[:got] if got >= 0 else None


@cache
def _load(name: str) -> Any:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None
