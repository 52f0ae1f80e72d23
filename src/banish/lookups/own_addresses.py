"""Which addresses are our own: what ``ignoreself`` and ``spare_own`` protect from being banned.

The kernel is asked over rtnetlink(7) (RTM_GETADDR): every address of every interface, in the network namespace we run in, with
no program started and no name resolved. The loopback networks always belong to us, whatever the interfaces say.

Law: nothing is raised. When the kernel does not answer there is a notice, and the loopback networks only.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable

from banish.addresses import Network, network_of
from banish.lookups import netlink
from banish.model import Notice

LOOPBACK: frozenset[Network] = frozenset({network_of(bytes((127, 0, 0, 0)), 8), network_of(bytes(15) + b"\1")})

# linux/rtnetlink.h, linux/if_addr.h
_RTM_GETADDR = 22
_IFA_ADDRESS = 1
_IFA_LOCAL = 2
_IFADDRMSG = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, interface index


def own_addresses() -> tuple[frozenset[Network], Notice | None]:
    """Return our addresses as host networks (/32, /128) with the loopback networks, and what went wrong if something did."""
    try:
        return LOOPBACK | frozenset(_ask()), None
    except InterruptedError:
        problem = "they change faster than they can be listed"
    except OSError as error:
        problem = error.strerror or str(error)
    text = f"cannot ask the kernel for our own addresses: {problem} (name them in ignoreip; only loopback is ignored by itself)"
    return LOOPBACK, Notice("WARNING", "filter", text)


def _ask() -> list[Network]:
    return parse(netlink.ask(socket.NETLINK_ROUTE, _RTM_GETADDR, _IFADDRMSG.pack(socket.AF_UNSPEC, 0, 0, 0, 0)))


def parse(bodies: Iterable[memoryview]) -> list[Network]:
    """Return the addresses that messages of type RTM_NEWADDR with these *bodies* tell; what makes no sense is left out."""
    return [address for body in bodies if (address := _address(body)) is not None]


def _address(body: memoryview) -> Network | None:
    """IFA_ADDRESS is the peer's on a point-to-point link, where IFA_LOCAL is ours; elsewhere they agree or there is only one."""
    if len(body) < _IFADDRMSG.size:
        return None
    family = body[0]
    attributes = dict(netlink.attributes(body[_IFADDRMSG.size :]))
    packed = bytes(attributes.get(_IFA_LOCAL, attributes.get(_IFA_ADDRESS, b"")))
    if family == socket.AF_INET and len(packed) == 4:
        return network_of(packed)
    if family == socket.AF_INET6 and len(packed) == 16:
        return network_of(packed)
    return None
