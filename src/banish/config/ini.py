"""One configuration file: bytes to sections of options, each value with the lines it was written on.

The line syntax is the one of Python's configparser as jail.conf(5) uses it: ``option = value`` or ``option: value``, names
of options in lower case, comment lines with ``#`` or ``;``, a comment after a value only with ``;`` behind white space,
deeper indented lines continue a value, empty lines stay part of it. Values are raw: nothing is interpolated here.

The law: nothing is raised for what a file contains. What cannot be read is told as a problem and the rest is kept. A line
that is neither an option nor indented is taken for the continuation that it nearly always is: dropping it would silently
shorten an ``ignoreip`` list and lock its author out. Duplicates are told, and the later one wins.

What leaves open how the rest is meant is *fatal* (see ``errors.Problem``), because going on with half a file lifts bans and
forgets whom to spare: a file that cannot be read, a line that begins like a section header and is none, and bytes that are not
UTF-8 where a name should be. In a value such bytes become U+FFFD, and the value's line is told as an error.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from banish.config.text import Text
from banish.errors import Origin, Problem

DEFAULT = "DEFAULT"
INCLUDES = "INCLUDES"

_Severity = Literal["error", "warning"]

_HEADER = re.compile(r"\[(?P<name>.+)\]")
_OPTION = re.compile(r"(?P<name>[^=:]*?)\s*[=:]\s*(?P<value>.*)", re.DOTALL)
_INLINE_COMMENT = re.compile(r"(?:^|(?<=\s));")
_UNDECODABLE = re.compile("[\udc80-\udcff]")  # what ``surrogateescape`` makes of bytes that are not UTF-8
_GARBLED = "\N{REPLACEMENT CHARACTER}"
_CONVERT = "convert the file with iconv(1)"


class IniFile(NamedTuple):
    """What one file says: section -> option -> raw value, in the order of the file."""

    file: str
    sections: Mapping[str, Mapping[str, Text]]
    problems: tuple[Problem, ...] = ()


def read(path: Path) -> IniFile:
    """Read and parse *path*; a file that cannot be read gives no sections and a fatal problem.

    A link to /dev/null is an empty file: that is how people mask one.
    """
    try:
        found = os.stat(path)
        if stat.S_ISCHR(found.st_mode) and found.st_rdev == os.stat(os.devnull).st_rdev:
            return IniFile(str(path), {})
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for ever
            return _unreadable(path, "is a directory" if stat.S_ISDIR(found.st_mode) else "is not a regular file")
        content = path.read_bytes()
    except OSError as error:
        dangling = isinstance(error, FileNotFoundError) and os.path.islink(path)
        return _unreadable(path, "is a link to nothing" if dangling else f"cannot be read: {error.strerror or error}")
    return parse(content, str(path))


def _unreadable(path: Path, why: str) -> IniFile:
    remedy = "make it readable, or remove it if it is not needed"
    return IniFile(str(path), {}, (Problem(why, remedy, origin=Origin(str(path)), fatal=True),))


def parse(content: bytes, file: str) -> IniFile:
    """Parse *content*; *file* is the name that origins and problems carry."""
    problems: list[Problem] = []
    parser = _Parser(file, problems)
    for number, line in enumerate(_split(content.decode("utf-8-sig", "surrogateescape")), start=1):
        parser.feed(number, line)
    return IniFile(file, parser.finish(), tuple(problems))


def _split(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


class _Parser:
    def __init__(self, file: str, problems: list[Problem]) -> None:
        self._file = file
        self._problems = problems
        self._sections: dict[str, dict[str, Text]] = {}
        self._headers: dict[str, int] = {}
        self._section: str | None = None
        self._option = ""
        self._lines: list[str] = []
        self._numbers: list[int] = []
        self._indent = 0
        self._passing_over = False
        """After a header that cannot be read: nobody knows whose options these are."""
        self._comment_told = False

    def feed(self, number: int, line: str) -> None:
        comment = line.lstrip().startswith(("#", ";"))
        inline = _INLINE_COMMENT.search(line) if ";" in line and not comment else None
        value = "" if comment else line[: inline.start() if inline else None].strip()
        garbled = not line.isascii() and _UNDECODABLE.search(value) is not None
        if garbled:
            value = _UNDECODABLE.sub(_GARBLED, value)
        elif not line.isascii() and _UNDECODABLE.search(line):
            self._garbled_comment(number)
        if not value:
            if not comment and inline is None and self._option:
                self._append(number, "")
            return
        indent = len(line) - len(line.lstrip())
        if self._option and indent > self._indent:
            self._append(number, value)
            if garbled:
                self._garbled_value(number, self._option, value)
            return
        if value.startswith("["):
            header = _HEADER.match(value)
            self._indent = indent
            if header is None:
                self._pass_over(number, value, "is not a section header", "close it with ]")
            elif garbled:
                self._pass_over(number, value, "is not UTF-8", _CONVERT)
            else:
                self._open(number, header["name"])
            return
        if self._passing_over:
            return
        option = _OPTION.fullmatch(value)
        named = self._option if option is None else option["name"]
        if garbled and (not named or _GARBLED in named):
            self._tell(number, "is not UTF-8: the line is left out", _CONVERT, value, fatal=True)
        elif option is None and self._option:
            self._tell(
                number,
                f"is neither an option nor indented: read as a continuation of {self._option}",
                "indent the line",
                value,
                severity="warning",
            )
            self._append(number, value)
            if garbled:
                self._garbled_value(number, self._option, value)
        elif option is None or not option["name"]:
            self._tell(number, "is not an option: the line is left out", "write option = value", value)
        elif self._section is None:
            self._tell(number, "stands before the first [section]: the line is left out", "write a header above", value)
        else:
            self._indent = indent
            self._begin(number, option["name"].lower(), option["value"])
            if garbled:
                self._garbled_value(number, self._option, option["value"])

    def finish(self) -> Mapping[str, Mapping[str, Text]]:
        self._end()
        return self._sections

    def _pass_over(self, number: int, value: str, text: str, remedy: str) -> None:
        self._end()
        self._section = None
        self._passing_over = True
        self._tell(number, f"{text}: what follows cannot be assigned", remedy, value, fatal=True)

    def _garbled_value(self, number: int, option: str, value: str) -> None:
        # A missing [INCLUDES] is no fault, so the name of a file must not be got wrong unnoticed.
        self._problems.append(
            Problem(
                "is not UTF-8",
                _CONVERT,
                section="" if self._section in (None, DEFAULT) else str(self._section),
                option=option,
                value=value,
                origin=Origin(self._file, number),
                fatal=self._section == INCLUDES,
            )
        )

    def _garbled_comment(self, number: int) -> None:
        if not self._comment_told:
            self._tell(number, "a comment is not UTF-8", "", severity="warning")
        self._comment_told = True

    def _open(self, number: int, name: str) -> None:
        self._end()
        self._passing_over = False
        self._section = name
        if name in self._headers and name != DEFAULT:
            self._tell(
                number, f"section repeated, first in line {self._headers[name]}", "join the two", severity="warning"
            )
        self._headers.setdefault(name, number)
        self._sections.setdefault(name, {})

    def _begin(self, number: int, name: str, value: str) -> None:
        self._end()
        self._option, self._lines, self._numbers = name, [value], [number]

    def _append(self, number: int, line: str) -> None:
        self._lines.append(line)
        self._numbers.append(number)

    def _end(self) -> None:
        if not self._option or self._section is None:
            return
        while len(self._lines) > 1 and not self._lines[-1]:
            self._lines.pop()
        origins = tuple(Origin(self._file, number) for number in self._numbers[: len(self._lines)])
        options = self._sections[self._section]
        earlier = options.get(self._option)
        if earlier is not None:
            self._tell(
                self._numbers[0],
                f"option repeated, first in line {earlier.origin.line}; this one counts",
                "remove one of the two",
                option=self._option,
                severity="warning",
            )
        options[self._option] = Text("\n".join(self._lines), origins)
        self._option = ""

    def _tell(
        self,
        number: int,
        text: str,
        remedy: str,
        value: str = "",
        *,
        option: str = "",
        severity: _Severity = "error",
        fatal: bool = False,
    ) -> None:
        self._problems.append(
            Problem(
                text=f"{value[:80]!r} {text}" if value else text,
                remedy=remedy,
                section=self._section or "",
                option=option,
                origin=Origin(self._file, number),
                severity=severity,
                fatal=fatal,
            )
        )
