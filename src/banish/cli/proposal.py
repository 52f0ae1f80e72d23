"""What ``banish setup`` proposes: which jails fit the services that were found, what is on already, and the file that switches on the rest.

One side speaks of the machine (``services.Machine``), the other of the user's configuration, as it stands; what a person has written
there, be it "no", counts. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from banish.cli.services import SERVICES, Found, Machine, Service, running, service
from banish.config.jails import JailConfig, load
from banish.config.layers import Sections, Tree
from banish.config.scope import Scope
from banish.config.text import Text
from banish.enforcement.ports import parse_ports, parse_protocols
from banish.enforcement.scopes import Ports
from banish.errors import ConfigError
from banish.lookups.listeners import Listener, Program
from banish.sources import globs
from banish.sources.opening import obstacle

State = Literal["on", "switched off", "proposed"]


@dataclass(slots=True)
class Protection:
    """A jail for a service."""

    jail: str
    state: State
    place: str = ""
    """Where it was switched off."""
    ports: str = ""
    """What ``port`` should be, where the service listens on more than the jail closes."""
    log: str = ""
    """What it reads, in words."""
    reads: bool = True
    """False when neither its log nor a journal is there yet."""


@dataclass(slots=True)
class Row:
    """A service that was found, and what becomes of it."""

    service: Service
    program: Program | None
    listeners: tuple[Listener, ...]
    jails: list[Protection] = field(default_factory=list)
    more: list[str] = field(default_factory=list)
    """Jails that are off and fit too."""
    left_out: str = ""
    """Why nothing is proposed."""


@dataclass(slots=True)
class Proposal:
    """All of it."""

    rows: list[Row]
    strangers: list[Found]
    """What listens, open to others, and no jail of ours is for."""
    contained: list[tuple[Service, Program]]
    path: Path
    """The file that is to be written, or added to."""
    text: str
    """What is to be in it; empty when there is nothing to do."""
    peers: tuple[str, ...] = ()


def propose(machine: Machine, config_dir: Path, data_dir: Path, peers: Sequence[str] = ()) -> Proposal:
    """Return what to do on *machine*, with the configuration in *config_dir*; *peers* are who is logged in over ssh."""
    jails = _Jails(config_dir, data_dir)
    found, strangers = running(machine)
    seen = {each.service.name for each in found}
    found += [Found(row, None, ()) for row in SERVICES if row.by_log and row.name not in seen and jails.has_log(row)]
    rows = [row for each in found if (row := _row(each, jails))]
    inside = [(known, program) for program in machine.contained if (known := service(program))]
    local, drop_in = config_dir / "jail.local", config_dir / "jail.d" / "setup.conf"
    path = drop_in if local.exists() else local
    text = "\n".join(_file(rows, path, peers)) + "\n" if any(map(_sections, rows)) else ""
    others = [each for each in strangers if any(listener.open_to_others for listener in each.listeners)]
    contained = list({known.name: (known, program) for known, program in inside}.values())
    return Proposal(rows, others, contained, path, text, tuple(peers))


class _Jails:
    """The jails as they are configured now."""

    def __init__(self, config_dir: Path, data_dir: Path) -> None:
        self._config_dir, self._data_dir = config_dir, data_dir
        self._tree = Tree(config_dir if config_dir.is_dir() else None, data_dir)
        self._files = self._tree.read("jail") or Sections(())
        self._names = frozenset(self._files.names())
        users: dict[str, set[str]] = {}
        for row in SERVICES:
            for jail in self.shipped(row.jails):
                for pattern in self._logs(jail):
                    users.setdefault(pattern, set()).add(row.name)
        self._shared = {pattern for pattern, names in users.items() if len(names) > 1}
        """Logs that say nothing of which service it is that writes them."""

    def shipped(self, words: str) -> list[str]:
        return [word for word in words.split() if word in self._names]

    def has_log(self, row: Service) -> bool:
        """Tell whether a jail of *row* has a log of its own, and that is there."""
        own = {pattern for jail in self.shipped(row.jails) for pattern in self._logs(jail)} - self._shared
        own -= {self._text(jail, name) for jail in self.shipped(row.jails) for name in self._syslogs()}
        return any(globs.hits(pattern) for pattern in own)

    def enabled(self, jail: str) -> bool:
        return self._text(jail, "enabled").lower() in ("1", "on", "true", "yes")

    def refused_at(self, jail: str) -> str:
        """Return where a person has switched *jail* off; empty when nobody has."""
        definition = self._files.definition(jail, "enabled")
        return "" if definition is None or not self._is_personal(definition.text) else str(definition.text.origin)

    def ports(self, jail: str, listeners: Iterable[Listener]) -> str:
        """Return what ``port`` of *jail* has to be so that all of *listeners* are closed; empty when it is so already."""
        definition = self._files.definition(jail, "port")
        if definition is not None and self._is_personal(definition.text):
            return ""
        text = self._text(jail, "port")
        try:
            closed, protocols = parse_ports(text), parse_protocols(self._text(jail, "protocol") or "tcp")
        except ValueError:
            return ""
        wanted = {
            each.port
            for each in listeners
            if each.open_to_others and (not protocols or each.protocol in protocols) and not _covers(closed, each.port)
        }
        return ",".join([text.replace(" ", ""), *map(str, sorted(wanted))]) if wanted else ""

    def config(self, jail: str) -> JailConfig | None:
        """Return *jail* as it would run."""
        loaded = load(self._config_dir, self._data_dir, also=jail)
        return next((config for config in loaded.jails if config.name == jail), None)

    def _syslogs(self) -> list[str]:
        return [name for name in self._files.options("DEFAULT") if name.startswith("syslog_")]

    def _logs(self, jail: str) -> list[str]:
        return [line.strip() for line in self._text(jail, "logpath").split("\n") if line.strip()]

    def _text(self, jail: str, option: str) -> str:
        try:
            text = Scope(self._files, (jail,)).get(option)
        except ConfigError:
            return ""
        return text.text.strip() if text else ""

    def _is_personal(self, text: Text) -> bool:
        file = text.origin.file
        return self._tree.is_user_file(file) and Path(file) != self._config_dir / "jail.conf"


def _covers(ports: Ports, port: int) -> bool:
    return not ports or any(first <= port <= last for first, last in ports)


def _row(found: Found, jails: _Jails) -> Row | None:
    names = jails.shipped(found.service.jails)
    if not names:
        return None
    row = Row(found.service, found.program, found.listeners)
    if found.program and not found.service.proxied and not any(each.open_to_others for each in found.listeners):
        row.left_out = "it listens to this machine only, so nobody can come from outside"
        return row
    row.more = [jail for jail in jails.shipped(found.service.more) if not jails.enabled(jail)]
    for jail in names:
        if jails.enabled(jail):
            protection = Protection(jail, "on")
        elif place := jails.refused_at(jail):
            protection = Protection(jail, "switched off", place)
        else:
            protection = Protection(jail, "proposed")
        if protection.state != "switched off":
            protection.ports = jails.ports(jail, found.listeners)
            _say_log(protection, jails.config(jail))
        row.jails.append(protection)
    return row


def _say_log(protection: Protection, config: JailConfig | None) -> None:
    if config is None:
        return
    files = [path for log in config.logpaths for path in globs.hits(log.pattern)]
    journal = config.reads == "journal" or config.other is not None
    if config.reads == "files" and files:
        protection.log = "reads " + ", ".join(files[:3]) + (" …" if len(files) > 3 else "")
    elif journal and not obstacle(config.journal):
        protection.log = "reads the journal"
    else:
        missing = ", ".join(log.pattern for log in config.logpaths) or "journal"
        protection.log = f"its log is not there yet: {missing}"
        protection.reads = False


def _sections(row: Row) -> list[Protection]:
    """What the file has to say of *row*."""
    return [each for each in row.jails if each.state == "proposed" or each.ports]


_HEAD = """\
# Written by `banish setup`, for what it found on this machine. The file is yours: change what you
# like, setup only ever adds to what is there. `banish config JAIL` shows what counts for a jail,
# `banish reload` puts changes in force.
"""
_FIRST = """\
[DEFAULT]

# Who is never banned: addresses, networks and names, separated by spaces. This machine itself, and
# whoever is logged in over ssh at the moment, are spared in any case.{peers}
{ignoreip}

# How long a ban is, and how many failures within ten minutes (findtime) lead to it.
#bantime  = 10m
#maxretry = 5
"""
_ADDED = "# Jails that `banish setup` switched on, beside what stands in jail.local, which counts more.\n"


def _file(rows: Iterable[Row], path: Path, peers: Sequence[str]) -> Iterator[str]:
    if not path.exists():
        yield _HEAD
        if path.name == "jail.local":
            known = " ".join(peers)
            hint = f" You are logged in from {known}: if that is a fixed address, name it." if peers else ""
            yield _FIRST.format(
                peers=f"\n#{hint}" if hint else "", ignoreip=f"#ignoreip = {known or '198.51.100.7'}"
            ).rstrip("\n")
        else:
            yield _ADDED.rstrip("\n")
    for row in rows:
        sections = _sections(row)
        if not sections:
            continue
        yield ""
        yield f"# {where(row)}."
        for number, each in enumerate(sections):
            yield from [""] * (number > 0)
            yield f"[{each.jail}]"
            if each.state == "proposed":
                yield "enabled = true"
            if each.ports:
                yield f"port = {each.ports}"
        if row.more:
            yield ""
            yield f"# More for {row.service.name}, if you want it: {', '.join(row.more)}."


def where(row: Row) -> str:
    """Say how a service was found."""
    if row.program is None:
        return f"{row.service.name} was found by its log"
    ports: Mapping[str, list[int]] = {"tcp": [], "udp": []}
    for each in row.listeners:
        if each.port not in ports[each.protocol] and (each.open_to_others or row.service.proxied or row.left_out):
            ports[each.protocol].append(each.port)
    told = [
        f"{'port' if len(own) == 1 else 'ports'} {', '.join(map(str, sorted(own)))}{' (UDP)' * (protocol == 'udp')}"
        for protocol, own in ports.items()
        if own
    ]
    return f"{row.service.name} listens on {' and '.join(told)}"
