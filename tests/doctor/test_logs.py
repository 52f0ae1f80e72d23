"""Logs that are well are told nothing of, and those that are not say what it is."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

import banish
from banish.config.jails import JailConfig, load
from banish.doctor import logs
from banish.patience import ENDLESS

DATA = Path(banish.__file__).parent / "data"
NOW = time.time()
JAIL = """
[door]
enabled = true
filter =
failregex = ^ doorman: no entry for <HOST>$
logpath = {path}
backend = polling
{more}
"""


def jail(tmp_path: Path, more: str = "") -> JailConfig:
    (tmp_path / "jail.local").write_text(JAIL.format(path=tmp_path / "door.log", more=more))
    return next(each for each in load(tmp_path, DATA).jails if each.name == "door")


def write(tmp_path: Path, *texts: str, ago: float = 0.0, form: str = "%Y-%m-%dT%H:%M:%S") -> Path:
    path = tmp_path / "door.log"
    stamp = time.strftime(form, time.localtime(NOW - ago))
    path.write_text("".join(f"{stamp} {text}\n" for text in texts))
    os.utime(path, (NOW, NOW))
    return path


def checks(config: JailConfig, program: str = "") -> list[str]:
    return [finding.check for finding in logs.examine(config, program, ENDLESS, NOW)]


@pytest.mark.parametrize("ago", [0.0, 30.0, 300.0])
def test_a_log_that_is_well_is_told_nothing_of(tmp_path: Path, ago: float) -> None:
    config = jail(tmp_path)
    write(tmp_path, *["doorman: hello"] * 50, "doorman: no entry for 192.0.2.7", ago=ago)
    assert checks(config, "doorman") == []
    write(tmp_path, *["doorman: hello, nobody fails here"] * 50, ago=ago)
    assert checks(config, "doorman") == []


def test_a_new_log_and_one_that_has_been_quiet_for_some_days_are_well(tmp_path: Path) -> None:
    config = jail(tmp_path)
    path = write(tmp_path)
    assert checks(config, "doorman") == []
    write(tmp_path, "doorman: no entry for 192.0.2.7", ago=5 * 86400)
    os.utime(path, (NOW, NOW - 5 * 86400))
    assert checks(config, "doorman") == []


def test_a_writer_that_did_not_notice_the_rotation(tmp_path: Path) -> None:
    config = jail(tmp_path)
    path = write(tmp_path)
    os.utime(path, (NOW, NOW - 3600))
    rotated = tmp_path / "door.log.1"
    rotated.write_text("x\n")
    os.utime(rotated, (NOW, NOW - 2))
    assert checks(config) == ["log-silent"]


@pytest.mark.parametrize(("hours", "found"), [(-1, ["time-zone"]), (2, ["time-zone"]), (5.5, ["time-zone"]), (0.4, [])])
def test_zones_are_told_from_lateness(tmp_path: Path, hours: float, found: list[str]) -> None:
    config = jail(tmp_path)
    write(tmp_path, "doorman: no entry for 192.0.2.7", ago=hours * 3600)
    assert checks(config) == found


def test_a_zone_that_is_configured_is_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "door.log"
    path.write_text(time.strftime("%Y-%m-%dT%H:%M:%S doorman: no entry for 192.0.2.7\n", time.gmtime(NOW - 3 * 3600)))
    os.utime(path, (NOW, NOW))
    assert checks(jail(tmp_path, "logtimezone = UTC-03:00")) == []
    assert checks(jail(tmp_path, "logtimezone = UTC")) == ["time-zone"]


def test_failures_that_the_filter_does_not_see(tmp_path: Path) -> None:
    config = jail(tmp_path)
    write(tmp_path, *[f"doorman: authentication failed, client 192.0.2.{number}" for number in range(30)])
    assert checks(config) == ["never-matches"]
    write(tmp_path, *["doorman: authentication failed, client 192.0.2.7"] * 30, "doorman: no entry for 192.0.2.7")
    assert checks(config) == []


def test_dates_that_are_not_found(tmp_path: Path) -> None:
    write(tmp_path, *["doorman: hello"] * 9, form="(%j)")
    assert checks(jail(tmp_path)) == ["log-undated"]
    assert checks(jail(tmp_path, "datepattern = {{NONE}}".replace("{{", "{").replace("}}", "}"))) == []


def test_what_is_no_file_does_not_stop_it(tmp_path: Path) -> None:
    config = jail(tmp_path)
    os.mkfifo(tmp_path / "door.log")
    assert checks(config) in ([], ["log-unreadable"])
    (tmp_path / "door.log").unlink()
    (tmp_path / "door.log").mkdir()
    assert checks(config) == ["log-unreadable"]
