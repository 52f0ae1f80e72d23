"""The live view in a pseudo-terminal: it draws, follows the window, leaves cleanly; elsewhere it prints once."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from banish.cli import top
from banish.control import commands
from tests.cli.test_banish import ENVIRONMENT
from tests.control.fake import FakeControl, running

_OURS = re.compile(r"\x1b\[(?:\?1049[hl]|\?25[hl]|H|K|J|[0-9;]*m)")
_TOP = (sys.executable, "-m", "banish.cli.banish", "top", "--interval", "0.2")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "banish.sock"


@pytest.fixture
def daemon(path: Path) -> Iterator[FakeControl]:
    with running(path) as control:
        yield control


class Terminal:
    """``banish top`` in a pseudo-terminal of *rows* and *columns*."""

    def __init__(self, path: Path, *words: str, rows: int = 30, columns: int = 100, **environment: str) -> None:
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.process = subprocess.Popen(
            [*_TOP, "--socket", str(path), *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**ENVIRONMENT, "TERM": "xterm", **environment},
            start_new_session=True,
        )
        self.seen = ""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, until: str, *, timeout: float = 20.0) -> str:
        """Return what came since the last call, up to *until* and a little more."""
        said, deadline = "", time.monotonic() + timeout
        while until not in said:
            ready, _, _ = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no {until!r} in {self.seen + said!r}"
            try:
                data = os.read(self.master, 65536)
            except OSError:
                data = b""
            assert data, f"it ended without {until!r}: {self.seen + said!r}"
            said += data.decode()
        self.seen += said
        return said

    def end(self) -> tuple[int, str]:
        """Return its exit code and all that it drew; the terminal must be as it was."""
        deadline = time.monotonic() + 20
        while self.process.poll() is None and time.monotonic() < deadline:
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 65536).decode()
        code = self.process.wait(1)
        while select.select([self.master], [], [], 0.1)[0]:
            self.seen += os.read(self.master, 65536).decode()
        assert termios.tcgetattr(self.slave) == self.before
        os.close(self.slave)
        os.close(self.master)
        return code, self.seen


def harmless(seen: str) -> bool:
    rest = _OURS.sub("", seen).replace("\r\n", "")
    return rest.isprintable()


def test_it_draws_again_and_again_until_q_and_gives_the_screen_back(daemon: FakeControl, path: Path) -> None:
    terminal = Terminal(path)
    terminal.read("192.0.2.7")
    terminal.read("lines 0.0/s")
    os.write(terminal.master, b"q")
    code, seen = terminal.end()
    assert code == 0
    assert seen.startswith("\x1b[?1049h\x1b[?25l")
    assert seen.endswith("\x1b[?25h\x1b[?1049l")
    assert harmless(seen), "a user name from a log has nothing to say to the terminal"
    assert r"root\x1b[2J" in seen
    assert len([call for call in daemon.calls if call[0] == "figures"]) >= 2


def test_lines_are_cut_to_the_window_and_follow_it(daemon: FakeControl, path: Path) -> None:
    terminal = Terminal(path, rows=12, columns=40, NO_COLOR="1")
    first = terminal.read("\x1b[J").split("\x1b[H")[1]
    lines = first.split("\x1b[K")
    assert max(len(_OURS.sub("", line).strip("\r\n")) for line in lines) <= 40
    assert first.count("\r\n") <= 11
    terminal.resize(30, 120)
    os.kill(terminal.process.pid, signal.SIGWINCH)
    wide = terminal.read("addresses")
    assert "read 8.8 KiB" in wide or "ban after" in wide
    terminal.resize(1, 1)
    os.kill(terminal.process.pid, signal.SIGWINCH)
    terminal.read("\x1b[J")
    os.kill(terminal.process.pid, signal.SIGTERM)
    code, seen = terminal.end()
    assert (code, seen.endswith("\x1b[?25h\x1b[?1049l")) == (143, True)
    assert "\x1b[3" not in seen, "NO_COLOR"


def test_control_c_ends_it_cleanly(daemon: FakeControl, path: Path) -> None:
    terminal = Terminal(path)
    terminal.read("192.0.2.7")
    os.kill(terminal.process.pid, signal.SIGINT)
    code, seen = terminal.end()
    assert (code, "Traceback" in seen, seen.endswith("\x1b[?1049l")) == (0, False, True)


def test_a_daemon_that_goes_is_told_of_and_waited_for(path: Path) -> None:
    with running(path):
        terminal = Terminal(path)
        terminal.read("192.0.2.7")
    terminal.read("banishd is not running")
    with running(path):
        terminal.read("lines")
        os.write(terminal.master, b"q")
        assert terminal.end()[0] == 0


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_can_do_nothing_gets_one_snapshot(daemon: FakeControl, path: Path, term: str) -> None:
    code, seen = Terminal(path, TERM=term).end()
    assert code == 0
    assert "lines 100" in seen
    assert "\x1b" not in seen


def test_pipes_get_one_snapshot_and_json_is_one_document(daemon: FakeControl, path: Path) -> None:
    words = [*_TOP, "--socket", str(path)]
    plain = subprocess.run(words, capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert "lines 100  matches 9  failures 8  bans 2" in plain.stdout
    assert plain.stdout.replace("\n", "").isprintable()
    document = subprocess.run([*words, "--json"], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert json.loads(document.stdout)["networks"][0]["address"] == "192.0.2.7"


def test_without_a_daemon_it_says_so(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert top.run(["--socket", str(path)]) == commands.NOT_RUNNING
    assert "banishd is not running" in capsys.readouterr().err


def test_count_ends_it(daemon: FakeControl, path: Path) -> None:
    code, seen = Terminal(path, "--count", "2").end()
    assert (code, seen.count("\x1b[H") >= 2) == (0, True)


@pytest.mark.parametrize("words", ["--interval 0", "--interval nan", "--interval x", "--count -1"])
def test_bad_numbers_are_refused(words: str) -> None:
    with pytest.raises(SystemExit):
        top.run(words.split())
