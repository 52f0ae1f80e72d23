"""Tables, sets, chains, rules and elements as nf_tables reads them: the layout's values become netlink messages.

Each rule is a list of expressions that load something into register 1 and compare it, as nft(8) compiles them
(``nft --debug=netlink`` shows them), so that nft prints them back as a person would have written them. Names and numbers are
those of linux/netfilter/nf_tables.h; a set's key types and the tags of its user data are libnftables' own (its datatype.h and
libnftnl's udata.h), and mean something to nft alone.
"""

from __future__ import annotations

import math
import re
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from banish.enforcement.layout import (
    CHAIN,
    FOR_EVER,
    LIFTED,
    NEIGHBOUR_DISCOVERY,
    PRIORITY,
    TABLE,
    AddressSet,
    Answer,
    Rule,
)
from banish.enforcement.netlink import (
    LONGEST_ATTRIBUTE,
    NLA_F_NESTED,
    NLM_F_APPEND,
    NLM_F_CREATE,
    Message,
    attribute,
    attributes,
    chunks,
    nested,
    text,
    u32,
)
from banish.enforcement.ports import LAST_PORT, PROTOCOLS
from banish.enforcement.scopes import Ports

# enum nf_tables_msg_types
NFT_MSG_NEWTABLE, NFT_MSG_GETTABLE, NFT_MSG_DELTABLE = 0, 1, 2
NFT_MSG_NEWCHAIN = 3
NFT_MSG_NEWRULE, NFT_MSG_GETRULE = 6, 7
NFT_MSG_NEWSET, NFT_MSG_GETSET = 9, 10
NFT_MSG_NEWSETELEM, NFT_MSG_GETSETELEM, NFT_MSG_DELSETELEM = 12, 13, 14
NFT_MSG_NEWGEN, NFT_MSG_GETGEN = 15, 16

NFTA_LIST_ELEM = 1
NFTA_GEN_ID, NFTA_GEN_PROC_PID, NFTA_GEN_PROC_NAME = 1, 2, 3
NFTA_TABLE_NAME, NFTA_TABLE_USERDATA = 1, 6

NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, NFTA_CHAIN_HOOK, NFTA_CHAIN_POLICY, NFTA_CHAIN_TYPE = 1, 3, 4, 5, 7
NFTA_HOOK_HOOKNUM, NFTA_HOOK_PRIORITY = 1, 2
NF_INET_PRE_ROUTING = 0

NFTA_SET_TABLE, NFTA_SET_NAME, NFTA_SET_FLAGS, NFTA_SET_KEY_TYPE, NFTA_SET_KEY_LEN = 1, 2, 3, 4, 5
NFTA_SET_DESC, NFTA_SET_ID, NFTA_SET_USERDATA = 9, 10, 13
NFTA_SET_DESC_SIZE = 1
NFT_SET_ANONYMOUS, NFT_SET_CONSTANT, NFT_SET_INTERVAL, NFT_SET_TIMEOUT = 0x1, 0x2, 0x4, 0x10

NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET = 1, 2
NFTA_SET_ELEM_LIST_ELEMENTS, NFTA_SET_ELEM_LIST_SET_ID = 3, 4
NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_FLAGS, NFTA_SET_ELEM_TIMEOUT, NFTA_SET_ELEM_EXPIRATION = 1, 3, 4, 5
NFTA_COUNTER_BYTES, NFTA_COUNTER_PACKETS = 1, 2
NFT_SET_ELEM_INTERVAL_END = 1

NFTA_RULE_TABLE, NFTA_RULE_CHAIN, NFTA_RULE_EXPRESSIONS = 1, 2, 4
NFTA_EXPR_NAME, NFTA_EXPR_DATA = 1, 2
NFTA_DATA_VALUE, NFTA_DATA_VERDICT = 1, 2
NFTA_VERDICT_CODE = 1
NF_DROP, NF_ACCEPT = 0, 1
NFT_REG_VERDICT, NFT_REG_1 = 0, 1

NFTA_META_DREG, NFTA_META_KEY = 1, 2
NFT_META_IIFNAME, NFT_META_NFPROTO, NFT_META_L4PROTO = 6, 15, 16
NFTA_CMP_SREG, NFTA_CMP_OP, NFTA_CMP_DATA = 1, 2, 3
NFT_CMP_EQ, NFT_CMP_LTE, NFT_CMP_GTE = 0, 3, 5
NFTA_PAYLOAD_DREG, NFTA_PAYLOAD_BASE, NFTA_PAYLOAD_OFFSET, NFTA_PAYLOAD_LEN = 1, 2, 3, 4
NFT_PAYLOAD_NETWORK_HEADER, NFT_PAYLOAD_TRANSPORT_HEADER = 1, 2
NFTA_BITWISE_SREG, NFTA_BITWISE_DREG, NFTA_BITWISE_LEN, NFTA_BITWISE_MASK, NFTA_BITWISE_XOR = 1, 2, 3, 4, 5
NFTA_LOOKUP_SET, NFTA_LOOKUP_SREG, NFTA_LOOKUP_SET_ID = 1, 2, 4
NFTA_IMMEDIATE_DREG, NFTA_IMMEDIATE_DATA = 1, 2
NFTA_REJECT_TYPE, NFTA_REJECT_ICMP_CODE = 1, 2
NFT_REJECT_ICMP_UNREACH, NFT_REJECT_TCP_RST = 0, 1
ICMP_PORT_UNREACH, ICMPV6_PORT_UNREACH = 3, 4

NFPROTO_IPV4, NFPROTO_IPV6 = 2, 10
IFNAMSIZ = 16

# nft's datatypes and user data
TYPE_IPADDR, TYPE_IP6ADDR, TYPE_INET_SERVICE, TYPE_ICMP6_TYPE = 7, 8, 13, 29
UDATA_TABLE_COMMENT = 0
UDATA_SET_KEYBYTEORDER, UDATA_SET_COMMENT = 0, 7
BYTEORDER_BIG_ENDIAN = 2

_SADDR = {4: (NFPROTO_IPV4, 12, 4), 6: (NFPROTO_IPV6, 8, 16)}
"""By IP version: its NFPROTO, and offset and length of the source address in the header."""

_ANONYMOUS = "__set%d"  # the kernel puts a number of its own in place of %d

_HEADER = struct.Struct("=HH")
_TIMEOUT = struct.Struct(">Q")
_TIMEOUT_HEADER = _HEADER.pack(4 + _TIMEOUT.size, NFTA_SET_ELEM_TIMEOUT)
_ROOM = LONGEST_ATTRIBUTE - 4

_IN_TABLE = text(1, TABLE)
"""NFTA_*_TABLE is 1 for everything that lies in a table."""


def add_table(comment: str = "") -> Message:
    parts = text(NFTA_TABLE_NAME, TABLE)
    if comment:
        words = comment.encode() + b"\0"
        parts += attribute(NFTA_TABLE_USERDATA, bytes((UDATA_TABLE_COMMENT, len(words))) + words)
    return Message(NFT_MSG_NEWTABLE, NLM_F_CREATE, parts, f"table {TABLE}")


def table_request() -> bytes:
    """Return the attributes that ask NFT_MSG_GETTABLE for the table."""
    return text(NFTA_TABLE_NAME, TABLE)


def table_comment(userdata: bytes) -> str:
    """Return the comment in a table's user data; empty when there is none."""
    kind, length = userdata[:2].ljust(2, b"\0")
    return userdata[2 : 2 + length].rstrip(b"\0").decode("utf-8", "replace") if kind == UDATA_TABLE_COMMENT else ""


def delete_table() -> Message:
    return Message(NFT_MSG_DELTABLE, 0, text(NFTA_TABLE_NAME, TABLE), f"delete table {TABLE}")


def add_chain() -> Message:
    hook = nested(NFTA_CHAIN_HOOK, u32(NFTA_HOOK_HOOKNUM, NF_INET_PRE_ROUTING), u32(NFTA_HOOK_PRIORITY, PRIORITY))
    parts = (
        _IN_TABLE,
        text(NFTA_CHAIN_NAME, CHAIN),
        text(NFTA_CHAIN_TYPE, "filter"),
        u32(NFTA_CHAIN_POLICY, NF_ACCEPT),
        hook,
    )
    return Message(NFT_MSG_NEWCHAIN, NLM_F_CREATE, b"".join(parts), f"chain {CHAIN}")


def accept_loopback() -> Message:
    name = b"lo".ljust(IFNAMSIZ, b"\0")
    return _rule((_meta(NFT_META_IIFNAME), _compare(name), _verdict(NF_ACCEPT)), "the rule for loopback")


def accept_neighbour_discovery(identity: int) -> list[Message]:
    """Return the messages for the rule that keeps IPv6 working on the link; *identity* as in ``add_set``."""
    elements = [_constant_element(kind.to_bytes(1, "big")) for kind in NEIGHBOUR_DISCOVERY]
    expressions = (
        _meta(NFT_META_NFPROTO),
        _compare(bytes((NFPROTO_IPV6,))),
        _meta(NFT_META_L4PROTO),
        _compare(bytes((PROTOCOLS["ipv6-icmp"],))),
        _payload(NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1),
        _lookup(_ANONYMOUS, identity),
        _verdict(NF_ACCEPT),
    )
    what = "the rule for neighbour discovery"
    return [*_constant_set(TYPE_ICMP6_TYPE, 1, 0, elements, identity), _rule(expressions, what)]


def add_set(addresses: AddressSet, identity: int) -> Message:
    """Return the message for a set of addresses with timeouts; *identity* is a number unique in the transaction."""
    parts = [
        _IN_TABLE,
        text(NFTA_SET_NAME, addresses.name),
        u32(NFTA_SET_FLAGS, NFT_SET_TIMEOUT),
        u32(NFTA_SET_KEY_TYPE, TYPE_IPADDR if addresses.version == 4 else TYPE_IP6ADDR),
        u32(NFTA_SET_KEY_LEN, addresses.bits // 8),
        u32(NFTA_SET_ID, identity),
    ]
    userdata = _byteorder()
    if addresses.comment:
        words = addresses.comment.encode() + b"\0"
        userdata += bytes((UDATA_SET_COMMENT, len(words))) + words
    parts.append(attribute(NFTA_SET_USERDATA, userdata))
    return Message(NFT_MSG_NEWSET, NLM_F_CREATE, b"".join(parts), f"set {addresses.name}")


def add_rule(rule: Rule, identity: int) -> list[Message]:
    """Return the messages for *rule*; *identity* as in ``add_set``, for the set of its ports where it needs one."""
    before: list[Message] = []
    expressions: list[bytes] = []
    if rule.protocol:
        expressions += [_meta(NFT_META_L4PROTO), _compare(bytes((PROTOCOLS[rule.protocol],)))]
    if rule.ports:
        expressions.append(_payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2))
        if len(rule.ports) > 1:
            before = _port_set(rule.ports, identity)
            expressions.append(_lookup(_ANONYMOUS, identity))
        else:
            low, high = (port.to_bytes(2, "big") for port in rule.ports[0])
            expressions += [_compare(low)] if low == high else [_compare(low, NFT_CMP_GTE), _compare(high, NFT_CMP_LTE)]
    protocol, offset, length = _SADDR[rule.addresses.version]
    expressions += [_meta(NFT_META_NFPROTO), _compare(bytes((protocol,)))]
    expressions.append(_payload(NFT_PAYLOAD_NETWORK_HEADER, offset, length))
    if not rule.addresses.of_hosts:
        expressions.append(_bitwise(rule.addresses.mask))
    expressions += [_lookup(rule.addresses.name), _COUNTER, *_answer(rule.answer, rule.addresses.version)]
    return [*before, _rule(expressions, f"rule for {rule.addresses.name}")]


def set_elements(addresses: AddressSet, elements: Mapping[bytes, int], empty: bool) -> list[Message]:
    """Return the messages that give each of *elements* the milliseconds it says, FOR_EVER or LIFTED.

    Unless the set is *empty*, each is first added and deleted: the add makes the delete succeed where there was none, and the
    delete makes room for a new end. (Adding what is there changes its end from Linux 6.12 on; before, it does nothing and
    reports success.) All of it is one transaction, so no packet ever sees it gone.
    """
    name = text(NFTA_SET_ELEM_LIST_SET, addresses.name)
    width = addresses.bits // 8
    value = _HEADER.pack(4 + width, NFTA_DATA_VALUE)
    key = _HEADER.pack(8 + width, NFTA_SET_ELEM_KEY | NLA_F_NESTED) + value
    plain = _HEADER.pack(12 + width, NFTA_LIST_ELEM | NLA_F_NESTED) + key
    timed = _HEADER.pack(12 + width + len(_TIMEOUT_HEADER) + _TIMEOUT.size, NFTA_LIST_ELEM | NLA_F_NESTED) + key

    result: list[Message] = []
    if not empty:
        touched = list(chunks((plain + packed for packed in elements), len(plain) + width, _ROOM))
        what = f"renew elements of {addresses.name}"
        result += [Message(NFT_MSG_NEWSETELEM, NLM_F_CREATE, _element_list(name, piece), what) for piece in touched]
        result += [Message(NFT_MSG_DELSETELEM, 0, _element_list(name, piece), what) for piece in touched]
    pack = _TIMEOUT.pack
    added = (
        plain + packed if left == FOR_EVER else timed + packed + _TIMEOUT_HEADER + pack(left)
        for packed, left in elements.items()
        if left != LIFTED
    )
    longest = len(timed) + width + len(_TIMEOUT_HEADER) + _TIMEOUT.size
    what = f"add elements to {addresses.name}"
    result += [
        Message(NFT_MSG_NEWSETELEM, NLM_F_CREATE, _element_list(name, piece), what)
        for piece in chunks(added, longest, _ROOM)
    ]
    return result


def sets_request() -> bytes:
    """Return the attributes that ask NFT_MSG_GETSET for the sets of the table."""
    return _IN_TABLE


def rules_request() -> bytes:
    """Return the attributes that ask NFT_MSG_GETRULE for the rules of the chain."""
    return _IN_TABLE + text(NFTA_RULE_CHAIN, CHAIN)


def elements_request(addresses: AddressSet) -> bytes:
    """Return the attributes that ask NFT_MSG_GETSETELEM for all of a set."""
    return _IN_TABLE + text(NFTA_SET_ELEM_LIST_SET, addresses.name)


def element_request(addresses: AddressSet, packed: bytes) -> bytes:
    """Return the attributes that ask NFT_MSG_GETSETELEM for one element of a set."""
    element = nested(NFTA_LIST_ELEM, nested(NFTA_SET_ELEM_KEY, attribute(NFTA_DATA_VALUE, packed)))
    return _element_list(text(NFTA_SET_ELEM_LIST_SET, addresses.name), element)


def note_held(addresses: AddressSet, part: bytes, into: dict[bytes, float]) -> None:
    """Read one answer to ``elements_request``: each network (packed) and the seconds it has left, ``math.inf`` for ever."""
    width = addresses.bits // 8
    for kind, value in attributes(part):
        if kind != NFTA_SET_ELEM_LIST_ELEMENTS:
            continue
        alike = _timed_elements(width).findall(value)
        if len(alike) * (36 + width) == len(value):
            into.update((key, int.from_bytes(left, "big") / 1000) for key, left in alike)
            continue
        for _, element in attributes(value):
            # The key comes first (nf_tables_fill_setelem), in two headers.
            key = element[8 : 8 + width]
            if len(key) == width:
                into[key] = _left(element[8 + width :])


def _left(parts: bytes) -> float:
    for found, number in attributes(parts):
        if found == NFTA_SET_ELEM_EXPIRATION:
            return int.from_bytes(number, "big") / 1000
    return math.inf


def left(addresses: AddressSet, listed: bytes) -> float | None:
    """Read the answer to ``element_request``: the seconds the element has left, ``math.inf`` for ever; None when there is none."""
    for _, element in attributes(listed):
        return _left(element[8 + addresses.bits // 8 :])
    return None


def dropped(part: bytes) -> tuple[str, int, int] | None:
    """Read one answer to ``rules_request``: the set that the rule looks up, and how many packets and bytes it has dropped."""
    name, counts = "", (0, 0)
    for _, expression in attributes(dict(attributes(part)).get(NFTA_RULE_EXPRESSIONS, b"")):
        fields = dict(attributes(expression))
        kind, data = fields.get(NFTA_EXPR_NAME), fields.get(NFTA_EXPR_DATA, b"")
        if kind == b"lookup\0":
            name = dict(attributes(data)).get(NFTA_LOOKUP_SET, b"").rstrip(b"\0").decode("utf-8", "replace")
        elif kind == b"counter\0":
            counts = _counts(expression)
    return (name, *counts) if name else None


def _counts(expression: bytes) -> tuple[int, int]:
    numbers = dict(attributes(dict(attributes(expression)).get(NFTA_EXPR_DATA, b"")))
    packets, size = (numbers.get(kind, b"") for kind in (NFTA_COUNTER_PACKETS, NFTA_COUNTER_BYTES))
    return int.from_bytes(packets, "big"), int.from_bytes(size, "big")


@cache
def _timed_elements(width: int) -> re.Pattern[bytes]:
    """An element as the kernel lists a ban with an end: key, timeout, expiration. There may be half a million of them."""
    timed = 4 + _TIMEOUT.size
    heads = (
        _HEADER.pack(12 + width + 2 * timed, NFTA_LIST_ELEM | NLA_F_NESTED),
        _HEADER.pack(8 + width, NFTA_SET_ELEM_KEY | NLA_F_NESTED),
        _HEADER.pack(4 + width, NFTA_DATA_VALUE),
    )
    key = b"".join(map(re.escape, heads)) + b"(.{%d})" % width
    timeout = re.escape(_TIMEOUT_HEADER) + b".{8}"
    expiration = re.escape(_HEADER.pack(timed, NFTA_SET_ELEM_EXPIRATION)) + b"(.{8})"
    return re.compile(key + timeout + expiration, re.DOTALL)


def _element_list(name: bytes, elements: bytes) -> bytes:
    return b"".join((_IN_TABLE, name, attribute(NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED, elements)))


def _port_set(ports: Ports, identity: int) -> list[Message]:
    """Return the messages for the constant set of a rule's ports: each range as its first, and the first after it."""
    elements: list[bytes] = []
    if ports[0][0] > 0:
        elements.append(_constant_element(bytes(2), ends=True))
    for low, high in ports:
        elements.append(_constant_element(low.to_bytes(2, "big")))
        if high < LAST_PORT:
            elements.append(_constant_element((high + 1).to_bytes(2, "big"), ends=True))
    return _constant_set(TYPE_INET_SERVICE, 2, NFT_SET_INTERVAL, elements, identity)


def _constant_set(kind: int, width: int, flags: int, elements: Sequence[bytes], identity: int) -> list[Message]:
    """Return the messages for a set that belongs to the rule which looks it up."""
    parts = (
        _IN_TABLE,
        text(NFTA_SET_NAME, _ANONYMOUS),
        u32(NFTA_SET_FLAGS, NFT_SET_ANONYMOUS | NFT_SET_CONSTANT | flags),
        u32(NFTA_SET_KEY_TYPE, kind),
        u32(NFTA_SET_KEY_LEN, width),
        u32(NFTA_SET_ID, identity),
        nested(NFTA_SET_DESC, u32(NFTA_SET_DESC_SIZE, len(elements))),
        attribute(NFTA_SET_USERDATA, _byteorder()),
    )
    # A thousand ranges and more do not fit in one attribute; the set takes its elements from several messages as well.
    filling = [
        b"".join(
            (
                _IN_TABLE,
                text(NFTA_SET_ELEM_LIST_SET, _ANONYMOUS),
                u32(NFTA_SET_ELEM_LIST_SET_ID, identity),
                attribute(NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED, piece),
            )
        )
        for piece in chunks(elements, max(map(len, elements)), _ROOM)
    ]
    return [
        Message(NFT_MSG_NEWSET, NLM_F_CREATE, b"".join(parts), "the set of a rule"),
        *(Message(NFT_MSG_NEWSETELEM, NLM_F_CREATE, piece, "the elements of a rule's set") for piece in filling),
    ]


def _constant_element(key: bytes, ends: bool = False) -> bytes:
    flags = u32(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END) if ends else b""
    return nested(NFTA_LIST_ELEM, flags, nested(NFTA_SET_ELEM_KEY, attribute(NFTA_DATA_VALUE, key)))


def _byteorder() -> bytes:
    return bytes((UDATA_SET_KEYBYTEORDER, 4)) + BYTEORDER_BIG_ENDIAN.to_bytes(4, sys.byteorder)


def _rule(expressions: Iterable[bytes], what: str) -> Message:
    parts = (_IN_TABLE, text(NFTA_RULE_CHAIN, CHAIN), nested(NFTA_RULE_EXPRESSIONS, *expressions))
    return Message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, b"".join(parts), what)


def _expression(name: str, *data: bytes) -> bytes:
    return nested(NFTA_LIST_ELEM, text(NFTA_EXPR_NAME, name), nested(NFTA_EXPR_DATA, *data))


_COUNTER = _expression("counter")


def _meta(key: int) -> bytes:
    return _expression("meta", u32(NFTA_META_KEY, key), u32(NFTA_META_DREG, NFT_REG_1))


def _compare(value: bytes, how: int = NFT_CMP_EQ) -> bytes:
    data = nested(NFTA_CMP_DATA, attribute(NFTA_DATA_VALUE, value))
    return _expression("cmp", u32(NFTA_CMP_SREG, NFT_REG_1), u32(NFTA_CMP_OP, how), data)


def _payload(base: int, offset: int, length: int) -> bytes:
    return _expression(
        "payload",
        u32(NFTA_PAYLOAD_DREG, NFT_REG_1),
        u32(NFTA_PAYLOAD_BASE, base),
        u32(NFTA_PAYLOAD_OFFSET, offset),
        u32(NFTA_PAYLOAD_LEN, length),
    )


def _bitwise(mask: bytes) -> bytes:
    return _expression(
        "bitwise",
        u32(NFTA_BITWISE_SREG, NFT_REG_1),
        u32(NFTA_BITWISE_DREG, NFT_REG_1),
        u32(NFTA_BITWISE_LEN, len(mask)),
        nested(NFTA_BITWISE_MASK, attribute(NFTA_DATA_VALUE, mask)),
        nested(NFTA_BITWISE_XOR, attribute(NFTA_DATA_VALUE, bytes(len(mask)))),
    )


def _lookup(name: str, identity: int | None = None) -> bytes:
    by_number = u32(NFTA_LOOKUP_SET_ID, identity) if identity is not None else b""
    return _expression("lookup", u32(NFTA_LOOKUP_SREG, NFT_REG_1), text(NFTA_LOOKUP_SET, name), by_number)


def _verdict(code: int) -> bytes:
    verdict = nested(NFTA_IMMEDIATE_DATA, nested(NFTA_DATA_VERDICT, u32(NFTA_VERDICT_CODE, code)))
    return _expression("immediate", u32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT), verdict)


def _answer(answer: Answer, version: int) -> tuple[bytes, ...]:
    if answer == "drop":
        return (_verdict(NF_DROP),)
    if answer == "reset":
        kind, code = NFT_REJECT_TCP_RST, 0
    else:
        kind, code = NFT_REJECT_ICMP_UNREACH, ICMP_PORT_UNREACH if version == 4 else ICMPV6_PORT_UNREACH
    # The code is one byte, and the kernel insists on it even where it means nothing.
    return (_expression("reject", u32(NFTA_REJECT_TYPE, kind), attribute(NFTA_REJECT_ICMP_CODE, bytes((code,)))),)
