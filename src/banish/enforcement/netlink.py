"""nfnetlink: talking to nf_tables over a socket, without any library.

The caller speaks messages (a kind, attributes, and words for people), the kernel speaks bytes. One call of ``transaction`` is
one batch, and the kernel carries out a batch whole or not at all. Its law: when ``transaction`` returns, everything is in
force; when it raises, either nothing is, or (``ENOBUFS`` alone) the answer was lost and the caller must say it all again.

Names and numbers are those of linux/netlink.h, linux/netfilter/nfnetlink.h and linux/netfilter/nf_tables.h. Headers are in the
byte order of the host, the values of nf_tables in that of the network.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from banish.errors import FirewallError

# linux/netlink.h
NETLINK_NETFILTER = 12
NLM_F_REQUEST = 0x001
NLM_F_ACK = 0x004
NLM_F_DUMP_INTR = 0x010
NLM_F_DUMP = 0x300
NLM_F_CREATE = 0x400
NLM_F_APPEND = 0x800
NLM_F_CAPPED = 0x100
NLM_F_ACK_TLVS = 0x200
NLMSG_ERROR = 2
NLMSG_DONE = 3
SOL_NETLINK = 270
NETLINK_CAP_ACK = 10
NETLINK_EXT_ACK = 11
NLMSGERR_ATTR_MSG = 1
NLMSGERR_ATTR_OFFS = 2
NLA_F_NESTED = 0x8000
NLA_TYPE_MASK = 0x3FFF

# asm-generic/socket.h
SO_SNDBUFFORCE = 32
SO_RCVBUFFORCE = 33

# linux/netfilter/nfnetlink.h
NFNL_MSG_BATCH_BEGIN = 0x10
NFNL_MSG_BATCH_END = 0x11
NFNL_SUBSYS_NFTABLES = 10
NFPROTO_UNSPEC = 0
NFPROTO_INET = 1

ERESTART = 85
"""Not in the errno module everywhere: the batch met somebody else's and is to be sent again."""

LARGEST_BATCH = 256 << 20
"""How large a batch is tried as one transaction, in bytes; two million bans and more."""

LONGEST_ATTRIBUTE = 0xFFFF
"""An attribute's length, its four bytes of header included, is a u16."""

_RECEIVE_BUFFER = 1 << 20
_DUMP_PART = 1 << 18
_ATTEMPTS = 5
_MOST_BUFFERS = 1000
"""That are sent without being joined; the kernel takes 1024 (UIO_MAXIOV)."""

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_GENERIC = struct.Struct("=BB")  # nfgenmsg: family, version; res_id follows in network order
_ATTRIBUTE = struct.Struct("=HH")  # nlattr: length, type
_ERROR = struct.Struct("=i")
_PREFIX = _HEADER.size + 4


class Message(NamedTuple):
    """One request to nf_tables."""

    kind: int
    """NFT_MSG_*."""
    flags: int
    """NLM_F_CREATE and its like; REQUEST and ACK are added where they belong."""
    attributes: bytes
    what: str
    """What it is about, for the error's text: ``set sshd-ip4``."""


class Refused(FirewallError):  # noqa: N818 -- what happened, not what it is
    """The kernel refused a transaction, or could not be asked.

    *index* is the message's place in the transaction (None: all of it), *offset* the byte of that message the kernel points
    at, its header included (None: it did not say).
    """

    def __init__(self, text: str, errno: int, index: int | None = None, offset: int | None = None) -> None:
        super().__init__(text, errno)
        self.index = index
        self.offset = offset


def attribute(kind: int, value: bytes) -> bytes:
    """Return one attribute, padded to four bytes. Raises ValueError when *value* is longer than a u16 can say."""
    length = 4 + len(value)
    if length > LONGEST_ATTRIBUTE:
        raise ValueError(f"a netlink attribute holds {LONGEST_ATTRIBUTE - 4} bytes, not {len(value)}")
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """Return an attribute made of attributes."""
    return attribute(kind | NLA_F_NESTED, b"".join(attributes))


def text(kind: int, value: str) -> bytes:
    """Return an attribute that holds *value* as a C string."""
    return attribute(kind, value.encode("utf-8", "surrogateescape") + b"\0")


def u32(kind: int, value: int) -> bytes:
    """Return an attribute that holds *value* in network order; negative ones in two's complement."""
    return attribute(kind, (value & 0xFFFFFFFF).to_bytes(4, "big"))


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and value of each attribute in *data*; what is cut off at its end is left out."""
    at = 0
    while at + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < 4 or at + length > len(data):
            return
        yield kind & NLA_TYPE_MASK, data[at + 4 : at + length]
        at += (length + 3) & ~3


class Netlink:
    """A socket to nf_tables, in the network namespace of the thread that makes it.

    *largest* bounds the send buffer; a larger batch is refused by the kernel with EMSGSIZE. Raises FirewallError.
    """

    def __init__(self, largest: int = LARGEST_BATCH) -> None:
        self._largest = largest
        self._buffer = 0
        self._sequence = 0
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
        except OSError as error:
            raise refusal(error.errno or 0, "opening a netlink socket") from error
        # Nothing is waited for: the kernel answers within send(), and the parts of a dump within recv().
        self._socket.setblocking(False)
        for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK):
            self._try_option(SOL_NETLINK, option, 1)
        self._try_option(socket.SOL_SOCKET, SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        self._socket.bind((0, 0))
        self.port: int = self._socket.getsockname()[0]
        """The kernel's number for this socket: it names the sender of a change to whoever listens."""

    def close(self) -> None:
        self._socket.close()

    def transaction(self, messages: Sequence[Message]) -> None:
        """Carry out *messages*, all or none. Raises Refused."""
        if not messages:
            return
        for attempt in range(1, _ATTEMPTS + 1):
            refused = self._attempt(messages)
            if refused is None:
                return
            if refused.errno not in (ERESTART, errno.EINTR, errno.EAGAIN) or attempt == _ATTEMPTS:
                raise refused

    def dump(self, kind: int, request: bytes, what: str) -> list[bytes]:
        """Return the attributes of every object that *kind* (NFT_MSG_GET*) and *request* ask for. Raises Refused."""
        for _ in range(_ATTEMPTS):
            answer = self._dump(kind, request, what)
            if answer is not None:
                return answer
        raise refusal(errno.EINTR, what)

    def get(self, kind: int, wanted: int, what: str, request: bytes = b"") -> bytes:
        """Return attribute *wanted* of the one object that *kind* (NFT_MSG_GET*) and *request* ask for. Raises Refused."""
        self._sequence += 1
        self._discard()
        try:
            self._socket.sendmsg(_frame(kind, NLM_F_REQUEST, self._sequence, request), (), 0, (0, 0))
            data = self._socket.recv(_DUMP_PART)
        except OSError as error:
            raise refusal(error.errno or 0, what) from error
        for found, flags, _, payload in _frames(data):
            if found == NLMSG_ERROR:
                number, offset, said = _verdict(flags, payload)
                raise refusal(number, what, None, offset, said)
            value = dict(attributes(payload[4:])).get(wanted)
            if value is not None:
                return value
        raise refusal(errno.EBADMSG, what)

    def _attempt(self, messages: Sequence[Message]) -> Refused | None:
        begin = self._sequence + 1
        self._sequence = (begin + len(messages) + 1) & 0x7FFFFFFF
        if self._sequence < begin:
            begin, self._sequence = 1, len(messages) + 2
        last = len(messages) - 1
        frames = [_boundary(NFNL_MSG_BATCH_BEGIN, begin)]
        for index, message in enumerate(messages):
            # One acknowledgement is enough: the kernel always reports what it refuses, and a batch stands or falls whole.
            flags = message.flags | NLM_F_REQUEST | (NLM_F_ACK if index == last else 0)
            frames += _frame(message.kind, flags, begin + 1 + index, message.attributes)
        frames.append(_boundary(NFNL_MSG_BATCH_END, self._sequence))
        if len(frames) > _MOST_BUFFERS:
            frames = [b"".join(frames)]
        size = sum(map(len, frames))
        self._make_room(size)
        self._discard()
        try:
            self._socket.sendmsg(frames, (), 0, (0, 0))
        except OSError as error:
            return refusal(error.errno or 0, f"sending {size} bytes")
        return self._answers(begin, messages)

    def _answers(self, begin: int, messages: Sequence[Message]) -> Refused | None:
        acknowledged = False
        first: Refused | None = None
        lost = False
        while True:
            try:
                data = self._socket.recv(_DUMP_PART)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    return refusal(error.errno or 0, "reading the kernel's answer")
                lost = True
                continue
            for kind, flags, sequence, payload in _frames(data):
                index = sequence - begin - 1
                if kind != NLMSG_ERROR or not -1 <= index <= len(messages):
                    continue
                number, offset, said = _verdict(flags, payload)
                acknowledged |= number == 0 and index == len(messages) - 1
                if number and (first is None or first.index is None or index < first.index):
                    inside = 0 <= index < len(messages)
                    what = messages[index].what if inside else "the transaction"
                    first = refusal(number, what, index if inside else None, offset, said)
        if first is not None or (acknowledged and not lost):
            return first
        return refusal(errno.ENOBUFS, "reading the kernel's answer")

    def _dump(self, kind: int, request: bytes, what: str) -> list[bytes] | None:
        self._sequence += 1
        self._discard()
        result: list[bytes] = []
        try:
            self._socket.sendmsg(_frame(kind, NLM_F_REQUEST | NLM_F_DUMP, self._sequence, request), (), 0, (0, 0))
            while True:
                for found, flags, sequence, payload in _frames(self._socket.recv(_DUMP_PART)):
                    if sequence != self._sequence:
                        continue
                    if flags & NLM_F_DUMP_INTR:
                        return None
                    if found in (NLMSG_DONE, NLMSG_ERROR):
                        number = -_ERROR.unpack_from(payload)[0] if len(payload) >= 4 else 0
                        if number == errno.EINTR:
                            return None
                        if number:
                            raise refusal(number, what)
                        return result
                    result.append(payload[4:])
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                return None
            raise refusal(error.errno or 0, what) from error

    def _make_room(self, size: int) -> None:
        # The kernel doubles what is asked for and keeps some for itself; doubling here leaves room to spare.
        wanted = min(2 * size, self._largest)
        if wanted > self._buffer:
            self._buffer = wanted
            if not self._try_option(socket.SOL_SOCKET, SO_SNDBUFFORCE, wanted):
                self._try_option(socket.SOL_SOCKET, socket.SO_SNDBUF, wanted)

    def _try_option(self, level: int, option: int, value: int) -> bool:
        try:
            self._socket.setsockopt(level, option, value)
        except OSError:
            return False
        return True

    def _discard(self) -> None:
        """Forget answers to what was asked before: with a lost answer there may be others behind it."""
        while True:
            try:
                self._socket.recv(_DUMP_PART)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    return


def refusal(number: int, what: str, index: int | None = None, offset: int | None = None, said: str = "") -> Refused:
    """Return the error for errno *number* that *what* met, in words that help."""
    reason = os.strerror(number) if number else "no reason given"
    place = f" at byte {offset}" if offset is not None else ""
    quoted = f", the kernel says: {said}" if said else ""
    remedy = f" ({_REMEDIES[number]})" if number in _REMEDIES else ""
    return Refused(f"nf_tables: {what}{place}: {reason}{quoted}{remedy}", number, index, offset)


_LACKING = (
    "the kernel lacks nf_tables, or a part of it: load the modules nf_tables and nft_reject_inet; Linux 5.10 or later"
)
_REMEDIES = {
    errno.EPERM: "changing nf_tables needs CAP_NET_ADMIN in this network namespace; or another program owns the table",
    errno.EACCES: "a security module forbids netlink to this process",
    errno.EPROTONOSUPPORT: _LACKING,
    errno.EOPNOTSUPP: _LACKING,
    errno.EAFNOSUPPORT: _LACKING,
    errno.ENOENT: "the table or one of its sets is not there: another program has removed it",
    errno.ENOMEM: "the kernel has no memory left for it",
    errno.ENOBUFS: "the kernel had no room for it, or for its answer; whether it is done shows when it is tried again",
    errno.EMSGSIZE: "too much for one transaction",
    errno.ENFILE: "the set is full",
}


def _frame(kind: int, flags: int, sequence: int, payload: bytes) -> tuple[bytes, bytes]:
    """Return head and body apart: half a million bans are tens of megabytes, which are not to be copied once more."""
    header = _HEADER.pack(_PREFIX + len(payload), (NFNL_SUBSYS_NFTABLES << 8) | kind, flags, sequence, 0)
    return header + _GENERIC.pack(NFPROTO_INET, 0) + b"\0\0", payload


def _boundary(kind: int, sequence: int) -> bytes:
    header = _HEADER.pack(_PREFIX, kind, NLM_F_REQUEST, sequence, 0)
    return header + _GENERIC.pack(NFPROTO_UNSPEC, 0) + NFNL_SUBSYS_NFTABLES.to_bytes(2, "big")


def _frames(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size or at + length > len(data):
            return
        yield kind, flags, sequence, data[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


def _verdict(flags: int, payload: bytes) -> tuple[int, int | None, str]:
    """Return errno (0: done), offset and words of an NLMSG_ERROR."""
    if len(payload) < _ERROR.size + _HEADER.size:
        return errno.EBADMSG, None, ""
    number = -_ERROR.unpack_from(payload)[0]
    offset: int | None = None
    said = ""
    if flags & NLM_F_ACK_TLVS:
        # With NETLINK_CAP_ACK only the header of the message comes back, otherwise all of it.
        quoted = _HEADER.size if flags & NLM_F_CAPPED else _HEADER.unpack_from(payload, _ERROR.size)[0]
        for kind, value in attributes(payload[_ERROR.size + ((quoted + 3) & ~3) :]):
            if kind == NLMSGERR_ATTR_OFFS and len(value) == 4:
                offset = int.from_bytes(value, sys.byteorder)
            elif kind == NLMSGERR_ATTR_MSG:
                said = value.rstrip(b"\0").decode("utf-8", "replace")
    return number, offset, said


def chunks(items: Iterable[bytes], longest: int, room: int) -> Iterator[bytes]:
    """Yield *items* joined, in pieces of at most *room* bytes; none of them is longer than *longest* bytes."""
    step = max(1, room // longest)
    rest = iter(items)
    while piece := b"".join(islice(rest, step)):
        yield piece
