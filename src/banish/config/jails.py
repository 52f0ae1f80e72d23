"""Jail sections to settings: the whole journey from files to what the daemon runs.

Every section of ``jail.*`` that is enabled becomes a ``JailConfig``. A jail that cannot be used as written is left out with a
problem that says why; the others run. What is merely odd is a warning, and the jail runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import banish
from banish.config import actions, counting, filters, safety, unknown
from banish.config.definition import FileDefinition
from banish.config.grammar import Call, in_brackets, parse_actions, parse_filter
from banish.config.ini import DEFAULT
from banish.config.layers import Sections, Tree
from banish.config.options import FALSE, Options
from banish.config.scope import Scope
from banish.config.settings import load_settings
from banish.config.text import BUILT_IN, Text
from banish.enforcement.actions import ActionSettings
from banish.errors import ConfigError, Origin, Problem
from banish.failures.window import WindowSettings
from banish.jail import JailSettings
from banish.lines.reader import LineSettings
from banish.safety.breaker import BreakerSettings
from banish.sources.matches import Watch
from banish.sources.paths import LogPath
from banish.sources.streams import complaint, is_stream
from banish.sources.tape import JournalOptions

_WINDOW: Mapping[str, Literal["estimate", "exact"]] = {
    "estimate": "estimate",
    "compat": "estimate",
    "exact": "exact",
    "strict": "exact",
}
_BACKENDS = ("auto", "pyinotify", "polling", "systemd", "gamin")
_JOURNAL_OPTIONS = frozenset({"journalflags", "journalpath", "journalfiles", "namespace", "rotated"})
"""What may stand in brackets behind ``systemd``. Files that were rotated are read in any case."""


@dataclass(frozen=True, slots=True)
class JailConfig:
    """One enabled jail, ready to run. Where its values were written does not count when two are compared."""

    settings: JailSettings
    reads: Literal["files", "journal"] = "files"
    """What the jail reads, and what *settings* are for; see `other`."""
    other: JailSettings | None = None
    """The settings for what it does not read but may: with ``backend = auto`` files may appear, or fall silent. Else None."""
    journal: JournalOptions = field(default_factory=JournalOptions)
    logpaths: tuple[LogPath, ...] = ()
    """As written even when *backend* is ``systemd``, which reads the journal instead."""
    journalmatch: tuple[str, ...] = ()
    """Alternatives, each as written: terms in shell quoting, ``+`` between those that are joined by "or"."""
    backend: str = "auto"
    actions: tuple[ActionSettings, ...] = ()
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    filter_name: str = ""
    values: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Every option that had a value, as text with references followed; the filter's options and the jail's variables too."""
    origins: Mapping[str, Origin] = field(default_factory=dict, compare=False)
    """Where each of *values* was written: its first line, followed through references that make up the whole of it."""
    failregex_origins: tuple[Origin, ...] = field(default=(), compare=False)
    """Where each entry of ``settings.filter.failregex`` was written."""
    ignoreregex_origins: tuple[Origin, ...] = field(default=(), compare=False)

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def watch(self) -> Watch:
        """What the jail wants of the journal, when it reads that."""
        return Watch(self.journal, self.journalmatch)

    def on(self, reads: Literal["files", "journal"]) -> JailConfig:
        """Return the jail as it is when it *reads* that; as it is anyway when it has no choice."""
        if reads == self.reads or self.other is None:
            return self
        return replace(self, reads=reads, settings=self.other, other=self.settings)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What was read: the jails that can run, and everything a person should mend."""

    jails: tuple[JailConfig, ...] = ()
    problems: tuple[Problem, ...] = field(default=())
    """In the order of the files; the section of each names the jail it concerns (empty: no jail in particular)."""
    left_out: tuple[str, ...] = ()
    """Names of jails that are enabled but cannot be used; *problems* say why."""
    disabled: tuple[str, ...] = ()
    """Names of the other jails, in the order of the files."""


def load(config_dir: Path | None, data_dir: Path, *, also: str = "") -> Configuration:
    """Return the jails that the files below *config_dir* (the user's, may be None) over *data_dir* (packaged) enable.

    The jail *also* is read even when it is disabled. Never raises for what files contain.
    """
    tree = Tree(config_dir, data_dir)
    files = tree.read("jail")
    if files is None:
        missing = Problem("there is no jail.conf or jail.local", origin=Origin(str(config_dir or data_dir)))
        return Configuration(problems=(*tree.problems, missing))
    native = load_settings(config_dir, data_dir)[0].native_actions
    # There are hundreds of jails and few are enabled: no more is made of the others than it takes to know.
    maybe = [name for name in files.names() if name == also or not _is_plainly_disabled(files, name)]
    loaders = [_JailLoader(tree, files, name, native) for name in maybe]
    on = {loader.name for loader in loaders if loader.enabled()}
    enabled = [loader for loader in loaders if loader.name in on or loader.name == also]
    disabled = tuple(name for name in files.names() if name not in on)
    jails = [jail for loader in enabled if (jail := loader.load())]
    left_out = {loader.name for loader in enabled} - {jail.name for jail in jails}
    problems = [problem for loader in loaders for problem in loader.options.problems]
    problems += unknown.problems(tree, files, {loader.name: loader.parameters for loader in enabled})
    # Problems of files come last to be known (filters are read on the way) and first to be told.
    told = tuple(dict.fromkeys((*tree.problems, *problems)))
    return Configuration(tuple(jails), told, tuple(sorted(left_out)), disabled)


def _is_plainly_disabled(files: Sections, name: str) -> bool:
    """Tell whether jail *name* says no by itself, without references; also when it, and ``[DEFAULT]``, say nothing."""
    definition = files.definition(name, "enabled") or files.definition(DEFAULT, "enabled")
    return definition is None or definition.text.text.strip().lower() in FALSE


class _JailLoader:
    def __init__(self, tree: Tree, files: Sections, name: str, native: bool) -> None:
        self.name = name
        self._native = native
        self.parameters: set[str] = set()
        """Names given in brackets to the filter and the actions."""
        given = {
            "fail2ban_version": Text.at(banish.__version__, BUILT_IN),
            "fail2ban_confpath": Text.at(str(tree.user or tree.packaged), BUILT_IN),
            "banish_data": Text.at(str(tree.packaged), BUILT_IN),
        }
        self._tree = tree
        self._variables = (*sorted(unknown.VARIABLES), *files.options(name))
        self._scope = Scope(files, (name,), assumed=given)
        self.options = Options(name, self._scope.get)

    def enabled(self) -> bool:
        return self.options.boolean("enabled", False)

    def load(self) -> JailConfig | None:
        """Return the jail, None when it cannot be used; the problems say why."""
        options = self.options
        if self.name == "--all":
            options.problem("", "this name means every jail", "call the jail something else")
        backend = self._backend()
        logpaths = tuple(_logpath(entry) for entry, _ in options.entries("logpath"))
        systemd = backend.startswith("systemd")
        call, expressions = self._expressions(journal=systemd or not logpaths)
        failregex = expressions.entries("failregex")
        ignoreregex = expressions.entries("ignoreregex")
        settings = self._settings(expressions)
        journalmatch = tuple(match for match, _ in expressions.entries("journalmatch"))
        if not failregex and not options.failed:
            expressions.warn("failregex", "there is none, so nothing will be found", "set filter or failregex")
        streams = any(is_stream(path.pattern) for path in logpaths)
        either = (
            not streams
            and backend.startswith("auto")
            and bool(journalmatch)
            and options.boolean("systemd_if_nologs", True)
        )
        self._check_sources(backend, logpaths, journalmatch, either=either)
        known = self._scope.known
        other = self._settings(self._expressions(journal=True)[1]) if either and logpaths else None
        self._scope.known = known
        limits = safety.breaker(options)
        chosen = self._actions()
        self._warn_without_effect()
        if options.failed:
            return None
        shown = self._shown()
        return JailConfig(
            settings=settings,
            reads="journal" if systemd or not logpaths else "files",
            other=other,
            journal=self._journal(backend),
            logpaths=logpaths,
            journalmatch=journalmatch,
            backend=backend,
            actions=chosen,
            breaker=limits,
            filter_name=call.name if call else "",
            values={**shown.values, **options.values, **expressions.values},
            origins={**shown.origins, **options.origins, **expressions.origins},
            failregex_origins=tuple(origin for _, origin in failregex),
            ignoreregex_origins=tuple(origin for _, origin in ignoreregex),
        )

    def _expressions(self, *, journal: bool) -> tuple[Call | None, Options]:
        """Return the call of the filter, and what jail and filter say for lines of the *journal*, or of files."""
        call, definition = self._filter(journal=journal)
        if definition is not None:
            self._scope.known = definition.own
        expressions = Options(self.name, self._jail_over(definition))
        expressions.problems = self.options.problems
        return call, expressions

    def _settings(self, expressions: Options) -> JailSettings:
        return JailSettings(
            name=self.name,
            lines=self._lines(expressions),
            filter=filters.settings(expressions),
            window=self._window(),
            ignore=counting.ignore(self.options),
            bantime=counting.bantime(self.options),
        )

    def _journal(self, backend: str) -> JournalOptions:
        """Return which journal the brackets behind ``backend`` mean."""
        given = in_brackets(backend)
        for name in given.keys() - _JOURNAL_OPTIONS:
            self.options.warn("backend", f"{name} is not known", f"one of {', '.join(sorted(_JOURNAL_OPTIONS))}")
        try:
            return JournalOptions.read(given)
        except ValueError:
            self.options.warn("backend", "journalflags is no number; 4 is used", "see sd_journal_open(3)")
            return JournalOptions.read({**given, "journalflags": ""})

    def _shown(self) -> Options:
        """Read what only others refer to, so that it can be shown; what is wrong with it matters where it is referred to."""
        shown = Options(self.name, self._scope.get)
        for option in self._variables:
            shown.text(option)
        return shown

    def _backend(self) -> str:
        name, bracket, parameters = self.options.word("backend", "auto").partition("[")
        name = name.strip().lower()
        if name not in _BACKENDS:
            self.options.warn("backend", "is not known; auto is used", f"one of {', '.join(_BACKENDS[:4])}")
            return "auto"
        return name + bracket + parameters

    def _filter(self, *, journal: bool) -> tuple[Call | None, FileDefinition | None]:
        text = self.options.text("filter")
        try:
            call = parse_filter(text) if text else None
            if call is None:
                return None, None
            self.parameters.update(name.partition("?")[0] for name in call.options)
            return call, filters.load(self._tree, call, journal=journal)
        except ConfigError as error:
            self.options.tell(error, "filter")
            return None, None

    def _jail_over(self, definition: FileDefinition | None) -> Callable[[str], Text | None]:
        """Find an option in the jail first, in its filter second."""

        def get(option: str) -> Text | None:
            value = self._scope.get(option)
            return definition.get(option) if value is None and definition is not None else value

        return get

    def _lines(self, expressions: Options) -> LineSettings:
        encoding = self.options.word("logencoding", "auto")
        if encoding.lower() != "auto":
            try:
                "a".encode(encoding)
            except (LookupError, ValueError):
                self.options.warn(
                    "logencoding", "is no encoding; auto is used", "a codec's name such as utf-8 or latin-1"
                )
                encoding = "auto"
        return LineSettings(
            datepattern=tuple(pattern for pattern, _ in expressions.entries("datepattern")),
            encoding=encoding if encoding.lower() != "auto" else "auto",
            timezone=self.options.word("logtimezone"),
        )

    def _window(self) -> WindowSettings:
        options = self.options
        default = WindowSettings()
        return WindowSettings(
            maxretry=options.integer("maxretry", default.maxretry, least=1),
            findtime=options.seconds("findtime", default.findtime, forever=False),
            maxmatches=options.integer("maxmatches", default.maxmatches, least=0),
            window=options.choice("window", default.window, _WINDOW, default.window),
        )

    def _check_sources(
        self, backend: str, logpaths: tuple[LogPath, ...], journalmatch: tuple[str, ...], *, either: bool
    ) -> None:
        systemd = backend.startswith("systemd")
        if systemd and not journalmatch:
            self.options.warn(
                "journalmatch", "there is none, so every line of the journal is judged", "set journalmatch"
            )
        for path in logpaths:
            if is_stream(path.pattern) and (what := complaint(path.pattern)):
                self.options.problem("logpath", what, "see docs/reference/sources.md")
        if not systemd and not logpaths and not either:
            self.options.problem(
                "logpath", "the jail has nothing to read", "set logpath, or backend = systemd and journalmatch"
            )

    def _actions(self) -> tuple[ActionSettings, ...]:
        options = self.options
        for variable in ("port", "protocol", "chain", "banaction"):
            options.word(variable)  # what actions are made of, asked for so that its place is known
        text = options.text("action")
        if text is None:
            if not options.failed:
                options.warn(
                    "action", "there is none: failures are counted, nothing is blocked", "action = %(action_)s"
                )
            return ()
        try:
            calls = parse_actions(text)
        except ConfigError as error:
            options.tell(error, "action")
            return ()
        chosen: dict[str, ActionSettings] = {}
        for call in calls:
            self.parameters.update(name.partition("?")[0] for name in call.options)
            try:
                loaded = actions.load(self._tree, call, self.name, self._option, native=self._native)
            except ConfigError as error:
                options.tell(error, "action")
                continue
            options.problems.extend(replace(problem, section="") for problem in loaded.problems)
            settings = loaded.settings
            if settings.actname in chosen:
                options.warn(
                    "action", f"{settings.actname} is there twice; the second is left out", "give it another name="
                )
            else:
                chosen[settings.actname] = settings
        if calls and not chosen:
            options.problem("action", "none of the jail's actions can be run", "banaction = nftables")
        return tuple(chosen.values())

    def _option(self, name: str) -> Text | None:
        """Find an option of the jail for the tags of its actions; variables are given to an action in brackets instead."""
        return self._scope.get(name) if name in unknown.READ else None

    def _warn_without_effect(self) -> None:
        """Tell options that are understood but that nothing acts on yet, where they ask for something."""
        options = self.options
        if options.boolean("skip_if_nologs", False):
            options.warn("skip_if_nologs", "has no effect yet: the jail waits for its files", "remove it")


def _logpath(entry: str) -> LogPath:
    if is_stream(entry):
        return LogPath(entry)
    pattern, _, last = entry.rpartition(" ")
    if pattern and last.lower() in ("head", "tail"):
        return LogPath(pattern.strip(), "tail" if last.lower() == "tail" else "head")
    return LogPath(entry)
