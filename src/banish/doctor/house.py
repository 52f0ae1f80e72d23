"""The house itself: the daemon, its database, the clock, and whether you would lock yourself out."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from banish import addresses
from banish.config.jails import JailConfig
from banish.config.settings import DaemonSettings
from banish.control import client, commands
from banish.doctor.finding import Finding, Severity, Skipped
from banish.failures.ignore import IgnoreRules
from banish.lookups.sessions import Sessions
from banish.model import Notice

_ROOM = 32 << 20
"""Bytes that must be free where the database lies."""
_EPOCH = 1.7e9
"""A clock that shows an earlier time (before the end of 2023) was never set."""
_BANS = 20
"""Bans that are looked for in the firewall."""


def daemon(socket: str, told: Iterable[Finding]) -> Iterator[Finding | Skipped]:
    """Yield whether the daemon runs, and what it complains of itself, but for what was *told* of a jail's log or configuration already."""
    reply = client.ask(socket, "status", {"jail": None}, timeout=10.0)
    if not reply["ok"]:
        error = reply["error"]
        if error["code"] == commands.NO_PERMISSION:
            yield Skipped("daemon", f"{error['text']} ({error['hint']})")
        else:
            yield Finding("daemon", "error", error["text"], error["hint"] or "see its log")
        return
    said = list(told)
    known = {finding.jail for finding in said if finding.check.startswith("log-")}
    texts = {finding.text for finding in said}
    result = reply["result"]
    left_out = [
        {"text": row["problem"], "jail": row["name"], "severity": "error"}
        for row in result["jails"]
        if row["problem"] and not row["enabled"]
    ]
    for row in (*result.get("problems", ()), *left_out):
        text, jail = str(row["text"]), str(row["jail"])
        if text in texts or (jail in known and ("logpath" in text or "backend" in text)):
            continue
        texts.add(text)
        check = "database" if "database" in text else "daemon"
        severity: Severity = "error" if row["severity"] == "error" else "warning"
        yield Finding(check, severity, text, f"banish status {jail}".rstrip(), jail)
    yield from _in_force(socket)


def _in_force(socket: str) -> Iterator[Finding]:
    """Look for some of the bans in the firewall."""
    reply = client.ask(socket, "banned", {"network": None}, timeout=10.0)
    for row in reply["result"][:_BANS] if reply["ok"] else ():
        answer = client.ask(socket, "why", {"address": row["network"], "jail": row["jail"]}, timeout=10.0)
        for jail in answer["result"]["jails"] if answer["ok"] else ():
            if any(not held["stands"] for held in jail["kernel"]):
                text = f"the ban of {row['network']} is not in force"
                yield Finding("not-in-force", "error", text, "banish reload puts it back; who removes it?", row["jail"])


def database(state: Path) -> Iterator[Finding]:
    """Yield what is wrong with the database and the place where it lies."""
    path = state / "banish.sqlite3"
    remedy = f"make {state} writable for banishd, and see that there is room"
    if not state.is_dir():
        return  # the first start makes it
    try:
        room = os.statvfs(state)
    except OSError as error:
        yield Finding("database", "error", f"{state} cannot be looked at: {error.strerror}", remedy)
        return
    if room.f_bavail * room.f_frsize < _ROOM or (room.f_files and room.f_favail < 16):
        text = f"there is nearly no room left in {state}: bans may not survive a restart"
        yield Finding("database", "error", text, "free some disk space")
    if room.f_flag & os.ST_RDONLY:
        yield Finding("database", "error", f"{state} is read-only: bans do not survive a restart", remedy)
    if not path.exists():
        return
    if not path.is_file():
        yield Finding("database", "error", f"{path} is no file", f"move it away and restart banishd; {remedy}")
        return
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0)
        try:
            [(said,)] = connection.execute("PRAGMA quick_check(1)").fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        text = f"the database {path} cannot be read: {error}"
        yield Finding("database", "error", text, "restart banishd: a damaged one is moved aside and a new one begun")
        return
    if said != "ok":
        text = f"the database {path} is damaged: {said}"
        yield Finding("database", "error", text, "restart banishd: it is moved aside and a new one begun")


def clock(now: float) -> Iterator[Finding]:
    """Yield whether the clock was ever set."""
    if now < _EPOCH:
        text = "the clock of this machine was never set: no line of a log is of now"
        yield Finding("clock", "error", text, "timedatectl set-ntp true, then restart banishd")


def yourself(
    jails: Sequence[JailConfig], settings: DaemonSettings, environment: Mapping[str, str], now: float
) -> Iterator[Finding | Skipped]:
    """Yield whether the peers of ssh sessions, yours first, could be banned."""
    peers = dict.fromkeys(filter(None, [_own(environment)]))
    found, trouble = _sessions(now)
    peers.update(dict.fromkeys(found))
    if trouble is not None:
        yield Skipped("own-session", trouble.text)
    if settings.spare.spare_sessions:
        return
    for peer in peers:
        exposed = [config.name for config in jails if _may_ban(config, peer)]
        if exposed:
            own = "you are" if addresses.show(peer) == _shown(environment) else "somebody is"
            text = (
                f"{own} logged in over ssh from {addresses.show(peer)}, which {', '.join(exposed)} may ban: spare_sessions is off, and "
                "ignoreip does not have it"
            )
            remedy = f"set spare_sessions = yes in banish.local, or ignoreip = {addresses.show(peer)} in jail.local"
            yield Finding("own-session", "error", text, remedy)


def ignored(jails: Iterable[JailConfig]) -> Iterator[Finding]:
    """Yield which jails ignore everybody."""
    for config in jails:
        for item in config.settings.ignore.ignoreip:
            network = addresses.parse(item)
            if network is not None and network.prefixlen <= 1:
                text = f"ignoreip has {item}: this jail bans nobody"
                yield Finding("ignores-everybody", "error", text, "name the addresses that are yours", config.name)


def _may_ban(config: JailConfig, peer: addresses.Network) -> bool:
    return IgnoreRules(config.settings.ignore).find(addresses.show(peer), peer) is None


def _shown(environment: Mapping[str, str]) -> str:
    own = _own(environment)
    return "" if own is None else addresses.show(own)


def _own(environment: Mapping[str, str]) -> addresses.Network | None:
    words = (environment.get("SSH_CONNECTION") or environment.get("SSH_CLIENT") or "").split()
    return addresses.parse(words[0]) if words else None


def _sessions(now: float) -> tuple[list[addresses.Network], Notice | None]:
    try:
        sessions = Sessions()
        return [session.peer for session in sessions.look(now)], sessions.trouble
    except OSError as error:
        return [], Notice("WARNING", "actions", str(error))
