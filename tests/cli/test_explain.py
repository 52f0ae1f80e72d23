"""What each jail makes of a line: every stage at which it can stop, and what a daemon adds."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from banish.cli import explain
from banish.control import client, commands
from tests.control.fake import HOSTILE, running

JAIL = """
[door]
enabled = true
filter =
prefregex = ^ doorman: <F-CONTENT>.+</F-CONTENT>$
failregex = ^no entry for <HOST>$
            ^<F-MLFID>guest \\d+</F-MLFID> from <HOST> <F-NOFAIL>asks</F-NOFAIL>$
            ^<F-MLFID>guest \\d+</F-MLFID> is refused$
            ^somebody is refused <F-ID>.*</F-ID>$
ignoreregex = for 192\\.0\\.2\\.99$
logpath = {path}
backend = polling
maxretry = 3
ignoreip = 198.51.100.0/24

[off]
filter =
failregex = ^ .* off <HOST>$
logpath = {path}
backend = polling
"""

Explain = Callable[..., Any]


@pytest.fixture
def told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Explain:
    (tmp_path / "etc").mkdir()
    (tmp_path / "door.log").touch()
    (tmp_path / "etc" / "jail.local").write_text(JAIL.format(path=tmp_path / "door.log"))

    def run(*words: str, code: int = 0, socket: str = str(tmp_path / "none.sock")) -> Any:
        assert explain.run(["--config", str(tmp_path / "etc"), "--socket", socket, *words]) == code
        said = capsys.readouterr()
        return json.loads(said.out) if "--json" in words else said.out + said.err

    return run


def of_door(explained: Any) -> Any:
    return next(each for each in explained["jails"] if each["jail"] == "door")


def line(text: str, ago: float = 0.0) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S%z', time.localtime(time.time() - ago))} {text}"


@pytest.mark.parametrize(
    ("text", "stopped", "outcome", "said"),
    [
        ("doorman: no entry for 192.0.2.7", "failure", "failure", "3 within 10m lead to a ban"),
        ("porter: no entry for 192.0.2.7", "prefregex", "none", "the prefregex was not found"),
        ("doorman: no entry to 192.0.2.7", "failregex", "none", "0 got furthest: it fits as far as 'no entry '"),
        ("doorman: hello", "failregex", "none", "none of 4 failregex was found, and none comes close"),
        ("doorman: no entry for 192.0.2.99", "ignoreregex", "ignored", "ignoreregex 0 was found"),
        ("doorman: guest 1 is refused", "session", "pending", "of whom is not known yet"),
        ("doorman: guest 1 from 192.0.2.7 asks", "session", "nofail", "no failure by itself"),
        ("doorman: somebody is refused ", "identity", "none", "names nobody"),
        ("doorman: no entry for 198.51.100.9", "ignoreip", "failure", "ignoreip has 198.51.100.0/24"),
        ("doorman: no entry for host.invalid", "failure", "failure", "host.invalid is a host name"),
    ],
)
def test_where_a_line_stops(told: Explain, text: str, stopped: str, outcome: str, said: str) -> None:
    [explained] = told(line(text), "--json")["lines"]
    door = of_door(explained)
    assert (door["jail"], door["stopped"], door["outcome"]) == ("door", stopped, outcome)
    assert any(said in step["said"] for step in door["steps"])
    assert door["steps"][0]["stage"] == "date"


def test_the_lines_of_a_session_belong_together(told: Explain) -> None:
    first, second = told(line("doorman: guest 1 is refused"), line("doorman: guest 1 from 192.0.2.7 asks"), "--json")[
        "lines"
    ]
    assert of_door(first)["stopped"] == "session"
    assert of_door(second)["ids"] == ["192.0.2.7"]
    assert "made of 2 lines" in of_door(second)["steps"][-1]["said"]


def test_dates_that_are_missing_old_or_yet_to_come(told: Explain) -> None:
    for text, said in (
        ("doorman: no entry for 192.0.2.7", "no date was found"),
        (line("doorman: no entry for 192.0.2.7", 7200), "more than findtime (10m)"),
        (line("doorman: no entry for 192.0.2.7", -7200), "in the future"),
    ):
        assert said in told(text)


def test_text_for_people_names_file_and_line_and_is_harmless(told: Explain, tmp_path: Path) -> None:
    text = told(line(f"doorman: no entry for 192.0.2.7 {HOSTILE}"))
    assert "\x1b" not in text
    text = told(line("doorman: no entry for 192.0.2.7"))
    assert "door: a failure of 192.0.2.7" in text
    assert f"({tmp_path}/etc/jail.local:6)" in text
    assert "nothing to: door" in told(line("something else"))


def test_a_jail_that_is_not_enabled_can_be_named_and_a_wrong_name_is_told(told: Explain) -> None:
    assert "off: a failure of 192.0.2.7" in told(line("is off 192.0.2.7"), "--jail", "off")
    assert "there is no jail 'dor'; did you mean 'door'?" in told("x", "--jail", "dor", code=commands.NOT_FOUND)


def test_a_daemon_adds_what_it_knows(told: Explain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "SOCKET", "unused")
    with running(tmp_path / "d.sock") as daemon:
        text = told(line("doorman: no entry for 192.0.2.7"), socket=str(tmp_path / "d.sock"))
        assert "= now: 192.0.2.7 is banned already" in text
        assert ("why", ("192.0.2.7", "door")) in daemon.calls
