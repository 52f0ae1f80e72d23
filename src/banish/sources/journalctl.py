"""The journal as journalctl(1) tells it, where libsystemd cannot be loaded into this process.

``journalctl --follow --output=export`` runs beside us and writes what it finds into a pipe; the format is that of
https://systemd.io/JOURNAL_EXPORT_FORMATS/: lines of FIELD=value, or FIELD and the length of a value that may hold anything, and an
empty line behind each entry. It costs several times what the library costs, and does the same.
"""

from __future__ import annotations

import errno
import os
import struct
import subprocess
from collections.abc import Sequence

from banish.sources.tape import LOCAL, RUNTIME, SYSTEM, USER, JournalError, JournalOptions, Stepping

_BLOCK = 1 << 16
_LONGEST = 1 << 26
"""Bytes of an entry beyond which something is wrong with what we are told."""
_LENGTH = struct.Struct("<Q")
_FIELDS = (
    b"MESSAGE", b"_HOSTNAME", b"SYSLOG_IDENTIFIER", b"_COMM", b"SYSLOG_PID", b"_PID",
    b"_SOURCE_REALTIME_TIMESTAMP", b"_SOURCE_MONOTONIC_TIMESTAMP",
)  # fmt: skip
_Fields = dict[bytes, list[bytes]]


class Journalctl(Stepping):
    """One running journalctl; a ``tape.Tape``. It is started by the first step after a seek."""

    def __init__(self, options: JournalOptions, program: str = "journalctl") -> None:
        self._program = program
        self._options = options
        self._groups: Sequence[Sequence[bytes]] = ()
        self._start = ("--since=@0",)
        self._process: subprocess.Popen[bytes] | None = None
        self._entries = Entries()
        self._entry: _Fields = {}

    def match(self, groups: Sequence[Sequence[bytes]]) -> None:
        self._groups = groups
        self._end()

    def seek_cursor(self, cursor: str) -> None:
        self._start = (f"--after-cursor={cursor}",)
        self._end()

    def seek_time(self, usec: int) -> None:
        self._start = (f"--since=@{usec // 1_000_000}.{usec % 1_000_000:06}",)
        self._end()

    def step(self) -> bool:
        entry = self._entries.next()
        if entry is None:
            self._read()
            entry = self._entries.next()
        if entry is None:
            return False
        self._entry = entry
        return True

    def fileno(self) -> int | None:
        return self._pipe() if self._process is not None else None

    def changed(self) -> None:
        """Nothing to do: journalctl follows by itself."""

    def get(self, field: bytes) -> bytes | None:
        values = self._entry.get(field)
        return values[0] if values else None

    def every(self, field: bytes) -> Sequence[bytes]:
        return self._entry.get(field, ())

    def realtime(self) -> int:
        return self._number(b"__REALTIME_TIMESTAMP")

    def monotonic(self) -> int:
        return self._number(b"__MONOTONIC_TIMESTAMP")

    def cursor(self) -> str:
        return (self.get(b"__CURSOR") or b"").decode("ascii", "replace")

    def close(self) -> None:
        """End journalctl."""
        self._end()

    def _number(self, field: bytes) -> int:
        text = self.get(field) or b""
        if not text.isdigit():
            raise JournalError(errno.EBADMSG, f"journalctl: an entry has no {field.decode()}")
        return int(text)

    def arguments(self) -> list[str | bytes]:
        """Return the command line."""
        options = self._options
        words: list[str | bytes] = [
            self._program, "--quiet", "--no-pager", "--follow", "--no-tail", "--output=export",
            f"--output-fields={b','.join(self._wanted()).decode()}", *self._start,
        ]  # fmt: skip
        flags = options.effective_flags
        if options.files:
            words += [f"--file={name}" for name in options.files]
        elif options.path:
            words.append(f"--directory={options.path}")
        elif options.namespace:
            words.append(f"--namespace={options.namespace}")
        elif flags & RUNTIME:
            words.append("--directory=/run/log/journal")
        else:
            words += ["--merge"] if not flags & LOCAL else []
            words += ["--system"] if flags & SYSTEM else []
            words += ["--user"] if flags & USER else []
        for number, group in enumerate(self._groups):
            words += ["+"] if number else []
            words += group
        return words

    def _wanted(self) -> list[bytes]:
        asked = {term.partition(b"=")[0] for group in self._groups for term in group}
        return sorted(asked.union(_FIELDS))

    def _pipe(self) -> int:
        """Return the end of the pipe that journalctl, started if need be, writes into."""
        if self._process is None:
            try:
                self._process = subprocess.Popen(
                    self.arguments(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
            except OSError as error:
                raise JournalError(error.errno or errno.EIO, f"{self._program}: {error.strerror}") from error
        if self._process.stdout is None:
            raise JournalError(errno.EPIPE, f"{self._program}: there is no pipe")
        return self._process.stdout.fileno()

    def _read(self) -> None:
        pipe = self._pipe()
        os.set_blocking(pipe, False)
        try:
            data = os.read(pipe, _BLOCK)
        except BlockingIOError:
            return
        if not data:
            code = self._process.wait() if self._process is not None else 0
            self._end()
            raise JournalError(errno.EPIPE, f"{self._program} ended with status {code}")
        self._entries.add(data)

    def _end(self) -> None:
        self._entries = Entries()
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


class Entries:
    """Takes the export format apart, however it is cut up on the way."""

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self._entry: _Fields = {}

    def add(self, data: bytes) -> None:
        """Take in what comes next. Raises JournalError when an entry does not come to an end."""
        self._data, self._at = self._data[self._at :] + data, 0
        if len(self._data) > _LONGEST:
            raise JournalError(errno.EBADMSG, "journalctl: an entry is too long")

    def next(self) -> _Fields | None:
        """Return the next whole entry: its fields with all their values; None when it is not there yet."""
        while (end := self._data.find(b"\n", self._at)) >= 0:
            line = self._data[self._at : end]
            field, equals, value = line.partition(b"=")
            if not line:
                self._at = end + 1
                entry, self._entry = self._entry, {}
                if entry:
                    return entry
                continue
            if not equals:
                begin = end + 1 + _LENGTH.size
                if len(self._data) < begin:
                    return None
                size = _LENGTH.unpack_from(self._data, end + 1)[0]
                end = begin + size
                if len(self._data) <= end:
                    return None
                value = self._data[begin:end]
            self._entry.setdefault(field, []).append(value)
            self._at = end + 1
        return None
