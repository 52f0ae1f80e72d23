"""filter.d to settings: the expressions of a filter, with what the jail overrides."""

from __future__ import annotations

from collections.abc import Mapping

from banish.config.definition import FileDefinition, missing_file
from banish.config.grammar import Call
from banish.config.layers import Tree
from banish.config.text import BUILT_IN, Text

OPTIONS = ("prefregex", "failregex", "ignoreregex", "maxlines", "datepattern", "journalmatch", "usedns")
"""What a filter has to say; in a jail's section the same options replace the filter's."""


def load(tree: Tree, call: Call, *, journal: bool) -> FileDefinition:
    """Return filter.d/*call.name* with the options of *call*; raises ConfigError when there is no such filter.

    *journal* says that the lines come from the journal: ``logtype`` is then ``journal``, else ``file``, unless the filter
    or the jail sets it.
    """
    files = tree.read(f"filter.d/{call.name}")
    if files is None:
        raise missing_file(tree, "filter", call.name)
    assumed: Mapping[str, Text] = {"logtype": Text.at("journal" if journal else "file", BUILT_IN)}
    return FileDefinition(files, call.options, assumed=assumed)
