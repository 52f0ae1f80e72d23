"""Fields of a journal file that journald compressed: those of 512 bytes and more, with Zstandard, LZ4 or XZ.

The libraries are those that libsystemd itself needs, so where the journal is written they are there.
"""

from __future__ import annotations

import ctypes
import lzma
from functools import cache
from typing import Any

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


class _Buffer(ctypes.Structure):
    """``ZSTD_inBuffer`` and ``ZSTD_outBuffer``."""

    _fields_ = (("place", ctypes.c_void_p), ("size", ctypes.c_size_t), ("at", ctypes.c_size_t))


def _zstd(data: bytes, most: int) -> bytes | None:
    library = _load("libzstd.so.1")
    if library is None:
        return None
    library.ZSTD_createDStream.restype = ctypes.c_void_p
    library.ZSTD_decompressStream.restype = ctypes.c_size_t
    stream = ctypes.c_void_p(library.ZSTD_createDStream())
    try:
        unpacked = ctypes.create_string_buffer(most)
        packed = ctypes.create_string_buffer(data, len(data))
        out = _Buffer(ctypes.cast(unpacked, ctypes.c_void_p), most, 0)
        read = _Buffer(ctypes.cast(packed, ctypes.c_void_p), len(data), 0)
        while read.at < read.size and out.at < out.size:
            before = (read.at, out.at)
            code = library.ZSTD_decompressStream(stream, ctypes.byref(out), ctypes.byref(read))
            if library.ZSTD_isError(ctypes.c_size_t(code)) or (read.at, out.at) == before:
                return None
        return unpacked.raw[: out.at]
    finally:
        library.ZSTD_freeDStream(stream)


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
