"""What others do to our table: nf_tables tells whoever joins its multicast group (NFNLGRP_NFTABLES) of every change.

The kernel speaks a message for each thing that was added or deleted, and after those of one transaction NFT_MSG_NEWGEN, which says
who it was; the other side speaks `Heard`. Our own transactions are known by the number of the socket that sent them.

The law: nothing is concluded from silence. When messages were lost (the kernel says so: ENOBUFS), or were not listened to, that is
said (``unsure``), and a transaction is harmless only when it was heard from its first message to its last.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from banish.enforcement.layout import TABLE
from banish.enforcement.netlink import (
    NETLINK_NETFILTER,
    NFNL_SUBSYS_NFTABLES,
    NFPROTO_INET,
    NLA_TYPE_MASK,
    SO_RCVBUFFORCE,
    SOL_NETLINK,
    attributes,
)
from banish.enforcement.rules import (
    NFT_MSG_DELSETELEM,
    NFT_MSG_NEWGEN,
    NFT_MSG_NEWSETELEM,
    NFTA_GEN_ID,
    NFTA_GEN_PROC_NAME,
    NFTA_GEN_PROC_PID,
    NFTA_SET_ELEM_KEY,
    NFTA_SET_ELEM_LIST_ELEMENTS,
    NFTA_SET_ELEM_LIST_SET,
)

NFNLGRP_NFTABLES = 7  # linux/netfilter/nfnetlink.h
NETLINK_ADD_MEMBERSHIP, NETLINK_DROP_MEMBERSHIP = 1, 2  # linux/netlink.h

MOST_ELEMENTS = 10_000
"""Elements of one transaction that are noted one by one; with more, it is enough to know that there were very many."""

_RECEIVE_BUFFER = 4 << 20
_PART = 1 << 18
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # nlattr: length, type
_GENERIC = 4  # nfgenmsg
_OURS = TABLE.encode() + b"\0"


@dataclass(slots=True)
class Heard:
    """What happened since it was last asked for."""

    culprit: str = ""
    """Who did the last of it, in words: ``nft (process 4711)``; empty where the kernel did not say."""
    structure: bool = False
    """The table, a chain, a rule or a set of ours was added or deleted."""
    elements: list[tuple[str, bytes]] = field(default_factory=list)
    """Name of the set and key of each element of ours that somebody else deleted or set anew."""
    unsure: bool = False
    """There may have been more than was heard."""

    def __bool__(self) -> bool:
        return self.structure or self.unsure or bool(self.elements)


class Listener:
    """Listens to nf_tables in the network namespace in which it is made. *own* is the port of the socket that is ours.

    *harmless* is called with the generation of every transaction of somebody else's that did not concern our table.
    Raises OSError where the group cannot be joined (it takes CAP_NET_ADMIN).
    """

    def __init__(self, own: int, harmless: Callable[[int], None]) -> None:
        self._own = own
        self._harmless = harmless
        self._heard = Heard()
        self._begun = Heard()
        """The transaction whose end has not been heard yet."""
        self._torn = False
        """The beginning of that transaction may be missing."""
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
        try:
            self._socket.setblocking(False)
            with suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, _RECEIVE_BUFFER)
            self._socket.bind((0, 0))
            self._join(NETLINK_ADD_MEMBERSHIP)
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Readable when there is something to hear."""
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def pause(self) -> None:
        """Do not listen for now: the kernel would tell us of each of the many elements that we are about to add."""
        self._join(NETLINK_DROP_MEMBERSHIP)
        self._drain()

    def resume(self) -> None:
        """Listen again. Whoever paused looks at the generation: others may have done something meanwhile."""
        self._join(NETLINK_ADD_MEMBERSHIP)

    def doubt(self) -> None:
        """Something was not heard."""
        self._heard.unsure = True

    def hear(self) -> Heard:
        """Return what has happened since the last call."""
        self._drain()
        heard, self._heard = self._heard, Heard()
        return heard

    def _join(self, how: int) -> None:
        self._socket.setsockopt(SOL_NETLINK, how, NFNLGRP_NFTABLES)

    def _drain(self) -> None:
        while True:
            try:
                data = self._socket.recv(_PART)
            except BlockingIOError:
                return
            except OSError as error:
                # ENOBUFS: the kernel had more to tell than there was room for. Anything else is no better.
                self._heard.unsure = self._torn = True
                self._begun = Heard()
                if error.errno != errno.ENOBUFS:
                    return
                continue
            self._read(data)

    def _read(self, data: bytes) -> None:
        at = 0
        while at + _HEADER.size + _GENERIC <= len(data):
            length, kind, _, _, port = _HEADER.unpack_from(data, at)
            if length < _HEADER.size + _GENERIC or at + length > len(data):
                return
            if kind >> 8 == NFNL_SUBSYS_NFTABLES:
                body = at + _HEADER.size
                if kind & 0xFF == NFT_MSG_NEWGEN:
                    self._end(port, data[body + _GENERIC : at + length])
                elif port != self._own and data[body] == NFPROTO_INET and _in_our_table(data, body + _GENERIC):
                    self._note(kind & 0xFF, data[body + _GENERIC : at + length])
            at += (length + 3) & ~3

    def _note(self, kind: int, payload: bytes) -> None:
        if kind not in (NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM):
            self._begun.structure = True
            return
        if len(self._begun.elements) >= MOST_ELEMENTS:
            self._begun.unsure = True
            return
        parts = dict(attributes(payload))
        name = parts.get(NFTA_SET_ELEM_LIST_SET, b"").rstrip(b"\0").decode("utf-8", "replace")
        for _, element in attributes(parts.get(NFTA_SET_ELEM_LIST_ELEMENTS, b"")):
            for _, key in attributes(dict(attributes(element)).get(NFTA_SET_ELEM_KEY, b"")):
                self._begun.elements.append((name, key))

    def _end(self, port: int, payload: bytes) -> None:
        begun, self._begun = self._begun, Heard()
        torn, self._torn = self._torn, False
        if port == self._own:
            return
        found = dict(attributes(payload))
        if not begun:
            if not torn:
                self._harmless(int.from_bytes(found.get(NFTA_GEN_ID, b""), "big"))
            return
        known = self._heard
        known.culprit = _culprit(found)
        known.structure |= begun.structure
        known.unsure |= begun.unsure
        known.elements += begun.elements
        if len(known.elements) > MOST_ELEMENTS:
            known.elements, known.unsure = [], True


def _in_our_table(data: bytes, at: int) -> bool:
    """Whether the first attribute, which names the table in every message of nf_tables, names ours."""
    if at + _ATTRIBUTE.size > len(data):
        return False
    length, kind = _ATTRIBUTE.unpack_from(data, at)
    return kind & NLA_TYPE_MASK == 1 and data[at + 4 : at + length] == _OURS


def _culprit(found: dict[int, bytes]) -> str:
    name = found.get(NFTA_GEN_PROC_NAME, b"").rstrip(b"\0").decode("utf-8", "replace")
    number = int.from_bytes(found.get(NFTA_GEN_PROC_PID, b""), "big")
    return f"{name or 'unknown'} (process {number})" if number else name
