"""Which routers we reach the world through: the gateways of every default route, of every routing table and both families.

Asked over rtnetlink(7): RTM_GETROUTE for the routes, RTM_GETNEXTHOP for the nexthop objects that routes may name instead of a
gateway (ip-nexthop(8)). A default route is one to 0.0.0.0/0 or ::/0; it may have several gateways, and one of IPv4 a gateway of IPv6.

Law: nothing is raised. A table of many routes (a router's) is read up to MOST of a family; what lies beyond is told.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator

from banish.addresses import Network, network_of
from banish.lookups import netlink
from banish.model import Notice

MOST = 100_000

# linux/rtnetlink.h, linux/nexthop.h
_RTM_GETROUTE = 26
_RTM_GETNEXTHOP = 106
_RTN_UNICAST = 1
_RTA_GATEWAY, _RTA_MULTIPATH, _RTA_VIA, _RTA_NH_ID = 5, 9, 18, 30
_NHA_ID, _NHA_GROUP, _NHA_GATEWAY = 1, 2, 6
_RTMSG = struct.Struct("=BBBBBBBBI")  # family, dst_len, src_len, tos, table, protocol, scope, type, flags
_RTNEXTHOP = struct.Struct("=HBBi")  # length, flags, hops, interface
_NHMSG = struct.Struct("=BBBBI")  # family, scope, protocol, reserved, flags
_NEXTHOP_GROUP = struct.Struct("=IBBH")  # id, weight, weight's high byte, reserved
_ID = struct.Struct("=I")
_FAMILY = struct.Struct("=H")


def gateways() -> tuple[frozenset[Network], Notice | None]:
    """Return the gateways as host networks, and what went wrong if something did."""
    found: set[Network] = set()
    numbers: set[int] = set()
    full = False
    try:
        for family in (socket.AF_INET, socket.AF_INET6):
            request = _RTMSG.pack(family, 0, 0, 0, 0, 0, 0, _RTN_UNICAST, 0)
            routes = netlink.ask(socket.NETLINK_ROUTE, _RTM_GETROUTE, request, strict=True, most=MOST)
            full |= len(routes) >= MOST
            parse(routes, found, numbers)
        if numbers:
            objects = netlink.ask(socket.NETLINK_ROUTE, _RTM_GETNEXTHOP, _NHMSG.pack(0, 0, 0, 0, 0))
            found |= _behind(numbers, objects)
    except OSError as error:
        text = f"cannot ask the kernel for the default gateways: {error.strerror or error}"
        return frozenset(found), Notice("WARNING", "filter", f"{text} (name them in ignoreip)")
    if full:
        text = f"there are more than {MOST} routes: not all default gateways may be known (name them in ignoreip)"
        return frozenset(found), Notice("WARNING", "filter", text)
    return frozenset(found), None


def parse(routes: Iterable[memoryview], found: set[Network], numbers: set[int]) -> None:
    """Add the gateways of the default routes among RTM_NEWROUTE messages to *found*, the nexthop objects they name to *numbers*."""
    for body in routes:
        if len(body) < _RTMSG.size or body[1] != 0 or body[7] != _RTN_UNICAST:
            continue
        for kind, value in netlink.attributes(body[_RTMSG.size :]):
            if kind == _RTA_NH_ID and len(value) == _ID.size:
                numbers.add(_ID.unpack(value)[0])
            elif kind == _RTA_MULTIPATH:
                for hop in _hops(value):
                    found |= _gateways(hop)
        found |= _gateways(body[_RTMSG.size :])


def _gateways(data: memoryview) -> set[Network]:
    found = set()
    for kind, value in netlink.attributes(data):
        if kind == _RTA_GATEWAY:
            packed = value
        elif kind == _RTA_VIA and len(value) > _FAMILY.size:
            packed = value[_FAMILY.size :]
        else:
            continue
        if (gateway := _address(packed)) is not None:
            found.add(gateway)
    return found


def _hops(data: memoryview) -> Iterator[memoryview]:
    """Yield the attributes of each hop of RTA_MULTIPATH."""
    at = 0
    while at + _RTNEXTHOP.size <= len(data):
        length = _RTNEXTHOP.unpack_from(data, at)[0]
        if length < _RTNEXTHOP.size:
            return
        yield data[at + _RTNEXTHOP.size : at + length]
        at += (length + 3) & ~3


def _behind(numbers: Iterable[int], objects: Iterable[memoryview]) -> set[Network]:
    """Return the gateways of the nexthop objects *numbers*, and of those that groups among them hold (a group holds no groups)."""
    direct: dict[int, Network] = {}
    members: dict[int, list[int]] = {}
    for body in objects:
        known = dict(netlink.attributes(body[_NHMSG.size :]))
        if len(known.get(_NHA_ID, b"")) != _ID.size:
            continue
        number = _ID.unpack(known[_NHA_ID])[0]
        if (gateway := _address(known.get(_NHA_GATEWAY, memoryview(b"")))) is not None:
            direct[number] = gateway
        group = known.get(_NHA_GROUP, memoryview(b""))
        whole = len(group) - len(group) % _NEXTHOP_GROUP.size
        members[number] = [entry[0] for entry in _NEXTHOP_GROUP.iter_unpack(group[:whole])]
    wanted = {member for number in numbers for member in (number, *members.get(number, ()))}
    return {direct[number] for number in wanted if number in direct}


def _address(packed: memoryview) -> Network | None:
    return network_of(bytes(packed)) if len(packed) in (4, 16) and any(packed) else None
