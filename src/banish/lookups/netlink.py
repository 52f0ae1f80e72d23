"""Lists that the kernel keeps, asked for over netlink(7): addresses, routes, connections.

One side speaks request bodies and the bodies of messages, the other datagrams. No program is started, no file is read, and no
privilege is needed. A list is of one moment: when it changed while the kernel wrote it, it is asked for again.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

# linux/netlink.h
_NLMSG_ERROR = 0x2
_NLMSG_DONE = 0x3
_NLM_F_REQUEST = 0x01
_NLM_F_DUMP_INTR = 0x10
_NLM_F_DUMP = 0x300
_SOL_NETLINK = 270
_NETLINK_GET_STRICT_CHK = 12

HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_ERROR = struct.Struct("=i")  # struct nlmsgerr: a negative errno, then the request
_ATTRIBUTE = struct.Struct("=HH")  # struct nlattr: length, type
_TYPE_MASK = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER

_ANSWER_BYTES = 1 << 18
_TIMEOUT = 2.0
_ATTEMPTS = 3
_AT_ONCE = 1000


def ask(protocol: int, kind: int, body: bytes, *, strict: bool = False, most: int | None = None) -> list[memoryview]:
    """Return the bodies of the messages that answer the request for a list (NLM_F_DUMP) of *kind*.

    *strict* has the kernel leave out what the request's body does not ask for, where it can. With *most* reading ends once
    there are so many. Raises OSError, InterruptedError of it when the list changes faster than it can be written.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return _ask(protocol, kind, body, strict, most)
        except InterruptedError:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError


def _ask(protocol: int, kind: int, body: bytes, strict: bool, most: int | None) -> list[memoryview]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol) as kernel:
        kernel.settimeout(_TIMEOUT)
        if strict:
            with suppress(OSError):  # Linux 4.20; before, the kernel sends everything
                kernel.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
        kernel.bind((0, 0))
        kernel.send(HEADER.pack(HEADER.size + len(body), kind, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0) + body)
        found: list[memoryview] = []
        while True:
            for message_kind, message in messages(kernel.recv(_ANSWER_BYTES)):
                if message_kind == _NLMSG_DONE:
                    return found
                found.append(message)
            if most is not None and len(found) >= most:
                return found


def messages(answer: bytes) -> Iterator[tuple[int, memoryview]]:
    """Yield type and body of each message of one datagram, the end of a list (NLMSG_DONE, 3) among them.

    Raises OSError for an error the kernel reports and for a malformed or empty answer (EPROTO), InterruptedError when the list
    is not of one moment (NLM_F_DUMP_INTR).
    """
    whole, at = memoryview(answer), 0
    if not answer:
        raise _malformed()
    while at + HEADER.size <= len(answer):
        length, kind, flags, _, _ = HEADER.unpack_from(answer, at)
        if not HEADER.size <= length <= len(answer) - at:
            raise _malformed()
        body = whole[at + HEADER.size : at + length]
        if flags & _NLM_F_DUMP_INTR:
            raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
        if kind == _NLMSG_ERROR:
            number = -_ERROR.unpack_from(body)[0] if len(body) >= _ERROR.size else errno.EPROTO
            raise OSError(number, os.strerror(number))
        yield kind, body
        at += (length + 3) & ~3


def attributes(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield type and value of each attribute in *data*; what is cut off is left out."""
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _TYPE_MASK, data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3


class Watch:
    """Notices that something has changed in the lists of *groups* (a mask, linux/rtnetlink.h ``RTMGRP_…``), by being told.

    Where the kernel cannot be listened to, it never notices anything: whoever asks must look now and then anyway.
    """

    def __init__(self, groups: int) -> None:
        self._kernel: socket.socket | None = None
        with suppress(OSError):
            kernel = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
            )
            kernel.bind((0, groups))
            self._kernel = kernel

    def changed(self) -> bool:
        """Return whether there was a change since the last time."""
        found, kernel = False, self._kernel
        if kernel is None:
            return False
        for _ in range(_AT_ONCE):
            try:
                kernel.recv(_ANSWER_BYTES)
            except BlockingIOError:
                break
            except OSError:  # ENOBUFS: more changes than fit
                pass
            found = True
        return found

    def close(self) -> None:
        if self._kernel is not None:
            self._kernel.close()
            self._kernel = None


def _malformed() -> OSError:
    return OSError(errno.EPROTO, os.strerror(errno.EPROTO))
