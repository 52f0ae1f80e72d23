"""The journal as libsystemd reads it, through ctypes: sd-journal(3), as much of it as following needs.

Every call that fails raises JournalError with the errno. The law of following (sd_journal_get_fd(3)): the descriptor is asked for
at once, because only then does the library watch its directories and notice that files are rotated; `changed` is called whenever
the descriptor becomes readable, and now and then without.

ctypes releases the interpreter for every call and keeps no state of its own; a handle belongs to one thread.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from banish.sources import sigbus
from banish.sources.tape import JournalError, JournalOptions, Stepping

_LIBRARY = "libsystemd.so.0"
_string_at = ctypes.string_at
_OPEN_DIRECTORY_FLAGS = 4 | 8 | 16
_LONGEST = 1 << 20
"""Bytes of one field that are read; what is beyond is cut."""

_POINTER = ctypes.c_void_p
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "sd_journal_open": (_POINTER, ctypes.c_int),
    "sd_journal_open_directory": (_POINTER, ctypes.c_char_p, ctypes.c_int),
    "sd_journal_open_files": (_POINTER, _POINTER, ctypes.c_int),
    "sd_journal_get_fd": (_POINTER,),
    "sd_journal_process": (_POINTER,),
    "sd_journal_next": (_POINTER,),
    "sd_journal_previous": (_POINTER,),
    "sd_journal_seek_cursor": (_POINTER, ctypes.c_char_p),
    "sd_journal_seek_realtime_usec": (_POINTER, ctypes.c_uint64),
    "sd_journal_seek_tail": (_POINTER,),
    "sd_journal_get_cursor": (_POINTER, _POINTER),
    "sd_journal_get_realtime_usec": (_POINTER, _POINTER),
    "sd_journal_get_monotonic_usec": (_POINTER, _POINTER, _POINTER),
    "sd_journal_add_match": (_POINTER, ctypes.c_char_p, ctypes.c_size_t),
    "sd_journal_add_disjunction": (_POINTER,),
    "sd_journal_get_data": (_POINTER, ctypes.c_char_p, _POINTER, _POINTER),
    "sd_journal_enumerate_data": (_POINTER, _POINTER, _POINTER),
    "sd_journal_set_data_threshold": (_POINTER, ctypes.c_size_t),
}
_NOTHING: dict[str, tuple[Any, ...]] = {
    "sd_journal_close": (_POINTER,),
    "sd_journal_flush_matches": (_POINTER,),
    "sd_journal_restart_data": (_POINTER,),
}
_OPTIONAL: dict[str, tuple[Any, ...]] = {"sd_journal_open_namespace": (_POINTER, ctypes.c_char_p, ctypes.c_int)}


@cache
def library() -> ctypes.CDLL | None:
    """Return libsystemd with the types of its functions set; None where it cannot be loaded, or not without danger."""
    if not sigbus.guard():
        return None
    try:
        found = ctypes.CDLL(_LIBRARY)
        for name, types in _SIGNATURES.items():
            getattr(found, name).argtypes = types
        for name, types in _NOTHING.items():
            getattr(found, name).argtypes = types
            getattr(found, name).restype = None
    except (OSError, AttributeError):
        return None
    for name, types in _OPTIONAL.items():
        if hasattr(found, name):
            getattr(found, name).argtypes = types
    return found


class SdJournal(Stepping):
    """One handle on the journal that *options* mean; a ``tape.Tape``. Raises JournalError when it cannot be opened."""

    def __init__(self, options: JournalOptions) -> None:
        loaded = library()
        if loaded is None:
            raise JournalError(errno.ENOSYS, f"{_LIBRARY} cannot be loaded")
        self._library = loaded
        self._faults = sigbus.faults()
        self._handle = _POINTER()
        self._open(options)
        self._data, self._size, self._usec = _POINTER(), ctypes.c_size_t(), ctypes.c_uint64()
        self._to_data, self._to_size = ctypes.byref(self._data), ctypes.byref(self._size)
        self._to_usec = ctypes.byref(self._usec)
        self._next: Callable[[Any], int] = loaded.sd_journal_next
        self._get_data: Callable[..., int] = loaded.sd_journal_get_data
        try:
            self._fd: int | None = self._call("sd_journal_get_fd")
        except JournalError:
            self._fd = None  # files are not watched (sd_journal_open_files on some systems); the clock serves
        self._call("sd_journal_set_data_threshold", _LONGEST)

    def _open(self, options: JournalOptions) -> None:
        place = ctypes.byref(self._handle)
        flags = options.flags
        if options.files:
            names = (ctypes.c_char_p * (len(options.files) + 1))(*map(os.fsencode, options.files), None)
            _check("sd_journal_open_files", self._library.sd_journal_open_files(place, names, 0))
        elif options.path:
            path, some = os.fsencode(options.path), (flags or 0) & _OPEN_DIRECTORY_FLAGS
            code = self._library.sd_journal_open_directory(place, path, some)
            if code == -errno.EINVAL and some:  # older libraries know no flags here
                code = self._library.sd_journal_open_directory(place, path, 0)
            _check(f"sd_journal_open_directory {options.path}", code)
        elif options.namespace:
            if not hasattr(self._library, "sd_journal_open_namespace"):
                raise JournalError(errno.ENOSYS, f"{_LIBRARY} is older than journal namespaces")
            name = options.namespace.encode()
            code = self._library.sd_journal_open_namespace(place, name, options.effective_flags)
            _check(f"sd_journal_open_namespace {options.namespace}", code)
        else:
            _check("sd_journal_open", self._library.sd_journal_open(place, options.effective_flags))

    def close(self) -> None:
        """Close the handle; it must not be used afterwards."""
        if self._handle.value is not None:
            self._library.sd_journal_close(self._handle)
            self._handle = _POINTER()

    # Where to read

    def match(self, groups: Sequence[Sequence[bytes]]) -> None:
        """Return only entries that meet one of *groups* (all terms of different fields); all entries when there are none.

        The handle has no position afterwards: seek.
        """
        self._library.sd_journal_flush_matches(self._handle)
        for number, group in enumerate(groups):
            if number:
                self._call("sd_journal_add_disjunction")
            for term in group:
                self._call("sd_journal_add_match", term, len(term))

    def seek_cursor(self, cursor: str) -> None:
        """Let the next step go to the entry at *cursor*, or to the one that follows where that one has been."""
        self._call("sd_journal_seek_cursor", cursor.encode())

    def seek_time(self, usec: int) -> None:
        """Let the next step go to the first entry received at *usec* or later."""
        self._call("sd_journal_seek_realtime_usec", usec)

    def seek_last(self) -> bool:
        """Go to the last entry; False when there is none."""
        self._call("sd_journal_seek_tail")
        return self._call("sd_journal_previous") > 0

    def step(self) -> bool:
        """Go to the next entry; False when there is none yet. With the errno ESTALE the handle has seen what was not there."""
        code = self._next(self._handle)
        if code < 0:
            raise JournalError(-code, f"sd_journal_next: {os.strerror(-code)}")
        if code == 0 and self._faults != sigbus.faults():
            raise JournalError(errno.ESTALE, "a file was cut short while it was read")
        return code > 0

    # Changes

    def fileno(self) -> int | None:
        """Return the descriptor that becomes readable when something happens to the journal."""
        return self._fd

    def changed(self) -> None:
        """Take note of what happened to the files: appended to, rotated, removed. Reading goes on where it is."""
        self._call("sd_journal_process")

    # The entry

    def get(self, field: bytes) -> bytes | None:
        """Return the first value of *field* in the present entry."""
        code = self._get_data(self._handle, field, self._to_data, self._to_size)
        if code < 0:
            return None  # it has none, or one that is damaged or cannot be unpacked here: the rest of the entry counts
        skipped = len(field) + 1
        return _string_at((self._data.value or 0) + skipped, self._size.value - skipped)

    def every(self, field: bytes) -> list[bytes]:
        """Return all values of *field* in the present entry."""
        prefix = field + b"="
        found = []
        self._library.sd_journal_restart_data(self._handle)
        while self._call("sd_journal_enumerate_data", self._to_data, self._to_size) > 0:
            data = ctypes.string_at(self._data.value or 0, self._size.value)
            if data.startswith(prefix):
                found.append(data[len(prefix) :])
        return found

    def realtime(self) -> int:
        self._call("sd_journal_get_realtime_usec", self._to_usec)
        return self._usec.value

    def monotonic(self) -> int:
        self._call("sd_journal_get_monotonic_usec", self._to_usec, ctypes.create_string_buffer(16))
        return self._usec.value

    def cursor(self) -> str:
        """Return the present entry's place, for `seek_cursor` of any later handle."""
        text = _POINTER()
        self._call("sd_journal_get_cursor", ctypes.byref(text))
        try:
            return (ctypes.cast(text, ctypes.c_char_p).value or b"").decode("ascii", "replace")
        finally:
            _free()(text)

    def _call(self, function: str, *arguments: Any) -> int:
        return _check(function, getattr(self._library, function)(self._handle, *arguments))


@cache
def _free() -> Callable[[Any], None]:
    free: Any = ctypes.CDLL(None).free
    free.argtypes = (_POINTER,)
    free.restype = None
    made: Callable[[Any], None] = free
    return made


def _check(what: str, code: int) -> int:
    if code < 0:
        raise JournalError(-code, f"{what}: {os.strerror(-code)}")
    return code
