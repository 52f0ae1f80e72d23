"""SipHash-2-4 (Aumasson and Bernstein, 2012): the hash by which a journal file finds its fields."""

from __future__ import annotations

import struct

_MASK = (1 << 64) - 1


def siphash24(key: bytes, data: bytes) -> int:
    """Return the hash of *data* under a *key* of 16 bytes.

    >>> hex(siphash24(bytes(range(16)), bytes(range(15))))
    '0xa129ca6149be45e5'
    """
    k0, k1 = struct.unpack("<QQ", key)
    v: list[int] = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    whole = len(data) & ~7
    last = data[whole:].ljust(7, b"\0") + bytes((len(data) & 0xFF,))
    for (word,) in struct.iter_unpack("<Q", data[:whole] + last):
        v[3] ^= word
        _rounds(v, 2)
        v[0] ^= word
    v[2] ^= 0xFF
    _rounds(v, 4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _rounds(v: list[int], count: int) -> None:
    v0, v1, v2, v3 = v
    for _ in range(count):
        v0 = (v0 + v1) & _MASK
        v1 = _left(v1, 13) ^ v0
        v0 = _left(v0, 32)
        v2 = (v2 + v3) & _MASK
        v3 = _left(v3, 16) ^ v2
        v0 = (v0 + v3) & _MASK
        v3 = _left(v3, 21) ^ v0
        v2 = (v2 + v1) & _MASK
        v1 = _left(v1, 17) ^ v2
        v2 = _left(v2, 32)
    v[:] = v0, v1, v2, v3


def _left(word: int, bits: int) -> int:
    return (word << bits | word >> (64 - bits)) & _MASK
