"""One open log file, read forward in whole lines.

The follower speaks offsets and rotation; this module speaks bytes: it hands on whole lines, keeps the unfinished last line in
memory, and proves with every read that the file is still the one it began to read.

Law: nothing here opens by a rule or looks at names; an ``OSError`` of the kernel passes through to the follower, which words it.
What was handed on is never handed on again, and a line is handed on whole or, beyond ``LONGEST``, not at all: an empty line
takes its place, and it is counted. (Cut off, it would end where whoever wrote it chooses, and ``$`` would match there.)
"""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import stat
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from pathlib import PurePath
from typing import Any

from banish.model import Position
from banish.sources import zstd

HEAD = 256
"""Bytes at the beginning of a file by which it is known again."""
ANCHOR = 64
"""Bytes before the offset that must still be there, else the file was truncated (and perhaps grew again)."""
LONGEST = 1 << 20
"""Bytes; a longer line is left out, so that a file without line ends costs bounded memory."""

Identity = tuple[int, int]
"""st_dev and st_ino."""

_OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_UNPACKING_STEP = 1 << 20

_PACKED: dict[str, Callable[[str], Any]] = {
    ".gz": gzip.GzipFile,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    zstd.SUFFIX: zstd.open_packed,
}
PACKED_SUFFIXES = tuple(_PACKED)


class Forward(ABC):
    """What plain and compressed files have in common: the way from bytes to whole lines.

    *position* speaks of the lines handed on; the unfinished line behind it is in memory only.
    """

    def __init__(self, identity: Identity, offset: int, head: bytes, before: bytes) -> None:
        self.identity = identity
        self.position = Position(*identity, offset, head, before)
        self.ended = False
        """True when the last read met the end of what is written."""
        self.left_out = 0
        """Lines that were longer than ``LONGEST``."""
        self._head = head
        self._at = offset
        self._before = before
        self._tail = b""
        self._skipping = False
        self._leading = False

    @abstractmethod
    def _fetch(self, limit: int) -> bytes | None:
        """Return what follows (and set ``ended``), or None when what was read before is no longer there."""

    @abstractmethod
    def size(self) -> int:
        """Bytes written so far; 0 where that is not known without reading on (compressed files)."""

    @abstractmethod
    def links(self) -> int:
        """How many names the file has; 0 when it was deleted and only our descriptor keeps it."""

    @abstractmethod
    def close(self) -> None: ...

    @property
    def at(self) -> int:
        """Where the next read begins: behind *position* by the unfinished line."""
        return self._at

    def lag(self) -> int:
        return max(0, self.size() - self.position.offset)

    def read(self, limit: int) -> bytes | None:
        """Return the whole lines among the next *limit* bytes, ``b""`` when there are none.

        None says that the file was truncated or rewritten below us; whatever it holds now is not the continuation.
        """
        fresh = self._fetch(limit)
        if not fresh:
            return fresh
        skip = 0
        if self._leading:
            skip = len(fresh) - len(fresh.lstrip(b"\0"))
            self._leading = skip == len(fresh)
        if len(self._head) < min(HEAD, self._at + len(fresh)):
            self._head = (self._head[: self._at] + fresh)[:HEAD]
            self.position = self.position._replace(head=self._head)
        cut = fresh.rfind(b"\n") + 1
        lines = self._join(fresh, skip, cut) if cut else b""
        if cut:
            self._tail, self._skipping = b"", False
            self.position = Position(*self.identity, self._at + cut, self._head, self._last(fresh, cut))
        self._keep(fresh[max(cut, skip) :])
        self._at += len(fresh)
        self._before = self._last(fresh, len(fresh))
        return lines

    def finish(self) -> bytes:
        """Return the unfinished line with the newline it never got, ``b""`` when there is none: nobody will write the rest."""
        if not self._tail:
            return b""
        line, self._tail = self._tail + b"\n", b""
        self.position = Position(*self.identity, self._at, self._head, self._before)
        return line

    def _join(self, fresh: bytes, skip: int, cut: int) -> bytes:
        first = fresh.find(b"\n", skip)
        if self._skipping or len(self._tail) + first - skip > LONGEST:
            self.left_out += not self._skipping
            return fresh[first:cut]
        whole = fresh[skip:cut] if skip or cut < len(fresh) else fresh
        return self._tail + whole if self._tail else whole

    def _keep(self, rest: bytes) -> None:
        if self._skipping or len(self._tail) + len(rest) > LONGEST:
            self.left_out += not self._skipping
            self._skipping, self._tail = True, b""
        elif rest:
            self._tail += rest

    def _last(self, fresh: bytes, end: int) -> bytes:
        return fresh[end - ANCHOR : end] if end >= ANCHOR else (self._before + fresh[:end])[-ANCHOR:]


class Plain(Forward):
    """A file on disk, by descriptor: it stays the same file whatever happens to its names. Owns *fd*."""

    def __init__(self, fd: int, offset: int = 0, identity: Identity | None = None) -> None:
        """*identity* is what positions shall say instead of the file's own: a copy is read in the name of its original."""
        self._fd = fd
        found = os.fstat(fd)
        self.own_identity: Identity = (found.st_dev, found.st_ino)
        head = os.pread(fd, min(HEAD, offset or HEAD), 0)  # at the beginning it is looked at ahead, see peek
        before = os.pread(fd, min(ANCHOR, offset), max(0, offset - ANCHOR))
        super().__init__(identity or self.own_identity, offset, head, before)

    @classmethod
    def restarted(cls, fd: int) -> Plain:
        """Read a truncated file from its beginning.

        A writer that does not append (O_APPEND) goes on at its old offset and leaves a hole of NUL bytes there; the hole is
        jumped over, and NUL bytes before the first text are dropped.
        """
        try:
            hole = os.lseek(fd, 0, os.SEEK_DATA)
        except OSError:  # ENXIO: nothing written yet; EINVAL: a file system that knows no holes
            hole = 0
        opened = cls(fd, hole)
        opened._leading = True
        return opened

    def _fetch(self, limit: int) -> bytes | None:
        at = self._at
        fresh = os.pread(self._fd, limit, at)
        # What must be there still: the head, which may reach beyond the offset, and the anchor. The anchor alone would do for
        # most logs, but one of equal lines, or with a long run of one character, may hold the same bytes there again. Asked for
        # afterwards: what a truncation did before the reading shows now.
        before = self._before if at >= HEAD else b""
        if before and os.pread(self._fd, len(before), at - len(before)) != before:
            return None
        if os.pread(self._fd, len(self._head), 0) != self._head:
            return None
        self.ended = len(fresh) < limit
        return fresh

    def peek(self) -> None:
        """Remember how the file begins, so that it is known again if it is truncated before its first line was read."""
        if not self._at and not self._head:
            self._head = os.pread(self._fd, HEAD, 0)
            self.position = self.position._replace(head=self._head)

    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def links(self) -> int:
        return os.fstat(self._fd).st_nlink

    def restart(self) -> Plain:
        """Return the same descriptor as a file read from its beginning; this object must not be read any more."""
        opened = Plain.restarted(self._fd)
        self._fd = -1
        return opened

    def close(self) -> None:
        if self._fd >= 0:
            with suppress(OSError):  # a network file system may report here what we do not need to know
                os.close(self._fd)
            self._fd = -1


class Packed(Forward):
    """A rotated and compressed log, unpacked a step at a time so that nobody waits for the part that was read long ago."""

    def __init__(self, path: str, position: Position | None, identity: Identity) -> None:
        super().__init__(identity, 0, position.head if position else b"", b"")
        self._stream = _PACKED[PurePath(path).suffix](path)
        self._skip = 0
        if position is not None:
            self.position, self._at, self._skip = position, position.offset, position.offset

    def _fetch(self, limit: int) -> bytes | None:
        try:
            if not self._skip:
                fresh: bytes = self._stream.read(limit)
                self.ended = not fresh
                return fresh
            passed = self._stream.read(min(self._skip, _UNPACKING_STEP))
        except (EOFError, zlib.error, lzma.LZMAError) as error:
            raise OSError(errno.EIO, f"damaged archive: {error}") from error
        self._skip -= len(passed)
        self._before = self._last(passed, len(passed))
        if not passed or (not self._skip and not self._before.endswith(self.position.anchor)):
            return None
        return b""

    def size(self) -> int:
        return 0

    def links(self) -> int:
        return 1

    def close(self) -> None:
        with suppress(OSError):
            self._stream.close()


def open_regular(path: str) -> int:
    """Open *path* for reading and return its descriptor; it never waits (for the other end of a pipe, for one).

    Raises OSError: EISDIR for a directory, EINVAL for anything else that is not a regular file.
    """
    fd = os.open(path, _OPEN)
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL, "not a regular file", path)
    except OSError:
        os.close(fd)
        raise
    return fd


def fits(fd: int, position: Position) -> bool:
    """True when the file behind *fd* holds what *position* speaks of: the same head, the anchor in its place, long enough."""
    offset, head, anchor = position.offset, position.head, position.anchor
    if not len(anchor) <= offset <= os.fstat(fd).st_size:
        return False
    return os.pread(fd, len(head), 0) == head and os.pread(fd, len(anchor), offset - len(anchor)) == anchor


def packed_fits(path: str, position: Position) -> bool:
    """True when the compressed file begins with the head of *position*; the anchor is compared on the way there."""
    try:
        with _PACKED[PurePath(path).suffix](path) as stream:
            return bool(position.head) and stream.read(len(position.head)) == position.head
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return False


def last_line_start(fd: int) -> int:
    """Return the offset behind the last newline: the end of the file, or the beginning of a line still being written."""
    end = os.fstat(fd).st_size
    at = end
    while at > 0 and end - at < LONGEST:
        start = max(0, at - (1 << 16))
        found = os.pread(fd, at - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        at = start
    return 0 if at == 0 else end


def identity_of(found: Any) -> Identity:
    """Return the identity in an ``os.stat_result``."""
    return (found.st_dev, found.st_ino)
