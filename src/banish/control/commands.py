"""THE TABLE: what the client can ask of the daemon, one row a command.

The client's parser and help, the server's dispatch and the manual come from it. A new command is one row here, its method in
`handler.Control` and its words in `render`, both under the name that the row gives as *method*.

The client imports this at every start, so it costs next to nothing: no dataclasses, no typing, no argparse.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal

    Kind = Literal["text", "texts", "seconds", "flag"]
    Exit = Callable[[dict[str, Any], Any], int]
    """From the arguments and the result of a command that was carried out."""
    Check = Callable[[dict[str, Any]], str]

OK, FAILED, USAGE, NOT_RUNNING, NO_PERMISSION, NOT_FOUND, INVALID_CONFIGURATION = range(7)
"""Exit codes of ``banish``, and the codes of a refusal."""

FOR_EVER = -1.0
"""Seconds of a ban without end on the wire, as jail.conf(5) spells it: JSON has no infinity."""

_PYTHON = ("import",)
"""Words of Python that a method cannot be called."""
_LONGEST = 1e12
"""Seconds; some thirty thousand years are for ever."""


class Argument:
    """One argument of a command: a positional one, or an *option* such as ``--for``.

    kind
        ``text``: one word or None; ``texts``: a list of words; ``seconds``: a number or None, `FOR_EVER` for a ban without end;
        ``flag``: true or false.
    """

    __slots__ = ("help", "kind", "metavar", "name", "option", "required")

    def __init__(
        self, name: str, kind: Kind, help_: str, *, metavar: str = "", option: str = "", required: bool = False
    ) -> None:
        self.name = name
        self.kind = kind
        self.help = help_
        self.metavar = metavar
        self.option = option
        self.required = required

    @property
    def usage(self) -> str:
        word = " ".join(filter(None, (self.option, self.metavar)))
        return word if self.required else f"[{word}]"


class Command:
    """One row.

    method
        Of `handler.Control`, called with the arguments by name; the function of that name in `render` makes the text.
    exit
        The exit code for what came back.
    check
        What is wrong with the arguments as a person gave them, beyond what each says of itself; empty when nothing is.
    until_exit
        It is done only when the daemon's process has ended.
    """

    __slots__ = ("arguments", "check", "exit", "help", "method", "name", "until_exit")

    def __init__(
        self,
        name: str,
        help_: str,
        *arguments: Argument,
        exit_: Exit | None = None,
        check: Check | None = None,
        until_exit: bool = False,
    ) -> None:
        self.name = name
        self.help = help_
        self.arguments = arguments
        self.method = f"{name}_" if name in _PYTHON else name
        self.exit = exit_ or _ok
        self.check = check or _right
        self.until_exit = until_exit

    @property
    def usage(self) -> str:
        return " ".join([self.name, *(argument.usage for argument in self.arguments)])


def _ok(_arguments: dict[str, Any], _result: Any) -> int:
    return OK


def _right(_arguments: dict[str, Any]) -> str:
    return ""


def _some_or_all(arguments: dict[str, Any]) -> str:
    if bool(arguments["addresses"]) == arguments["everything"]:
        return "name addresses, or say --all" if arguments["everything"] else "which addresses? (or --all)"
    return ""


def _whole_path(arguments: dict[str, Any]) -> str:
    """The daemon works in another directory than the one who asks."""
    import os  # noqa: PLC0415 - few commands need it

    arguments["file"] = os.path.abspath(arguments["file"])
    return ""


def _found(arguments: dict[str, Any], rows: Any) -> int:
    return NOT_FOUND if arguments.get("network") and not rows else OK


def _all_done(_arguments: dict[str, Any], rows: Any) -> int:
    """The worst row decides: refused or invalid before not found."""
    outcomes = {row["outcome"] for row in rows}
    if outcomes & {"refused", "invalid"} or any("problem" in row for row in rows):
        return FAILED
    return NOT_FOUND if "not banned" in outcomes else OK


def _all_valid(_arguments: dict[str, Any], result: Any) -> int:
    return INVALID_CONFIGURATION if any(row["severity"] == "error" for row in result["problems"]) else OK


COMMANDS = (
    Command(
        "status",
        "show the jails, or one jail in detail",
        Argument("jail", "text", "a jail's name", metavar="JAIL"),
    ),
    Command(
        "banned",
        "list the bans in force; with an address, those that concern it",
        Argument("network", "text", "an address or a network", metavar="ADDRESS|NETWORK"),
        exit_=_found,
    ),
    Command(
        "ban",
        "ban addresses or networks",
        Argument("jail", "text", "the jail in whose name", metavar="JAIL", required=True),
        Argument(
            "addresses",
            "texts",
            "addresses or networks; - reads them from standard input, one a line (# comments)",
            metavar="ADDRESS...|-",
            required=True,
        ),
        Argument(
            "seconds",
            "seconds",
            "how long: 2h, 1d 12h; -1 is for ever (default: the jail's bantime)",
            metavar="D",
            option="--for",
        ),
        Argument("reason", "text", "why, for those who look later", metavar="TEXT", option="--reason"),
        Argument("force", "flag", "even who is never banned: your own session, a gateway, ignoreip", option="--force"),
        exit_=_all_done,
    ),
    Command(
        "unban",
        "end bans before their time",
        Argument("jail", "text", "in this jail only (default: in every jail)", metavar="JAIL", option="--jail"),
        Argument(
            "addresses",
            "texts",
            "addresses or networks; - reads them from standard input, one a line (# comments)",
            metavar="ADDRESS|NETWORK...|-",
        ),
        Argument("everything", "flag", "every ban there is", option="--all"),
        exit_=_all_done,
        check=_some_or_all,
    ),
    Command(
        "resume",
        "let a jail ban again that was paused because it banned too many",
        Argument("jail", "text", "the jail", metavar="JAIL", required=True),
    ),
    Command(
        "log",
        "show what happened: bans, and why they were refused or ended; the last 1000 events",
        Argument("subject", "text", "of this jail, address or network only", metavar="JAIL|ADDRESS|NETWORK"),
        Argument("seconds", "seconds", "how far back: 1h, 2d (default: all there is)", metavar="D", option="--since"),
    ),
    Command(
        "import",
        "take over the bans of a fail2ban.sqlite3: for as long as they were to last, with ban counts and history",
        Argument(
            "file", "text", "the database, mostly /var/lib/fail2ban/fail2ban.sqlite3", metavar="FILE", required=True
        ),
        check=_whole_path,
    ),
    Command("reload", "read the configuration again; bans stay", exit_=_all_valid),
    Command("ping", "ask whether the daemon is there"),
    Command("stop", "stop the daemon; bans stay and are restored when it starts again", until_exit=True),
)

BY_NAME = {command.name: command for command in COMMANDS}


def understand(document: dict[str, Any]) -> tuple[Command, dict[str, Any]]:
    """Return the row a request names, and the arguments for its method: every one of them, None or empty where not given.

    Raises ValueError with a text for the one who asked.
    """
    name, given = document.get("command"), document.get("arguments", {})
    command = BY_NAME.get(name) if isinstance(name, str) else None
    if command is None:
        raise ValueError(f"unknown command {name!r:.80}")
    if not isinstance(given, dict):
        raise ValueError(f"{command.name}: arguments must be an object")
    known = {argument.name for argument in command.arguments}
    if unknown := sorted(given.keys() - known):
        raise ValueError(f"{command.name}: unknown argument {unknown[0]!r:.80}")
    return command, {
        argument.name: _typed(command, argument, given.get(argument.name)) for argument in command.arguments
    }


def _typed(command: Command, argument: Argument, value: Any) -> Any:
    if argument.kind == "texts":
        value = [] if value is None else value
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
    elif argument.kind == "flag":
        if value is None or isinstance(value, bool):
            return bool(value)
    elif value is None:
        if not argument.required:
            return None
        raise ValueError(f"{command.name}: {argument.metavar} is missing")
    elif argument.kind == "seconds":
        # bool is an int to Python, not to the one who wrote it; NaN is neither below 0 nor above.
        if isinstance(value, (int, float)) and not isinstance(value, bool) and (value < 0 or value >= 0):
            return float("inf") if value < 0 or value > _LONGEST else float(value)
    elif isinstance(value, str):
        return value
    raise ValueError(f"{command.name}: {argument.name} is not a {argument.kind}: {value!r:.80}")
