"""The desk for single options: ``get`` and ``set``, and what was set since the configuration was read (``changes``).

Values are plain data, of the shapes that fail2ban gives them. What is set acts at once, and lasts until the configuration is read
again; what cannot be used is refused, and everything stays as it was.
"""

from __future__ import annotations

import locale
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from banish import addresses
from banish.config import amended_actions, amendments
from banish.config.jails import JailConfig
from banish.config.options import Options
from banish.config.settings import ALLOWIPV6
from banish.config.text import BUILT_IN, Text
from banish.control import commands, options
from banish.control.spelling import nearest
from banish.daemon.changeover import Amendment
from banish.daemon.desks.bans import Bans
from banish.daemon.logbook import LEVELS, local
from banish.errors import ConfigError, ControlError, FirewallError, IncompleteError, UnknownOptionError
from banish.lines import datenames
from banish.sources.matches import Match

if TYPE_CHECKING:
    from banish.control.handler import ChangeRow, Changes, Got


class OptionDesk(Bans):
    """Gets and sets single options."""

    def get(self, words: list[str]) -> Got:
        """Return the value of an option."""
        self.at_work()
        if not words:
            raise IncompleteError("get what?", commands.USAGE, "banish help get lists the options")
        if words[0] in options.GET:
            return {"jail": None, "option": words[0], "value": _DAEMON_GET[words[0]](self)}
        running = self._of(words, "get", options.GET_JAIL)
        try:
            value = _JAIL_GET[words[1]](self, running.config, words[2:])
        except ConfigError as error:
            raise ControlError(_told(error), commands.NOT_FOUND, error.problem.remedy) from error
        return {"jail": words[0], "option": words[1], "value": value}

    async def set(self, words: list[str]) -> Got:
        """Set an option, and return what it is now."""
        self.at_work()
        if not words:
            raise IncompleteError("set what?", commands.USAGE, "banish help set lists the options")
        try:
            if words[0] in options.SET:
                value = self._set(words[0], _word(words, 1))
                self._note("", words)
                return {"jail": None, "option": words[0], "value": value}
            self._of(words, "set", options.SET_JAIL)
            return {"jail": words[0], "option": words[1], "value": await self._set_of_jail(*words)}
        except ConfigError as error:
            raise ControlError(_told(error), commands.FAILED, error.problem.remedy) from error

    def changes(self, jail: str | None) -> Changes:
        """Return what was set since the configuration was read."""
        self.at_work()
        if jail is not None:
            self.running(jail)
        rows: list[ChangeRow] = [
            {"jail": name or None, "at": change.at, "words": list(change.words)}
            for name, changes in sorted(self.daemon.changes.items())
            for change in changes
            if jail in (None, name)
        ]
        return {"config": str(self.daemon.options.config), "changes": rows}

    def _of(self, words: Sequence[str], verb: str, known: Mapping[str, options.Option]) -> Any:
        """Return the jail that *words* name; raises what is wrong with them."""
        if len(words) < 2 and words[0] not in self.daemon.running:
            everything = [*(options.GET if verb == "get" else options.SET), *self.daemon.running]
            near = nearest(words[0], everything)
            hint = f"did you mean {near}?" if near else f"banish help {verb} lists the options"
            raise IncompleteError(f"{words[0]!r} is neither a jail nor an option", commands.USAGE, hint)
        if words[0] not in self.daemon.running and len(words) == 2 and verb == "set":
            near = nearest(words[0], options.SET)
            hint = f"did you mean {near}?" if near else "banish help set lists the options"
            raise UnknownOptionError(f"{words[0]} cannot be set", verb, commands.USAGE, hint)
        running = self.running(words[0])
        if len(words) < 2:
            raise IncompleteError(
                f"{verb} what of {words[0]}?", commands.USAGE, f"banish help {verb} lists the options"
            )
        if words[1] not in known:
            near = nearest(words[1], known)
            hint = f"did you mean {near}?" if near else f"banish help {verb} lists the options"
            raise UnknownOptionError(f"there is no option {words[1]} to {verb}", verb, commands.USAGE, hint)
        return running

    def _set(self, option: str, word: str) -> Any:
        daemon = self.daemon
        settings, logbook = daemon.settings, daemon.logbook
        if option == "loglevel":
            if word.upper() not in LEVELS:
                raise ControlError(
                    f"Invalid log level '{word.upper()}'", commands.FAILED, f"one of {', '.join(LEVELS)}"
                )
            daemon.configure_log(settings, logbook.target, word)
        elif option == "logtarget":
            daemon.configure_log(settings, word, logbook.level)
        elif option == "syslogsocket":
            daemon.settings = replace(settings, syslogsocket=word)
            try:
                daemon.configure_log(daemon.settings, logbook.target, logbook.level)
            except ConfigError:
                daemon.settings = settings
                raise
        elif option == "allowipv6":
            if word.lower() not in ALLOWIPV6:
                raise ControlError(f"allowipv6 = {word}: it is auto, yes or no", commands.FAILED)
            daemon.allow_ipv6(ALLOWIPV6[word.lower()])
        elif option == "dbmaxmatches":
            daemon.settings = replace(settings, dbmaxmatches=_number(option, word))
            daemon.store.most_matches = daemon.settings.dbmaxmatches
        elif option == "dbpurgeage":
            read = Options("", {option: Text.at(word, BUILT_IN)}.get)
            seconds = read.seconds(option, settings.dbpurgeage, forever=False)
            if read.problems:
                raise ConfigError(read.problems[0])
            daemon.settings = replace(settings, dbpurgeage=seconds)
        elif option == "dbfile":
            why = "Cannot change database when there are jails present"
            raise ControlError(why, commands.FAILED, "start banishd with another --state")
        return _DAEMON_GET[option](self)

    async def _set_of_jail(self, jail: str, option: str, *words: str) -> Any:
        match option:
            case "idle":
                return self._idle(jail, _word(words, 0))
            case "banip":
                return self._banip(jail, words)
            case "unbanip":
                return self._unbanip(jail, words)
            case "attempt":
                return self._attempt(jail, _word(words, 0), words[1:])
            case "action" if len(words) < 3 or words[1] in METHODS:
                return await self._tell_action(jail, _word(words, 0), _word(words, 1), words[2:])
        if not words:
            raise IncompleteError(f"{option} what?", commands.USAGE, f"{option} {options.SET_JAIL[option].arguments}")
        before = self.running(jail).config
        changed = amendments.amend(before, (option, *words))
        self.daemon.changeover.alter(changed)
        self._note(jail, [jail, option, *words])
        if option == "action":
            return _property(self.running(jail).config, words[0], words[1])
        if option == "addaction":
            return words[0]
        if option == "delaction":
            return None
        shown = option.removeprefix("add").removeprefix("del")
        return _JAIL_GET[shown](self, self.running(jail).config, ())

    def _note(self, jail: str, words: Sequence[str]) -> None:
        """Keep what was set; of an option that has one value the last time counts."""
        kept = self.daemon.changes.setdefault(jail, [])
        option = words[1 if jail else 0]
        if not option.startswith(("add", "del", "action")):
            kept[:] = [change for change in kept if change.words[0] != option]
        kept.append(Amendment(self.clock(), tuple(words[1:] if jail else words)))
        self.daemon.logbook.say("server", "INFO", f"Set at run time: {' '.join(words)}")

    def _idle(self, jail: str, word: str) -> bool:
        if word.lower() not in ("on", "off"):
            raise ControlError("Invalid idle option, must be 'on' or 'off'", commands.FAILED)
        self.daemon.changeover.idle(jail, word.lower() == "on")
        self._note(jail, [jail, "idle", word])
        return word.lower() == "on"

    def _banip(self, jail: str, words: Sequence[str]) -> int:
        rows = self.ban(jail, list(words), None, None, force=False)
        wrong = [f"{row['address']} ({row['reason']})" for row in rows if row["outcome"] in ("refused", "invalid")]
        if wrong:
            raise ControlError(f"not banned: {', '.join(wrong)}", commands.FAILED, "banish ban --force JAIL ADDRESS")
        return sum(row["outcome"] == "banned" for row in rows)

    def _unbanip(self, jail: str, words: Sequence[str]) -> int:
        strict = words[:1] == ("--report-absent",)
        names = list(words[1:] if strict else words)
        if not names:
            raise IncompleteError("unbanip what?", commands.USAGE, "unbanip [--report-absent] ADDRESS...")
        rows = self.lift_each(jail, names)
        absent = [row["address"] for row in rows if row["outcome"] == "not banned"]
        if strict and absent:
            raise ControlError(f"not banned: {absent!r}", commands.NOT_FOUND)
        return sum(row["outcome"] == "unbanned" for row in rows)

    def _attempt(self, jail: str, word: str, lines: Sequence[str]) -> int:
        now, network = self.clock(), addresses.parse(word)
        id_ = word if network is None else addresses.show(network)
        self.daemon.logbook.say("filter", "INFO", f"[{jail}] Attempt {id_} - {local(now)}")
        self.daemon.settle(self.running(jail).jail.attempt(id_, network, tuple(lines), now))
        return 1

    async def _tell_action(self, jail: str, name: str, method: str, words: Sequence[str]) -> bool:
        settings = amended_actions.find(self.running(jail).config, name)
        if method not in METHODS:
            raise ControlError(
                f"the action {name} has no method {method}", commands.FAILED, f"one of {', '.join(METHODS)}"
            )
        if settings.enforcer:
            raise ControlError(
                f"{name} is carried out natively ({settings.enforcer})", commands.FAILED, f"set {jail} banip ADDRESS"
            )
        try:
            await self.daemon.runner.call(jail, name, method, words[0] if words else "", self.clock())
        except FirewallError as error:
            raise ControlError(str(error), commands.FAILED) from error
        return True


METHODS = ("ban", "unban", "reban", "prolong", "start", "stop", "flush", "reload", "consistencyCheck")
"""What an action can be told to do by hand."""


def _word(words: Sequence[str], place: int) -> str:
    if len(words) <= place:
        raise IncompleteError("a value is missing", commands.USAGE, "banish help set lists the options")
    return words[place]


def _told(error: ConfigError) -> str:
    """What is wrong with a value, without the place it was written at: it was written just now."""
    problem = error.problem
    what = f"{problem.option} = {problem.value}: " if problem.option and problem.value else ""
    return what + problem.text


def _number(option: str, word: str) -> int:
    if not word.isdecimal():
        raise ControlError(f"{option} = {word}: it is a whole number, 0 or more", commands.FAILED)
    return int(word)


def _whole(seconds: float) -> int | float:
    return -1 if math.isinf(seconds) else int(seconds) if seconds == int(seconds) else seconds


_DAEMON_GET: Mapping[str, Callable[[OptionDesk], Any]] = {
    "loglevel": lambda desk: desk.daemon.logbook.level,
    "logtarget": lambda desk: desk.daemon.logbook.target,
    "syslogsocket": lambda desk: desk.daemon.settings.syslogsocket,
    "allowipv6": lambda desk: desk.daemon.settings.allowipv6,
    "thread": lambda desk: {"stacksize": 0},
    "dbfile": lambda desk: str(desk.daemon.options.state / "banish.sqlite3"),
    "dbmaxmatches": lambda desk: desk.daemon.settings.dbmaxmatches,
    "dbpurgeage": lambda desk: _whole(desk.daemon.settings.dbpurgeage),
}


def _banned(desk: OptionDesk, config: JailConfig, words: Sequence[str]) -> list[str] | list[int] | int:
    if not words:
        return [decision.id for decision in desk.daemon.ledger.of_jail(config.name)]
    standing = {decision.id for decision in desk.daemon.ledger.of_jail(config.name)}
    found = []
    for word in words:
        network = addresses.parse(word)
        found.append(int((word if network is None else addresses.show(network)) in standing))
    return found if len(words) > 1 else found[0]


def _banip(desk: OptionDesk, config: JailConfig, words: Sequence[str]) -> list[str]:
    """What is banned, by its end."""
    standing = sorted(desk.daemon.ledger.of_jail(config.name), key=lambda decision: decision.expires_at)
    if tuple(words) != ("--with-time",):
        return [decision.id for decision in standing]
    return [
        f"{ban.id} \t{local(ban.at)} + -1 = 9999-12-31 23:59:59"
        if math.isinf(ban.expires_at)
        else f"{ban.id} \t{local(ban.at)} + {int(ban.expires_at - ban.at)} = {local(ban.expires_at)}"
        for ban in standing
    ]


def _ignorecache(config: JailConfig) -> list[Any] | None:
    cache = config.settings.ignore.cache
    return None if cache is None else [cache.key, cache.max_count, _whole(cache.max_time)]


def _bantime(option: str) -> Callable[[OptionDesk, JailConfig, Sequence[str]], Any]:
    """The value of ``bantime.*`` as fail2ban has it: typed where that types it, text as written else; None when it is not set."""

    def get(_desk: OptionDesk, config: JailConfig, _words: Sequence[str]) -> Any:
        name = f"bantime.{option}"
        if name not in config.values:
            return None
        settings = config.settings.bantime
        typed = {"increment": settings.increment, "maxtime": settings.maxtime, "rndtime": settings.rndtime}
        if option not in typed:
            return config.values[name].strip()
        return typed[option] if option == "increment" else _whole(typed[option])

    return get


def _property(config: JailConfig, name: str, option: str) -> Any:
    properties = _properties(amended_actions.find(config, name))
    if option not in properties:
        near = nearest(option, properties)
        hint = f"did you mean {near}?" if near else f"there are: {', '.join(sorted(properties))}"
        raise ControlError(f"the action {name} has no property {option}", commands.NOT_FOUND, hint)
    value = properties[option]
    return int(value) if option == "timeout" and str(value).isdecimal() else value


def _properties(action: Any) -> dict[str, Any]:
    made_of_commands = not (action.enforcer or action.python or action.reporter)
    empty: dict[str, Any] = dict.fromkeys(amended_actions.COMMANDS, "") if made_of_commands else {}
    return {**empty, **({"timeout": "60"} if made_of_commands else {}), **action.options}


def _action(_desk: OptionDesk, config: JailConfig, words: Sequence[str]) -> Any:
    return _property(config, _word(words, 0), _word(words, 1))


def _actionproperties(_desk: OptionDesk, config: JailConfig, words: Sequence[str]) -> list[str]:
    return sorted(_properties(amended_actions.find(config, _word(words, 0))))


def _actionmethods(_desk: OptionDesk, config: JailConfig, words: Sequence[str]) -> list[str]:
    return [] if amended_actions.find(config, _word(words, 0)).enforcer else sorted(METHODS)


_JAIL_GET: Mapping[str, Callable[[OptionDesk, JailConfig, Sequence[str]], Any]] = {
    "idle": lambda desk, config, _: desk.running(config.name).idle,
    "banned": _banned,
    "banip": _banip,
    "logpath": lambda desk, config, _: (
        [path for path, *_ in desk.daemon.sources_of(config.name)] if config.reads == "files" else []
    ),
    "logencoding": lambda _, config, __: (
        locale.getpreferredencoding(do_setlocale=False)
        if config.settings.lines.encoding == "auto"
        else config.settings.lines.encoding
    ),
    "logtimezone": lambda _, config, __: config.settings.lines.timezone or None,
    "journalmatch": lambda _, config, __: (
        [[term.decode("utf-8", "replace") for term in group] for group in Match(config.journalmatch).groups]
        if config.reads == "journal"
        else []
    ),
    "datepattern": lambda _, config, __: list(datenames.shown(config.settings.lines.datepattern)),
    "maxlines": lambda _, config, __: config.settings.filter.maxlines,
    "ignoreself": lambda _, config, __: config.settings.ignore.ignoreself,
    "ignoreip": lambda _, config, __: list(config.settings.ignore.ignoreip),
    "ignorecommand": lambda _, config, __: config.settings.ignore.command or False,
    "ignorecache": lambda _, config, __: _ignorecache(config),
    "prefregex": lambda _, config, __: config.settings.filter.prefregex,
    "failregex": lambda _, config, __: list(config.settings.filter.failregex),
    "ignoreregex": lambda _, config, __: list(config.settings.filter.ignoreregex),
    "usedns": lambda _, config, __: config.settings.filter.usedns,
    "findtime": lambda _, config, __: _whole(config.settings.window.findtime),
    "maxretry": lambda _, config, __: config.settings.window.maxretry,
    "maxmatches": lambda _, config, __: config.settings.window.maxmatches,
    "bantime": lambda _, config, __: _whole(config.settings.bantime.bantime),
    **{
        f"bantime.{name}": _bantime(name)
        for name in ("increment", "factor", "formula", "multipliers", "maxtime", "rndtime", "overalljails")
    },
    "actions": lambda _, config, __: [action.actname for action in config.actions],
    "action": _action,
    "actionproperties": _actionproperties,
    "actionmethods": _actionmethods,
}
