"""``banish``: the client of the daemon.

Commands come from THE TABLE (``control.commands``), which gives the parser, the help, the question to the daemon and the exit
code; what needs no daemon is a tool, in `TOOLS` below.

The law: it starts often, from scripts and cron, so it imports only what every command needs (a test holds it to that), and the
rest where it is used.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

import banish
from banish.control import client, commands, render

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

_INTERRUPTED, _PIPE_CLOSED = 130, 141
"""128 + SIGINT and 128 + SIGPIPE, as a shell reports them."""

_BATCH = 10_000
"""Words in one request: as many as the daemon can carry out without keeping the logs waiting for long."""
_ROOM = 900_000
"""Bytes of them: it keeps a request below ``frames.REQUEST_LIMIT``, whatever standard input holds."""
_LONGEST_WORD = 300
"""Characters; no address is that long."""


class Tool:
    """A command that needs no daemon. *run* gets the words after its name and returns the exit code."""

    __slots__ = ("help", "name", "run", "usage")

    def __init__(self, name: str, usage: str, help_: str, run: Callable[[list[str]], int]) -> None:
        self.name = name
        self.usage = usage
        self.help = help_
        self.run = run


def main(argv: list[str] | None = None) -> int:
    """Carry out the command line *argv* (``sys.argv`` unless given) and return the exit code, see `commands.OK` and what follows."""
    for stream in (sys.stdout, sys.stderr):
        # What the terminal's encoding lacks is shown escaped, not died of.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except SystemExit as leaving:  # how argparse ends --help and usage errors
        return leaving.code if isinstance(leaving.code, int) else commands.USAGE
    except OSError as error:
        # Keep the interpreter from trying once more to flush what cannot be written, when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # whoever read our output (head, a pager) has seen enough
            return _PIPE_CLOSED
        sys.stderr.write(render.error(error.strerror or str(error), "", render.plain))
        return commands.FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def _run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="banish", add_help=False, usage=_USAGE, allow_abbrev=False)
    _add_common(parser)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("-V", "--version", action="version", version=f"banish {banish.__version__}")
    parser.add_argument("command", nargs="?")
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    options = parser.parse_args(argv)
    if options.help:
        return _help([])
    if options.command is None:
        sys.stderr.write(_overview())
        return commands.USAGE
    if tool := TOOLS.get(options.command):
        return tool.run(options.rest + ["--json"] * options.json)
    command = commands.BY_NAME.get(options.command)
    if command is None:
        parser.error(_unknown(options.command))
    return _ask(command, _parser(command).parse_args(options.rest, options))


def _add_common(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add the options that may stand before and after the command; *default* SUPPRESS keeps what stood before it."""
    parser.add_argument("--socket", metavar="PATH", default=default or client.SOCKET, help=f"default {client.SOCKET}")
    parser.add_argument(
        "--json", action="store_true", default=default or False, help="print one JSON document, nothing else"
    )


def _parser(command: commands.Command) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"banish {command.name}",
        description=f"{command.help}.",
        usage=f"banish {command.usage} [--json]",
        allow_abbrev=False,
    )
    _add_common(parser, argparse.SUPPRESS)
    for argument in command.arguments:
        if argument.kind == "flag":
            parser.add_argument(argument.option, dest=argument.name, action="store_true", help=argument.help)
            continue
        kind = _seconds if argument.kind == "seconds" else str
        if argument.option:
            parser.add_argument(
                argument.option, dest=argument.name, metavar=argument.metavar, type=kind, help=argument.help
            )
        else:
            several = argument.kind == "texts"
            count = ("+" if argument.required else "*") if several else (None if argument.required else "?")
            parser.add_argument(argument.name, metavar=argument.metavar, nargs=count, type=kind, help=argument.help)
    return parser


def _seconds(text: str) -> float:
    from banish import durations  # noqa: PLC0415 - see the module's law

    try:
        seconds = durations.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if seconds == float("inf") and text.strip() != "-1":
        raise argparse.ArgumentTypeError(f"{text!r} is negative (-1 is for ever)")
    return commands.FOR_EVER if seconds == float("inf") else seconds


def _ask(command: commands.Command, options: argparse.Namespace) -> int:
    arguments = {argument.name: getattr(options, argument.name) for argument in command.arguments}
    if complaint := command.check(arguments):
        _parser(command).error(complaint)
    results: list[Any] = []
    refusal: dict[str, Any] | None = None
    for asked in _requests(command, arguments):
        reply = client.ask(options.socket, command.name, asked, until_exit=command.until_exit)
        if not reply["ok"]:
            refusal = reply["error"]
            break
        results.append(reply["result"])
    code = commands.OK
    if results:
        # A question with many addresses is asked in parts; then the answers are lists.
        result = [row for rows in results for row in rows] if len(results) > 1 else results[0]
        code = command.exit(arguments, result)
        if options.json:
            _print_json(result)
        else:
            paint = render.painter(sys.stdout, os.environ)
            sys.stdout.write(getattr(render, command.method)(result, arguments, paint, time.time()))
    elif options.json:
        _print_json({"error": refusal})
    if refusal:
        sys.stdout.flush()
        sys.stderr.write(render.error(refusal["text"], refusal["hint"], render.painter(sys.stderr, os.environ)))
        code = refusal["code"]
    return code


def _requests(command: commands.Command, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the arguments as they are sent: the words of a list in parts, ``-`` replaced by what standard input says."""
    many = next((argument.name for argument in command.arguments if argument.kind == "texts"), None)
    if many is None:
        yield arguments
        return
    part: list[str] = []
    room = _ROOM
    for word in _words(arguments[many]):
        size = len(json.dumps(word)) + 2
        if size > room or len(part) == _BATCH:
            yield {**arguments, many: part}
            part, room = [], _ROOM
        part.append(word)
        room -= size
    yield {**arguments, many: part}


def _words(given: Iterable[str]) -> Iterator[str]:
    for word in given:
        for line in _standard_input() if word == "-" else (word,):
            found = line.partition("#")[0].strip() if word == "-" else line
            if found:
                yield found if len(found) <= _LONGEST_WORD else found[:_LONGEST_WORD] + "…"


def _standard_input() -> Iterable[str]:
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="replace")
    return sys.stdin or ()  # None when it was closed


def _print_json(document: object) -> None:
    sys.stdout.write(json.dumps(document) + "\n")


def _unknown(name: str) -> str:
    import difflib  # noqa: PLC0415 - see the module's law

    near = difflib.get_close_matches(name, [*commands.BY_NAME, *TOOLS], n=1)
    return f"unknown command {name!r} ({f'did you mean {near[0]}?' if near else 'banish help lists them'})"


def _overview() -> str:
    rows = [(command.usage, command.help) for command in commands.COMMANDS]
    tools = [(tool.usage, tool.help) for tool in TOOLS.values()]
    lines = [f"usage: {_USAGE}", "", "asking banishd:", *_help_lines(rows), "", "without banishd:", *_help_lines(tools)]
    lines += ["", f"The socket is {client.SOCKET} unless --socket says otherwise; --json prints one JSON document."]
    codes = (
        "exit codes: 0 ok, 1 failed, 2 usage, 3 banishd not running, 4 permission, 5 not found, 6 configuration invalid"
    )
    return "\n".join([*lines, codes]) + "\n"


def _help_lines(rows: list[tuple[str, str]]) -> Iterator[str]:
    for usage, help_ in rows:
        yield f"  {usage}"
        yield f"      {help_}"


def _help(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="banish help", description="Show the commands, or one in detail.")
    parser.add_argument("--json", action="store_true", help="the commands as one JSON document")
    parser.add_argument("command", nargs="?", metavar="COMMAND")
    options = parser.parse_args(words)
    if options.json:
        rows: list[commands.Command | Tool] = [*commands.COMMANDS, *TOOLS.values()]
        _print_json([{"name": row.name, "usage": row.usage, "help": row.help} for row in rows])
    elif options.command in commands.BY_NAME:
        _parser(commands.BY_NAME[options.command]).print_help()
    elif options.command in TOOLS:
        return TOOLS[options.command].run(["--help"])
    elif options.command is not None:
        parser.error(_unknown(options.command))
    else:
        sys.stdout.write(_overview())
    return commands.OK


def _config_dir(words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="banish config-dir", description="Print where the packaged configuration lies."
    )
    parser.add_argument("--json", action="store_true", help="as one JSON document")
    path = os.path.join(os.path.dirname(os.path.abspath(banish.__file__)), "data")
    if parser.parse_args(words).json:
        _print_json({"path": path})
    else:
        sys.stdout.write(f"{path}\n")
    return commands.OK


def _match(words: list[str]) -> int:
    from banish.cli import match  # noqa: PLC0415 - see the module's law

    return match.run(words)


def _check(words: list[str]) -> int:
    from banish.cli import check  # noqa: PLC0415 - see the module's law

    return check.run(words)


def _config(words: list[str]) -> int:
    from banish.cli import config  # noqa: PLC0415 - see the module's law

    return config.run(words)


def _setup(words: list[str]) -> int:
    from banish.cli import setup  # noqa: PLC0415 - see the module's law

    return setup.run(words)


_USAGE = "banish [--socket PATH] [--json] COMMAND ..."

TOOLS = {
    tool.name: tool
    for tool in (
        Tool("check", "check [--config DIR]", "judge a configuration and its expressions", _check),
        Tool(
            "config",
            "config [JAIL] [--config DIR]",
            "show the effective configuration and where it comes from",
            _config,
        ),
        Tool("config-dir", "config-dir", "print where the packaged configuration lies", _config_dir),
        Tool("match", "match LOG FILTER [IGNOREREGEX]", "try a filter on a log, or an expression on a line", _match),
        Tool("setup", "setup [--yes | --dry-run]", "switch on the jails for what runs on this machine", _setup),
        Tool("help", "help [COMMAND]", "show the commands, or one in detail", _help),
    )
}
"""What needs no daemon; a tool with a module of its own is imported when it runs."""


if __name__ == "__main__":
    sys.exit(main())
