"""The client program: in-process for its texts and codes, as a process for what only a process can show."""

import json
import os
import pty
import select
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import banish
from banish.cli.banish import main
from banish.cli.tools import TOOLS, Tool
from banish.control import client
from banish.control.commands import COMMANDS, Command
from banish.control.handler import Outcome
from tests.control.fake import HOSTILE, FakeControl, running

SOURCE = Path(banish.__file__).parents[1]
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": os.pathsep.join([str(SOURCE), str(Path(__file__).parents[2])]),
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "banish.sock"


@pytest.fixture
def daemon(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeControl]:
    """A daemon on the socket that `ask` uses unless told otherwise."""
    monkeypatch.setattr(client, "SOCKET", str(path))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    with running(path) as control:
        yield control
    monkeypatch.undo()
    time.tzset()


class Said:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self) -> Any:
        assert self.out.count("\n") == 1
        return json.loads(self.out)


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Any:
    def ask(line: str) -> Said:
        code = main(shlex.split(line))
        return Said(code, *capsys.readouterr())

    return ask


def program(*argv: str, stdin: str = "", **environment: str) -> Said:
    done = subprocess.run(
        [sys.executable, "-m", "banish.cli.banish", *argv],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**ENVIRONMENT, **environment},
    )
    return Said(done.returncode, done.stdout, done.stderr)


# Every command against the daemon


@pytest.mark.usefixtures("daemon")
def test_status_prints_the_tree_that_fail2ban_client_prints(ask: Any) -> None:
    said = ask("status")
    assert (said.code, said.out, said.err) == (0, "Status\n|- Number of jail:\t2\n`- Jail list:\tpostfix, sshd\n", "")


def test_status_of_a_jail_prints_its_tree(ask: Any, daemon: FakeControl) -> None:
    daemon.ban("sshd", ["192.0.2.7", "198.51.100.0/24"], None, "")
    said = ask("status sshd")
    assert said.code == 0
    assert said.out == (
        "Status for the jail: sshd\n"
        "|- Filter\n"
        "|  |- Currently failed:\t4\n"
        "|  |- Total failed:\t10\n"
        "|  `- File list:\t/var/log/auth.log /var/log/secure.log\n"
        "`- Actions\n"
        "   |- Currently banned:\t2\n"
        "   |- Total banned:\t6\n"
        "   `- Banned IP list:\t192.0.2.7 198.51.100.0/24\n"
    )


@pytest.mark.usefixtures("daemon")
def test_status_in_json_is_the_document_of_the_contract(ask: Any) -> None:
    document = ask("status --json").json
    assert set(document) >= {"version", "uptime", "jails"}
    assert set(document["jails"][0]) >= {
        *("name", "failed_now", "failed_total", "banned_now", "banned_total", "sources", "enabled", "problem")
    }


@pytest.mark.usefixtures("daemon")
def test_a_jail_that_does_not_exist_is_code_5(ask: Any) -> None:
    said = ask("status nosuch")
    assert (said.code, said.out) == (5, "")
    assert said.err == "banish: no such jail: nosuch; banish status lists them\n"
    assert ask("ban nosuch 192.0.2.7").code == 5


def test_a_jail_that_was_left_out_is_told_below_the_tree(ask: Any, daemon: FakeControl) -> None:
    daemon.problem = "jail.local:7 [apache] filter = apche: no such filter"
    assert ask("status").out.endswith(
        "`- Jail list:\tpostfix, sshd\nProblems\n`- jail.local:7 [apache] filter = apche: no such filter\n"
    )


def test_ban_banned_unban(ask: Any, daemon: FakeControl) -> None:
    said = ask("ban sshd 192.0.2.7 2001:db8::/64 --for 2h --reason 'seen in a report'")
    assert said.code == 0
    assert said.out == (
        "banned 192.0.2.7 in sshd until 2026-11-22 14:50:52\nbanned 2001:db8::/64 in sshd until 2026-11-22 14:50:52\n"
    )
    assert daemon.calls.pop() == ("ban", ("sshd", ["192.0.2.7", "2001:db8::/64"], 7200.0, "seen in a report", False))
    assert "sshd  2001:db8::/64  2026-11-22 12:50:52  2026-11-22 14:50:52" in ask("banned").out
    assert [row["network"] for row in ask("banned 192.0.2.0/24 --json").json] == ["192.0.2.7/32"]
    said = ask("unban 192.0.2.7")
    assert (said.code, said.out) == (0, "unbanned 192.0.2.7 in sshd\n")
    said = ask("banned 192.0.2.7")
    assert (said.code, said.out) == (5, "192.0.2.7 is not banned\n")
    assert ask("--json banned").json[0]["network"] == "2001:db8::/64"


def test_a_ban_is_for_ever_when_asked(ask: Any, daemon: FakeControl) -> None:
    for forever in ("--for -1", "--for=-1"):
        assert ask(f"ban sshd 192.0.2.7 {forever}").out.endswith("banned 192.0.2.7 in sshd for ever\n")
        assert daemon.calls.pop() == ("ban", ("sshd", ["192.0.2.7"], float("inf"), None, False))
    mistaken = ask("ban sshd 192.0.2.7 --for=-5m")
    assert (mistaken.code, daemon.calls) == (2, [])
    assert "-1 is for ever" in mistaken.err


@pytest.mark.usefixtures("daemon")
def test_one_address_that_cannot_be_banned_is_a_row_and_a_failure(ask: Any) -> None:
    said = ask("ban sshd 192.0.2.7 127.0.0.1 example")
    assert said.code == 1
    assert said.out.splitlines()[1:] == [
        "refused 127.0.0.1 in sshd: ignored (ip)",
        "invalid example in sshd: neither an address nor a network",
    ]
    rows = ask("ban sshd 192.0.2.7 127.0.0.1 --json").json
    assert [row["outcome"] for row in rows] == ["already banned", "refused"]


@pytest.mark.usefixtures("daemon")
def test_an_unban_of_what_is_not_banned_is_code_5(ask: Any) -> None:
    said = ask("unban 192.0.2.8 --jail sshd")
    assert (said.code, said.out) == (5, "not banned 192.0.2.8 in sshd\n")


def test_what_was_imported_is_told_in_numbers(ask: Any, daemon: FakeControl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert ask("import var/fail2ban.sqlite3").out == (
        "Bans from /var/fail2ban.sqlite3\n"
        "     13  in force\n"
        "      2  refused, because their ids are spared here\n"
        "     30  over, and counted\n"
        "      3  waiting for the jail postfix to run\n"
        "     44  events for the history\n"
    )
    assert daemon.calls[-1] == ("import", ("/var/fail2ban.sqlite3",))
    assert ask("import").code == 2


def test_a_jail_is_resumed(ask: Any, daemon: FakeControl) -> None:
    assert ask("resume sshd").out == "sshd bans again; 7 bans were withheld\n"
    assert ask("resume postfix").out == "postfix was not paused\n"
    assert ask("resume nobody").code == 5
    assert ask("resume sshd --json").json == {"jail": "sshd", "withheld": 7}
    assert daemon.ban("sshd", [], None, None, force=True) == []


def test_what_happened(ask: Any, daemon: FakeControl) -> None:
    said = ask("log")
    assert (said.code, said.out.splitlines()[0].split()) == (0, ["time", "jail", "event", "address", "reason"])
    assert said.out.splitlines()[2].endswith("sshd  paused              too many")
    assert [row["kind"] for row in ask("log 192.0.2.7 --json").json] == ["refused"]
    assert (ask("log nobody").out, ask("log nobody --json").json) == ("nothing happened\n", [])
    ask("log sshd --since 1h --until 2026-11-22 --user root --network 192.0.2.0/24 --jail sshd --most 5")
    name, (subject, since, until, *rest) = daemon.calls[-1]
    assert (name, subject, until) == ("log", "sshd", time.mktime((2026, 11, 22, 0, 0, 0, 0, 0, -1)))
    assert 3500 < time.time() - since < 3700
    assert rest == ["sshd", "192.0.2.0/24", "root", 5]
    assert ask("log --since yesterday").code == 2
    assert ask("log --since -1").code == 2
    assert ask("log --since soon").code == 2


def test_unban_all(ask: Any, daemon: FakeControl) -> None:
    ask("ban sshd 192.0.2.7")
    ask("ban postfix 192.0.2.8")
    ask("ban postfix 192.0.2.9")
    assert ask("unban --all").out == "unbanned 2 in postfix\nunbanned 1 in sshd\n"
    ask("ban postfix 192.0.2.9")
    assert ask("unban --jail postfix --all --json").json == [{"jail": "postfix", "unbanned": 1}]
    said = ask("unban --all")
    assert (said.code, said.out) == (0, "no bans\n")
    assert daemon.calls[-1] == ("unban", (None, [], True))


def test_reload(ask: Any, daemon: FakeControl) -> None:
    said = ask("reload")
    assert (said.code, said.out) == (0, "OK\n")
    daemon.reload_problems["problems"].append({"text": "no such filter", "severity": "error", "jail": "apache"})
    said = ask("reload")
    assert (said.code, said.out) == (6, "OK\nProblems\n`- no such filter\n")


@pytest.mark.usefixtures("daemon")
def test_ping(ask: Any) -> None:
    assert ask("ping").out == "Server replied: pong\n"
    assert ask("ping --json").json["reply"] == "pong"


# Standard input


@pytest.mark.usefixtures("daemon")
def test_addresses_come_from_standard_input(ask: Any, daemon: FakeControl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("# a list\n192.0.2.1\n\n  192.0.2.2 # the second\n192.0.2.3"))
    assert ask("ban sshd 203.0.113.1 - 203.0.113.2").code == 0
    assert daemon.calls.pop()[1][1] == ["203.0.113.1", "192.0.2.1", "192.0.2.2", "192.0.2.3", "203.0.113.2"]
    monkeypatch.setattr("sys.stdin", StringIO("192.0.2.1\n192.0.2.2\n"))
    assert ask("unban -").out == "unbanned 192.0.2.1 in sshd\nunbanned 192.0.2.2 in sshd\n"


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize("words", ["", "# nothing today\n"])
def test_an_empty_list_is_nothing_to_do(ask: Any, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(words))
    said = ask("unban -")
    assert (said.code, said.out, said.err) == (0, "", "")


def test_a_long_list_is_asked_in_parts_and_answered_as_one(
    ask: Any, daemon: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("banish.cli.banish._BATCH", 500)
    monkeypatch.setattr(
        "sys.stdin", StringIO("\n".join(f"2001:db8::{n:x}" for n in range(1, 1202)) + "\n" + "é" * 2_000_000)
    )
    said = ask("ban sshd - --json")
    assert said.code == 1
    assert [row["outcome"] for row in said.json] == ["banned"] * 1201 + ["invalid"]
    assert len(said.json[-1]["address"]) == 301
    assert [len(arguments[1]) for _, arguments in daemon.calls] == [500, 500, 202]


def test_no_request_is_longer_than_the_daemon_takes(
    ask: Any, daemon: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("\n".join("é" * 300 for _ in range(2000))))
    assert [row["outcome"] for row in ask("ban sshd - --json").json] == ["invalid"] * 2000
    assert sum(len(arguments[1]) for _, arguments in daemon.calls) == 2000
    assert len(daemon.calls) == 5


def test_a_list_that_breaks_off_tells_both_what_was_done_and_why_it_ended(
    ask: Any, daemon: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = daemon.ban

    def fails_later(
        jail: str, addresses: list[str], seconds: float | None, reason: str | None, force: bool
    ) -> list[Outcome]:
        if daemon.calls:
            raise ZeroDivisionError
        return asked(jail, addresses, seconds, reason, force)

    daemon.ban = fails_later  # type: ignore[method-assign, assignment]
    monkeypatch.setattr("banish.cli.banish._BATCH", 500)
    monkeypatch.setattr("sys.stdin", StringIO("\n".join(f"2001:db8::{n:x}" for n in range(600))))
    said = ask("ban sshd - --json")
    assert said.code == 1
    assert len(said.json) == 500
    assert "ban failed: ZeroDivisionError" in said.err


# Usage


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("stauts", "unknown command 'stauts' (did you mean status?)"),
        ("hepl", "did you mean help?"),
        ("frobnicate", "banish help lists them"),
        ("help frobnicate", "unknown command 'frobnicate'"),
        ("ban", "the following arguments are required: JAIL, ADDRESS...|-"),
        ("ban sshd", "the following arguments are required: ADDRESS...|-"),
        ("ban sshd 192.0.2.7 --for soon", "argument --for: 'soon' is not a duration"),
        ("ping sshd", "unrecognized arguments: sshd"),
        ("status sshd postfix", "'postfix' is no flavor; there are basic, short, stats, cymru"),
        ("status sshd --all", "name a jail, or say --all"),
        ("unban", "which addresses? (or --all)"),
        ("unban --all 192.0.2.7", "name addresses, or say --all"),
        ("--sock /x ping", "unrecognized arguments: --sock"),
        ("ping --js", "unrecognized arguments: --js"),
    ],
)
def test_what_was_written_wrong_is_code_2(ask: Any, line: str, error: str) -> None:
    said = ask(line)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("usage: banish ")
    assert error in said.err


def test_no_command_at_all_shows_the_commands_and_is_code_2(ask: Any) -> None:
    said = ask("")
    assert (said.code, said.out) == (2, "")
    assert said.err == ask("help").out == ask("--help").out


@pytest.mark.parametrize("name", [*(command.name for command in COMMANDS), *(tool.name for tool in TOOLS)])
def test_every_command_is_helped(ask: Any, name: str) -> None:
    rows: list[Command | Tool] = [*COMMANDS, *TOOLS]
    row = next(row for row in rows if row.name == name)
    assert f"\n  {row.usage}\n      {row.help}\n" in ask("help").out
    assert {"name": name, "usage": row.usage, "help": row.help} in ask("help --json").json
    said = ask(f"help {name}")
    assert said.code == 0
    assert said.out.startswith(f"usage: banish {name}")
    assert ask(f"{name} --help").out == said.out


def test_version(ask: Any) -> None:
    said = ask("--version")
    assert (said.code, said.out) == (0, f"banish {banish.__version__}\n")


def test_config_dir_is_where_the_packaged_tree_lies(ask: Any) -> None:
    expected = str(SOURCE / "banish" / "data")
    assert ask("config-dir").out == f"{expected}\n"
    assert ask("config-dir --json").json == ask("--json config-dir").json == {"path": expected}


@pytest.mark.parametrize(
    "line", ["--socket {} --json ping", "--socket={} --json ping", "ping --json --socket {}", "--json ping --socket {}"]
)
def test_socket_and_json_stand_before_or_after_the_command(ask: Any, path: Path, line: str) -> None:
    with running(path):
        assert ask(line.format(path)).json["reply"] == "pong"


# Without a daemon


@pytest.mark.parametrize("line", ["status", "banned", "ban sshd 192.0.2.7", "unban --all", "reload", "ping", "stop"])
def test_without_a_daemon_every_command_is_code_3_with_a_hint(ask: Any, path: Path, line: str) -> None:
    expected = f"banish: banishd is not running on {path}; start it with 'banishd' or 'systemctl start banish'\n"
    said = ask(f"--socket {path} {line}")
    assert (said.code, said.out, said.err) == (3, "", expected)
    said = ask(f"--socket {path} {line} --json")
    assert (said.code, said.json["error"]["code"], said.err) == (3, 3, expected)


# As a process


@contextmanager
def process(path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.control.fake", str(path)], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as daemon:
        try:
            assert daemon.stdout
            assert daemon.stdout.readline() == "ready\n"
            yield daemon
        finally:
            daemon.kill()


def test_stop_returns_when_the_daemon_is_gone(path: Path) -> None:
    with process(path) as daemon:
        said = program("--socket", str(path), "stop")
        assert path.with_suffix(".left").exists()
        assert (said.code, said.out, said.err) == (0, "Shutdown successful\n", "")
        assert daemon.wait(10) == 0
    assert program("--socket", str(path), "ping").code == 3


def test_the_program_from_start_to_end(path: Path) -> None:
    with running(path) as daemon:
        said = program("--socket", str(path), "ban", "sshd", "-", "--json", stdin="192.0.2.7\n")
        assert (said.code, said.json[0]["outcome"], said.err) == (0, "banned", "")
        assert [ident for _, ident in daemon.bans] == ["192.0.2.7"]


def test_bytes_that_are_no_text_do_not_hurt(path: Path) -> None:
    with running(path) as daemon:
        daemon.ban("sshd", ["192.0.2.7"], None, HOSTILE + " café")
        for environment in ({"LC_ALL": "C.UTF-8"}, {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}):
            said = program("--socket", str(path), "banned", **environment)
            assert (said.code, said.err) == (0, "")
            assert r"root\x1b[2J\u202egnp.exe\x9b31m\udce9 caf" in said.out
        raw = subprocess.run(
            [sys.executable, "-m", "banish.cli.banish", "--socket", str(path), "ban", "sshd", "-", b"\xff"],
            input=b"\xe9\xff\n",
            capture_output=True,
            check=False,
            env=ENVIRONMENT,
        )
        assert (raw.returncode, raw.stderr, raw.stdout.count(b"invalid")) == (1, b"", 2)


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False)],
)
def test_colour_on_a_terminal(path: Path, environment: dict[str, str], coloured: bool) -> None:
    with running(path):
        master, slave = pty.openpty()
        argv = [sys.executable, "-m", "banish.cli.banish", "--socket", str(path), "ban", "sshd", "192.0.2.7"]
        subprocess.run(argv, stdout=slave, check=True, timeout=30, env={**ENVIRONMENT, **environment})
        assert select.select([master], [], [], 10)[0]
        shown = os.read(master, 4096)
        os.close(slave)
        os.close(master)
    assert shown.startswith(b"\x1b[32mbanned\x1b[0m 192.0.2.7" if coloured else b"banned 192.0.2.7")


def test_a_reader_that_has_seen_enough_is_no_trouble(path: Path) -> None:
    with running(path) as daemon:
        daemon.ban("sshd", [f"2001:db8::{n:x}" for n in range(3000)], None, "")
        with subprocess.Popen(
            [sys.executable, "-m", "banish.cli.banish", "--socket", str(path), "banned"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
        ) as client_:
            assert client_.stdout
            assert client_.stderr
            client_.stdout.readline()
            client_.stdout.close()
            assert client_.stderr.read() == b""
            assert client_.wait(10) == 141


def test_output_that_cannot_be_written_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "banish.cli.banish", "config-dir"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=ENVIRONMENT,
        )
    assert (done.returncode, done.stderr) == (1, "banish: No space left on device\n")


def test_interrupting_is_quiet(path: Path) -> None:
    with running(path) as daemon:
        daemon.gate = threading.Event()
        with subprocess.Popen(
            [sys.executable, "-m", "banish.cli.banish", "--socket", str(path), "banned"],
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - in the background it is ignored
        ) as client_:
            assert client_.stderr
            deadline = time.monotonic() + 10
            while not daemon.calls:
                assert time.monotonic() < deadline
                time.sleep(0.005)
            client_.send_signal(signal.SIGINT)
            assert client_.stderr.read() == b""
            assert client_.wait(10) == 130
        daemon.gate.set()


def test_the_client_starts_without_what_is_dear() -> None:
    asked = (
        "import sys; from banish.cli.banish import main; main(['--socket', '/nonexistent/banish.sock', 'status']);"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    bare = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split()) - set(bare.stdout.split())
    dear = {
        "argparse",
        "asyncio",
        "dataclasses",
        "typing",
        "ipaddress",
        "sqlite3",
        "logging",
        "pathlib",
        "subprocess",
        "tempfile",
        "inspect",
    }
    assert not loaded & dear
    assert {name for name in loaded if name.startswith("banish.")} == {
        *("banish.cli", "banish.cli.banish", "banish.cli.tools", "banish.cli.words"),
        *("banish.control", "banish.control.client", "banish.control.commands"),
        *("banish.control.frames", "banish.control.render"),
    }
