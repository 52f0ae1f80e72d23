"""Socket activation: a listening socket that the service manager made before us, see sd_listen_fds(3) and systemd.socket(5).

It is found by its path. Who connects while the daemon starts, or is started again, then waits instead of being refused.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

_FIRST = 3


def listener(path: Path, environment: Mapping[str, str] = os.environ) -> socket.socket | None:
    """Return the inherited socket that listens on *path*; None when there is none."""
    count = environment.get("LISTEN_FDS", "")
    if environment.get("LISTEN_PID") != str(os.getpid()) or not count.isdigit():
        return None
    for descriptor in range(_FIRST, _FIRST + int(count)):
        try:
            found = socket.socket(fileno=descriptor)
        except OSError:
            continue
        if _listens(found, path):
            found.set_inheritable(False)
            found.setblocking(False)
            return found
        found.detach()
    return None


def _listens(found: socket.socket, path: Path) -> bool:
    if (found.family, found.type) != (socket.AF_UNIX, socket.SOCK_STREAM):
        return False
    return bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)) and found.getsockname() == str(path)
