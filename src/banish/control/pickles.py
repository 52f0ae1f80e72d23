"""fail2ban's frames: pickles of plain data, read without Python's own unpickler and written so that its client understands them.

::

    request   pickle([word, ...]) <F2B_END_COMMAND>
    reply     pickle((0, result)) <F2B_END_COMMAND>
              pickle((1, exception)) <F2B_END_COMMAND>
    good-bye  <F2B_CLOSE_COMMAND><F2B_END_COMMAND>

A pickle is a program for a small machine with a stack (the documentation of it is Python's ``pickletools``). The law: of its
instructions only those are known that make None, booleans, numbers, text, lists, tuples and dictionaries; nothing can be named, called
or looked up, and every other instruction ends the conversation. How many there are, how deep and how large what they make is, all
that is bounded, also where something is used twice: ten lists that hold each other ten times are ten thousand million things.

Protocols 0 to 5 are read; a reply is in the protocol of its request. An exception is written as the name of its class and its text,
which is how a client that trusts its server makes it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator
from typing import Any

END = b"<F2B_END_COMMAND>"
CLOSE = b"<F2B_CLOSE_COMMAND>"
BEGINNINGS = b"\x80(]<"
"""First bytes of a frame: of a pickle of protocol 2 and later, of a list in earlier ones, and of `CLOSE`."""
LIMIT = 1 << 22
"""Bytes of a request: what fail2ban-client sends for a reload has every expression of every jail in it."""
INSTRUCTIONS = 500_000
DEPTH = 12
THINGS = 300_000
"""Values in a request, one that is used twice counted twice."""
_STRIDE = 5_000
"""Instructions after which others may have their turn."""
_HIGHEST = 5
_LONGEST_NUMBER = 64
"""Bytes or digits."""


class _Mark:
    pass


_MARK = _Mark()


def read(frame: bytes) -> Generator[None, None, tuple[int, Any]]:
    """Return (as a generator does) the protocol of *frame* and the plain data in it, pausing now and then for others.

    Raises ValueError for everything else.
    """
    machine = _Machine(frame)
    yield from machine.run()
    _measure(machine.result)
    return machine.protocol, machine.result


def reply(value: Any, protocol: int) -> bytes:
    """Return the frame of a reply with *value*, which is plain data."""
    import pickle  # noqa: PLC0415 - nobody may ever ask

    return pickle.dumps((0, value), protocol=min(protocol, _HIGHEST)) + END


def failure(module: str, name: str, text: str, protocol: int) -> bytes:
    """Return the frame of a reply that raises the exception *name* of *module* with *text*."""
    if protocol < 3 and module == "builtins":
        module = "exceptions"  # the name that every Python knows in these protocols
    called = f"c{module}\n{name}\n".encode("ascii")
    if protocol < 2:
        words = text.replace("\\", "\\u005c").replace("\n", "\\u000a").encode("raw_unicode_escape")
        return b"(I1\n" + called + b"(V" + words + b"\ntRt." + END
    words = text.encode("utf-8", "surrogatepass")
    head = bytes((0x80, min(protocol, _HIGHEST)))
    return head + b"K\x01" + called + b"X" + struct.pack("<I", len(words)) + words + b"\x85R\x86." + END


class _Machine:
    """Carries out the instructions of a pickle, as far as they make plain data."""

    def __init__(self, frame: bytes) -> None:
        self.protocol = 0
        self.result: Any = None
        self._frame = frame
        self._at = 0
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Generator[None, None, None]:
        try:
            for count in range(INSTRUCTIONS):
                code = self._take(1)[0]
                if code == 0x2E:  # STOP
                    self._stop()
                    return
                instruction = _INSTRUCTIONS.get(code)
                if instruction is None:
                    raise ValueError(f"a pickle may hold plain data only, not the instruction {code:#04x}")
                instruction(self)
                if count % _STRIDE == _STRIDE - 1:
                    yield
        except (IndexError, KeyError, TypeError, struct.error, UnicodeError, OverflowError) as error:
            raise ValueError(f"a pickle that makes no sense: {error!r:.80}") from None
        raise ValueError("a pickle of too many instructions")

    def _stop(self) -> None:
        if len(self._stack) != 1 or self._stack[0] is _MARK or self._at != len(self._frame):
            raise ValueError("a pickle that ends in the middle")
        self.result = self._stack.pop()

    def _take(self, size: int) -> bytes:
        piece = self._frame[self._at : self._at + size]
        if len(piece) != size:
            raise ValueError("a pickle that is cut off")
        self._at += size
        return piece

    def _line(self) -> bytes:
        end = self._frame.find(b"\n", self._at)
        if end < 0:
            raise ValueError("a pickle that is cut off")
        line = self._frame[self._at : end]
        self._at = end + 1
        return line

    def _number(self, form: str) -> int:
        number: int = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return number

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def pop_to_mark(self) -> list[Any]:
        place = len(self._stack) - 1
        while self._stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ValueError("a pickle without a mark")
        items = self._stack[place + 1 :]
        del self._stack[place:]
        return items

    # The instructions

    def proto(self) -> None:
        self.protocol = self._take(1)[0]
        if self.protocol > _HIGHEST:
            raise ValueError(f"a pickle of protocol {self.protocol}")

    def frame(self) -> None:
        self._take(8)

    def mark(self) -> None:
        self.push(_MARK)

    def pop(self) -> None:
        self._stack.pop()

    def pop_mark(self) -> None:
        self.pop_to_mark()

    def tuple_of(self, size: int) -> None:
        items = self._stack[-size:]
        if len(items) != size:
            raise ValueError("a pickle without what its tuple holds")
        self._stack[-size:] = [tuple(map(_thing, items))]

    def append(self) -> None:
        value = self._stack.pop()
        self._list().append(_thing(value))

    def appends(self) -> None:
        items = self.pop_to_mark()
        self._list().extend(map(_thing, items))

    def _list(self) -> list[Any]:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise ValueError("a pickle that appends to what is no list")
        return target

    def setitem(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._dict()[_key(key)] = _thing(value)

    def setitems(self) -> None:
        items = self.pop_to_mark()
        self._dict().update(_pairs(items))

    def _dict(self) -> dict[Any, Any]:
        target = self._stack[-1]
        if not isinstance(target, dict):
            raise ValueError("a pickle that sets an item of what is no dictionary")
        return target

    def int_line(self) -> None:
        line = self._line()
        if line in (b"00", b"01"):
            self.push(line == b"01")
        else:
            self.push(_decimal(line))

    def long_line(self) -> None:
        self.push(_decimal(self._line().removesuffix(b"L")))

    def long_of(self, form: str) -> None:
        size = self._number(form)
        if not 0 <= size <= _LONGEST_NUMBER:
            raise ValueError("a pickle with a number that is too long")
        self.push(int.from_bytes(self._take(size), "little", signed=True))

    def float_line(self) -> None:
        self.push(float(self._line()[:_LONGEST_NUMBER]))

    def string_line(self) -> None:
        """A byte string of Python 2, as repr() writes it; only one without escapes is plain enough."""
        line = self._line().strip()
        if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
            raise ValueError("a pickle with a string that is not quoted")
        self.push(_escaped(line[1:-1]))

    def unicode_line(self) -> None:
        self.push(self._line().decode("raw_unicode_escape"))

    def text_of(self, form: str) -> None:
        self.push(self._counted(form).decode("utf-8", "surrogatepass"))

    def bytes_of(self, form: str) -> None:
        self.push(self._counted(form).decode("utf-8", "surrogateescape"))

    def _counted(self, form: str) -> bytes:
        size = self._number(form)
        if not 0 <= size <= len(self._frame):
            raise ValueError("a pickle that is cut off")
        return self._take(size)

    def put(self, place: int) -> None:
        top = self._stack[-1]
        self._memo[place] = _thing(top)

    def get(self, place: int) -> None:
        self.push(self._memo[place])


def _thing(value: Any) -> Any:
    if value is _MARK:
        raise ValueError("a pickle that uses a mark as a value")
    return value


def _key(value: Any) -> str:
    # Whoever may choose numbers for keys can choose such as all fall into one slot.
    if not isinstance(value, str):
        raise ValueError("a pickle with a key that is no text")
    return value


def _pairs(items: list[Any]) -> dict[Any, Any]:
    if len(items) % 2:
        raise ValueError("a pickle with a key without a value")
    return {_key(key): _thing(value) for key, value in zip(items[::2], items[1::2], strict=True)}


def _decimal(line: bytes) -> int:
    if len(line) > _LONGEST_NUMBER:
        raise ValueError("a pickle with a number that is too long")
    return int(line)


def _escaped(text: bytes) -> str:
    return text.decode("unicode_escape").encode("latin-1").decode("utf-8", "surrogateescape")


def _measure(value: Any) -> None:
    """Raise ValueError when *value* is too deep or too large, each thing counted as often as it is met."""
    left = THINGS
    level = [value]
    for _ in range(DEPTH):
        left -= len(level)
        if left < 0:
            raise ValueError("a pickle that holds too much")
        deeper: list[Any] = []
        for each in level:
            if isinstance(each, (list, tuple)):
                deeper += each
            elif isinstance(each, dict):
                deeper += each.values()
            if len(deeper) > left:
                raise ValueError("a pickle that holds too much")
        if not deeper:
            return
        level = deeper
    raise ValueError("a pickle that is too deep")


def _pushing(make: Callable[[], Any]) -> Callable[[_Machine], None]:
    return lambda machine: machine.push(make())


_INSTRUCTIONS: dict[int, Callable[[_Machine], None]] = {
    0x80: _Machine.proto,
    0x95: _Machine.frame,
    ord("("): _Machine.mark,
    ord("0"): _Machine.pop,
    ord("1"): _Machine.pop_mark,
    ord("N"): _pushing(lambda: None),
    0x88: _pushing(lambda: True),
    0x89: _pushing(lambda: False),
    ord("I"): _Machine.int_line,
    ord("J"): lambda machine: machine.push(machine._number("<i")),
    ord("K"): lambda machine: machine.push(machine._number("<B")),
    ord("M"): lambda machine: machine.push(machine._number("<H")),
    ord("L"): _Machine.long_line,
    0x8A: lambda machine: machine.long_of("<B"),
    0x8B: lambda machine: machine.long_of("<i"),
    ord("F"): _Machine.float_line,
    ord("G"): lambda machine: machine.push(struct.unpack(">d", machine._take(8))[0]),
    ord("S"): _Machine.string_line,
    ord("T"): lambda machine: machine.bytes_of("<i"),
    ord("U"): lambda machine: machine.bytes_of("<B"),
    ord("B"): lambda machine: machine.bytes_of("<I"),
    ord("C"): lambda machine: machine.bytes_of("<B"),
    0x8E: lambda machine: machine.bytes_of("<Q"),
    ord("V"): _Machine.unicode_line,
    ord("X"): lambda machine: machine.text_of("<I"),
    0x8C: lambda machine: machine.text_of("<B"),
    0x8D: lambda machine: machine.text_of("<Q"),
    ord("]"): _pushing(list),
    ord("l"): lambda machine: machine.push(machine.pop_to_mark()),
    ord("a"): _Machine.append,
    ord("e"): _Machine.appends,
    ord(")"): _pushing(tuple),
    ord("t"): lambda machine: machine.push(tuple(machine.pop_to_mark())),
    0x85: lambda machine: machine.tuple_of(1),
    0x86: lambda machine: machine.tuple_of(2),
    0x87: lambda machine: machine.tuple_of(3),
    ord("}"): _pushing(dict),
    ord("d"): lambda machine: machine.push(_pairs(machine.pop_to_mark())),
    ord("s"): _Machine.setitem,
    ord("u"): _Machine.setitems,
    ord("p"): lambda machine: machine.put(_decimal(machine._line())),
    ord("q"): lambda machine: machine.put(machine._number("<B")),
    ord("r"): lambda machine: machine.put(machine._number("<I")),
    0x94: lambda machine: machine.put(len(machine._memo)),
    ord("g"): lambda machine: machine.get(_decimal(machine._line())),
    ord("h"): lambda machine: machine.get(machine._number("<B")),
    ord("j"): lambda machine: machine.get(machine._number("<I")),
}
"""By the byte of the instruction. Those that name, call, build or look up something are not here, and will not be."""
