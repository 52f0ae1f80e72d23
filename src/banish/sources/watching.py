"""Says where something changed in the directories that hold logs: inotify(7), or a clock where there is none.

A watcher is told directories and tells names; what a name means is the business of ``files``. One inotify instance serves the
whole process (``fs.inotify.max_user_instances`` is 128 on many systems), it watches directories, never files (a file watch goes
blind when the log is rotated), and a thousand writes to one log between two looks are one name in a set.

Law: a watcher is an optimisation. It may tell too much, and whoever listens looks at everything by itself, once a second where a
watch is missing (limits), else in ten seconds, and every other second where it found that nothing is told (network file systems):
that costs at most those seconds, never a line. Nothing is raised.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Mapping, Set
from typing import NamedTuple, Protocol

from banish.model import Notice

# linux/inotify.h
IN_MODIFY = 0x00000002
IN_ATTRIB = 0x00000004
IN_MOVED_FROM = 0x00000040
IN_MOVED_TO = 0x00000080
IN_CREATE = 0x00000100
IN_DELETE = 0x00000200
IN_DELETE_SELF = 0x00000400
IN_MOVE_SELF = 0x00000800
IN_Q_OVERFLOW = 0x00004000
IN_IGNORED = 0x00008000
IN_ONLYDIR = 0x01000000
IN_NONBLOCK = os.O_NONBLOCK
IN_CLOEXEC = os.O_CLOEXEC

_MASK = (
    IN_MODIFY
    | IN_ATTRIB
    | IN_MOVED_FROM
    | IN_MOVED_TO
    | IN_CREATE
    | IN_DELETE
    | IN_DELETE_SELF
    | IN_MOVE_SELF
    | IN_ONLYDIR
)
_EVENT = struct.Struct("iIII")  # struct inotify_event: wd, mask, cookie, len; then len bytes of name, padded with NUL
_BUFFER = 1 << 16
_READS = 16


class Changes(NamedTuple):
    """What happened since the last look."""

    names: Mapping[str, Set[str]]
    """Directory (as it was given to ``watch``) to the names in it that were written, made, moved or removed."""
    everything: bool = False
    """True when the watcher cannot say, or lost count: look at everything."""


class Watcher(Protocol):
    """What a watcher does."""

    def watch(self, directory: str) -> str | None:
        """Watch *directory* from now on; asking again is harmless and heals a watch that was lost.

        Returns None, or why changes there will only be found by looking, and what to do about it.
        """

    def unwatch(self, directory: str) -> None: ...

    def fileno(self) -> int | None:
        """Return the descriptor that becomes readable when something changed, None when there is nothing to wait for."""

    def changes(self) -> Changes:
        """Return what changed since the last call, without waiting."""

    def close(self) -> None: ...


class PollingWatcher:
    """Knows nothing and says so: every look is told to look at everything."""

    def watch(self, directory: str) -> str | None:
        return None

    def unwatch(self, directory: str) -> None:
        return None

    def fileno(self) -> int | None:
        return None

    def changes(self) -> Changes:
        return Changes({}, everything=True)

    def close(self) -> None:
        return None


class InotifyWatcher:
    """One inotify instance, driven through libc. Raises OSError when the kernel gives none (see ``watcher``)."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._call("inotify_init1", IN_NONBLOCK | IN_CLOEXEC)
        self._descriptors: dict[str, int] = {}
        self._directories: dict[int, set[str]] = {}  # two names of one directory share a watch descriptor

    def watch(self, directory: str) -> str | None:
        try:
            descriptor = self._call("inotify_add_watch", self._fd, os.fsencode(directory), _MASK)
        except OSError as error:
            self._forget(directory)
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return None  # it is not there yet; whoever wants it asks again
            if error.errno == errno.ENOSPC:
                return f"{directory}: no inotify watch left, it is looked at once a second (raise fs.inotify.max_user_watches)"
            return f"{directory}: it cannot be watched, it is looked at once a second ({error.strerror})"
        if self._descriptors.get(directory) != descriptor:
            self.unwatch(directory)
            self._descriptors[directory] = descriptor
            self._directories.setdefault(descriptor, set()).add(directory)
        return None

    def unwatch(self, directory: str) -> None:
        descriptor = self._forget(directory)
        if descriptor is not None and descriptor not in self._directories:
            try:
                self._call("inotify_rm_watch", self._fd, descriptor)
            except OSError:
                return  # the kernel removed it already (IN_IGNORED)

    def fileno(self) -> int | None:
        return self._fd if self._fd >= 0 else None

    def changes(self) -> Changes:
        names: dict[str, set[str]] = {}
        everything = False
        for _ in range(_READS):
            try:
                data = os.read(self._fd, _BUFFER)
            except BlockingIOError:
                break
            except OSError:
                everything = True
                break
            everything |= self._sort(data, names)
            if len(data) < _BUFFER // 2:  # the queue was empty then; what came since is told next time
                break
        return Changes(names, everything)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._descriptors.clear()
        self._directories.clear()

    def _sort(self, data: bytes, names: dict[str, set[str]]) -> bool:
        everything = False
        at = 0
        while at + _EVENT.size <= len(data):
            descriptor, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size
            name = data[at : at + length]
            at += length
            if mask & IN_Q_OVERFLOW:
                everything = True
                continue
            directories = self._directories.get(descriptor, ())
            if mask & (IN_IGNORED | IN_MOVE_SELF | IN_DELETE_SELF):
                # The directory lost its name: the watch is on something else than what was asked for.
                everything = everything or bool(directories)
                for directory in tuple(directories):
                    self.unwatch(directory)
                continue
            shown = os.fsdecode(name.rstrip(b"\0"))
            for directory in directories:
                names.setdefault(directory, set()).add(shown)
        return everything

    def _forget(self, directory: str) -> int | None:
        descriptor = self._descriptors.pop(directory, None)
        if descriptor is not None:
            rest = self._directories.get(descriptor, set())
            rest.discard(directory)
            if not rest:
                self._directories.pop(descriptor, None)
        return descriptor

    def _call(self, function: str, *arguments: int | bytes) -> int:
        result: int = getattr(self._libc, function)(*arguments)
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result


def watcher() -> tuple[Watcher, Notice | None]:
    """Return the best watcher this system gives, and why it is not inotify when it is not."""
    try:
        return InotifyWatcher(), None
    except (OSError, AttributeError) as error:  # AttributeError: a libc that has no inotify
        remedy = (
            "raise fs.inotify.max_user_instances" if getattr(error, "errno", 0) == errno.EMFILE else "logs are polled"
        )
        return PollingWatcher(), Notice("WARNING", "filter", f"inotify is not available: {error} ({remedy})")
