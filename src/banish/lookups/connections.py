"""The TCP connections of this machine: who is connected, and which ports are listened on.

Asked over sock_diag(7), or read from /proc/net/tcp and tcp6 (proc(5)) where the kernel has no tcp_diag; both say the same. What is seen
is the network namespace we run in. An IPv4-mapped IPv6 peer is the IPv4 address.

Ten thousand connections take some ten milliseconds, so this is not asked for every ban.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from banish.lookups import netlink

# linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h, net/tcp_states.h
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
ESTABLISHED, LISTEN = 1, 10
_REQUEST = struct.Struct("=BBBBI48x")  # struct inet_diag_req_v2: family, protocol, extensions, pad, states; any socket
_MESSAGE = struct.Struct("=4x2s18x16s28xI")
"""struct inet_diag_msg: our port, (the peer's, our address), the peer's address, (interface, cookie, times, queues, uid), inode."""
_MAPPED = bytes(10) + b"\xff\xff"
_NO_DIAG = frozenset({errno.ENOENT, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EPERM, errno.EACCES})


class Connection(NamedTuple):
    """One socket; *peer* is packed in network order: 4 bytes, or 16."""

    inode: int
    port: int
    """Ours."""
    peer: bytes


def established() -> list[Connection]:
    """Return every connection that stands. Raises OSError when neither way is open."""
    return _sockets(ESTABLISHED)


def listening() -> list[Connection]:
    """Return every socket that is listened on (its *peer* is nobody). Raises OSError when neither way is open."""
    return _sockets(LISTEN)


def _sockets(state: int, diag: Callable[[int], list[Connection]] | None = None) -> list[Connection]:
    try:
        return (diag or by_diag)(state)
    except InterruptedError:
        return by_proc(state)
    except OSError as error:
        if error.errno not in _NO_DIAG:
            raise
        return by_proc(state)


def by_diag(state: int) -> list[Connection]:
    """Ask sock_diag(7) for the sockets in *state*."""
    found: list[Connection] = []
    for family in (socket.AF_INET, socket.AF_INET6):
        request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, 1 << state)
        for body in netlink.ask(_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, request):
            if len(body) < _MESSAGE.size:
                continue
            port, peer, inode = _MESSAGE.unpack_from(body)
            packed = peer[:4] if body[0] == socket.AF_INET else peer
            found.append(Connection(inode, int.from_bytes(port), _unmapped(packed)))
    return found


def by_proc(state: int, directory: Path = Path("/proc/net")) -> list[Connection]:
    """Read the sockets in *state* from /proc/net/tcp and /proc/net/tcp6. A machine without IPv6 lacks the second."""
    found: list[Connection] = []
    for name in ("tcp", "tcp6"):
        try:
            text = (directory / name).read_text()
        except FileNotFoundError:
            if name == "tcp":
                raise
            continue
        for line in text.splitlines()[1:]:
            words = line.split()
            if len(words) < 10 or int(words[3], 16) != state:
                continue
            digits = words[2].partition(":")[0]
            # Each word of four bytes is printed as a number of this machine, whatever its byte order.
            peer = b"".join(struct.pack("=I", int(digits[at : at + 8], 16)) for at in range(0, len(digits), 8))
            found.append(Connection(int(words[9]), int(words[1].rpartition(":")[2], 16), _unmapped(peer)))
    return found


def _unmapped(packed: bytes) -> bytes:
    return packed[12:] if packed.startswith(_MAPPED) and len(packed) == 16 else packed
