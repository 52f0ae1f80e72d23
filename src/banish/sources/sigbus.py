"""Survives what libsystemd does not: a journal file that journald makes shorter while it is read.

journald cuts the unused end off a file when it puts it aside (systemd 252 and later). The library reads files through mmap(2); a
step into what is no longer there is a SIGBUS, and the end of the process. systemd's own programs catch it and put an empty page in
the place, whereupon the library finds the file damaged and says so; this does the same.

The handler is Python, called by the kernel in the midst of the library. That is sound because the fault is synchronous: it happens
at an instruction that touches the file, never within malloc(3) or Python, and for ctypes it is a callback like any other. A fault
anywhere but in a journal file goes its old way.
"""

from __future__ import annotations

import ctypes
import os
import signal
from functools import cache
from typing import Any

_MACHINES = frozenset({"x86_64", "aarch64", "riscv64", "ppc64le", "loongarch64"})
"""Those whose C libraries lay sigaction(2) and siginfo_t out as below."""
_SA_SIGINFO = 4
_ADDRESS = 16
_PROT_READ = 1
_MAP_PRIVATE, _MAP_FIXED, _MAP_ANONYMOUS = 0x02, 0x10, 0x20
_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


class _Action(ctypes.Structure):
    """``struct sigaction``."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_ubyte * 128),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


@cache
def guard() -> bool:
    """Put the guard up for as long as the process lives; False where that cannot be done."""
    system = os.uname()
    if system.machine not in _MACHINES or system.sysname != "Linux":
        return False
    return _Guard().set()


def faults() -> int:
    """Return how often that happened so far: a handle that was open then may have empty pages where a file has grown again."""
    return sum(standing.faults for standing in _STANDING)


class _Guard:
    def __init__(self) -> None:
        libc: Any = ctypes.CDLL(None)
        self._sigaction = libc.sigaction
        self._sigaction.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
        self._mmap = libc.mmap
        self._mmap.restype = ctypes.c_void_p
        self._mmap.argtypes = (
            ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
        )  # fmt: skip
        self._page = os.sysconf("SC_PAGESIZE")
        self._before = _Action()
        self._handler = _HANDLER(self._handle)
        self.faults = 0

    def set(self) -> bool:
        action = _Action(handler=ctypes.cast(self._handler, ctypes.c_void_p), flags=_SA_SIGINFO)
        done: int = self._sigaction(signal.SIGBUS, ctypes.byref(action), ctypes.byref(self._before))
        _STANDING.append(self)
        return done == 0

    def _handle(self, _number: int, information: int, _context: int) -> None:
        address = ctypes.c_void_p.from_address(information + _ADDRESS).value or 0
        if _in_journal(address):
            self.faults += 1
            page = address - address % self._page
            flags = _MAP_PRIVATE | _MAP_FIXED | _MAP_ANONYMOUS
            if self._mmap(page, self._page, _PROT_READ, flags, -1, 0) == page:
                return
        self._sigaction(signal.SIGBUS, ctypes.byref(self._before), None)  # and meet it again, unguarded


_STANDING: list[_Guard] = []
"""What the kernel calls must never be thrown away."""


def _in_journal(address: int) -> bool:
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        for line in maps:
            span, *_, name = line.split(maxsplit=5)
            begin, _, end = span.partition("-")
            if int(begin, 16) <= address < int(end, 16):
                return ".journal" in name
    return False
