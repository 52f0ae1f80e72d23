"""The log to be judged: a file (compressed or not), standard input, or a line given in so many words.

One side speaks of what a person wrote on the command line, the other takes stretches of whole lines. A log is read forward once
and never held in memory; a line beyond ``LONGEST`` bytes is left out, an empty one takes its place, as in the daemon.
"""

from __future__ import annotations

import io
import os
import re
import stat
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, cast

from banish.config.grammar import in_brackets
from banish.errors import ControlError
from banish.sources import zstd
from banish.sources.matches import Watch
from banish.sources.opening import whole
from banish.sources.reading import LONGEST, PACKED_SUFFIXES
from banish.sources.tape import JournalError, JournalOptions

_BLOCK = 1 << 17


class Log:
    """What *word*, the LOG of the command line, stands for; raises ControlError when that cannot be read.

    A word that names no file is a line of a log, if there is a space in it: no line is without, and few paths are with.
    *journalmatch* says which entries count, should it be the journal.
    """

    def __init__(self, word: str, journalmatch: Iterable[str] = ()) -> None:
        self.name = word
        self.kind = "file"
        """``file``, ``standard input``, ``line`` or ``journal``."""
        self._watch: Watch | None = None
        if is_journal(word):
            self.kind = "journal"
            try:
                self._watch = Watch(JournalOptions.read(in_brackets(word)), tuple(journalmatch))
                self.name = self._watch.name
            except ValueError:
                raise ControlError(f"{word}: journalflags is no number", hint="see sd_journal_open(3)") from None
        elif word == "-":
            self.kind = self.name = "standard input"
        elif not os.path.lexists(word) and any(character.isspace() for character in word):
            self.kind = "line"
        else:
            try:
                os.stat(word)
            except OSError as error:
                raise self._unreadable(error) from None

    def written_at(self) -> float:
        """Return when the log was written last (Unix seconds): what its dates without a year are read by."""
        now = time.time()
        if self.kind != "file":
            return now
        try:
            found = os.stat(self.name)
        except OSError:
            return now
        return min(found.st_mtime, now) if stat.S_ISREG(found.st_mode) else now

    def batches(self) -> Iterator[bytes]:
        """Yield the log in stretches of whole lines, as soon as they are there; only the last may lack its line end.

        Raises ControlError when reading fails on the way.
        """
        if self.kind == "line":
            yield self.name.encode("utf-8", "surrogateescape")
            return
        if self._watch is not None:
            try:
                yield from whole(self._watch)
            except JournalError as error:
                hint = "journalctl --output=short-iso-precise | banish match - FILTER"
                raise ControlError(f"{self.name}: {error.strerror or error}", hint=hint) from None
            return
        try:
            with self._open() as stream:
                yield from _whole_lines(stream)
        except (OSError, EOFError, zlib.error) as error:
            raise self._unreadable(error) from None

    def _open(self) -> IO[bytes]:
        try:
            if self.kind == "standard input":
                return sys.stdin.buffer if sys.stdin else io.BytesIO()
            if self.name.endswith(PACKED_SUFFIXES):
                return _unpacked(self.name)
            return open(self.name, "rb", buffering=0)
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> ControlError:
        why = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
        hint = "LOG is a file, - for standard input, or a line with a space in it"
        return ControlError(f"{self.name}: {why}", hint=hint if isinstance(error, FileNotFoundError) else "")


def is_journal(word: str) -> bool:
    """Tell whether *word* names the systemd journal: ``systemd-journal``, perhaps with options in brackets."""
    return re.fullmatch(r"systemd-journal(\[.*\])?", word, re.DOTALL) is not None


def _unpacked(path: str) -> IO[bytes]:
    if path.endswith(".gz"):
        import gzip  # noqa: PLC0415 - few logs are compressed

        return cast(IO[bytes], gzip.open(path))
    if path.endswith(".bz2"):
        import bz2  # noqa: PLC0415

        return bz2.open(path)
    if path.endswith(".xz"):
        import lzma  # noqa: PLC0415

        return lzma.open(path)
    return zstd.open_packed(path)


def _whole_lines(stream: IO[bytes]) -> Iterator[bytes]:
    # A pipe must not wait until a block is full; raw files have no read1, and give what there is anyway.
    read = getattr(stream, "read1", stream.read)
    tail = b""
    skipping = False
    while block := read(_BLOCK):
        if skipping:
            _, newline, block = block.partition(b"\n")
            skipping = not newline
        end = block.rfind(b"\n") + 1
        if end:
            yield tail + block[:end]
            tail = block[end:]
        elif not skipping:
            tail += block
        if len(tail) > LONGEST:
            yield b"\n"
            tail, skipping = b"", True
    if tail:
        yield tail
