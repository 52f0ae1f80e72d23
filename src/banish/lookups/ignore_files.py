"""Lists of addresses to ignore that are kept in files: ``ignoreip = file:/etc/banish/trusted``.

jail.conf(5): items are separated by white space or commas, ``#`` and ``;`` begin a comment. The file is read when it is first
asked for, and again when it has changed; it is looked at once a second at most, so that every failure may ask.

Law: nothing is raised. A file that cannot be read has no items when it never could, and keeps those it had when it could before:
whoever edits the list must not be locked out between two saves.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

LOOK_INTERVAL = 1.0
LARGEST = 16 << 20
"""Bytes; a larger file is not read (it is the wrong file)."""

_COMMENT = re.compile(r"[#;].*")
_SEPARATOR = re.compile(r"[\s,]+")


def path_of(item: str) -> str | None:
    """Return the path in an item of ``ignoreip``, None when it names no file.

    >>> path_of("file:/etc/trusted"), path_of("file:///etc/trusted"), path_of("file:trusted"), path_of("192.0.2.1")
    ('/etc/trusted', '/etc/trusted', 'trusted', None)
    """
    if not item.startswith("file:"):
        return None
    path = item.removeprefix("file:")
    return path.removeprefix("//") if path.startswith("///") else path


def items_in(text: str) -> tuple[str, ...]:
    """Return the items of a list, in order.

    >>> items_in("192.0.2.1, 198.51.100.0/24 # office\\n; old\\nexample.org")
    ('192.0.2.1', '198.51.100.0/24', 'example.org')
    """
    lines = (_COMMENT.sub("", line) for line in text.splitlines())
    return tuple(item for line in lines for item in _SEPARATOR.split(line) if item)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe would wait for its writer


@dataclass(slots=True)
class _File:
    items: tuple[str, ...] = ()
    problem: str | None = None
    looked_at: float | None = None
    state: tuple[int, int, int, int] | None = None


class IgnoreFiles:
    """Remembers one list for every path that was asked for; the paths come from configuration, so there are few."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}

    def items(self, path: str, now: float) -> tuple[str, ...]:
        """Return the items in the file at *path*, as they are written there; *now* in seconds."""
        file = self._files.setdefault(path, _File())
        if file.looked_at is None or not 0 <= now - file.looked_at < LOOK_INTERVAL:
            file.looked_at = now
            self._look(path, file)
        return file.items

    def problem(self, path: str) -> str | None:
        """Return why the file at *path* could not be read when last looked at, and what to do; None when it could."""
        file = self._files.get(path)
        return file.problem if file else None

    def keep(self, paths: set[str]) -> None:
        """Forget all files but *paths*, as after a reload."""
        for path in self._files.keys() - paths:
            del self._files[path]

    @staticmethod
    def _look(path: str, file: _File) -> None:
        try:
            found = os.stat(path)
            state = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
            if state == file.state and file.problem is None:
                return
            if found.st_size > LARGEST:
                file.problem = f"{path}: {found.st_size} bytes are too much for a list of addresses (check ignoreip)"
                return
            with open(path, encoding="utf-8-sig", errors="replace", opener=_without_waiting) as opened:
                file.items = items_in(opened.read(LARGEST))
            file.state, file.problem = state, None
        except OSError as error:
            kept = " the items read before stay in force," if file.items else ""
            file.problem = f"{path}: {error.strerror or error} (ignoreip names this file;{kept} make it readable)"
        except ValueError as error:  # a NUL byte in the path
            file.problem = f"{path!r}: {error} (check ignoreip)"
