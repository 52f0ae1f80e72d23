"""``banish help``: the commands, or one in detail."""

from __future__ import annotations

import argparse
import json
import sys

from banish.cli import parsers, tools
from banish.control import commands


def parser() -> argparse.ArgumentParser:
    """Return what ``banish help`` understands."""
    parser = argparse.ArgumentParser(
        prog="banish help",
        usage="banish help [COMMAND] [--json]",
        description="Show the commands, or one in detail.",
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="the commands as one JSON document")
    parser.add_argument("command", nargs="?", metavar="COMMAND", help="a command")
    return parser


def run(words: list[str]) -> int:
    """Carry out ``banish help`` with the arguments *words*; return the exit code."""
    options = parser().parse_args(words)
    if options.json:
        rows: list[commands.Command | tools.Tool] = [*commands.COMMANDS, *tools.TOOLS]
        sys.stdout.write(json.dumps([{"name": row.name, "usage": row.usage, "help": row.help} for row in rows]) + "\n")
    elif options.command in commands.BY_NAME:
        parsers.parser_of(commands.BY_NAME[options.command]).print_help()
    elif options.command in tools.BY_NAME:
        tools.BY_NAME[options.command].parser().print_help()
    elif options.command is not None:
        parser().error(parsers.unknown(options.command))
    else:
        sys.stdout.write(parsers.overview())
    return commands.OK
