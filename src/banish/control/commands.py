"""THE TABLE: what the client can ask of the daemon, one row a command.

The client's parser, help, manual pages and completion, and the server's dispatch come from it. A new command is

* a row here;
* its method in `handler.Control` (the shapes) and on a desk of the daemon (``daemon.service``), under the name of *method*;
* its words: a function of the same name in the module that *text* names;
* ``python -m scripts.reference``, which writes what is generated anew. A test insists on each of them.

The client imports this at every start, so it costs next to nothing: no dataclasses, no typing, no argparse.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal

    Kind = Literal["text", "texts", "words", "seconds", "moment", "number", "flag"]
    Exit = Callable[[dict[str, Any], Any], int]
    """From the arguments and the result of a command that was carried out."""
    Check = Callable[[dict[str, Any]], str]

OK, FAILED, USAGE, NOT_RUNNING, NO_PERMISSION, NOT_FOUND, INVALID_CONFIGURATION = range(7)
"""Exit codes of ``banish``, and the codes of a refusal."""

JSON = 1
"""Version of the documents that ``--json`` prints, see `handler.Version`."""

FOR_EVER = -1.0
"""Seconds of a ban without end on the wire, as jail.conf(5) spells it: JSON has no infinity."""

FLAVORS = ("basic", "short", "stats", "cymru")
"""Of ``status JAIL``, as fail2ban has them; ``stats`` and ``cymru`` show what ``basic`` does."""

LONGEST_SLEEP = 60.0
"""Seconds."""

_PYTHON = ("import",)
"""Words of Python that a method cannot be called."""
_LONGEST = 1e12
"""Seconds; some thirty thousand years are for ever."""


class Argument:
    """One argument of a command: a positional one, or an *option* such as ``--for``.

    kind
        ``text``: one word or None; ``texts``: a list of them, ``-`` for those on standard input; ``words``: whatever follows, options
        too (the one argument of its command); ``seconds``: a number or None, `FOR_EVER` for a ban without end; ``moment``: a time in Unix
        seconds or None; ``number``: an integer or None; ``flag``: true or false.
    metavar
        What stands for it in usage, manual and completion: ``JAIL``, ``ADDRESS``, ``FILE``, ``DIR`` and ``FILTER`` are completed.
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
        Of `handler.Control`, called with the arguments by name.
    text
        The module where the function with the name of the method makes text of the result: ``(result, arguments, paint, now) -> text``.
        It is imported when there is something to show.
    reads
        It changes nothing, so that those who may only look may ask it.
    exit
        The exit code for what came back.
    check
        What is wrong with the arguments as a person gave them, beyond what each says of itself; empty when nothing is.
    until_exit
        It is done only when the daemon's process has ended.
    """

    __slots__ = ("arguments", "check", "exit", "help", "method", "name", "reads", "text", "until_exit")

    def __init__(
        self,
        name: str,
        help_: str,
        *arguments: Argument,
        exit_: Exit | None = None,
        check: Check | None = None,
        until_exit: bool = False,
        reads: bool = False,
        text: str = "banish.control.render",
    ) -> None:
        self.name = name
        self.help = help_
        self.arguments = arguments
        self.method = f"{name}_" if name in _PYTHON else name.replace("-", "_")
        self.exit = exit_ or _ok
        self.check = check or _right
        self.until_exit = until_exit
        self.reads = reads
        self.text = text

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


def _one_or_all(arguments: dict[str, Any]) -> str:
    if arguments["everything"] and arguments["flavor"] is None and arguments["jail"] in FLAVORS:
        arguments["jail"], arguments["flavor"] = None, arguments["jail"]
    if arguments["everything"] and arguments["jail"]:
        return "name a jail, or say --all"
    if arguments["flavor"] not in (None, *FLAVORS):
        return f"{arguments['flavor']!r} is no flavor; there are {', '.join(FLAVORS)}"
    return ""


def _seconds_or_none(arguments: dict[str, Any]) -> str:
    return "how long?" if not 0 <= arguments["seconds"] <= LONGEST_SLEEP else ""


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


def _all_unbanned(arguments: dict[str, Any], rows: Any) -> int:
    return OK if arguments.get("everything") else _all_done(arguments, rows)


def _all_valid(_arguments: dict[str, Any], result: Any) -> int:
    return INVALID_CONFIGURATION if any(row["severity"] == "error" for row in result["problems"]) else OK


COMMANDS = (
    Command(
        "status",
        "show the jails, or one jail in detail",
        Argument("jail", "text", "a jail's name", metavar="JAIL"),
        Argument("flavor", "text", "basic, short (without what is banned) or stats", metavar="FLAVOR"),
        Argument("everything", "flag", "every jail in detail", option="--all"),
        check=_one_or_all,
        reads=True,
    ),
    Command("stats", "show the numbers of all jails as a table", reads=True),
    Command(
        "banned",
        "list the bans in force; with an address, those that concern it",
        Argument("network", "text", "an address or a network", metavar="ADDRESS|NETWORK"),
        exit_=_found,
        reads=True,
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
        exit_=_all_unbanned,
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
        Argument(
            "since",
            "moment",
            "from then on: 1h, 2d ago, or 2026-11-22, '2026-11-22 12:50'",
            metavar="TIME",
            option="--since",
        ),
        Argument("until", "moment", "up to then", metavar="TIME", option="--until"),
        Argument("jail", "text", "of this jail only", metavar="JAIL", option="--jail"),
        Argument("network", "text", "of this address or network only", metavar="NETWORK", option="--network"),
        Argument("user", "text", "of bans that this user name led to", metavar="USER", option="--user"),
        Argument("most", "number", "how many events at most (default 1000)", metavar="N", option="--most"),
        reads=True,
    ),
    Command(
        "why",
        "tell the story of an address: why it is banned, or why it is not",
        Argument("address", "text", "an address, a network or another id", metavar="ADDRESS", required=True),
        Argument("jail", "text", "in this jail only", metavar="JAIL", option="--jail"),
        reads=True,
        text="banish.control.render_why",
    ),
    Command(
        "figures",
        "show numbers: lines, failures and bans, by jail, source, address and user; once (banish top goes on)",
        reads=True,
        text="banish.control.render_figures",
    ),
    Command(
        "import",
        "take over the bans of a fail2ban.sqlite3: for as long as they were to last, with ban counts and history",
        Argument(
            "file", "text", "the database, mostly /var/lib/fail2ban/fail2ban.sqlite3", metavar="FILE", required=True
        ),
        check=_whole_path,
    ),
    Command(
        "get",
        "show the value of an option of a jail or of the daemon",
        Argument("words", "words", "the option, behind the jail it belongs to", metavar="[JAIL] OPTION", required=True),
        reads=True,
        text="banish.control.render_options",
    ),
    Command(
        "set",
        "set an option of a jail or of the daemon until the next reload",
        Argument(
            "words", "words", "the option, behind the jail it belongs to", metavar="[JAIL] OPTION VALUE", required=True
        ),
        text="banish.control.render_options",
    ),
    Command(
        "changes",
        "show what was set since the configuration was read",
        Argument("jail", "text", "in this jail only", metavar="JAIL"),
        reads=True,
        text="banish.control.render_options",
    ),
    Command(
        "reload",
        "read the configuration again; bans stay",
        Argument("jail", "text", "of this jail only (default: of all)", metavar="JAIL"),
        Argument("restart", "flag", "begin anew: counters, actions and bans", option="--restart"),
        Argument("unban", "flag", "end the bans as well", option="--unban"),
        Argument("if_exists", "flag", "a jail that does not exist is no error", option="--if-exists"),
        Argument("everything", "flag", "all jails, as without JAIL", option="--all"),
        exit_=_all_valid,
    ),
    Command(
        "restart",
        "have all jails, or one, begin anew with the configuration as it is now",
        Argument("jail", "text", "this jail only (default: all)", metavar="JAIL"),
        Argument("unban", "flag", "end the bans as well", option="--unban"),
        Argument("if_exists", "flag", "a jail that does not exist is no error", option="--if-exists"),
        exit_=_all_valid,
    ),
    Command(
        "start",
        "start a jail that was stopped or added",
        Argument("jail", "text", "the jail", metavar="JAIL", required=True),
    ),
    Command(
        "stop",
        "stop the daemon, or one jail; bans stay and are restored when it starts again",
        Argument("jail", "text", "this jail only", metavar="JAIL"),
        Argument("everything", "flag", "every jail, and not the daemon", option="--all"),
        until_exit=True,
    ),
    Command(
        "add",
        "add a jail that has nothing yet: set its options, then start it",
        Argument("jail", "text", "its name", metavar="JAIL", required=True),
        Argument("backend", "text", "what it reads: auto, polling, pyinotify or systemd", metavar="BACKEND"),
    ),
    Command("flushlogs", "open the log file again, as after logrotate has moved it"),
    Command("ping", "ask whether the daemon is there", reads=True),
    Command("version", "show the version of the daemon", reads=True),
    Command(
        "echo",
        "have the daemon say something, to try the connection",
        Argument("words", "words", "what it shall say", metavar="WORD..."),
        reads=True,
    ),
    Command(
        "sleep",
        "let some time pass before the answer",
        Argument("seconds", "seconds", "how long, a minute at most", metavar="TIME", required=True),
        check=_seconds_or_none,
    ),
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
    return command, typed(command, given)


def typed(command: Command, given: dict[str, Any]) -> dict[str, Any]:
    """Return what was *given* by name as the method of *command* takes it, what was not as None or empty; raises ValueError."""
    known = {argument.name for argument in command.arguments}
    if unknown := sorted(given.keys() - known):
        raise ValueError(f"{command.name}: unknown argument {unknown[0]!r:.80}")
    return {argument.name: _typed(command, argument, given.get(argument.name)) for argument in command.arguments}


def _typed(command: Command, argument: Argument, value: Any) -> Any:
    if argument.kind in ("texts", "words"):
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
    elif argument.kind == "moment":
        if isinstance(value, (int, float)) and not isinstance(value, bool) and -_LONGEST < value < _LONGEST:
            return float(value)
    elif argument.kind == "number":
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif isinstance(value, str):
        return value
    raise ValueError(f"{command.name}: {argument.name} is not a {argument.kind}: {value!r:.80}")
