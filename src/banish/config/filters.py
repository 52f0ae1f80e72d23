"""filter.d to settings: the expressions of a filter, with what the jail overrides."""

from __future__ import annotations

from collections.abc import Mapping

from banish.config.definition import FileDefinition, missing_file
from banish.config.grammar import Call
from banish.config.layers import Sections, Tree
from banish.config.options import Options
from banish.config.text import BUILT_IN, Text
from banish.matching.filter import FilterSettings
from banish.matching.tags import UseDns

USEDNS: Mapping[str, UseDns] = {
    "yes": "yes",
    "true": "yes",
    "on": "yes",
    "1": "yes",
    "warn": "warn",
    "no": "no",
    "false": "no",
    "off": "no",
    "0": "no",
    "raw": "raw",
}


def load(tree: Tree, call: Call, *, journal: bool) -> FileDefinition:
    """Return filter.d/*call.name* with the options of *call*; raises ConfigError when there is no such filter.

    *journal* says that the lines come from the journal: ``logtype`` is then ``journal``, else ``file``, unless the filter
    or the jail sets it.
    """
    files = tree.read(f"filter.d/{call.name}")
    if files is None:
        raise missing_file(tree, "filter", call.name)
    return define(files, call, journal=journal)


def define(files: Sections, call: Call, *, journal: bool) -> FileDefinition:
    """Return the filter that *files* make up, with the options of *call*; *journal* as in `load`."""
    assumed: Mapping[str, Text] = {"logtype": Text.at("journal" if journal else "file", BUILT_IN)}
    return FileDefinition(files, call.options, assumed=assumed)


def settings(options: Options) -> FilterSettings:
    """Return the filter's settings as *options* reads them: a filter's own, or a jail's over its filter's."""
    return FilterSettings(
        failregex=tuple(regex for regex, _ in options.entries("failregex")),
        ignoreregex=tuple(regex for regex, _ in options.entries("ignoreregex")),
        prefregex=options.word("prefregex"),
        maxlines=options.integer("maxlines", 1, least=1),
        usedns=options.choice("usedns", "warn", USEDNS, "no"),
    )
