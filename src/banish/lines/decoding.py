"""Bytes to text, and text to lines.

Only a newline ends a line, with or without carriage returns before it. ``str.splitlines`` would also cut at form feeds, at
U+0085 or U+2028, which lets whoever writes into a log begin a line of his own. NUL bytes are kept.

Decoding never fails: what is no text in the stated encoding becomes U+FFFD. ``auto`` is UTF-8. Lines with such bytes are counted, and
those with NUL bytes: text in an encoding of two bytes is full of these.

Batches are cut behind newline bytes by readers who know nothing of encodings. In UTF-16 and UTF-32 a newline is more than one
byte, and in little-endian order the rest of it comes with the next batch; what is needed to put that right is remembered, as
is the byte order, which only the file's first bytes state. (A batch that ends within a character whose bytes contain 0x0A,
such as U+010A, loses that character and breaks its line there.)
"""

from __future__ import annotations

import codecs

from banish.errors import ConfigError, Problem

_BYTE_ORDER_MARK = "\ufeff"
_REPLACEMENT = "\ufffd"
_NO_CHARSETS = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"})
_PROBE = b"\xff\xfe\x00probe\n"


class Decoder:
    """Decodes the batches of one source; raises ConfigError when *encoding* (``logencoding``) is none."""

    def __init__(self, encoding: str = "auto") -> None:
        self.encoding = _codec(encoding)
        self._wide = _Wide(self.encoding) if self.encoding.startswith(("utf-16", "utf-32")) else None
        self.undecodable = 0
        """How many of the lines decoded so far held bytes that are no text, NUL among them."""

    def lines(self, data: bytes) -> list[str]:
        """Return the lines in *data*, without their ends; text after the last newline is a line too."""
        text = self._wide.decode(data) if self._wide is not None else data.decode(self.encoding, "replace")
        self._count(text)
        if text.startswith(_BYTE_ORDER_MARK):
            text = text[1:]
        found = text.split("\n")
        if not found[-1]:
            del found[-1]
        if "\r" in text:
            found = [line.rstrip("\r") for line in found]
        return found

    @property
    def bytewise(self) -> bool:
        """Every character of ASCII is its own byte, and no other bytes mean one: lines can be told and read one by one."""
        return self.encoding in ("utf-8", "ascii") or self.encoding.startswith(("iso8859-", "cp125", "koi8-"))

    def line(self, data: bytes, *, first: bool) -> str:
        """Return one line's *data*, without its end, as text, where ``bytewise``; *first*: it is the first of its batch."""
        text = data.decode(self.encoding, "replace")
        self._count(text)
        return (text.removeprefix(_BYTE_ORDER_MARK) if first else text).rstrip("\r")

    def _count(self, text: str) -> None:
        if _REPLACEMENT in text or "\0" in text:
            self.undecodable += sum(_REPLACEMENT in line or "\0" in line for line in text.split("\n"))


class _Wide:
    """UTF-16 and UTF-32, cut behind newline bytes. Without a byte order mark and a stated order it is little-endian."""

    def __init__(self, encoding: str) -> None:
        self._family = encoding[:6]
        self._width = 2 if self._family == "utf-16" else 4
        self._stated = encoding != self._family
        self._owed = b""
        self._use(encoding if self._stated else f"{self._family}-le")

    def decode(self, data: bytes) -> str:
        if not self._stated:
            for order in ("le", "be"):
                if data.startswith(_BYTE_ORDER_MARK.encode(f"{self._family}-{order}")):
                    self._use(f"{self._family}-{order}")
        data = data.removeprefix(self._owed)
        self._owed = b""
        text = self._decoder.decode(data)
        if self._decoder.getstate()[0] == b"\n":  # the first byte of a little-endian newline
            self._owed = bytes(self._width - 1)
            text += self._decoder.decode(self._owed)
        return text

    def _use(self, encoding: str) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        # The rest of a newline that the next batch begins with. The first batch may do so too, when reading goes on in mid-file.
        self._owed = bytes(self._width - 1) if encoding.endswith("le") else b""


def _codec(encoding: str) -> str:
    try:
        name = codecs.lookup("utf-8" if encoding.lower() == "auto" else encoding).name
        if name not in _NO_CHARSETS:
            _PROBE.decode(name, "replace")  # "hex" and "rot13" are codecs too, but not of text
            return name
    except (LookupError, ValueError):
        pass
    raise ConfigError(
        Problem(
            "unknown encoding",
            remedy="write auto or the name of a character encoding, such as utf-8, latin-1 or utf-16",
            option="logencoding",
            value=encoding,
        )
    )
