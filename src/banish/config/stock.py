"""fail2ban's own firewall actions, unmodified in a user's tree: what their commands would do, an enforcer does.

They are known by the digests of their files, all of those that are read for one: ``stock-actions.sha256`` in the packaged
directory, as sha256sum(1) writes it. A file that differs in a single byte, or that has a ``.local`` beside it, is somebody's own
and runs as written. So does one whose parameters say what no enforcer can honour.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from banish.config.grammar import Call
from banish.config.layers import Sections, Tree
from banish.enforcement.actions import ActionSettings, validate

TABLE = "stock-actions.sha256"

_HONOURED = frozenset({"name", "actname", "port", "protocol", "type", "blocktype", "chain", "lockingopt", "timeout"})
_CHAINS = frozenset({"INPUT", "FORWARD", "DOCKER-USER"})
"""Whatever passes these has passed our hook before."""


def is_unmodified(tree: Tree, files: Sections) -> bool:
    """True when every file of *files* is one of fail2ban's as a distribution ships it, and there is such a file."""
    known = _known(tree.packaged / TABLE)
    return bool(files.files) and all((Path(file).name, _digest(file)) in known for file in files.files)


def can_be_honoured(call: Call, settings: ActionSettings) -> bool:
    """True when what *call* asks for in brackets is all understood by the enforcer of *settings*."""
    if not {name for name in call.options if call.options[name].text != f"<known/{name}>"} <= _HONOURED:
        return False
    chain = call.options.get("chain")
    if (
        chain is not None
        and chain.text != "<known/chain>"
        and not set(chain.text.replace(" ", "").split(",")) <= _CHAINS
    ):
        return False
    return not validate(settings)


@lru_cache(maxsize=8)
def _known(table: Path) -> frozenset[tuple[str, str]]:
    """The names and digests in *table*; none when it cannot be read."""
    try:
        lines = table.read_text().splitlines()
    except OSError:
        return frozenset()
    rows = (line.split() for line in lines if line.strip() and not line.startswith("#"))
    return frozenset((name, digest) for digest, name in rows)


def _digest(file: str) -> str:
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return ""
