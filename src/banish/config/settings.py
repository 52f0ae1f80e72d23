"""The daemon's own settings: logical name ``banish`` (``banish.conf``, ``banish.local``, ``banish.d``).

Below what the user wrote there, and above what the package brings, ``loglevel``, ``syslogsocket``, ``allowipv6``, ``dbpurgeage`` and
``dbmaxmatches`` of the user's ``fail2ban.conf``, ``.local`` and ``.d`` count, so that a tree that served fail2ban goes on to mean the
same. Where fail2ban itself keeps things (``logtarget``, ``socket``, ``dbfile`` and the rest) is not taken over: both programs may run
side by side, and must not write into one file. A ``logtarget`` that somebody chose (one that is not in ``fail2ban.conf``, which a
package brings) is answered by a warning that says where the log is, until ``banish.local`` names a target.

Problems name file and line, but no section: a section in a problem is a jail.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from banish.config import safety
from banish.config.ini import DEFAULT
from banish.config.layers import Sections, Tree
from banish.config.options import Options
from banish.config.scope import Scope
from banish.config.text import Text
from banish.errors import Problem
from banish.safety.guard import RULES, SpareSettings

_LEVELS = ("CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG", "TRACEDEBUG", "HEAVYDEBUG")
_OPTIONS = (
    *("loglevel", "logtarget", "syslogsocket", "allowipv6", "dbpurgeage", "dbmaxmatches", "native_actions", "keepbans"),
    *("metrics", "historyage", "command_group", "read_group", *RULES),
)
_INHERITED = ("loglevel", "syslogsocket", "allowipv6", "dbpurgeage", "dbmaxmatches")
_SECTION = "Definition"
ALLOWIPV6 = {
    "auto": "auto",
    **dict.fromkeys(("yes", "true", "on", "1"), "yes"),
    **dict.fromkeys(("no", "false", "off", "0"), "no"),
}
"""What may be written for ``allowipv6``, and what it means."""


@dataclass(frozen=True, slots=True)
class DaemonSettings:
    """What concerns the daemon and no jail in particular."""

    loglevel: str = "INFO"
    """``CRITICAL``, ``ERROR``, ``WARNING``, ``NOTICE``, ``INFO``, ``DEBUG``, ``TRACEDEBUG`` or ``HEAVYDEBUG``."""
    logtarget: str = "/var/log/banish.log"
    """A file, ``STDOUT``, ``STDERR``, ``SYSLOG``, ``SYSOUT`` or ``SYSTEMD-JOURNAL``, perhaps with options in brackets."""
    syslogsocket: str = "auto"
    """The socket of syslog, for ``logtarget = SYSLOG``; ``auto`` is /dev/log."""
    allowipv6: str = "auto"
    """``no``: names are resolved to IPv4 addresses only; ``auto`` and ``yes``: to what the system knows."""
    command_group: str = ""
    """A group whose members may command the daemon, besides root; empty for none."""
    read_group: str = ""
    """A group whose members may only look; empty for none."""
    dbmaxmatches: int = 10
    """How many lines are kept in the database for a ban, the last ones."""
    dbpurgeage: float = 86400.0
    """Seconds that an ended ban is remembered."""
    native_actions: bool = True
    """Whether an enforcer does the work of actions that have commands as well: ours, and fail2ban's own in a user's tree, unmodified."""
    metrics: str = "off"
    """Where metrics are served: a path (a unix socket), a loopback address with a port, or ``off``."""
    keepbans: bool = False
    """Leave bans in the firewall when the daemon stops, each until its time."""
    historyage: float = 2592000.0
    """Seconds that the history of events reaches back, at most."""
    spare: SpareSettings = field(default_factory=SpareSettings)
    """Whom no jail bans."""


def load_settings(config_dir: Path | None, data_dir: Path) -> tuple[DaemonSettings, tuple[Problem, ...]]:
    """Return the settings from *config_dir* over *data_dir*, and what should be mended; never raises for what files contain."""
    tree = Tree(config_dir, data_dir)
    own, inherited = tree.read("banish"), tree.read("fail2ban")

    def get(option: str) -> Text | None:
        """Look where the option is set: by the user for us, by the user for fail2ban, by the package."""
        if own is not None and (_set_by_user(tree, own, option) or not _set_by_user(tree, inherited, option)):
            return Scope(own, (_SECTION,)).get(option)
        return Scope(inherited, (_SECTION,)).get(option) if inherited is not None and option in _INHERITED else None

    default = DaemonSettings()
    options = Options("", get)
    settings = DaemonSettings(
        loglevel=options.choice(
            "loglevel", default.loglevel, {level.lower(): level for level in _LEVELS}, default.loglevel
        ),
        logtarget=options.word("logtarget", default.logtarget),
        syslogsocket=options.word("syslogsocket", default.syslogsocket),
        allowipv6=options.choice("allowipv6", default.allowipv6, ALLOWIPV6, default.allowipv6),
        command_group=options.word("command_group"),
        read_group=options.word("read_group"),
        dbmaxmatches=options.integer("dbmaxmatches", default.dbmaxmatches, least=0),
        dbpurgeage=options.seconds("dbpurgeage", default.dbpurgeage, forever=False),
        native_actions=options.boolean("native_actions", default.native_actions),
        metrics=options.word("metrics", default.metrics),
        keepbans=options.boolean("keepbans", default.keepbans),
        historyage=options.seconds("historyage", default.historyage, forever=False),
        spare=safety.spare(options),
    )
    problems = [replace(problem, section="") for problem in tree.problems] + options.problems
    problems += _unknown(own) if own is not None else []
    if inherited is not None and not _set_by_user(tree, own, "logtarget"):
        problems += _elsewhere(inherited, settings.logtarget)
    return settings, tuple(problems)


def _origin_file(files: Sections | None, option: str) -> str:
    """The file whose word on *option* counts; empty when there is none."""
    if files is None:
        return ""
    found = files.definition(_SECTION, option) or files.definition(DEFAULT, option)
    return found.text.origin.file if found is not None else ""


def _set_by_user(tree: Tree, files: Sections | None, option: str) -> bool:
    file = _origin_file(files, option)
    return bool(file) and tree.is_user_file(file)


def _elsewhere(inherited: Sections, logtarget: str) -> list[Problem]:
    """Say where the log is to one who sent fail2ban's somewhere else."""
    found = inherited.definition(_SECTION, "logtarget") or inherited.definition(DEFAULT, "logtarget")
    if found is None or Path(found.text.origin.file).name == "fail2ban.conf":
        return []
    return [
        Problem(
            f"is fail2ban's own; this log goes to {logtarget}",
            "name a target in banish.local: [Definition] logtarget = ...",
            option="logtarget",
            value=found.text.text,
            origin=found.text.origin,
            severity="warning",
        )
    ]


def _unknown(files: Sections) -> list[Problem]:
    definitions = [
        definition
        for section in (DEFAULT, _SECTION)
        for name in files.options(section)
        if name not in _OPTIONS and (definition := files.definition(section, name)) is not None
    ]
    return [
        Problem(
            "unknown option",
            f"one of {', '.join(_OPTIONS)}",
            option=definition.option,
            value=definition.text.text,
            origin=definition.text.origin,
            severity="warning",
        )
        for definition in definitions
    ]
