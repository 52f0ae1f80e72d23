"""fail2ban's dialect: its words to a row of THE TABLE and arguments, and the result to the reply that its client expects.

Every command of fail2ban-client is an entry of `WORDS`. The client prints most replies itself and raises what it is sent, so replies have
the structure, and refusals the text, that its server would send (measured, version 1.0.2); what differs is in
docs/reference/differences.md.

A configuration that fail2ban-client has read and sends along (``reload``) is not taken over: this daemon reads its own, and what the
client makes of the same files is what it makes of them already.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from banish.control import commands
from banish.control.commands import Command
from banish.errors import ControlError, IncompleteError, UnknownJailError, UnknownOptionError

if TYPE_CHECKING:
    from banish.control.handler import Control, JailStatus

_log = logging.getLogger("fail2ban.transmitter")

_STRIDE = 2000
WORD = 1 << 20
"""Characters of a word that are taken."""


class Refusal(NamedTuple):
    """What the client is to raise: a class, by module and name, and its text."""

    module: str
    name: str
    text: str


class InvalidCommandError(Exception):
    """There is no such command."""


Ask = Callable[..., Awaitable[Any]]
"""(name of a row, arguments by name) -> the result"""


async def carry_out(control: Control, words: Any, may: Callable[[Command], bool]) -> Any | Refusal:
    """Do what *words* say, and return what is to be replied; *may* tells which rows this client is allowed."""

    async def ask(name: str, **given: Any) -> Any:
        row = commands.BY_NAME[name]
        if not may(row):
            raise ControlError("this user may look, and not command", commands.NO_PERMISSION)
        arguments = commands.typed(row, given)
        result = getattr(control, row.method)(**arguments)
        return await result if inspect.isawaitable(result) else result

    try:
        if not isinstance(words, (list, tuple)) or not words:
            raise InvalidCommandError
        name, rest = str(words[0]), [_plain(word) for word in words[1:]]
        do = WORDS.get(name)
        if do is None:
            raise InvalidCommandError
        return await do(ask, rest)
    except InvalidCommandError:
        return Refusal("builtins", "Exception", "Invalid command")
    except UnknownJailError as error:
        return Refusal("fail2ban.exceptions", "UnknownJailException", error.jail)
    except (IncompleteError, IndexError):
        return Refusal("builtins", "IndexError", "list index out of range")
    except UnknownOptionError as error:
        return Refusal("builtins", "Exception", _no_action(error.verb, words))
    except ControlError as error:
        return Refusal("builtins", "Exception", str(error))
    except ValueError as error:
        return Refusal("builtins", "ValueError", str(error))
    except Exception as error:  # noqa: BLE001 - a command that fails must not take the daemon along
        _log.error("Command %.200r has failed. Received %r", words, error)
        return Refusal("builtins", "Exception", f"{error!r}; see banishd's log")


def _plain(word: Any) -> Any:
    """A word as text, as most commands take it; a list or a dictionary stays what it is."""
    if isinstance(word, (list, tuple, dict)) or word is None:
        return word
    return str(word)[:WORD]


def _no_action(verb: str, words: Sequence[Any]) -> str:
    if verb == "get":
        return "Invalid command (no get action or not yet implemented)"
    return f"Invalid command {str(words[2])!r} (no set action or not yet implemented)"


async def _in_turn(rows: Iterable[Any]) -> AsyncIterator[Any]:
    """Yield *rows*, of which there may be half a million, and let others have their turn meanwhile."""
    for number, row in enumerate(rows):
        if number % _STRIDE == _STRIDE - 1:
            await asyncio.sleep(0)
        yield row


async def _ping(ask: Ask, _rest: list[Any]) -> Any:
    return (await ask("ping"))["reply"]


async def _status(ask: Ask, rest: list[Any]) -> Any:
    if not rest:
        jails = [jail for jail in (await ask("status"))["jails"] if jail["enabled"]]
        return [("Number of jail", len(jails)), ("Jail list", ", ".join(sorted(jail["name"] for jail in jails)))]
    flavor = rest[1] if len(rest) > 1 else "basic"
    found = await ask("status", jail=rest[0], flavor=flavor)
    return _status_of(found["jails"][0], flavor)


def _status_of(jail: JailStatus, flavor: str) -> Any:
    if "journalmatches" in jail:
        read = ("Journal matches", jail["journalmatches"])
    else:
        read = ("File list", [source["name"] for source in jail["sources"]])
    actions: list[tuple[str, Any]] = [
        ("Currently banned", jail["banned_now"]),
        ("Total banned", jail["banned_total"]),
    ]
    if flavor != "short":
        actions.append(("Banned IP list", jail.get("banned", [])))
    filter_ = [("Currently failed", jail["failed_now"]), ("Total failed", jail["failed_total"]), read]
    return [("Filter", filter_), ("Actions", actions)]


async def _stats(ask: Ask, _rest: list[Any]) -> Any:
    return {
        row["name"]: [
            row["backend"],
            (row["failed_now"], row["failed_total"]),
            (row["banned_now"], row["banned_total"]),
        ]
        for row in await ask("stats")
    }


async def _banned(ask: Ask, rest: list[Any]) -> Any:
    if not rest:
        jails = [jail["name"] for jail in (await ask("status"))["jails"] if jail["enabled"]]
        banned: dict[str, list[str]] = {name: [] for name in sorted(jails)}
        async for row in _in_turn(await ask("banned")):
            banned.setdefault(row["jail"], []).append(_short(row["network"]))
        return [{name: ids} for name, ids in banned.items()]
    found = []
    for word in map(str, rest):
        try:
            rows = await ask("banned", network=word)
        except ControlError:  # an id that is no address
            rows = [row async for row in _in_turn(await ask("banned")) if row["network"] == word]
        found.append(sorted({row["jail"] for row in rows if _short(row["network"]) == _short(word)}))
    return found


def _short(network: str) -> str:
    return network.removesuffix("/128" if ":" in network else "/32")


async def _unban(ask: Ask, rest: list[Any]) -> Any:
    if not rest:
        raise InvalidCommandError
    everything = rest == ["--all"]
    rows = await ask("unban", addresses=[] if everything else rest, everything=everything)
    if everything:
        return sum(row["unbanned"] for row in rows)
    return sum(row["outcome"] == "unbanned" for row in rows)


async def _reload(ask: Ask, rest: list[Any]) -> Any:
    if not rest:
        raise IndexError
    jail = None if rest[0] == "--all" else rest[0]
    given = rest[1] if len(rest) > 1 and isinstance(rest[1], (list, tuple)) else []
    unknown = set(given) - {"--restart", "--unban", "--if-exists", "--all"}
    if unknown:
        raise ValueError(f"Unexpected option: {sorted(map(str, unknown))[0]}")
    await ask(
        "reload", jail=jail, restart="--restart" in given, unban="--unban" in given, if_exists="--if-exists" in given
    )
    return "OK"


async def _server_stream(_ask: Ask, rest: list[Any]) -> Any:
    if not rest:
        raise IndexError
    raise ControlError("banishd reads its configuration itself", hint="fail2ban-client reload")


async def _start(ask: Ask, rest: list[Any]) -> None:
    await ask("start", jail=rest[0])


async def _stop(ask: Ask, rest: list[Any]) -> None:
    everything = rest[:1] == ["--all"]
    await ask("stop", jail=rest[0] if rest and not everything else None, everything=everything)


async def _add(ask: Ask, rest: list[Any]) -> Any:
    await ask("add", jail=rest[0], backend=rest[1] if len(rest) > 1 else None)
    return rest[0]


async def _sleep(ask: Ask, rest: list[Any]) -> None:
    await ask("sleep", seconds=float(rest[0]))


async def _flushlogs(ask: Ask, _rest: list[Any]) -> Any:
    return (await ask("flushlogs"))["logs"]


async def _version(ask: Ask, _rest: list[Any]) -> Any:
    return (await ask("version"))["version"]


async def _echo(ask: Ask, rest: list[Any]) -> Any:
    return (await ask("echo", words=rest))["words"]


async def _get(ask: Ask, rest: list[Any]) -> Any:
    return _got(await ask("get", words=[str(word) for word in rest]))


async def _set(ask: Ask, rest: list[Any]) -> Any:
    return _got(await ask("set", words=[str(word) for word in rest]))


def _got(result: Any) -> Any:
    return tuple(result["value"]) if result["option"] == "datepattern" else result["value"]


async def _multi_set(ask: Ask, rest: list[Any]) -> Any:
    jail, option, values = rest[0], rest[1], rest[2]
    if option == "action":
        name, pairs = rest[2], rest[3]
        return [_got(await ask("set", words=[jail, option, name, *map(str, pair)])) for pair in pairs]
    value = None
    for each in values if isinstance(values, (list, tuple)) else rest[2:]:
        value = _got(await ask("set", words=[jail, option, str(each)]))
    return value


async def _server_status(ask: Ask, _rest: list[Any]) -> Any:
    await ask("ping")
    return "Server ready"


async def _config_error(ask: Ask, _rest: list[Any]) -> None:
    await ask("ping")  # part of a configuration that the client has read; ours tells of its own errors


WORDS: dict[str, Callable[[Ask, list[Any]], Awaitable[Any]]] = {
    "ping": _ping,
    "status": _status,
    **dict.fromkeys(("stats", "statistic", "statistics"), _stats),
    "banned": _banned,
    "unban": _unban,
    "reload": _reload,
    "server-stream": _server_stream,
    "start": _start,
    "stop": _stop,
    "add": _add,
    "sleep": _sleep,
    "flushlogs": _flushlogs,
    "version": _version,
    "echo": _echo,
    "get": _get,
    "set": _set,
    "multi-set": _multi_set,
    "server-status": _server_status,
    "config-error": _config_error,
}
