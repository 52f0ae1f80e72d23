"""Zstandard (RFC 8878), by libzstd: Python has it from 3.14 on only, and where systemd or APT is the library is there.

Whatever is wrong with the data is an OSError, and an EOFError when it ends too early.
"""

from __future__ import annotations

import ctypes
import errno
import io
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SUFFIX = ".zst"
_PIECE = 1 << 17


class _Span(ctypes.Structure):
    """``ZSTD_inBuffer`` and ``ZSTD_outBuffer``."""

    _fields_ = (("place", ctypes.c_void_p), ("size", ctypes.c_size_t), ("at", ctypes.c_size_t))


@cache
def library() -> Any:
    """Return libzstd; None where there is none."""
    try:
        found = ctypes.CDLL("libzstd.so.1")
    except OSError:
        return None
    found.ZSTD_createDStream.restype = ctypes.c_void_p
    found.ZSTD_freeDStream.argtypes = [ctypes.c_void_p]
    found.ZSTD_decompressStream.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    found.ZSTD_decompressStream.restype = ctypes.c_size_t
    found.ZSTD_isError.argtypes = [ctypes.c_size_t]
    found.ZSTD_isError.restype = ctypes.c_uint
    return found


class Unpacked(io.RawIOBase):
    """What *packed*, a binary stream that is closed with this one, was before it was compressed; frame after frame."""

    def __init__(self, packed: io.BufferedIOBase | io.RawIOBase) -> None:
        self._packed = packed
        self._stream: Any = None
        self._library = library()
        if self._library is None:
            packed.close()
            raise OSError(errno.ENOTSUP, "libzstd.so.1 is not installed")
        self._stream = self._library.ZSTD_createDStream()
        if not self._stream:
            raise MemoryError
        self._data = ctypes.create_string_buffer(_PIECE)
        self._in = _Span(ctypes.addressof(self._data), 0, 0)
        self._within = False
        """A frame has been begun and not come to its end."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        made = ctypes.create_string_buffer(len(view))
        out = _Span(ctypes.addressof(made), len(view), 0)
        while not out.at and out.size:
            if self._in.at == self._in.size:
                fresh = self._packed.read(_PIECE) or b""
                ctypes.memmove(self._data, fresh, len(fresh))
                self._in.size, self._in.at = len(fresh), 0
                if not fresh and not self._within:
                    break
            before = self._in.at
            code = self._library.ZSTD_decompressStream(self._stream, ctypes.byref(out), ctypes.byref(self._in))
            if self._library.ZSTD_isError(code):
                raise OSError(errno.EIO, "damaged archive: it is no Zstandard")
            self._within = code != 0
            if not out.at and self._in.at == before and self._in.at == self._in.size:
                raise EOFError("Compressed file ended before the end of its last frame")
        view[: out.at] = made.raw[: out.at]
        return int(out.at)

    def close(self) -> None:
        if self._stream:
            self._library.ZSTD_freeDStream(self._stream)
            self._stream = None
        if not self.closed:
            self._packed.close()
        super().close()


def open_packed(path: str) -> io.BufferedReader:
    """Open the file at *path* for reading what it was before it was compressed."""
    return io.BufferedReader(Unpacked(open(path, "rb", buffering=0)), _PIECE)
