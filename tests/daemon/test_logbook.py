"""The log in fail2ban's format."""

from __future__ import annotations

import logging
import re
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from banish import addresses
from banish.daemon import logtarget
from banish.daemon.logbook import Logbook
from banish.decisions.ledger import Entry
from banish.errors import ConfigError, Origin, Problem
from banish.model import Decision, Failure, Ignored, Increase, Notice


@pytest.fixture
def log(tmp_path: Path) -> Iterator[tuple[Logbook, Path]]:
    logbook = Logbook()
    path = tmp_path / "log" / "banish.log"
    logbook.configure(str(path), "INFO")
    yield logbook, path
    logbook.close()


def trouble(logbook: Logbook) -> str:
    return str(logbook.trouble)


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
    logbook.all_lifted([ban()])
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
        "configreader WARNING jail.conf:3 [sshd] logpath = /x: not found (create it)",
    ]


def said(path: Path) -> list[str]:
    lines = [re.sub(r"^\S+ \S+ fail2ban\.(\S+) +\[\d+\]: ", r"\1 ", line) for line in path.read_text().splitlines()]
    return [re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", line) for line in lines]


def test_a_known_offender_is_told_as_fail2bans_observer_does(log: tuple[Logbook, Path]) -> None:
    logbook, path = log
    for bans, weight, due in ((1, 2, False), (2, 3, True), (4, 6, True)):
        logbook.event(Failure("sshd", "192.0.2.7", None, 0.0, weight, 0.0, (), {}, 1, bans, weight, due))
    logbook.entry(Entry("banned", ban(end=7300)._replace(increase=Increase(1, 50, 3600)), None), 100)
    logbook.entry(Entry("banned", ban(end=700)._replace(increase=Increase(1, 50, 600)), None), 100)
    assert [line for line in said(path) if line.startswith("observer")] == [
        "observer INFO    [sshd] Found 192.0.2.7, bad - TIME, 1 # -> 2.0",
        "observer INFO    [sshd] Found 192.0.2.7, bad - TIME, 2 # -> 3.0, Ban",
        "observer INFO    [sshd] Found 192.0.2.7, bad - TIME, 4 # -> 6, Ban",
        "observer INFO    [sshd] IP 192.0.2.7 is bad: 1 # last TIME - incr 1h to 2h",
        "observer NOTICE  [sshd] Increase Ban 192.0.2.7 (2 # 2h -> TIME)",
        "observer INFO    [sshd] IP 192.0.2.7 is bad: 1 # last TIME - incr 10m to 10m",
    ]
    assert said(path)[6] == "actions NOTICE  [sshd] Ban 192.0.2.7"


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


def test_an_id_cannot_turn_the_direction_of_writing(log: tuple[Logbook, Path]) -> None:
    logbook, path = log
    logbook.say("filter", "INFO", "[web] Found \u202eroot\u202c \u2066x\u2069 \u200e\u200f\u061c")
    assert path.read_text().endswith(r"Found \u202eroot\u202c \u2066x\u2069 \u200e\u200f\u061c" + "\n")


def test_a_log_that_cannot_be_opened_again_goes_on_in_the_former_file(
    log: tuple[Logbook, Path], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logbook, path = log
    monkeypatch.setattr(logtarget, "RETRY", 0.0)
    away = path.parent.with_name("away")
    path.parent.rename(away)
    path.parent.write_text("a file stands where the directory was")
    for _ in range(3):
        logbook.reopen()
        logbook.say("server", "INFO", "not lost")
    assert (away / path.name).read_text().count("not lost") == 3
    assert "cannot be opened again" in trouble(logbook)
    assert capfd.readouterr().err.count("cannot be opened again") == 1
    path.parent.unlink()
    logbook.say("server", "INFO", "back")
    assert "back" in path.read_text()
    assert trouble(logbook) == "None"


def test_no_descriptor_left_is_no_reason_to_fall_silent(log: tuple[Logbook, Path]) -> None:
    logbook, path = log
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        logbook.reopen()
        logbook.say("server", "INFO", "still here")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "still here" in path.read_text()
    assert "Too many open files" in trouble(logbook)


def test_a_full_disk_is_said_once_and_without_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    logbook = Logbook()
    logbook.configure("/dev/full", "INFO")
    for _ in range(5):
        logbook.say("server", "INFO", "lost")
    logbook.close()
    [said] = capfd.readouterr().err.splitlines()
    assert said.startswith("banishd: logtarget = /dev/full: the log cannot be written: No space left on device (free")


def test_a_full_disk_is_told_until_it_is_over(log: tuple[Logbook, Path]) -> None:
    logbook, path = log
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))  # fails with EFBIG past that, as a full disk does with ENOSPC
    try:
        for _ in range(5):
            logbook.say("server", "INFO", "lost")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "free some disk space" in trouble(logbook)
    logbook.say("server", "INFO", "space again")
    assert trouble(logbook) == "None"
    torn, last, told = path.read_text().splitlines()
    assert len(torn) == 20
    assert "5 lines before the last one could not be written: the log cannot be written: File too large" in told
    assert last.endswith("space again")


def test_what_rooms_say_that_know_no_logbook_is_written_too(tmp_path: Path) -> None:
    logbook = Logbook()
    logbook.configure(str(tmp_path / "log"), "INFO")
    logger = logging.getLogger("fail2ban.adopted")
    logbook.adopt("adopted")
    logger.error("Command %r has failed", "ping\x1b")
    logger.debug("nobody wants to know")
    logbook.close()
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert line.endswith(": ERROR   Command 'ping\\x1b' has failed")
    assert " fail2ban.adopted " in line
