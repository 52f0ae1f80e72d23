"""What ``set`` says of a jail while it runs: settings and words in, other settings out. Nothing is read, nothing acts.

Every option of jail.conf(5) that can be set is one entry of `AMENDMENTS`, under the word that `set` uses for it. A value that cannot be
used is refused with a ConfigError, whereas a file would be read with a default: whoever sets it is there to be told.

The words that were accepted are kept by the daemon; `amend` with the same words makes the same of a configuration that was read from
files, which is how ``banish config`` shows them.
"""

from __future__ import annotations

import codecs
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from banish import durations
from banish.config import amended_actions, counting
from banish.config.filters import USEDNS
from banish.config.jails import JailConfig
from banish.config.options import FALSE, TRUE, Options
from banish.config.text import Text
from banish.errors import ConfigError, Origin, Problem
from banish.failures.window import WindowSettings
from banish.jail import JailSettings
from banish.sources.matches import Match
from banish.sources.paths import LogPath

AT_RUN_TIME = Origin("set at run time")
"""Where such a value comes from."""

_Amend = Callable[[JailConfig, Sequence[str]], JailConfig]


def amend(config: JailConfig, words: Sequence[str]) -> JailConfig:
    """Return *config* as it is after ``set JAIL *words*``. Raises ConfigError when the words cannot be used, KeyError for unknown ones."""
    try:
        return AMENDMENTS[words[0]](config, words[1:])
    except IndexError:
        raise _refusal(words[0], "", "a value is missing") from None


def begun(name: str, backend: str = "auto") -> JailConfig:
    """Return a jail that has nothing yet, as ``add`` makes it, with fail2ban's own defaults (those of no jail.conf)."""
    reads = {"backend": backend}
    journal = backend.startswith("systemd")
    return JailConfig(
        JailSettings(name, window=WindowSettings(maxretry=3)), reads="journal" if journal else "files", backend=backend, values=reads,
        origins=dict.fromkeys(reads, AT_RUN_TIME),
    )  # fmt: skip


def _refusal(option: str, value: str, text: str, remedy: str = "") -> ConfigError:
    return ConfigError(Problem(text, remedy, option=option, value=value))


def _shown(config: JailConfig, option: str, value: str) -> JailConfig:
    """Return *config*, whose values now say what was set, and where."""
    return replace(
        config,
        values={**config.values, option: value},
        origins={**config.origins, option: AT_RUN_TIME},
    )


def _settings(config: JailConfig, change: Callable[[JailSettings], JailSettings]) -> JailConfig:
    """Apply *change* to what the jail goes by, whether it reads files or the journal."""
    other = change(config.other) if config.other is not None else None
    return replace(config, settings=change(config.settings), other=other)


# One value


def _ignoreself(config: JailConfig, words: Sequence[str]) -> JailConfig:
    wanted = _flag("ignoreself", words[0])
    config = _shown(config, "ignoreself", words[0])
    return _settings(config, lambda made: replace(made, ignore=replace(made.ignore, ignoreself=wanted)))


def _counted(option: str, least: int) -> _Amend:
    def amend(config: JailConfig, words: Sequence[str]) -> JailConfig:
        number = _number(option, words[0], least)
        config = _shown(config, option, words[0])
        if option == "maxlines":
            return _settings(config, lambda made: replace(made, filter=replace(made.filter, maxlines=number)))
        changes: dict[str, Any] = {option: number}
        return _settings(config, lambda made: replace(made, window=replace(made.window, **changes)))

    return amend


def _findtime(config: JailConfig, words: Sequence[str]) -> JailConfig:
    seconds = _seconds("findtime", words[0])
    if not 0 < seconds < math.inf:
        raise _refusal("findtime", words[0], "it is longer than 0 and not for ever")
    config = _shown(config, "findtime", words[0])
    return _settings(config, lambda made: replace(made, window=replace(made.window, findtime=seconds)))


def _usedns(config: JailConfig, words: Sequence[str]) -> JailConfig:
    value = words[0].strip().lower()
    if value not in USEDNS:
        raise _refusal("usedns", words[0], "it is one of yes, warn, no, raw")
    config = _shown(config, "usedns", words[0])
    return _settings(config, lambda made: replace(made, filter=replace(made.filter, usedns=USEDNS[value])))


def _prefregex(config: JailConfig, words: Sequence[str]) -> JailConfig:
    config = _shown(config, "prefregex", words[0])
    return _settings(config, lambda made: replace(made, filter=replace(made.filter, prefregex=words[0])))


def _logencoding(config: JailConfig, words: Sequence[str]) -> JailConfig:
    name = words[0]
    if name.lower() != "auto":
        try:
            codecs.lookup(name)
            "a".encode(name)
        except (LookupError, ValueError):
            raise _refusal("logencoding", name, "is no encoding", "a codec's name such as utf-8 or latin-1") from None
    config = _shown(config, "logencoding", name)
    encoding = "auto" if name.lower() == "auto" else name
    return _settings(config, lambda made: replace(made, lines=replace(made.lines, encoding=encoding)))


def _logtimezone(config: JailConfig, words: Sequence[str]) -> JailConfig:
    config = _shown(config, "logtimezone", words[0])
    return _settings(config, lambda made: replace(made, lines=replace(made.lines, timezone=words[0].strip())))


def _datepattern(config: JailConfig, words: Sequence[str]) -> JailConfig:
    patterns = tuple(line.strip() for line in words[0].split("\n") if line.strip())
    config = _shown(config, "datepattern", words[0])
    return _settings(config, lambda made: replace(made, lines=replace(made.lines, datepattern=patterns)))


def _read_anew(option: str) -> _Amend:
    """What is read together with its neighbours, by the code that reads it from files: ``ignorecache``, ``bantime.formula``…"""

    def amend(config: JailConfig, words: Sequence[str]) -> JailConfig:
        changed = replace(config, values={**config.values, option: words[0]})
        options = Options(config.name, _lookup(changed.values))
        if option.startswith("bantime"):
            bantime = counting.bantime(options)
            changed = _settings(changed, lambda made: replace(made, bantime=bantime))
        else:
            ignore = counting.ignore(options)
            changed = _settings(changed, lambda made: replace(made, ignore=ignore))
        wrong = [each for each in options.problems if each.option.split(" ")[0] == option]
        # A cache for a command that will be set next is no mistake.
        if wrong and not (option == "ignorecache" and "ignorecommand" in wrong[0].text):
            text = wrong[0].text.partition(";")[0]
            raise _refusal(option, words[0], text, wrong[0].remedy)
        return _shown(changed, option, words[0])

    return amend


def _lookup(values: Mapping[str, str]) -> Callable[[str], Text | None]:
    return lambda name: Text.at(values[name], AT_RUN_TIME) if name in values else None


# Lists


def _addignoreip(config: JailConfig, words: Sequence[str]) -> JailConfig:
    new = [item for word in words for item in word.replace(",", " ").split()]
    if not new:
        raise IndexError
    return _ignoring(config, tuple(dict.fromkeys((*config.settings.ignore.ignoreip, *new))))


def _delignoreip(config: JailConfig, words: Sequence[str]) -> JailConfig:
    items = config.settings.ignore.ignoreip
    if words[0] not in items:
        raise _refusal("delignoreip", words[0], "is not in ignoreip")
    return _ignoring(config, tuple(item for item in items if item not in words))


def _ignoring(config: JailConfig, items: tuple[str, ...]) -> JailConfig:
    config = _shown(config, "ignoreip", " ".join(items))
    return _settings(config, lambda made: replace(made, ignore=replace(made.ignore, ignoreip=items)))


def _addlogpath(config: JailConfig, words: Sequence[str]) -> JailConfig:
    path, start = words[0], (words[1] if len(words) > 1 else "head")
    if start not in ("head", "tail"):
        raise _refusal("addlogpath", start, "a file is read from its head or its tail")
    if any(each.pattern == path for each in config.logpaths):
        return config
    return _reading(config, (*config.logpaths, LogPath(path, "tail" if start == "tail" else "head")))


def _dellogpath(config: JailConfig, words: Sequence[str]) -> JailConfig:
    kept = tuple(each for each in config.logpaths if each.pattern != words[0])
    return _reading(config, kept) if kept != config.logpaths else config


def _reading(config: JailConfig, paths: tuple[LogPath, ...]) -> JailConfig:
    return replace(_shown(config, "logpath", "\n".join(path.pattern for path in paths)), logpaths=paths)


def _addjournalmatch(config: JailConfig, words: Sequence[str]) -> JailConfig:
    match = shlex.join(words).replace("'+'", "+")
    Match((match,))
    words[0]
    return _matching(config, (*config.journalmatch, match))


def _deljournalmatch(config: JailConfig, words: Sequence[str]) -> JailConfig:
    unwanted = Match((shlex.join(words),)).groups
    groups = Match(config.journalmatch).groups
    if not unwanted or unwanted[0] not in groups:
        raise _refusal("deljournalmatch", " ".join(words), "is not in journalmatch")
    kept = [group for group in groups if group != unwanted[0]]
    return _matching(
        config, tuple(shlex.join(term.decode("utf-8", "surrogateescape") for term in group) for group in kept)
    )


def _matching(config: JailConfig, matches: tuple[str, ...]) -> JailConfig:
    return replace(_shown(config, "journalmatch", "\n".join(matches)), journalmatch=matches)


def _addregex(option: str) -> _Amend:
    def amend(config: JailConfig, words: Sequence[str]) -> JailConfig:
        words[0]
        return _expressing(config, option, (*getattr(config.settings.filter, option), *words))

    return amend


def _delregex(option: str) -> _Amend:
    def amend(config: JailConfig, words: Sequence[str]) -> JailConfig:
        index = _number(f"del{option}", words[0], 0)
        kept = list(getattr(config.settings.filter, option))
        if index >= len(kept):
            raise _refusal(f"del{option}", words[0], f"there is no such {option}", f"there are {len(kept)}, from 0 on")
        del kept[index]
        return _expressing(config, option, tuple(kept))

    return amend


def _expressing(config: JailConfig, option: str, regexes: tuple[str, ...]) -> JailConfig:
    before = dict(zip(getattr(config.settings.filter, option), getattr(config, f"{option}_origins"), strict=False))
    origins = tuple(before.get(regex, AT_RUN_TIME) for regex in regexes)
    changes: dict[str, Any] = {option: regexes}
    config = _shown(config, option, "\n".join(regexes))
    config = _settings(config, lambda made: replace(made, filter=replace(made.filter, **changes)))
    places: dict[str, Any] = {f"{option}_origins": origins}
    return replace(config, **places)


# Words to values


def _flag(option: str, word: str) -> bool:
    if word.strip().lower() not in TRUE | FALSE:
        raise _refusal(option, word, "it is true or false")
    return word.strip().lower() in TRUE


def _number(option: str, word: str, least: int) -> int:
    try:
        number = int(word)
    except ValueError:
        number = least - 1
    if number < least:
        raise _refusal(option, word, f"it is a whole number, {least} or more")
    return number


def _seconds(option: str, word: str) -> float:
    try:
        return durations.parse(word)
    except ValueError:
        raise _refusal(option, word, "it is a span: seconds, or 10m, 1h 30m, 1d") from None


AMENDMENTS: Mapping[str, _Amend] = {
    "ignoreself": _ignoreself,
    "addignoreip": _addignoreip,
    "delignoreip": _delignoreip,
    "ignorecommand": _read_anew("ignorecommand"),
    "ignorecache": _read_anew("ignorecache"),
    "addlogpath": _addlogpath,
    "dellogpath": _dellogpath,
    "logencoding": _logencoding,
    "logtimezone": _logtimezone,
    "addjournalmatch": _addjournalmatch,
    "deljournalmatch": _deljournalmatch,
    "prefregex": _prefregex,
    "addfailregex": _addregex("failregex"),
    "delfailregex": _delregex("failregex"),
    "addignoreregex": _addregex("ignoreregex"),
    "delignoreregex": _delregex("ignoreregex"),
    "usedns": _usedns,
    "findtime": _findtime,
    "bantime": _read_anew("bantime"),
    **{
        f"bantime.{name}": _read_anew(f"bantime.{name}")
        for name in ("increment", "factor", "formula", "multipliers", "maxtime", "rndtime", "overalljails")
    },
    "datepattern": _datepattern,
    "maxretry": _counted("maxretry", 1),
    "maxmatches": _counted("maxmatches", 0),
    "maxlines": _counted("maxlines", 1),
    "addaction": amended_actions.add,
    "delaction": amended_actions.delete,
    "action": amended_actions.change,
}
"""By the word of ``set``. What is no setting (``banip``, ``attempt``, ``idle``) is not here."""
