"""THE TABLE as argparse parsers: what the client understands, its help, and what the manual is made from."""

from __future__ import annotations

import argparse
import sys

import banish
from banish.cli.tools import BY_NAME, TOOLS
from banish.control import client, commands
from banish.control.spelling import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NoReturn

USAGE = "banish [--socket PATH] [--json] COMMAND ..."
EXIT_CODES = "0 ok, 1 failed, 2 usage, 3 banishd not running, 4 permission, 5 not found, 6 configuration invalid"


def add_common(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add the options that may stand before and after the command; *default* SUPPRESS keeps what stood before it."""
    parser.add_argument("--socket", metavar="PATH", default=default or client.SOCKET, help=f"default {client.SOCKET}")
    parser.add_argument(
        "--json", action="store_true", default=default or False, help="print one JSON document, nothing else"
    )


def parser_of(command: commands.Command) -> argparse.ArgumentParser:
    """Return the parser for the words after the name of *command*."""
    parser = argparse.ArgumentParser(
        prog=f"banish {command.name}",
        description=f"{command.help}.",
        usage=f"banish {command.usage} [--json]",
        epilog=_options(command),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_common(parser, argparse.SUPPRESS)
    for argument in command.arguments:
        if argument.kind == "flag":
            parser.add_argument(argument.option, dest=argument.name, action="store_true", help=argument.help)
            continue
        kind = _KINDS.get(argument.kind, str)
        if argument.option:
            parser.add_argument(
                argument.option, dest=argument.name, metavar=argument.metavar, type=kind, help=argument.help
            )
        else:
            several = argument.kind in ("texts", "words")
            count = ("+" if argument.required else "*") if several else (None if argument.required else "?")
            parser.add_argument(argument.name, metavar=argument.metavar, nargs=count, type=kind, help=argument.help)
    return parser


def _options(command: commands.Command) -> str | None:
    """What ``get`` and ``set`` understand, for their help."""
    if command.name not in ("get", "set"):
        return None
    from banish.control import options  # noqa: PLC0415 - the client imports only what every command needs

    of_daemon, of_jail = (options.GET, options.GET_JAIL) if command.name == "get" else (options.SET, options.SET_JAIL)
    lines = ["of the daemon:"]
    lines += _help_lines([(each.usage(command.name, of_jail=False), each.help) for each in of_daemon.values()])
    lines += ["", "of a jail:"]
    lines += _help_lines([(each.usage(command.name, of_jail=True), each.help) for each in of_jail.values()])
    return "\n".join(lines)


def _seconds(text: str) -> float:
    from banish import durations  # noqa: PLC0415 - the client imports only what every command needs

    try:
        seconds = durations.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if seconds == float("inf") and text.strip() != "-1":
        raise argparse.ArgumentTypeError(f"{text!r} is negative (-1 is for ever)")
    return commands.FOR_EVER if seconds == float("inf") else seconds


def _moment(text: str) -> float:
    """Return the time that *text* names: so long ago (``2h``), or a date with or without a time of day, in local time."""
    import time  # noqa: PLC0415 - the client imports only what every command needs

    from banish import durations  # noqa: PLC0415

    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d"):
        try:
            return time.mktime(time.strptime(text.strip(), form))
        except (ValueError, OverflowError):
            continue
    try:
        ago = durations.parse(text.strip().removesuffix(" ago"))
        if ago == float("inf"):
            raise ValueError
        return time.time() - ago
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a date (2026-11-22 12:50) nor a time ago (2h)") from None


_KINDS: dict[str, Callable[[str], Any]] = {"seconds": _seconds, "moment": _moment, "number": int}


def unknown(name: str) -> str:
    """Return what to say of a command that there is none, with the one that was probably meant."""
    near = nearest(name, [*commands.BY_NAME, *BY_NAME])
    return f"unknown command {name!r} ({f'did you mean {near}?' if near else 'banish help lists them'})"


def overview() -> str:
    """Return what ``banish help`` prints."""
    rows = [(command.usage, command.help) for command in commands.COMMANDS]
    tools = [(tool.usage, tool.help) for tool in TOOLS]
    lines = [f"usage: {USAGE}", "", "asking banishd:", *_help_lines(rows), "", "without banishd:", *_help_lines(tools)]
    lines += ["", f"The socket is {client.SOCKET} unless --socket says otherwise; --json prints one JSON document."]
    return "\n".join([*lines, f"exit codes: {EXIT_CODES}"]) + "\n"


def without_command(argv: list[str]) -> int:
    """Carry out a command line that has no command where one should be; return the exit code."""
    parser = argparse.ArgumentParser(prog="banish", add_help=False, usage=USAGE, allow_abbrev=False)
    add_common(parser)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("-V", "--version", action="version", version=f"banish {banish.__version__}")
    if parser.parse_args(argv).help:
        return BY_NAME["help"].run([])
    sys.stderr.write(overview())
    return commands.USAGE


def no_such_command(name: str) -> NoReturn:
    """End as argparse does for what was written wrong."""
    argparse.ArgumentParser(prog="banish", add_help=False, usage=USAGE).error(unknown(name))


def _help_lines(rows: list[tuple[str, str]]) -> Iterator[str]:
    for usage, help_ in rows:
        yield f"  {usage}"
        yield f"      {help_}"
