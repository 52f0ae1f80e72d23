"""The commands as the generators see them: read off the parsers that the client itself uses."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

from banish.cli import parsers, tools
from banish.control import commands, options

COMMON = ("--socket", "--json", "--help")
"""Options of every command, told once."""


class Argument(NamedTuple):
    """One argument: *names* are those of an option, none for a positional one; *value* its metavar, empty for a flag."""

    names: tuple[str, ...]
    value: str
    help: str
    many: bool
    choices: tuple[str, ...]


class Row(NamedTuple):
    """One command."""

    name: str
    usage: str
    help: str
    arguments: tuple[Argument, ...]
    daemon: bool
    reads: bool

    @property
    def positional(self) -> list[Argument]:
        return [argument for argument in self.arguments if not argument.names]

    @property
    def options(self) -> list[Argument]:
        return [argument for argument in self.arguments if argument.names]


def rows() -> list[Row]:
    """Return every command: first those that ask the daemon, then the others."""
    return [*_commands(), *_tools()]


def _commands() -> Iterator[Row]:
    for command in commands.COMMANDS:
        found = tuple(_arguments(parsers.parser_of(command)))
        yield Row(command.name, command.usage, command.help, found, daemon=True, reads=command.reads)


def _tools() -> Iterator[Row]:
    for tool in tools.TOOLS:
        yield Row(tool.name, tool.usage, tool.help, tuple(_arguments(tool.parser())), daemon=False, reads=True)


def _arguments(parser: argparse.ArgumentParser) -> Iterator[Argument]:
    for action in parser._actions:
        names = tuple(action.option_strings)
        if set(names) & set(COMMON):
            continue
        flag = action.nargs == 0
        value = "" if flag else str(action.metavar or action.dest.upper())
        many = action.nargs in ("*", "+", argparse.REMAINDER) or "..." in value
        text = (action.help or "") % {"default": action.default, "prog": parser.prog}
        yield Argument(names, value, text, many, tuple(map(str, action.choices or ())))


def option_lines(verb: str) -> list[tuple[str, str]]:
    """Return usage and help of each option of ``get`` or ``set``: those of the daemon first."""
    of_daemon, of_jail = (options.GET, options.GET_JAIL) if verb == "get" else (options.SET, options.SET_JAIL)
    return [
        *((option.usage(verb, of_jail=False), option.help) for option in of_daemon.values()),
        *((option.usage(verb, of_jail=True), option.help) for option in of_jail.values()),
    ]


def kind(value: str) -> str:
    """What is completed for a metavar: ``jail``, ``command``, ``directory``, ``file``, ``filter``, ``flavor`` or nothing."""
    words = value.replace("|", " ").replace(".", " ").replace("[", " ").replace("]", " ").split()
    for word, what in (
        ("JAIL", "jail"),
        ("COMMAND", "command"),
        ("DIR", "directory"),
        ("LOG", "file"),
        ("FILE", "file"),
        ("PATH", "file"),
        ("FILTER", "filter"),
        ("FLAVOR", "flavor"),
    ):
        if word in words:
            return what
    return ""
