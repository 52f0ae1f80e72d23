"""The library by ctypes: what it does, what it is stopped at, and what happens where it is not."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import pytest

from banish.matching.fused import pcre2
from banish.matching.fused.pcre2 import Library, Substitution


@pytest.fixture
def library() -> Library:
    found = pcre2.library()
    if found is None:
        pytest.skip("needs libpcre2-8 that may make machine code")
    return found


@pytest.fixture
def looked_for_again() -> Iterator[None]:
    pcre2.library.cache_clear()
    yield
    pcre2.library.cache_clear()


def made(library: Library, pattern: bytes, replacement: bytes) -> Substitution:
    substitution = library.substitution(pattern, replacement)
    assert isinstance(substitution, Substitution)
    return substitution


def test_every_match_is_replaced(library: Library) -> None:
    substitution = made(library, b"a(b)?(*MARK:x)", b"<${*MARK}$1>")
    assert substitution(b"ab a c\x00ab") == "<xb> <x> c\x00<xb>"
    assert substitution(b"") == ""


def test_the_outcome_may_be_longer_than_any_before(library: Library) -> None:
    substitution = made(library, b"a", b"1234567890")
    assert substitution(b"a" * 100_000) == "1234567890" * 100_000
    assert substitution(b"ba") == "b1234567890"


def test_a_match_that_takes_too_many_steps_is_given_up(library: Library) -> None:
    substitution = made(library, rb"(?:\w+[\s,]*)+ from \d", b"x")
    assert substitution(b"a from 1") == "x"
    assert substitution(b"a" * 40 + b" from") is None
    assert substitution(b"a from 1") == "x"


def test_what_does_not_compile_is_told(library: Library) -> None:
    assert library.substitution(b"(a", b"") == "missing closing parenthesis at offset 2"


@pytest.mark.usefixtures("looked_for_again")
def test_there_may_be_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcre2, "NAMES", ("libpcre2-no-such.so",))
    assert pcre2.library() is None


@pytest.mark.usefixtures("looked_for_again")
def test_another_library_of_that_name_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: ctypes.PyDLL(None))
    assert pcre2.library() is None


@pytest.mark.usefixtures("library", "looked_for_again")
def test_machine_code_may_be_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Library, "works", lambda self: False)
    assert pcre2.library() is None
    monkeypatch.undo()
    monkeypatch.setattr(pcre2, "_JIT_COMPLETE", 1 << 30)  # refused by the library, as is memory that can be run
    pcre2.library.cache_clear()
    assert pcre2.library() is None
