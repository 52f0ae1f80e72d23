"""Bytes to lines: encodings, damage, and what ends a line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.errors import ConfigError
from banish.lines.decoding import Decoder


def test_lines_end_at_newlines_alone() -> None:
    text = "a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g\rh\nnext\r\n\nlast\r\r\n"
    assert Decoder().lines(text.encode()) == ["a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g\rh", "next", "", "last"]


def test_nul_bytes_are_kept() -> None:
    assert Decoder().lines(b"\0\0Jan 23\0x\n") == ["\0\0Jan 23\0x"]


def test_text_behind_the_last_newline_is_a_line() -> None:
    assert Decoder().lines(b"one\ntwo") == ["one", "two"]
    assert Decoder().lines(b"") == []
    assert Decoder().lines(b"\n") == [""]


def test_bytes_that_are_no_text_are_replaced_and_their_lines_counted() -> None:
    decoder = Decoder("auto")
    assert decoder.lines(b"user \xff\xfe from\nfine\n\xe4\xb8\n") == ["user \ufffd\ufffd from", "fine", "\ufffd"]
    assert decoder.undecodable == 2


@pytest.mark.parametrize(
    ("encoding", "data", "text"),
    [
        ("auto", "Jörg\n".encode(), "Jörg"),
        ("latin-1", b"J\xf6rg\n", "Jörg"),
        ("UTF8", "\ufeffJörg\n".encode(), "Jörg"),
        ("koi8-r", "вход\n".encode("koi8-r"), "вход"),
        ("shift_jis", "失敗\n".encode("shift_jis"), "失敗"),
        ("ascii", b"J\xf6rg\n", "J\ufffdrg"),
    ],
)
def test_encodings(encoding: str, data: bytes, text: str) -> None:
    assert Decoder(encoding).lines(data) == [text]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_wide_encodings_cut_behind_newline_bytes_come_through_at_once(encoding: str) -> None:
    """Readers cut behind the byte 0x0A, which in little-endian order is not where the character ends."""
    data = "Jörg\r\nzwei\n\ndrei\n".encode(encoding)
    decoder = Decoder(encoding)
    seen = []
    while data:
        end = data.find(b"\n") + 1
        if not end:
            end = len(data)
        seen.append(decoder.lines(data[:end]))
        data = data[end:]
    lines = [line for batch in seen for line in batch]
    assert lines == ["Jörg", "zwei", "", "drei"]
    assert seen[0] == ["Jörg"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_a_wide_log_read_on_from_behind_a_newline_byte(encoding: str) -> None:
    assert Decoder(encoding).lines(b"\0" + "login failed\n".encode("utf-16-le")) == ["login failed"]
    assert Decoder(encoding).lines("login failed\n".encode("utf-16-le")) == ["login failed"]


def test_a_rotated_log_may_change_its_byte_order() -> None:
    decoder = Decoder("utf-16")
    assert decoder.lines("\ufeffone\n".encode("utf-16-be")) == ["one"]
    assert decoder.lines("two\n".encode("utf-16-be")) == ["two"]
    assert decoder.lines("\ufeffthree\n".encode("utf-16-le")[:-1]) == ["three"]
    assert decoder.lines(b"\0" + "four\n".encode("utf-16-le")[:-1]) == ["four"]


@pytest.mark.parametrize(
    "encoding",
    [
        "nope",
        "",
        "hex",
        "rot13",
        "base64",
        "idna",
        "undefined",
        "unicode_escape",
        "raw_unicode_escape",
        "a\0b",
        "utf-8\n x",
        "ü",
    ],
)
def test_what_is_no_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(ConfigError, match=r"logencoding.*unknown encoding") as error:
        Decoder(encoding)
    assert error.value.problem.value == encoding


@settings(max_examples=60)
@given(
    chunks=st.lists(st.binary(max_size=30), max_size=4),
    encoding=st.sampled_from(
        ["auto", "latin-1", "utf-16", "utf-16-be", "utf-32", "gb18030", "iso2022_jp", "utf-7", "cp1252"]
    ),
)
def test_no_bytes_ever_raise(chunks: list[bytes], encoding: str) -> None:
    decoder = Decoder(encoding)
    for chunk in chunks:
        assert all("\n" not in line for line in decoder.lines(chunk))


@settings(max_examples=40)
@given(lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r")), max_size=5))
def test_what_was_written_as_lines_is_read_as_lines(lines: list[str]) -> None:
    data = "".join(line + "\n" for line in lines).encode()
    expected = list(lines)
    if expected and expected[0].startswith("\ufeff"):
        expected[0] = expected[0][1:]
    assert Decoder().lines(data) == expected
