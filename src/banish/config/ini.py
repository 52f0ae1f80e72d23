"""One configuration file: bytes to sections of options, each value with the lines it was written on.

The line syntax is the one of Python's configparser as jail.conf(5) uses it: ``option = value`` or ``option: value``, names
of options in lower case, comment lines with ``#`` or ``;``, a comment after a value only with ``;`` behind white space,
deeper indented lines continue a value, empty lines stay part of it. Values are raw: nothing is interpolated here.

The law: nothing is raised for what a file contains. What cannot be read is told as a problem and the rest is kept. A line
that is neither an option nor indented is taken for the continuation that it nearly always is: dropping it would silently
shorten an ``ignoreip`` list and lock its author out. Duplicates are told, and the later one wins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from banish.config.text import Text
from banish.errors import Origin, Problem

DEFAULT = "DEFAULT"

_Severity = Literal["error", "warning"]

_HEADER = re.compile(r"\[(?P<name>.+)\]")
_OPTION = re.compile(r"(?P<name>[^=:]*?)\s*[=:]\s*(?P<value>.*)", re.DOTALL)
_INLINE_COMMENT = re.compile(r"(?:^|(?<=\s));")
_UNDECODABLE = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class IniFile:
    """What one file says: section -> option -> raw value, in the order of the file."""

    file: str
    sections: Mapping[str, Mapping[str, Text]]
    problems: tuple[Problem, ...] = ()


def read(path: Path) -> IniFile:
    """Read and parse *path*; a file that cannot be read gives no sections and a problem."""
    try:
        content = path.read_bytes()
    except OSError as error:
        problem = Problem(
            f"cannot be read: {error.strerror or error}", remedy="the file is left out", origin=Origin(str(path))
        )
        return IniFile(str(path), {}, (problem,))
    return parse(content, str(path))


def parse(content: bytes, file: str) -> IniFile:
    """Parse *content*; *file* is the name that origins and problems carry."""
    problems: list[Problem] = []
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = content.decode("utf-8-sig", "replace")
        origin = Origin(file, content.count(b"\n", 0, error.start) + 1)
        if any(_UNDECODABLE in line and line.strip()[0] not in "#;" for line in _split(text)):
            left_out = Problem("is not UTF-8", remedy="the file is left out; convert it with iconv(1)", origin=origin)
            return IniFile(file, {}, (left_out,))
        problems.append(Problem("a comment is not UTF-8", remedy="", origin=origin, severity="warning"))
    parser = _Parser(file, problems)
    for number, line in enumerate(_split(text), start=1):
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

    def feed(self, number: int, line: str) -> None:
        comment = line.lstrip().startswith(("#", ";"))
        inline = None if comment else _INLINE_COMMENT.search(line)
        value = "" if comment else line[: inline.start() if inline else None].strip()
        if not value:
            if not comment and inline is None and self._option:
                self._append(number, "")
            return
        indent = len(line) - len(line.lstrip())
        if self._option and indent > self._indent:
            self._append(number, value)
            return
        if header := _HEADER.match(value):
            self._indent = indent
            self._open(number, header["name"])
            return
        option = _OPTION.fullmatch(value)
        if option is None and self._option:
            self._tell(
                number,
                f"is neither an option nor indented: read as a continuation of {self._option}",
                "indent the line",
                value,
                severity="warning",
            )
            self._append(number, value)
        elif option is None or not option["name"]:
            self._tell(number, "is not an option: the line is left out", "write option = value", value)
        elif self._section is None:
            self._tell(number, "stands before the first [section]: the line is left out", "write a header above", value)
        else:
            self._indent = indent
            self._begin(number, option["name"].lower(), option["value"])

    def finish(self) -> Mapping[str, Mapping[str, Text]]:
        self._end()
        return self._sections

    def _open(self, number: int, name: str) -> None:
        self._end()
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
        self, number: int, text: str, remedy: str, value: str = "", *, option: str = "", severity: _Severity = "error"
    ) -> None:
        self._problems.append(
            Problem(
                text=f"{value[:80]!r} {text}" if value else text,
                remedy=remedy,
                section=self._section or "",
                option=option,
                origin=Origin(self._file, number),
                severity=severity,
            )
        )
