"""One state directory, one daemon: an exclusive flock(2) on a file in it.

The kernel lets go of it when the process ends, however it ends. The file stays, with the number of the last process in it.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from banish.errors import StoreError

NAME = "banishd.lock"


class Lock:
    """A lock that is held until `release`, or until the process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go; again is no harm."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def hold(directory: Path) -> Lock:
    """Lock *directory*, made for the owner alone when there is none.

    Raises StoreError when another process holds it, OSError when there can be no file in it. A file system that knows no locks
    (flock(2), ENOLCK) does not keep anybody from it.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / NAME
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise StoreError(
            f"another banishd (process {holder}) uses this state directory: {directory} "
            "(stop that one, or choose another directory with --state)"
        ) from error
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
            os.close(descriptor)
            raise
    with suppress(OSError):  # a full disk: the number is there to be read by people only
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return Lock(descriptor)
