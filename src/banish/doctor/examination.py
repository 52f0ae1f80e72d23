"""The whole examination, in an order in which a person would mend things."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from banish.config import filters
from banish.config.grammar import Call
from banish.config.jails import Configuration, JailConfig, load
from banish.config.layers import Tree
from banish.config.settings import load_settings
from banish.control import client
from banish.daemon.guard import Guard
from banish.doctor import firewall, house, logs
from banish.doctor.finding import Finding, Skipped
from banish.errors import ConfigError, RegexError
from banish.sources.opening import obstacle


@dataclass(slots=True)
class Report:
    """What came of it."""

    findings: list[Finding] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    jails: list[str] = field(default_factory=list)
    """Those that were examined."""

    def take(self, found: Finding | Skipped) -> None:
        """Take note of *found*, once."""
        if isinstance(found, Skipped):
            self.skipped.append(found)
        elif found not in self.findings:
            self.findings.append(found)


def examine(
    config: Path | None,
    data: Path,
    state: Path,
    socket: str,
    *,
    environment: Mapping[str, str] = os.environ,
    clock: Callable[[], float] = time.time,
) -> Report:
    """Examine the host as it is now. Changes nothing on it."""
    report, now = Report(), clock()
    configuration = load(config, data)
    settings, problems = load_settings(config, data)
    _configuration(configuration, report)
    for problem in problems:
        report.take(Finding("configuration", problem.severity, str(problem), "banish check"))
    for found in house.clock(now):
        report.take(found)
    reads = _reads(socket)
    guard, tree = Guard(), Tree(config, data)
    for jail in configuration.jails:
        report.jails.append(jail.name)
        for found in _logs(jail, _program(tree, jail), reads.get(jail.name), guard, now):
            report.take(found)
    for each in (
        *house.ignored(configuration.jails),
        *firewall.examine(configuration.jails),
        *house.yourself(configuration.jails, settings, environment, now),
        *house.database(state),
        *house.daemon(socket, report.findings),
    ):
        report.take(each)
    return report


def _configuration(configuration: Configuration, report: Report) -> None:
    for problem in configuration.problems:
        report.take(
            Finding("configuration", problem.severity, str(problem), "banish check tells more", problem.section)
        )
    if not configuration.jails:
        text = "no jail is enabled: nothing is watched"
        report.take(Finding("configuration", "error", text, "enable one: [sshd] enabled = true in jail.local"))


def _reads(socket: str) -> dict[str, str]:
    """Return what the daemon says each jail reads; nothing when it does not run."""
    reply = client.ask(socket, "status", {"jail": None}, timeout=10.0)
    return {row["name"]: row.get("reads", "") for row in reply["result"]["jails"]} if reply["ok"] else {}


def _program(tree: Tree, jail: JailConfig) -> str:
    """Return what the filter of *jail* calls the program that writes its log; empty when it does not say."""
    if not jail.filter_name:
        return ""
    try:
        found = filters.load(tree, Call(jail.filter_name, {}), journal=False).get("_daemon")
    except ConfigError:
        return ""
    return found.text if found is not None else ""


def _logs(jail: JailConfig, program: str, reads: str | None, guard: Guard, now: float) -> list[Finding]:
    reads = reads or jail.reads
    if reads == "journal":
        why = obstacle(jail.journal)
        remedy = "see that systemd-journald runs, or set backend = auto and logpath to a file"
        return (
            [Finding("log-unreadable", "error", f"the journal cannot be read: {why}", remedy, jail.name)] if why else []
        )
    if (
        jail.other is not None
        and not any(os.path.exists(path.pattern) for path in jail.logpaths)
        and not obstacle(jail.journal)
    ):
        return []  # without its files it reads the journal
    try:
        with guard.watching():
            return list(logs.examine(jail.on("files"), program, guard.trial(), now))
    except (ConfigError, RegexError) as error:
        return [Finding("configuration", "error", str(error), "banish check tells more", jail.name)]
