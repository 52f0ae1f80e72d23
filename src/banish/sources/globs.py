"""Which files a ``logpath`` with wildcards means, now and later.

The wildcards are those of glob(7), as Python's ``glob`` reads them. A pattern such as ``/var/log/nginx/*access.log*`` also hits
what logrotate made of a log; the follower of the log reads those when it must, and to follow them as logs of their own would
count every line twice. So a name that a rotation gave to another hit is left out, and so are compressed files, directories, and
a symlink to another hit.
"""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Collection, Iterable

from banish.sources.reading import PACKED_SUFFIXES
from banish.sources.rotated import originals

_SEPARATOR = "/"
_TICK = 1_000_000_000
"""Nanoseconds after which the time stamp of a directory tells one change from the next, on any file system."""
_COMPRESSED = (*PACKED_SUFFIXES, ".lz4")


def is_glob(pattern: str) -> bool:
    return glob.has_magic(pattern)


def hits(pattern: str) -> tuple[str, ...]:
    """Return the names that *pattern* meets on disk, sorted, before any is left out."""
    return tuple(sorted(glob.glob(pattern)))


def logs(names: Collection[str], followed: Iterable[str] = ()) -> list[str]:
    """Return those of *names* that are logs of their own; *followed* are paths that are read already."""
    known = {*names, *followed}
    chosen = []
    for name in names:
        directory, base = os.path.split(name)
        if name.endswith(_COMPRESSED) or os.path.isdir(name):
            continue
        if any(os.path.join(directory, original) in known for original in originals(base)):
            continue
        chosen.append(name)
    among = set(chosen)
    return [name for name in chosen if not (os.path.islink(name) and os.path.realpath(name) in among)]


def directories(pattern: str) -> set[str]:
    """Return the existing directories in which a new name could make *pattern* hit more."""
    found: set[str] = set()
    parent = os.path.dirname(pattern)
    while True:
        found.update(
            name for name in (glob.glob(parent) if is_glob(parent) else [parent]) if os.path.isdir(name or ".")
        )
        if not is_glob(parent):
            return found
        parent = os.path.dirname(parent)


Stamps = dict[str, int | None]
"""Directory to when a name in it was last made, moved or removed (nanoseconds since 1970); None where that is not certain."""


def stamps(names: Iterable[str], now: int) -> Stamps:
    """Return the stamps of directories at *now* (nanoseconds since 1970), to be compared later: equal ones are unchanged.

    What changed just now may change again without the kernel's clock having moved on, so such a stamp is None.
    """
    found: Stamps = {}
    for name in names:
        try:
            at = os.stat(name).st_mtime_ns
        except OSError:
            at = -1
        found[name] = at if at < now - _TICK else None
    return found


def may_hit(pattern: str, path: str) -> bool:
    """True when a new file *path* is a hit of *pattern*, or a new directory *path* may have hits in it."""
    parts = pattern.split(_SEPARATOR)
    depth = path.count(_SEPARATOR) + 1
    if depth > len(parts) or not fnmatch.fnmatchcase(path, _SEPARATOR.join(parts[:depth])):
        return False
    return depth == len(parts) or os.path.isdir(path)
