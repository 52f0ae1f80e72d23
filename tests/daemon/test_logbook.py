"""The log in fail2ban's format."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from banish import addresses
from banish.daemon.logbook import Logbook
from banish.decisions.ledger import Entry
from banish.errors import ConfigError, Origin, Problem
from banish.model import Decision, Failure, Ignored, Notice


@pytest.fixture
def log(tmp_path: Path) -> Iterator[tuple[Logbook, Path]]:
    logbook = Logbook()
    path = tmp_path / "log" / "banish.log"
    logbook.configure(str(path), "INFO")
    yield logbook, path
    logbook.close()


def ban(origin: str = "jail", end: float = 700) -> Decision:
    return Decision("sshd", "192.0.2.7", addresses.parse("192.0.2.7"), 100, end, origin)  # type: ignore[arg-type]


def test_lines_have_the_padding_that_parsers_rely_on(log: tuple[Logbook, Path]) -> None:
    logbook, path = log
    logbook.entry(Entry("banned", ban(), None), 100)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} fail2ban\.actions        \[\d+\]: NOTICE  \[sshd\] Ban 192\.0\.2\.7\n",
        path.read_text(),
    )


def test_what_is_said_of_each_event(log: tuple[Logbook, Path]) -> None:
    logbook, path = log
    logbook.event(Failure("sshd", "192.0.2.7", None, 0.0, 1, 0.0, (), {}))
    logbook.event(Ignored("sshd", "192.0.2.7", "ip"))
    logbook.event(Notice("WARNING", "filter", "[sshd] clock"))
    logbook.entry(Entry("banned", ban("restored"), None), 100)
    logbook.entry(Entry("already banned", ban(), None), 101)
    logbook.entry(Entry("already banned", ban(), None), 110)
    logbook.entry(Entry("already banned", ban(), None), 161)
    logbook.entry(Entry("expired", ban(), None), 800)
    logbook.lifted(ban())
    logbook.lifted(ban(), repealed=True)
    logbook.problem(Problem("not found", "create it", "sshd", "logpath", "/x", Origin("jail.conf", 3), "warning"))
    said = [re.sub(r"^\S+ \S+ fail2ban\.(\S+) +\[\d+\]: ", r"\1 ", line) for line in path.read_text().splitlines()]
    assert re.fullmatch(r"filter INFO    \[sshd\] Found 192\.0\.2\.7 - \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", said[0])
    assert said[1:] == [
        "filter INFO    [sshd] Ignore 192.0.2.7 by ip",
        "filter WARNING [sshd] clock",
        "actions NOTICE  [sshd] Restore Ban 192.0.2.7",
        "actions NOTICE  [sshd] 192.0.2.7 already banned",
        "actions WARNING [sshd] 192.0.2.7 already banned",
        "actions INFO    [sshd] Ignore 192.0.2.7, expired bantime",
        "actions NOTICE  [sshd] Unban 192.0.2.7",
        "actions NOTICE  [sshd] Repeal Ban 192.0.2.7",
        "configreader WARNING jail.conf:3 [sshd] logpath = /x: not found (create it)",
    ]


def test_log_text_cannot_forge_a_line(log: tuple[Logbook, Path]) -> None:
    logbook, path = log
    logbook.say(
        "filter",
        "INFO",
        "[sshd] Found x\n2026-01-01 00:00:00,000 fail2ban.actions [1]: NOTICE [sshd] Ban 192.0.2.1\x1b[2J\u2028",
    )
    [line] = path.read_text().splitlines()
    assert r"\n2026" in line
    assert r"\x1b[2J\u2028" in line


def test_a_rotated_log_is_opened_again(log: tuple[Logbook, Path]) -> None:
    logbook, path = log
    logbook.say("server", "INFO", "before")
    path.rename(path.with_suffix(".1"))
    logbook.reopen()
    logbook.say("server", "INFO", "after")
    assert "after" in path.read_text()
    assert "after" not in path.with_suffix(".1").read_text()


def test_a_target_that_cannot_be_used_leaves_the_former(log: tuple[Logbook, Path], tmp_path: Path) -> None:
    logbook, path = log
    with pytest.raises(ConfigError, match="logtarget"):
        logbook.configure(str(tmp_path), "INFO")
    with pytest.raises(ConfigError, match="loglevel"):
        logbook.configure(str(path), "CHATTY")
    logbook.say("server", "INFO", "still here")
    assert "still here" in path.read_text()


def test_levels_below_the_set_one_are_left_out(log: tuple[Logbook, Path]) -> None:
    logbook, path = log
    logbook.configure(str(path), "notice")
    logbook.say("filter", "INFO", "quiet")
    logbook.say("actions", "NOTICE", "loud")
    assert [line.split()[-1] for line in path.read_text().splitlines()] == ["loud"]
