"""The system's PCRE2 library (libpcre2-8) by ctypes: one pattern with just-in-time code, substituted over a whole buffer.

::

    library()                          the library, None where it is missing or must not make machine code
    library().substitution(p, r)       pattern and replacement, compiled; the library's complaint as a text when it cannot be
    substitution(data)                 *data* with every match replaced, None when a limit was reached

Bytes in, ASCII text out; no UTF mode. Limits hold for each match on its own: a crafted line costs a few milliseconds, never
minutes. See pcre2api(3), pcre2jit(3).

All substitutions share the library's buffers, so they are for one thread.
"""

from __future__ import annotations

import ctypes
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint32, c_void_p
from functools import lru_cache
from typing import Any

NAMES = ("libpcre2-8.so.0", "libpcre2-8.so", "libpcre2-8.0.dylib")

MATCH_LIMIT = 1_000_000
"""Steps of one match. The longest way that a real line was seen to take is some 200 000 (structured data of RFC 5424)."""
_HEAP_LIMIT = 16 * 1024  # KiB
_STACK = (32 * 1024, 1024 * 1024)  # bytes of the stack of machine code: at first, at most

_CONFIG_JIT = 1
_JIT_COMPLETE = 1
_GLOBAL, _UNSET_EMPTY, _OVERFLOW_LENGTH = 0x100, 0x400, 0x1000
_NOMEMORY = -48


@lru_cache(maxsize=1)
def library() -> Library | None:
    """Return the system's library; None when there is none or it cannot make machine code (hardened kernels forbid it)."""
    for name in NAMES:
        try:
            found = Library(ctypes.CDLL(name))
        except (OSError, AttributeError):  # not there, or too old to have all functions
            continue
        return found if found.works() else None
    return None


class Library:
    """The functions in use, with their signatures. Raises AttributeError when *handle* lacks one."""

    def __init__(self, handle: ctypes.CDLL) -> None:
        def function(name: str, result: Any, *arguments: Any) -> Any:
            found = getattr(handle, f"pcre2_{name}_8")
            found.restype, found.argtypes = result, arguments
            return found

        pointer = c_void_p
        self.config = function("config", c_int, c_uint32, pointer)
        self.compile = function("compile", pointer, c_char_p, c_size_t, c_uint32, pointer, pointer, pointer)
        self.free_code = function("code_free", None, pointer)
        self.jit_compile = function("jit_compile", c_int, pointer, c_uint32)
        self.new_data = function("match_data_create_from_pattern", pointer, pointer, pointer)
        self.free_data = function("match_data_free", None, pointer)
        self.new_context = function("match_context_create", pointer, pointer)
        self.set_match_limit = function("set_match_limit", c_int, pointer, c_uint32)
        self.set_depth_limit = function("set_depth_limit", c_int, pointer, c_uint32)
        self.set_heap_limit = function("set_heap_limit", c_int, pointer, c_uint32)
        self.new_stack = function("jit_stack_create", pointer, c_size_t, c_size_t, pointer)
        self.assign_stack = function("jit_stack_assign", None, pointer, pointer, pointer)
        self.message = function("get_error_message", c_int, c_int, pointer, c_size_t)
        self.substitute = function(
            "substitute", c_int, pointer, c_char_p, c_size_t, c_size_t, c_uint32, pointer, pointer,
            c_char_p, c_size_t, pointer, pointer,
        )  # fmt: skip
        # Never freed: there is one library, for as long as the process runs.
        self.context = self.new_context(None)
        self.assign_stack(self.context, None, self.new_stack(*_STACK, None))
        self.set_heap_limit(self.context, _HEAP_LIMIT)
        self.limit(MATCH_LIMIT)
        self.room = ctypes.create_string_buffer(1 << 17)

    def limit(self, steps: int) -> None:
        """Let no match take more than *steps*."""
        self.set_match_limit(self.context, steps)
        self.set_depth_limit(self.context, steps)

    def works(self) -> bool:
        """Tell whether machine code can be made and run."""
        able = c_uint32(0)
        if self.config(_CONFIG_JIT, byref(able)) < 0 or not able.value:
            return False
        trial = self.substitution(b"a(*MARK:b)", b"${*MARK}")
        return isinstance(trial, Substitution) and trial(b"a") == "b"

    def substitution(self, pattern: bytes, replacement: bytes) -> Substitution | str:
        """Return *pattern* and *replacement* (of pcre2_substitute) ready for use, or why they cannot be used."""
        error, offset = c_int(0), c_size_t(0)
        code = self.compile(pattern, len(pattern), 0, byref(error), byref(offset), None)
        if not code:
            return f"{self._text(error.value)} at offset {offset.value}"
        failed = self.jit_compile(code, _JIT_COMPLETE)
        if failed:
            self.free_code(code)
            return self._text(failed)
        return Substitution(self, code, replacement)

    def _text(self, error: int) -> str:
        text = ctypes.create_string_buffer(256)
        self.message(error, text, len(text))
        return text.value.decode("ascii", "replace")


class Substitution:
    """A compiled pattern and its replacement; owns *code*."""

    def __init__(self, library: Library, code: int, replacement: bytes) -> None:
        self._library = library
        self._code = code
        self._replacement = replacement
        self._data = library.new_data(code, None)

    def __call__(self, data: bytes) -> str | None:
        """Return *data* with each match replaced; None when a limit of the match was reached, or anything else went wrong.

        *data* and everything that is put into it must be ASCII.
        """
        library = self._library
        while True:
            room = library.room
            length = c_size_t(len(room))
            result = library.substitute(
                self._code, data, len(data), 0, _GLOBAL | _UNSET_EMPTY | _OVERFLOW_LENGTH, self._data, library.context,
                self._replacement, len(self._replacement), room, byref(length),
            )  # fmt: skip
            if result >= 0:
                return str(memoryview(room)[: length.value], "ascii")
            if result != _NOMEMORY or length.value <= len(room):
                return None
            library.room = ctypes.create_string_buffer(length.value + length.value // 4)

    def __del__(self) -> None:
        self._library.free_data(self._data)
        self._library.free_code(self._code)
