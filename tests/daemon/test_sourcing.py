"""Which jail reads files and which the journal."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from banish.config.jails import Configuration, load
from banish.daemon.assembly import Running, assemble
from banish.daemon.sourcing import Sourcing
from banish.decisions.ledger import Ledger

DATA = Path(__file__).resolve().parents[2] / "src" / "banish" / "data"
NOW = 1_800_000_000.0


def configuration(tree: Path, *options: str) -> Configuration:
    (tree / "jail.local").write_text("\n".join(["[sshd]", "enabled = true", *options]) + "\n")
    return load(tree, DATA)


def chosen(
    tree: Path,
    *options: str,
    latest: float = -math.inf,
    obstacle: str = "",
    running: dict[str, Running] | None = None,
    sourcing: Sourcing | None = None,
) -> tuple[str, str]:
    sourcing = sourcing or Sourcing(lambda watches: dict.fromkeys(watches, latest), lambda options: obstacle)
    (config,) = sourcing.choose(configuration(tree, *options), running or {}, NOW).jails
    return config.reads, sourcing.why["sshd"]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "auth.log"
    path.write_text("a line\n")
    os.utime(path, (NOW - 3600, NOW - 3600))
    return path


def test_a_file_that_is_alive_comes_first(tmp_path: Path, log: Path) -> None:
    assert chosen(tmp_path, f"logpath = {log}") == ("files", "the files of logpath are there")
    assert chosen(tmp_path, f"logpath = {log}", latest=NOW - 3100)[0] == "files"


def test_a_file_that_is_missing_or_dead_gives_way_to_the_journal(tmp_path: Path, log: Path) -> None:
    reads, why = chosen(tmp_path, f"logpath = {log}", latest=NOW)
    assert (reads, why) == ("journal", f"nothing has been written to {log} while the journal went on")
    assert chosen(tmp_path, "logpath = /nosuch") == ("journal", "there is no file /nosuch yet")
    assert chosen(tmp_path, f"logpath = {tmp_path}/a*.log")[0] == "files"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("systemd_if_nologs = no",), "systemd_if_nologs is off, or journalmatch is wrong"),
        (("journalmatch =",), "there is no journalmatch"),
        (("journalmatch = nonsense",), "systemd_if_nologs is off, or journalmatch is wrong"),
        (("backend = polling",), "backend = polling"),
    ],
)
def test_who_may_not_read_the_journal_waits_for_the_file(tmp_path: Path, options: tuple[str, ...], why: str) -> None:
    assert chosen(tmp_path, "logpath = /nosuch", *options) == ("files", why)


def test_backend_systemd_reads_the_journal_whatever_files_there_are(tmp_path: Path, log: Path) -> None:
    assert chosen(tmp_path, f"logpath = {log}", "backend = systemd") == ("journal", "backend = systemd")


def test_without_a_journal_the_file_is_waited_for(tmp_path: Path) -> None:
    reads, why = chosen(tmp_path, "logpath = /nosuch", obstacle="no journal is kept on this machine")
    assert (reads, why) == ("files", "the journal cannot be read: no journal is kept on this machine")


def test_the_prefix_of_lines_follows_what_is_read(tmp_path: Path, log: Path) -> None:
    (config,) = configuration(tmp_path, f"logpath = {log}").jails
    (journal,) = configuration(tmp_path, "backend = systemd").jails
    assert config.other is not None
    assert config.on("journal").settings.filter == journal.settings.filter != config.settings.filter
    assert config.on("journal").on("files") == config


def test_a_reload_leaves_a_jail_where_it_is_and_begins_where_its_files_ended(tmp_path: Path, log: Path) -> None:
    times = {"latest": -math.inf}
    sourcing = Sourcing(lambda watches: dict.fromkeys(watches, times["latest"]), lambda options: "")
    config = sourcing.choose(configuration(tmp_path, f"logpath = {log}"), {}, NOW)
    running = assemble(config, {}, Ledger()).running
    times["latest"] = NOW
    assert chosen(tmp_path, f"logpath = {log}", running=running, sourcing=sourcing)[0] == "journal"
    assert sourcing.since == {"sshd": NOW - 3600}
    moved = assemble(sourcing.choose(configuration(tmp_path, f"logpath = {log}"), running, NOW), running, Ledger())
    os.utime(log, (NOW, NOW))
    assert chosen(tmp_path, f"logpath = {log}", running=moved.running, sourcing=sourcing)[0] == "journal"
    assert sourcing.since == {}
