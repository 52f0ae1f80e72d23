"""``banish``: the client of the daemon.

Commands come from THE TABLE (``control.commands``), which gives the parser, the help, the question to the daemon and the exit
code; what needs no daemon is a tool (``cli.tools``).

The law: it starts often, from scripts and cron, so it imports only what every command needs (a test holds it to that), and the
rest where it is used.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module

from banish.cli import words
from banish.cli.tools import BY_NAME
from banish.control import client, commands, render

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

_INTERRUPTED, _PIPE_CLOSED = 130, 141
"""128 + SIGINT and 128 + SIGPIPE, as a shell reports them."""

_BATCH = 10_000
"""Words in one request: as many as the daemon can carry out without keeping the logs waiting for long."""
_ROOM = 900_000
"""Bytes of them: it keeps a request below ``frames.REQUEST_LIMIT``, whatever standard input holds."""
_LONGEST_WORD = 300
"""Characters; no address is that long."""


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
    asked = words.common(argv)
    if asked is None or not asked.words or asked.words[0].startswith("-"):
        from banish.cli import parsers  # noqa: PLC0415 - see the module's law

        return parsers.without_command(argv)
    name, rest = asked.words[0], asked.words[1:]
    socket = asked.socket or client.SOCKET
    if tool := BY_NAME.get(name):
        # What stood before its name holds unless it is said again behind it.
        return tool.run([*(["--socket", socket] if tool.asks else []), *["--json"] * asked.json, *rest])
    command = commands.BY_NAME.get(name)
    if command is None:
        from banish.cli import parsers  # noqa: PLC0415 - see the module's law

        return parsers.no_such_command(name)
    behind = words.common(rest, everywhere=True)
    given = words.arguments(command, behind.words) if behind is not None else None
    if behind is None or given is None:
        from banish.cli import parsers  # noqa: PLC0415 - see the module's law

        options = parsers.parser_of(command).parse_args(rest)
        given = {argument.name: getattr(options, argument.name) for argument in command.arguments}
        behind = words.Asked(getattr(options, "socket", None), getattr(options, "json", False), [])
    if complaint := command.check(given):
        from banish.cli import parsers  # noqa: PLC0415 - see the module's law

        parsers.parser_of(command).error(complaint)
    return _ask(command, given, behind.socket or socket, as_json=asked.json or behind.json)


def _ask(command: commands.Command, arguments: dict[str, Any], socket: str, *, as_json: bool) -> int:
    results: list[Any] = []
    refusal: dict[str, Any] | None = None
    for asked in _requests(command, arguments):
        reply = client.ask(socket, command.name, asked, until_exit=command.until_exit and not any(asked.values()))
        if not reply["ok"]:
            refusal = reply["error"]
            break
        results.append(reply["result"])
    code = commands.OK
    if results:
        # A question with many addresses is asked in parts; then the answers are lists.
        result = [row for rows in results for row in rows] if len(results) > 1 else results[0]
        code = command.exit(arguments, result)
        if as_json:
            _print_json(result)
        else:
            paint = render.painter(sys.stdout, os.environ)
            sys.stdout.write(
                getattr(import_module(command.text), command.method)(result, arguments, paint, time.time())
            )
    elif as_json:
        _print_json({"error": refusal})
    if refusal:
        sys.stdout.flush()
        sys.stderr.write(render.error(refusal["text"], refusal["hint"], render.painter(sys.stderr, os.environ)))
        code = refusal["code"]
    return code


def _requests(command: commands.Command, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the arguments as they are sent: texts in parts, ``-`` replaced by what standard input says."""
    many = next((argument.name for argument in command.arguments if argument.kind == "texts"), None)
    if many is None:
        yield arguments
        return
    part: list[str] = []
    room = _ROOM
    for word in _texts(arguments[many]):
        size = len(json.dumps(word)) + 2
        if size > room or len(part) == _BATCH:
            yield {**arguments, many: part}
            part, room = [], _ROOM
        part.append(word)
        room -= size
    yield {**arguments, many: part}


def _texts(given: Iterable[str]) -> Iterator[str]:
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


if __name__ == "__main__":
    sys.exit(main())
