"""What a jail's ``action`` says, as configuration hands it over, and what an enforcer makes of it.

There are four kinds: one that names an enforcer, which blocks by itself; one that names a reporter, which tells others of bans; one
made of shell commands; one that is a Python file. The latter three are the business of ``enforcement.commands``.

An action that names an enforcer states with four options what it closes: ``port`` and ``protocol`` (see ``ports``), ``type``
(``multiport``, or ``allports`` to pass over ``port``), and ``blocktype`` (``drop``, or anything that begins with ``reject``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from banish.enforcement.ports import WITH_PORTS, parse_ports, parse_protocols
from banish.enforcement.roster import ENFORCERS
from banish.enforcement.scopes import Ports, Scope, Verdict
from banish.errors import ConfigError, Problem

_TYPES = ("multiport", "oneport", "allports")


@dataclass(frozen=True, slots=True)
class ActionSettings:
    """One action of a jail, its tags substituted as far as they can be at load time."""

    name: str
    """The file in action.d: ``nftables``."""
    actname: str
    """Unique in the jail; fail2ban's rule (reference: jail.conf(5), ``action``)."""
    enforcer: str
    """The member of the roster that carries it out: option ``enforcer`` of the action file; empty for commands and Python."""
    options: Mapping[str, str] = field(default_factory=dict)
    """The rest of ``[Definition]`` and ``[Init]``, the jail's parameters applied: ``port``, ``protocol``, ``type``…

    Of a Python action, what its class is given.
    """
    families: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of shell commands: the options as they are for addresses of ``inet4``, of ``inet6``, and "" for neither."""
    python: str = ""
    """The file of a Python action."""
    digest: str = ""
    """Of a Python action: what tells its file from a changed one."""
    reporter: str = ""
    """The member of ``reporting``'s roster that is run like a Python action; empty for all others."""
    stock: bool = False
    """It is fail2ban's own, unmodified: an enforcer does what its commands would."""

    @property
    def conditional(self) -> bool:
        """True when it has an option for one family (``chain?family=inet6``)."""
        return any("?" in name for name in self.options)

    @property
    def served(self) -> str:
        """How it is carried out, in words for a person: ``natively`` or ``as written``."""
        return "natively" if self.enforcer else "as written"


def validate(action: ActionSettings, section: str = "") -> list[Problem]:
    """Return what is wrong with *action*; *section* is the jail's name, for the problems to bear.

    An action of commands or in Python is not judged here.
    """
    if action.reporter:
        from banish.reporting import roster  # noqa: PLC0415 - few jails have one

        return [
            replace(each, section=section) for each in roster.validate(action.name, action.reporter, action.options)
        ]
    if not action.enforcer:
        return []
    problems = []
    if action.enforcer not in ENFORCERS:
        remedy = f"one of {', '.join(ENFORCERS)}"
        problems.append(
            Problem(f"action {action.name}: unknown enforcer", remedy, section, "enforcer", action.enforcer)
        )
    return problems + _read(action, section)[1]


def scope_of(jail: str, action: ActionSettings) -> Scope:
    """Return what *action* closes for *jail*. Raises ConfigError with the first thing that is wrong."""
    scope, problems = _read(action, jail)
    if problems:
        raise ConfigError(problems[0])
    return scope


def _read(action: ActionSettings, jail: str) -> tuple[Scope, list[Problem]]:
    problems: list[Problem] = []

    def wrong(option: str, text: str, remedy: str) -> None:
        problems.append(Problem(f"action {action.name}: {text}", remedy, jail, option, action.options.get(option, "")))

    kind = action.options.get("type", "multiport").strip().lower()
    if kind not in _TYPES:
        wrong("type", "unknown type", f"one of {', '.join(_TYPES)}")

    protocols: tuple[str, ...] = ()
    try:
        protocols = parse_protocols(action.options.get("protocol", "tcp"))
    except ValueError as error:
        wrong(
            "protocol", str(error), f"{', '.join(WITH_PORTS)}, icmp, ipv6-icmp, gre, esp, ah, several of them, or all"
        )

    ports: Ports = ()
    if kind != "allports":
        try:
            ports = parse_ports(action.options.get("port", "0:65535"))
        except ValueError as error:
            remedy = "numbers, service names and ranges such as 8000:8080, separated by commas; 0:65535 for all"
            wrong("port", str(error), remedy)

    verdict: Verdict = "drop"
    blocktype = action.options.get("blocktype", "drop").strip().lower()
    if blocktype.startswith("reject"):
        verdict = "reject"
    elif blocktype != "drop":
        wrong("blocktype", "unknown blocktype", "drop or reject")

    return Scope(jail, protocols, ports, verdict), problems
