"""The daemon's own settings: logical name ``banish`` (``banish.conf``, ``banish.local``, ``banish.d``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from banish.config.layers import Tree
from banish.config.options import Options
from banish.config.scope import Scope
from banish.errors import Problem

_LEVELS = ("CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG")
_OPTIONS = ("loglevel", "logtarget", "dbpurgeage")


@dataclass(frozen=True, slots=True)
class DaemonSettings:
    """What concerns the daemon and no jail in particular."""

    loglevel: str = "INFO"
    """``CRITICAL``, ``ERROR``, ``WARNING``, ``NOTICE``, ``INFO`` or ``DEBUG``."""
    logtarget: str = "/var/log/banish.log"
    """A file, ``STDOUT``, ``STDERR``, ``SYSLOG``, ``SYSOUT`` or ``SYSTEMD-JOURNAL``, perhaps with options in brackets."""
    dbpurgeage: float = 86400.0
    """Seconds that an ended ban is remembered."""


def load_settings(config_dir: Path | None, data_dir: Path) -> tuple[DaemonSettings, tuple[Problem, ...]]:
    """Return the settings from *config_dir* over *data_dir*, and what should be mended; never raises for what files contain."""
    tree = Tree(config_dir, data_dir)
    files = tree.read("banish")
    default = DaemonSettings()
    if files is None:
        return default, tuple(tree.problems)
    options = Options("Definition", Scope(files, ("Definition",)).get)
    settings = DaemonSettings(
        loglevel=options.choice(
            "loglevel", default.loglevel, {level.lower(): level for level in _LEVELS}, default.loglevel
        ),
        logtarget=options.word("logtarget", default.logtarget),
        dbpurgeage=options.seconds("dbpurgeage", default.dbpurgeage, forever=False),
    )
    problems = [*tree.problems, *options.problems]
    for section in ("DEFAULT", "Definition"):
        for name in files.options(section):
            definition = files.definition(section, name)
            if name not in _OPTIONS and definition is not None:
                problems.append(
                    Problem(
                        "unknown option",
                        f"one of {', '.join(_OPTIONS)}",
                        section=section,
                        option=name,
                        value=definition.text.text,
                        origin=definition.text.origin,
                        severity="warning",
                    )
                )
    return settings, tuple(problems)
