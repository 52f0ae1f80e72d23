"""``get``, ``set`` and ``changes`` to text: what fail2ban-client prints for the same option, to the tab.

The law is that of `render`: nothing that comes from elsewhere reaches a terminal unseen.
"""

from __future__ import annotations

from banish.control import options
from banish.control.render import table, time_, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from banish.control.render import Paint


def get(result: dict[str, Any], arguments: dict[str, Any], _paint: Paint, _now: float) -> str:
    return option("get", arguments["words"], result["value"])


def set(result: dict[str, Any], arguments: dict[str, Any], _paint: Paint, _now: float) -> str:  # noqa: A001 - a command's name
    return option("set", arguments["words"], result["value"])


def changes(result: dict[str, Any], _arguments: dict[str, Any], paint: Paint, _now: float) -> str:
    found = result["changes"]
    if not found:
        return "nothing was set since the configuration was read\n"
    rows = [(time_(row["at"]), visible(row["jail"] or ""), visible(" ".join(row["words"]))) for row in found]
    return table([("time", "jail", "set"), *rows], paint)


def option(verb: str, words: list[str], value: Any) -> str:
    """Return what is printed for *value*, which *words* after *verb* asked for or have set."""
    row, of_jail = options.find(verb, words)
    assert row is not None  # noqa: S101 - the daemon has answered it
    return _SAYS[row.says](value, words, of_jail) + "\n"


def _value(value: Any, _words: list[str], _of_jail: bool) -> str:
    return visible(value)


def _here(what: str) -> Callable[[Any, list[str], bool], str]:
    return lambda value, words, of_jail: f"Current {what} is:\n`- {visible(value)}"


def _tree(values: list[Any]) -> str:
    branches = ["|-"] * (len(values) - 1) + ["`-"]
    return "\n".join(f"{branch} {visible(value)}" for branch, value in zip(branches, values, strict=True))


def _ignoreip(value: list[Any], _words: list[str], _of_jail: bool) -> str:
    return f"These IP addresses/networks are ignored:\n{_tree(value)}" if value else "No IP address/network is ignored"


def _logpath(value: list[Any], _words: list[str], _of_jail: bool) -> str:
    return f"Current monitored log file(s):\n{_tree(value)}" if value else "No file is currently monitored"


def _regexes(value: list[Any], _words: list[str], _of_jail: bool) -> str:
    numbered = [f"[{number}]: {regex}" for number, regex in enumerate(value)]
    return (
        f"The following regular expression are defined:\n{_tree(numbered)}"
        if value
        else "No regular expression is defined"
    )


def _journalmatch(value: list[list[Any]], _words: list[str], _of_jail: bool) -> str:
    shown = " + ".join(" ".join(map(visible, group)) for group in value)
    return f"Current match filter:\n{shown}" if value else "No journal match filter set"


def _datepattern(value: list[Any], _words: list[str], _of_jail: bool) -> str:
    pattern, name = value
    shown = visible(name) if pattern is None else f"{visible(pattern)} ({visible(name)})"
    return f"Current date pattern set to: {shown}"


def _actions(value: list[Any], words: list[str], _of_jail: bool) -> str:
    if not value:
        return f"No actions for jail {visible(words[0])}"
    return f"The jail {visible(words[0])} has the following actions:\n{', '.join(map(visible, value))}"


def _of_action(what: str) -> Callable[[Any, list[str], bool], str]:
    def said(value: list[Any], words: list[str], _of_jail: bool) -> str:
        name = visible(words[2] if len(words) > 2 else "")
        head = f"The jail {visible(words[0])} action {name} has the following {what}:"
        return f"{head}\n{', '.join(map(visible, value))}"

    return said


def _banip(value: list[Any], words: list[str], _of_jail: bool) -> str:
    how = words[2] if len(words) > 2 else " "
    if how == "--with-time":
        return "\n".join(_with_tab(str(line)) for line in value)
    return visible(how).join(map(visible, value))


def _with_tab(line: str) -> str:
    return " \t".join(map(visible, line.split(" \t", 1)))


_SAYS: dict[str, Callable[[Any, list[str], bool], str]] = {
    "value": _value,
    "loglevel": lambda value, words, of_jail: f"Current logging level is '{visible(value)}'",
    "logtarget": _here("logging target"),
    "syslogsocket": _here("syslog socket"),
    "dbfile": _here("database file"),
    "dbpurgeage": lambda value, words, of_jail: f"Current database purge age is:\n`- {visible(value)}seconds",
    "ignoreip": _ignoreip,
    "logpath": _logpath,
    "logencoding": lambda value, words, of_jail: f"Current log encoding is set to:\n{visible(value)}",
    "journalmatch": _journalmatch,
    "regexes": _regexes,
    "datepattern": _datepattern,
    "actions": _actions,
    "properties": _of_action("properties"),
    "methods": _of_action("methods"),
    "banip": _banip,
}
