"""One file of the systemd journal, read without libsystemd: https://systemd.io/JOURNAL_FILE_FORMAT/, as far as following needs it.

An entry is a list of places where its fields stand, and a value that occurs again (the host, the program, the process) stands in
the file only once. So to know the place is to know the value: what costs the library a walk through all fields of an entry is a
look into a dictionary here.

Law: only pread(2), never mmap(2): a file that is cut short while it is read is a short read. Nothing is written, nothing is
locked; journald publishes an entry by counting it, after all of it is there, and only what is counted is read. What is not
understood (a newer format, damage) raises `UnsupportedError`, and who reads the journal then takes the library.
"""

from __future__ import annotations

import errno
import os
import struct
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import TypeVar

from banish.sources import unpacking
from banish.sources.reading import Identity
from banish.sources.siphash import siphash24
from banish.sources.tape import JournalError, Place

_SIGNATURE = b"LPKSHHRH"
_KEYED_HASH, _COMPACT = 4, 16
_KNOWN_FLAGS = 1 | 2 | _KEYED_HASH | 8 | _COMPACT  # XZ, LZ4, ZSTD
ARCHIVED = 2
_HEADER = struct.Struct("<8s I I B 7x 16s 16s 16s 16s Q Q Q Q Q Q Q Q Q Q Q Q Q Q Q")
_COUNTS = struct.Struct("<B 135x Q Q")  # state, n_entries, tail_entry_seqnum
_COUNTS_AT = 16
_ENTRY = struct.Struct("<B 7x Q Q Q Q 16s Q")  # type, size; seqnum, realtime, monotonic, boot id, xor of the hashes
_OBJECT = struct.Struct("<B B 6x Q")  # type, flags, size
_ARRAY = struct.Struct("<B 7x Q Q")  # type, size; where the next one is
_BUCKET = struct.Struct("<Q Q")
_CHAIN = struct.Struct("<B B 6x Q Q Q")  # type, flags, size; hash, next of the same bucket
_DATA = struct.Struct("<B B 38x Q Q Q")  # type, flags; the first entry that has it, the list of the others, how many
_DATA_OBJECT, _ENTRY_OBJECT, _ARRAY_OBJECT = 1, 3, 6
_BLOCK = 1 << 16
_BEFORE = 1 << 12
"""Bytes before an entry in which the fields that are new with it are expected."""
_PIECE = 1 << 10
_MANY = 16
"""Entries that are not read yet, for each field that one of them must have, from which on those that have none are leapt over."""
_AT_ONCE = 1 << 12
_FIRST_LIST_AT = 176
_LONGEST_CHAIN = 1 << 16
_LARGEST = 1 << 48
LONGEST = 1 << 20
"""Bytes of one field that are read; what is beyond is cut."""
_MESSAGE, _STAMP = b"MESSAGE=", b"_SOURCE_REALTIME_TIMESTAMP="
_DIGITS = 16
"""Of a time in microseconds, from 2001 to 2286."""

M = TypeVar("M")


class UnsupportedError(JournalError):
    """The file is of a kind, or in a state, that only libsystemd knows how to read."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(errno.EPROTONOSUPPORT, f"{path}: {why}")


Head = tuple[int, int, int, int, int, bytes, int]
"""Of an entry: the kind of object, its size; sequence number, realtime, monotonic time (microseconds), boot id, checksum."""


class JournalFile:
    """An open file; `next` and what follows it go forward from where `seek` left off. Raises OSError and UnsupportedError."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            found = os.fstat(self._fd)
            self.identity: Identity = (found.st_dev, found.st_ino)
            self._read_header()
        except BaseException:
            self.close()
            raise

    def _read_header(self) -> None:
        head = os.pread(self._fd, _HEADER.size, 0)
        if len(head) < _HEADER.size or not any(head[:8]):
            raise _unfinished(self.path)
        if not head.startswith(_SIGNATURE):
            raise UnsupportedError(self.path, "it is no journal")
        found = _HEADER.unpack(head)
        flags, self._key, self.source_id = found[2], found[4], found[7]
        self.source = self.source_id.hex()
        """The family of files that number their entries together."""
        self._buckets_at: int = found[10]
        self._buckets: int = found[11] // _BUCKET.size
        if flags & ~_KNOWN_FLAGS or not flags & _KEYED_HASH:
            raise UnsupportedError(self.path, f"its format (flags {flags}) is not known")
        if not self._buckets:
            raise _unfinished(self.path)
        self._compact = bool(flags & _COMPACT)
        self._payload = 72 if self._compact else 64
        self._item = 4 if self._compact else 8
        self._stride = 4 if self._compact else 16
        self._items = _compact_items if self._compact else _regular_items
        self._pair = self._items(2)
        self._stamp = _OBJECT.pack(_DATA_OBJECT, 0, self._payload + len(_STAMP) + _DIGITS)
        self._lists: list[tuple[int, int]] = []
        """Where the lists of all entries stand, and how long they are."""
        self._listed = 0
        self._begun: dict[int, tuple[int, int]] = {}
        """By field: the list of its entries that is gone through, and how many were in the lists before."""
        self._array = self._index = self._taken = self._count = 0
        self._ahead: Sequence[int] = ()
        self._ahead_at = 0
        self._block, self._base = b"", 0
        self.among: Sequence[int] | None = None
        """Places of fields: only entries that have one of them are wanted. The others come all the same where they are few."""
        self.state, self.last_number = found[3], 0
        self.refresh()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # How much there is

    def refresh(self) -> bool:
        """Look how many entries there are now; True when some have not been taken."""
        self.state, self._count, self.last_number = _COUNTS.unpack(self._at(_COUNTS_AT, _COUNTS.size))
        if self._count > _LARGEST:
            raise UnsupportedError(self.path, "it is damaged")
        self._block = b""  # what stood behind the entries that were counted may have been half written
        return self.unread

    def added(self) -> bool:
        """Return False when there is nothing to take, and nothing was added since `refresh` looked. Raises OSError, as it does."""
        return self.unread or bool(_COUNTS.unpack(self._at(_COUNTS_AT, _COUNTS.size))[1] != self._count)

    @property
    def unread(self) -> bool:
        """True when there are entries that were counted and not taken."""
        return self._taken < self._count or self._ahead_at < len(self._ahead)

    @property
    def over(self) -> bool:
        """True when everything has been taken, and nothing will be added: it was put aside, perhaps in haste."""
        aside = self.state == ARCHIVED or "@" in os.path.basename(self.path) or self.path.endswith("~")
        return aside and not self.unread

    # Where to read

    def seek(self, before: Callable[[Head], bool]) -> None:
        """Go to the first entry that is not *before* (what that is must not turn back on the way through the file)."""
        self._go_to(
            bisect_left(range(self._count), True, key=lambda index: not before(self._head(self._offset(index))))
        )
        self._ahead, self._ahead_at = (), 0

    def _go_to(self, index: int) -> None:
        """Have the next look ahead begin at the entry of *index*."""
        self._taken = self._index = index
        self._array = 0
        for at, size in self._arrays():
            self._array = at
            if self._index < size:
                break
            self._index -= size

    def _arrays(self) -> list[tuple[int, int]]:
        """Return where the lists of all entries stand, and how long they are."""
        if not self._lists:
            at = struct.unpack("<Q", self._at(_FIRST_LIST_AT, 8))[0]
            if not at:
                return []
            self._lists.append((at, self._array_at(at)[0]))
            self._listed = self._lists[0][1]
        while self._listed < self._count:
            following = self._array_at(self._lists[-1][0])[1]
            if not following:
                break
            self._lists.append((following, self._array_at(following)[0]))
            self._listed += self._lists[-1][1]
        return self._lists

    def _array_at(self, at: int) -> tuple[int, int]:
        """Return how long the list at *at* is, and where it is continued (0: nowhere yet)."""
        kind, size, following = _ARRAY.unpack(self._at(at, _ARRAY.size))
        if kind != _ARRAY_OBJECT or size <= _ARRAY.size or 0 < following <= at:
            raise UnsupportedError(self.path, f"there is no list of entries at {at}")
        return (size - _ARRAY.size) // self._item, following

    def _offset(self, index: int) -> int:
        for at, size in self._arrays():
            if index < size:
                return self._slice(at, index, 1)[0]
            index -= size
        raise UnsupportedError(self.path, "the lists of entries are shorter than they say")

    def _slice(self, array: int, index: int, count: int) -> tuple[int, ...]:
        data = self._at(array + _ARRAY.size + index * self._item, count * self._item)
        return _numbers(count, self._item).unpack(data)

    def _head(self, at: int) -> Head:
        found: Head = _ENTRY.unpack(self._at(at, _ENTRY.size))
        if found[0] != _ENTRY_OBJECT:
            raise UnsupportedError(self.path, f"there is no entry at {at}")
        return found

    # Forward

    def peek(self) -> Head | None:
        """Return the head of the next entry; None when there is none yet."""
        found = self.following()
        return None if found is None else found[0]

    def following(self, beyond: Callable[[Head], bool] | None = None) -> tuple[Head, tuple[int, ...], int] | None:
        """Return the next entry (see `_read`); None when there is none yet, or it is *beyond*."""
        if self._ahead_at >= len(self._ahead) and not self._look_ahead():
            return None
        found = self._read(self._ahead[self._ahead_at])
        return None if beyond is not None and beyond(found[0]) else found

    def skip(self) -> None:
        """Go on behind the entry that was told of."""
        self._ahead_at += 1

    def alike(
        self, known: Mapping[bytes, M | None], beyond: Callable[[Head], bool] | None, most: int
    ) -> list[tuple[M, bytes, bytes]]:
        """Take entries, *most* at once, as long as the places of all fields but two are *known* (see `places_but`), and the
        two are message and time. Return of each what is known, the time (sixteen digits) and the message.

        None has to be taken here: `following` tells of every entry, and costs more.
        """
        found: list[tuple[M, bytes, bytes]] = []
        payload, pair, two_items, stamp = self._payload, self._pair, 2 * self._stride, self._stamp
        block, base, whole = self._block, self._base, len(self._block)
        begin = self._ahead_at
        for at in self._ahead[begin : begin + most]:
            place = at - base
            if not 0 <= place <= whole - _ENTRY.size:
                block, place = self._load(at)
                base, whole = self._base, len(block)
            kind, _, size = _OBJECT.unpack_from(block, place)
            if place + size > whole:
                if size > LONGEST:
                    break
                block, place = self._load(at, size)
                base, whole = self._base, len(block)
            items_end = place + size - two_items
            meaning = known.get(block[place + _ENTRY.size : items_end])
            if meaning is None or kind != _ENTRY_OBJECT:
                break
            if beyond is not None and beyond(_ENTRY.unpack_from(block, place)):
                break
            one, two = pair.unpack_from(block, items_end)
            if not base <= one < two < at:
                break
            one -= base
            two -= base
            kind, flags, size = _OBJECT.unpack_from(block, one)
            text = one + payload
            if kind != _DATA_OBJECT or flags or one + size > whole or not block.startswith(_MESSAGE, text):
                break
            message = block[text + len(_MESSAGE) : one + size]
            text = two + payload
            digits = block[text + len(_STAMP) : text + len(_STAMP) + _DIGITS]
            if not block.startswith(stamp, two) or not block.startswith(_STAMP, text):
                break
            if not digits.isdigit() or digits < b"1":
                break
            found.append((meaning, digits, message))
        self._ahead_at = begin + len(found)
        return found

    def head(self) -> Head:
        """Return the head of the entry that was taken last."""
        return self._read(self._ahead[self._ahead_at - 1])[0]

    def places_but(self, at: int, one: int, two: int) -> bytes:
        """Return the places of the fields of the entry at *at*, as they stand in the file, but for the *one* and the *two*."""
        block, place = self._block, at - self._base
        if not 0 <= place <= len(block) - _ENTRY.size:
            block, place = self._load(at)
        size = _OBJECT.unpack_from(block, place)[2]
        if place + size > len(block):
            block, place = self._load(at, size)
        stride, begin, end = self._stride, place + _ENTRY.size, place + size
        first, second = begin + min(one, two) * stride, begin + max(one, two) * stride
        return block[begin:first] + block[first + stride : second] + block[second + stride : end]

    def _look_ahead(self) -> bool:
        """Find out where the next entries stand; False when there are none."""
        while self.among is not None and self._count - self._taken > _MANY * (1 + len(self.among)):
            self._ahead, self._ahead_at = self._leap(self.among), 0
            if self._ahead:
                return True
        rest = self._count - self._taken
        if rest <= 0:
            return False
        if not self._array:
            self._go_to(self._taken)
        size, following = self._array_at(self._array)
        if self._index >= size:
            if not following:
                return False
            self._array, self._index = following, 0
            size, _ = self._array_at(following)
        ahead = self._slice(self._array, self._index, min(size - self._index, rest, 1024))
        if 0 in ahead:
            ahead = ahead[: ahead.index(0)]
        self._ahead, self._ahead_at = ahead, 0
        self._index += len(ahead)
        self._taken += len(ahead)
        return bool(ahead)

    def _leap(self, among: Sequence[int]) -> tuple[int, ...]:
        """Go over many entries at once, and return where those stand that have one of the fields at *among*.

        The last entry that was counted is left: only when another follows have all its fields been told of it.
        """
        first, last = self._offset(self._taken), self._offset(self._count - 1)
        found: set[int] = set()
        for field in among:
            places, whole = self._having(field, first, last)
            found.update(places)
            last = last if whole else places[-1] + 1
        self._go_to(bisect_left(range(self._count), last, self._taken, key=self._offset))
        return tuple(sorted(at for at in found if at < last))

    def _having(self, field: int, first: int, last: int) -> tuple[list[int], bool]:
        """Return where the entries with a *field* stand, from *first* up to *last*, and whether these are all."""
        kind, _, one, array, count = _DATA.unpack(self._at(field, _DATA.size))
        if kind != _DATA_OBJECT:
            raise UnsupportedError(self.path, f"there is no field at {field}")
        found = [one] if first <= one < last else []
        array, passed = self._begun.get(field, (array, 0))
        rest = count - 1 - passed
        while array and rest > 0:
            size, following = self._array_at(array)
            filled = min(size, rest)
            if self._slice(array, filled - 1, 1)[0] < first:
                if filled == size and following:
                    self._begun[field] = (following, passed + size)
                array, rest, passed = following, rest - size, passed + size
                continue
            begin = bisect_left(range(filled), first, key=partial(self._place_in, array))
            places = self._slice(array, begin, min(filled - begin, _AT_ONCE))
            found += places[: bisect_left(places, last)]
            if places[-1] >= last:
                return found, True
            if begin + len(places) < filled:
                return found, False
            array, rest, passed = following, rest - size, passed + size
        return found, True

    def _place_in(self, array: int, index: int) -> int:
        return self._slice(array, index, 1)[0]

    def _read(self, at: int) -> tuple[Head, tuple[int, ...], int]:
        """Return the entry at *at*: its head, where its fields stand, and *at*."""
        block, place = self._block, at - self._base
        if not 0 <= place <= len(block) - 64:
            block, place = self._load(at)
        head = _ENTRY.unpack_from(block, place)
        size = head[1]
        if head[0] != _ENTRY_OBJECT or not 64 <= size <= LONGEST:
            raise UnsupportedError(self.path, f"there is no entry at {at}")
        if place + size > len(block):
            block, place = self._load(at, size)
        return head, self._items((size - 64) // self._stride).unpack_from(block, place + 64), at

    def _load(self, at: int, size: int = 0) -> tuple[bytes, int]:
        """Read the stretch that begins a little before *at*, up to the last entry that is known if that is not far."""
        base = max(0, at - _BEFORE)
        together = bisect_left(self._ahead, base + _BLOCK, self._ahead_at)
        last = self._ahead[together - 1] if together else at
        length = max(min(last + _BEFORE - base, _BLOCK), at - base + _BEFORE + size)
        self._block, self._base = self._pread(length, base), base
        if len(self._block) < at - base + max(size, _ENTRY.size):
            raise UnsupportedError(self.path, "it is shorter than it says")
        return self._block, at - base

    def value(self, at: int) -> bytes:
        """Return the field at *at*, as ``NAME=value``."""
        block, place = self._block, at - self._base
        if 0 <= place <= len(block) - self._payload:
            kind, flags, size = _OBJECT.unpack_from(block, place)
            if kind == _DATA_OBJECT and not flags and place + size <= len(block):
                return block[place + self._payload : place + size]
        return self._value(at)

    def _value(self, at: int) -> bytes:
        data = self._pread(_PIECE, at)
        if len(data) < self._payload:
            raise UnsupportedError(self.path, "it is shorter than it says")
        kind, flags, size = _OBJECT.unpack_from(data)
        if kind != _DATA_OBJECT:
            raise UnsupportedError(self.path, f"there is no field at {at}")
        if size > len(data):
            data = self._pread(min(size, self._payload + LONGEST), at)
        payload = data[self._payload : size]
        if flags:
            unpacked = unpacking.unpack(flags, payload, LONGEST)
            if unpacked is None:
                raise UnsupportedError(self.path, f"a field is compressed in a way that is not known ({flags})")
            return unpacked
        return payload

    def place(self, head: Head) -> Place:
        """Return where the entry of *head* stands among all."""
        return Place(self.source, head[2], head[5].hex(), head[4], head[3])

    def cursor(self, head: Head) -> str:
        """Return the same as sd_journal_get_cursor(3) says it."""
        _, _, number, realtime, monotonic, boot, checksum = head
        return f"s={self.source};i={number:x};b={boot.hex()};m={monotonic:x};t={realtime:x};x={checksum:x}"

    # Fields by value

    def entries_with(self, field: int) -> int:
        """Return how many entries have the *field* at that place."""
        return int(_DATA.unpack(self._at(field, _DATA.size))[4])

    def bucket(self, term: bytes) -> int:
        """Return where the hash table says which fields have the hash of *term*."""
        return self._buckets_at + siphash24(self._key, term) % self._buckets * _BUCKET.size

    def find(self, term: bytes, bucket: int) -> int:
        """Return where *term* (``NAME=value``, of *bucket*) stands in the file; 0 when no entry has it yet."""
        at, _ = _BUCKET.unpack(self._at(bucket, _BUCKET.size))
        for _ in range(_LONGEST_CHAIN):
            if not at:
                return 0
            kind, _, size, _, following = _CHAIN.unpack(self._at(at, _CHAIN.size))
            if kind != _DATA_OBJECT:
                raise UnsupportedError(self.path, f"there is no field at {at}")
            if size == self._payload + len(term) and self._at(at + self._payload, len(term)) == term:
                return int(at)
            at = following
        return 0

    def _at(self, offset: int, length: int) -> bytes:
        data = self._pread(length, offset)
        if len(data) < length:
            raise UnsupportedError(self.path, "it is shorter than it says")
        return data

    def _pread(self, length: int, offset: int) -> bytes:
        if offset > _LARGEST:
            raise UnsupportedError(self.path, "it is damaged")
        return os.pread(self._fd, length, offset)


def _unfinished(path: str) -> JournalError:
    return JournalError(errno.EAGAIN, f"{path}: it is just being made")


@cache
def _numbers(count: int, size: int) -> struct.Struct:
    return struct.Struct(f"<{count}{'I' if size == 4 else 'Q'}")


@cache
def _compact_items(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}I")


@cache
def _regular_items(count: int) -> struct.Struct:
    return struct.Struct("<" + "Q8x" * count)
