"""What FILTER names on the command line: a filter of the configuration, a file, or an expression.

A name is looked up in ``filter.d`` of the user's tree and of the packaged one below it, options in brackets as in
``filter = sshd[mode=ddos]``. A path to a file is a tree of its own: what it includes is looked for beside it, then among the
packaged filters. Whatever is neither is an expression.

All that is wrong is told by ConfigError, at the place where it was written.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from banish.config import filters
from banish.config.definition import FileDefinition, missing_file
from banish.config.grammar import Call, parse_filter
from banish.config.layers import Tree
from banish.config.options import Options
from banish.config.text import Text
from banish.errors import ConfigError, Origin, Problem, RegexError
from banish.lines.entries import SETTINGS
from banish.lines.reader import LineReader, LineSettings
from banish.matching.filter import Filter, FilterSettings

_COMMAND_LINE = Origin("command line")
_NAME = re.compile(r"[\w.-]+")
_CALLED = re.compile(r"[\w./-]+(?=\[\s*[\w.?-]*\s*(?:=|\]?$))")
_SUFFIXES = (".conf", ".local")


@dataclass(frozen=True, slots=True)
class Rules:
    """A filter, ready to judge, and where it came from."""

    title: str
    files: tuple[str, ...]
    """Every file that has a say in it, the first read first; none for an expression."""
    filter: Filter
    lines: LineSettings
    warnings: tuple[Problem, ...] = ()
    journalmatch: tuple[str, ...] = ()
    """Which entries of the journal the filter is for."""


def load(
    wanted: str,
    ignoreregex: str | None,
    config_dir: Path | None,
    data_dir: Path,
    *,
    raw_host: bool = False,
    journal: bool = False,
) -> Rules:
    """Return the rules that *wanted* stands for, with *ignoreregex* (None: no further one) behind the filter's own.

    *config_dir* is the user's tree, *data_dir* the packaged one. *raw_host*: what was captured as a host name is the id.
    *journal*: the lines are entries of the journal.
    """
    found = _definition(wanted, config_dir, data_dir, journal=journal)
    if found is None:
        lines = SETTINGS if journal else LineSettings()
        return _rules(wanted, (), FilterSettings((wanted,)), lines, ignoreregex, raw_host=raw_host)
    tree, files, definition = found
    options = Options("", definition.get)
    settings = filters.settings(options)
    patterns = tuple(pattern for pattern, _ in options.entries("datepattern"))
    lines = SETTINGS if journal else LineSettings(datepattern=patterns)
    journalmatch = tuple(match for match, _ in options.entries("journalmatch"))
    problems = (*tree.problems, *options.problems)
    for problem in problems:
        if problem.severity == "error":
            raise ConfigError(problem)
    if not settings.failregex:
        raise ConfigError(
            Problem(
                "there is no failregex in this filter", "is it meant to be included only?", origin=Origin(files[-1])
            )
        )
    try:
        LineReader(lines)
    except ConfigError as error:
        raise ConfigError(replace(error.problem, origin=options.origins.get(error.problem.option))) from None
    origins = {
        name: tuple(origin for _, origin in options.entries(name)) for name in ("prefregex", "failregex", "ignoreregex")
    }
    try:
        rules = _rules(wanted, files, settings, lines, ignoreregex, raw_host=raw_host, warnings=problems)
        return replace(rules, journalmatch=journalmatch)
    except RegexError as error:
        places = origins[error.problem.option]
        origin = places[error.index] if error.index < len(places) else None  # the last one is of the command line
        raise RegexError(replace(error.problem, origin=origin), error.index) from None


def _rules(
    title: str,
    files: tuple[str, ...],
    settings: FilterSettings,
    lines: LineSettings,
    ignoreregex: str | None,
    *,
    raw_host: bool,
    warnings: tuple[Problem, ...] = (),
) -> Rules:
    if ignoreregex is not None:
        settings = replace(settings, ignoreregex=(*settings.ignoreregex, ignoreregex))
    if raw_host:
        settings = replace(settings, usedns="raw")
    return Rules(title, files, Filter(settings), lines, warnings)


def _definition(
    wanted: str, config_dir: Path | None, data_dir: Path, *, journal: bool
) -> tuple[Tree, tuple[str, ...], FileDefinition] | None:
    """Return the files that *wanted* names; None when it is an expression."""
    if _is_file(wanted):  # as it stands: the name of a directory may have spaces in it
        return _from_file(Call(wanted, {}), data_dir, journal=journal)
    tree = Tree(config_dir, data_dir)
    call = _call(wanted, tree)
    if call is None:
        return None
    if (call.name.endswith(_SUFFIXES) and "<" not in call.name) or _is_file(call.name):
        return _from_file(call, data_dir, journal=journal)
    if _NAME.fullmatch(call.name) is None:
        return None
    definition = filters.load(tree, call, journal=journal)
    sections = tree.read(f"filter.d/{call.name}")
    return tree, sections.files if sections else (), definition


def _is_file(word: str) -> bool:
    # A bare word is a filter's name, also where a log of that name lies.
    return ("/" in word or word.endswith(_SUFFIXES)) and os.path.isfile(word)


def _call(wanted: str, tree: Tree) -> Call | None:
    try:
        return parse_filter(Text.at(wanted, _COMMAND_LINE))
    except ConfigError:
        # Most expressions are no calls, but a slip in the brackets of a filter shall be told as that.
        named = _CALLED.match(wanted)
        if named and (named.group() in tree.available("filter.d") or named.group().endswith(_SUFFIXES)):
            raise
        return None


def _from_file(call: Call, data_dir: Path, *, journal: bool) -> tuple[Tree, tuple[str, ...], FileDefinition]:
    path = Path(os.path.abspath(call.name))
    if not os.path.isfile(path):
        raise ConfigError(
            Problem("there is no such file", "FILTER is a name, a file or an expression", origin=Origin(call.name))
        )
    tree = Tree(path.parent, data_dir / "filter.d")
    named = Call(path.stem, call.options)
    sections = tree.read(named.name)
    if sections is None:
        raise missing_file(tree, "filter", call.name)
    return tree, sections.files, filters.define(sections, named, journal=journal)
