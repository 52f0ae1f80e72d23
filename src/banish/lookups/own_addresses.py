"""Which addresses are our own: what ``ignoreself`` protects from being banned.

The kernel is asked over rtnetlink(7) (RTM_GETADDR): every address of every interface, in the network namespace we run in, with
no program started and no name resolved. The loopback networks always belong to us, whatever the interfaces say.

Law: nothing is raised. When the kernel does not answer there is a notice, and the loopback networks only.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator

from banish.addresses import Network, network_of
from banish.model import Notice

LOOPBACK: frozenset[Network] = frozenset({network_of(bytes((127, 0, 0, 0)), 8), network_of(bytes(15) + b"\1")})

# linux/netlink.h, linux/rtnetlink.h, linux/if_addr.h
_NLMSG_ERROR = 0x2
_NLMSG_DONE = 0x3
_RTM_NEWADDR = 20
_RTM_GETADDR = 22
_NLM_F_REQUEST = 0x01
_NLM_F_DUMP_INTR = 0x10
_NLM_F_DUMP = 0x300
_IFA_ADDRESS = 1
_IFA_LOCAL = 2
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_IFADDRMSG = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, interface index
_ERROR = struct.Struct("=i")  # struct nlmsgerr: a negative errno, then the request
_ATTRIBUTE = struct.Struct("=HH")  # struct rtattr: length, type

_ANSWER_BYTES = 1 << 16
_TIMEOUT = 2.0
_ATTEMPTS = 3


def own_addresses() -> tuple[frozenset[Network], Notice | None]:
    """Return our addresses as host networks (/32, /128) with the loopback networks, and what went wrong if something did."""
    try:
        for _ in range(_ATTEMPTS):
            try:
                return LOOPBACK | frozenset(_ask()), None
            except InterruptedError:  # they changed while the kernel listed them, and one may be missing
                continue
        problem = "they change faster than they can be listed"
    except OSError as error:
        problem = error.strerror or str(error)
    text = f"cannot ask the kernel for our own addresses: {problem} (name them in ignoreip; only loopback is ignored by itself)"
    return LOOPBACK, Notice("WARNING", "filter", text)


def _ask() -> list[Network]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(_TIMEOUT)
        kernel.bind((0, 0))
        length = _HEADER.size + _IFADDRMSG.size
        kernel.send(
            _HEADER.pack(length, _RTM_GETADDR, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0)
            + _IFADDRMSG.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        )
        found: list[Network] = []
        while True:
            answer = kernel.recv(_ANSWER_BYTES)
            if not answer:
                raise OSError(errno.EPROTO, os.strerror(errno.EPROTO))
            if parse(answer, found):
                return found


def parse(answer: bytes, found: list[Network]) -> bool:
    """Add the addresses of one datagram to *found*, and return True when it was the last.

    Raises OSError for an error the kernel reports and for a malformed answer (EPROTO), InterruptedError when the list is not
    of one moment (NLM_F_DUMP_INTR) and has to be asked for again.
    """
    at = 0
    while at + _HEADER.size <= len(answer):
        length, kind, flags, _, _ = _HEADER.unpack_from(answer, at)
        if not _HEADER.size <= length <= len(answer) - at:
            raise OSError(errno.EPROTO, os.strerror(errno.EPROTO))
        body = answer[at + _HEADER.size : at + length]
        if flags & _NLM_F_DUMP_INTR:
            raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
        if kind == _NLMSG_DONE:
            return True
        if kind == _NLMSG_ERROR:
            number = -_ERROR.unpack_from(body)[0] if len(body) >= _ERROR.size else errno.EPROTO
            raise OSError(number, os.strerror(number))
        if kind == _RTM_NEWADDR and len(body) >= _IFADDRMSG.size:
            address = _address(body)
            if address is not None:
                found.append(address)
        at += (length + 3) & ~3
    return False


def _address(body: bytes) -> Network | None:
    """IFA_ADDRESS is the peer's on a point-to-point link, where IFA_LOCAL is ours; elsewhere they agree or there is only one."""
    family = body[0]
    attributes = dict(_attributes(body[_IFADDRMSG.size :]))
    packed = attributes.get(_IFA_LOCAL, attributes.get(_IFA_ADDRESS, b""))
    if family == socket.AF_INET and len(packed) == 4:
        return network_of(packed)
    if family == socket.AF_INET6 and len(packed) == 16:
        return network_of(packed)
    return None


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        yield kind, data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
