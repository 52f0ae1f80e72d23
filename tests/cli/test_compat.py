"""fail2ban's programs by their names, without fail2ban; tests/conformance compares what they print with the original."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from banish.cli import compat
from banish.cli.banish import main
from tests.control.fake import HOSTILE, FakeControl, running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "banish.sock"


@pytest.fixture
def daemon(path: Path) -> Iterator[FakeControl]:
    with running(path) as control:
        yield control


@pytest.fixture
def say(path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def say(*words: str) -> tuple[int, str, str]:
        code = compat.fail2ban_client(["-s", str(path), *words])
        return code, *capsys.readouterr()

    return say


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize(
    ("words", "out"),
    [
        ("ping", "Server replied: pong"),
        ("status", "Status\n|- Number of jail:\t2\n`- Jail list:\tpostfix, sshd"),
        ("echo a b", "a b"),
        ("version", "0.1.0"),
        ("banned", "[{'postfix': []}, {'sshd': []}]"),
        ("flushlogs", "logs: rolled over"),
        ("start sshd", "Jail started"),
        ("stop sshd", "Jail stopped"),
        ("add gamma", "Added jail gamma"),
        ("unban --all", "0"),
        ("sleep 0", "None"),
        ("server-status", "Server ready"),
    ],
)
def test_it_prints_what_fail2ban_client_prints(say: Any, words: str, out: str) -> None:
    assert say(*words.split()) == (0, f"{out}\n", "")


def test_reload_and_restart_say_what_they_are_given(say: Any, daemon: FakeControl) -> None:
    assert say("reload") == (0, "OK\n", "")
    assert say("reload", "--unban", "sshd")[0] == 0
    assert say("restart", "--if-exists", "sshd")[0] == 0
    assert [call for call in daemon.calls if call[0] == "reload"] == [
        ("reload", (None, False, False, False, False)),
        ("reload", ("sshd", False, True, False, False)),
        ("reload", ("sshd", True, False, True, False)),
    ]


@pytest.mark.usefixtures("daemon")
def test_what_is_refused_is_code_255(say: Any) -> None:
    code, out, err = say("status", "nosuch")
    assert (code, out) == (255, "Sorry but the jail 'nosuch' does not exist\n")
    assert err.endswith("ERROR   NOK: ('nosuch',)\n")
    assert say("nosuch")[:2] == (255, "Invalid command\n")
    assert say("start")[0] == 255
    assert say()[0] == 255
    assert say("--nosuch")[0] == 255


def test_hostile_text_is_shown_harmless(say: Any, daemon: FakeControl) -> None:
    daemon.values["failregex"] = [HOSTILE]
    code, out, _ = say("get", "sshd", "failregex")
    assert (code, out.isascii(), "\x1b" in out) == (0, True, False)
    assert "[0]: root\\x1b[2J" in out


def test_without_a_daemon_it_says_what_fail2ban_says(say: Any, path: Path) -> None:
    code, out, err = say("ping")
    assert (code, out) == (255, "")
    assert err.endswith(f"ERROR   Failed to access socket path: {path}. Is fail2ban running?\n")


def test_what_it_does_by_itself(say: Any, tmp_path: Path) -> None:
    assert say("--str2sec", "1d12h")[:2] == (0, "129600\n")
    assert say("--str2sec", "soon")[0] == 255
    assert say("-V")[1].startswith("banish v")
    assert "banish config" in say("-d")[1]
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "jail.local").write_text("[sshd]\nenabled = true\nbackend = systemd\n")
    code, out, _ = say("-c", str(tmp_path / "etc"), "-t")
    assert (code, out.splitlines()[-1]) == (0, "OK: configuration test is successful")
    (tmp_path / "etc" / "jail.local").write_text("[sshd]\nenabled = true\nfilter = nosuch\n")
    code, out, _ = say("-c", str(tmp_path / "etc"), "-t")
    assert (code, out.splitlines()[-1]) == (255, "ERROR: test configuration failed")


def test_fail2ban_regex_tries_a_filter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "some.log"
    log.write_text("2026-11-29 10:00:00 knock from 192.0.2.7\n2026-11-29 10:00:00 nothing\n")
    assert compat.fail2ban_regex([str(log), "^ knock from <HOST>$", "--print-all-matched", "-v"]) == 0
    said = capsys.readouterr().out
    assert "Lines: 2 lines, 0 ignored, 1 matched, 1 missed" in said
    assert "192.0.2.7" in said
    assert compat.fail2ban_regex([str(log), "^ (knock"]) == 255
    assert compat.fail2ban_regex([str(log)]) == 255


def test_they_are_installed_on_request_and_leave_others_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = tmp_path / "fail2ban-server"
    theirs.write_text("#!/usr/bin/python3\n")
    assert main(["install-compat", "--dir", str(tmp_path)]) == 1
    assert capsys.readouterr().out == (
        f"installed {tmp_path}/fail2ban-client\n"
        f"left alone {theirs}: it is not ours; --force replaces it\n"
        f"installed {tmp_path}/fail2ban-regex\n"
    )
    assert theirs.read_text() == "#!/usr/bin/python3\n"
    done = subprocess.run([tmp_path / "fail2ban-client", "--str2sec", "1h"], capture_output=True, text=True, check=True)
    assert done.stdout == "3600\n"
    assert main(["install-compat", "--dir", str(tmp_path), "--remove"]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fail2ban-server"]
    assert main(["install-compat", "--dir", str(tmp_path), "--force"]) == 0
    assert main(["install-compat", "--dir", str(tmp_path), "--remove", "--json"]) == 0
    assert list(tmp_path.iterdir()) == []
