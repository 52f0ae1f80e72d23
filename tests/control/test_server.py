"""The real server on a real socket, and clients that mean well, or do not."""

import json
import logging
import os
import pickle
import select
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from banish.control import client, frames, pickles
from banish.errors import ControlError
from tests.control.fake import FakeControl, running

PING = b'{"command": "ping"}\n'
PONG = {"ok": True, "result": {"reply": "pong", "version": "0.1.0"}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "banish.sock"


@pytest.fixture
def daemon(path: Path) -> Iterator[FakeControl]:
    with running(path) as control:
        yield control


@contextmanager
def connected(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        yield connection


def say(connection: socket.socket, request: bytes) -> Any:
    connection.sendall(request)
    return hear(connection)


def hear(connection: socket.socket) -> Any:
    """The next reply; None when the connection ends instead."""
    heard = b""
    while not heard.endswith(b"\n"):
        try:
            chunk = connection.recv(65536)
        except ConnectionResetError:
            return None
        if not chunk:
            return None
        heard += chunk
    return json.loads(heard)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_the_socket_is_for_root_alone_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        with running(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755
            assert [file.name for file in path.parent.iterdir()] == ["banish.sock"]
    finally:
        os.umask(before)
    assert not path.exists()


@pytest.mark.usefixtures("daemon")
def test_a_connection_carries_many_requests(path: Path) -> None:
    with connected(path) as connection:
        assert say(connection, PING) == PONG
        assert say(connection, PING) == PONG
        connection.sendall(PING + PING)
        replies = b""
        while replies.count(b"\n") < 2:
            replies += connection.recv(65536)
        assert [json.loads(line) for line in replies.splitlines()] == [PONG, PONG]


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "a request begins with '{'"),
        (b"\n", "a request begins with '{'"),
        (b"\x00" * 5000, "a request begins with '{'"),
        (b"{nonsense\n", "not a JSON document"),
        (b'{"a":' * 50_000 + b"\n", "not a JSON document"),
        (b'{"command": "format"}\n', "unknown command 'format'"),
        (b"{" + b" " * (frames.REQUEST_LIMIT + 10), f"a request is longer than {frames.REQUEST_LIMIT} bytes"),
    ],
    ids=["http", "empty", "binary", "braces", "deep", "unknown", "huge"],
)
def test_garbage_is_told_and_hurts_nobody(path: Path, request_: bytes, text: str) -> None:
    with connected(path) as good, connected(path) as bad:
        assert say(good, PING) == PONG
        reply = say(bad, request_)
        assert (reply["ok"], reply["error"]["text"], reply["error"]["code"]) == (False, text, 2)
        assert say(good, PING) == PONG


END = b"<F2B_END_COMMAND>"


def hear_pickle(connection: socket.socket) -> Any:
    """The next reply in fail2ban's dialect; None when the connection ends instead."""
    heard = b""
    while not heard.endswith(END):
        chunk = connection.recv(65536)
        if not chunk:
            return None
        heard += chunk
    return pickle.loads(heard.removesuffix(END))  # noqa: S301 - what our own server has written


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize("protocol", range(6))
def test_fail2bans_dialect_is_answered_in_kind(path: Path, protocol: int) -> None:
    with connected(path) as connection:
        for _ in range(2):
            connection.sendall(pickle.dumps(["ping"], protocol=protocol) + END)
            assert hear_pickle(connection) == (0, "pong")
        assert say(connection, PING) == PONG  # the same connection may change
        connection.sendall(pickle.dumps(["nonsense"], protocol=protocol) + END)
        code, raised = hear_pickle(connection)
        assert (code, type(raised), raised.args) == (1, Exception, ("Invalid command",))
        connection.sendall(b"<F2B_CLOSE_COMMAND>" + END)
        assert hear(connection) is None


@pytest.mark.usefixtures("daemon")
def test_frames_may_come_in_pieces_or_several_at_once(path: Path) -> None:
    ping = pickle.dumps(["ping"]) + END
    with connected(path) as connection:
        for place in range(0, len(ping), 5):
            connection.sendall(ping[place : place + 5])
        assert hear_pickle(connection) == (0, "pong")
        connection.sendall(ping + b'{"command": "ping"}\n' + ping)
        heard = b""
        while heard.count(END) < 2:
            heard += connection.recv(65536)
    first, _, rest = heard.partition(END)
    assert pickle.loads(first) == (0, "pong")  # noqa: S301 - what our own server has written
    assert json.loads(rest.partition(b"\n")[0])["result"]["reply"] == "pong"


class Malicious:
    def __reduce__(self) -> Any:
        return os.system, ("touch /tmp/banish-was-here",)


@pytest.mark.parametrize(
    "frame",
    [
        pickle.dumps([Malicious()]),
        pickle.dumps([OSError("x")]),
        b"cos\nsystem\n(S'true'\ntR.",
        b"\x80\x04.",
        b"\x80\x63]q\x00.",
        b"(((((((",
        b"]" * 100_000,
        b"\x80\x02]q\x00h\x00a.",
        b"\x80\x02" + b"N" * 600_000 + b".",
        b"\x80\x02X\xff\xff\xff\x7fx.",
        b"<",
    ],
    ids=["system", "exception", "global", "nothing", "protocol", "marks", "lists", "cycle", "many", "long", "cut"],
)
def test_a_pickle_that_is_more_than_plain_data_ends_the_conversation(
    path: Path, daemon: FakeControl, frame: bytes
) -> None:
    with connected(path) as bad, connected(path) as good:
        bad.sendall(frame + END)
        assert hear_pickle(bad) is None
        assert say(good, PING) == PONG
    assert daemon.calls == []
    assert not Path("/tmp/banish-was-here").exists()


@pytest.mark.usefixtures("daemon")
def test_a_pickle_that_is_too_long_is_refused(path: Path) -> None:
    with connected(path) as connection:
        with suppress(ConnectionError):
            connection.sendall(b"\x80\x04" + b"N" * (pickles.LIMIT + 100_000))
        assert hear(connection)["error"]["text"] == f"a request is longer than {pickles.LIMIT} bytes"


@pytest.mark.usefixtures("daemon")
def test_half_a_request_is_not_carried_out(path: Path, daemon: FakeControl) -> None:
    with connected(path) as connection:
        connection.sendall(b'{"command": "unban", "arguments": {"everything": true}}')
        connection.shutdown(socket.SHUT_WR)
        assert hear(connection) is None
    assert daemon.calls == []


def test_silent_and_slow_clients_are_dropped_in_time(path: Path) -> None:
    with running(path, patience=0.2), connected(path) as silent, connected(path) as slow:
        slow.sendall(b'{"command":')
        assert hear(silent) is None
        assert hear(slow) is None
        with connected(path) as good:
            assert say(good, PING) == PONG


def test_a_client_that_does_not_take_its_reply_is_dropped(path: Path) -> None:
    with running(path, patience=0.3) as control:
        control.ban("sshd", [f"2001:db8::{n:x}" for n in range(20_000)], None, "")
        with connected(path) as deaf, connected(path) as good:
            deaf.sendall(b'{"command": "banned"}\n')
            assert say(good, PING) == PONG
            # The server's end going away is the only thing that a client which does not read can notice.
            ended = select.poll()
            ended.register(deaf, select.POLLHUP)
            assert ended.poll(10_000)
            assert hear(deaf) is None


def test_too_many_clients_drop_the_one_that_was_silent_longest(path: Path) -> None:
    with running(path, clients=2), connected(path) as first, connected(path) as second:
        assert say(first, PING) == PONG
        assert say(second, PING) == PONG
        assert say(first, PING) == PONG
        with connected(path) as third:
            assert say(third, PING) == PONG
            assert hear(second) is None
            assert say(first, PING) == PONG


def test_too_many_busy_clients_are_asked_to_come_again(path: Path) -> None:
    with running(path, clients=1) as control, connected(path) as busy:
        control.gate = threading.Event()
        busy.sendall(b'{"command": "banned"}\n')
        until(lambda: bool(control.calls))
        with connected(path) as other:
            reply = hear(other)
        assert reply["error"]["hint"] == "try again"
        control.gate.set()
        assert hear(busy) == {"ok": True, "result": []}


def test_a_user_who_may_not_command_is_told_so(path: Path) -> None:
    with running(path, users={os.geteuid() + 1}) as control:
        reply = client.ask(str(path), "banned", {})
        assert reply["error"] == {"text": "this user may not command banishd", "code": 4, "hint": "run banish as root"}
        assert control.calls == []


def test_closing_finishes_what_is_being_answered(path: Path) -> None:
    with ExitStack() as server, ExitStack() as clients:
        control = server.enter_context(running(path))
        control.gate = threading.Event()
        busy, silent = (clients.enter_context(connected(path)) for _ in range(2))
        assert say(silent, PING) == PONG
        busy.sendall(b'{"command": "banned"}\n')
        until(lambda: bool(control.calls))
        closing = threading.Thread(target=server.close)
        closing.start()
        until(lambda: not path.exists())
        assert hear(silent) is None
        control.gate.set()
        assert hear(busy) == {"ok": True, "result": []}
        assert hear(busy) is None
        closing.join(10)


def test_the_socket_of_a_dead_daemon_is_replaced(path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    with running(path):
        assert client.ask(str(path), "ping", {}) == PONG


@pytest.mark.usefixtures("daemon")
def test_a_living_daemon_is_left_alone(path: Path) -> None:
    with pytest.raises(ControlError, match="already running"), running(path):
        pass
    assert client.ask(str(path), "ping", {}) == PONG


def test_a_file_in_the_place_of_the_socket_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(ControlError, match="is not a socket"), running(path):
        pass
    assert path.read_text() == "precious"


@pytest.mark.parametrize("name", ["x" * 200, "file/banish.sock"])
def test_a_path_that_cannot_be_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ControlError, match="cannot listen on") as refused, running(tmp_path / name):
        pass
    assert refused.value.hint == "choose another path with --socket"


def test_the_socket_of_a_successor_is_not_removed(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as successor:
        with running(path):
            path.unlink()
            successor.bind(str(path))
        assert path.is_socket()


def test_a_handler_that_breaks_is_an_error_for_its_client_only(
    path: Path, daemon: FakeControl, caplog: pytest.LogCaptureFixture
) -> None:
    daemon.ping = lambda: 1 // 0  # type: ignore[method-assign,assignment,return-value]
    with caplog.at_level(logging.ERROR), connected(path) as connection:
        reply = say(connection, PING)
        assert reply["error"]["text"].startswith("ping failed: ZeroDivisionError")
        assert reply["error"]["code"] == 1
        assert say(connection, b'{"command": "banned"}\n') == {"ok": True, "result": []}
    assert "Command 'ping' has failed. Received ZeroDivisionError" in caplog.text


def test_a_result_that_is_not_json_is_an_error_too(path: Path, daemon: FakeControl) -> None:
    daemon.ban("sshd", ["192.0.2.7"], None, "")
    daemon.bans["sshd", "192.0.2.7"]["expires_at"] = float("inf")
    reply = client.ask(str(path), "banned", {})
    assert reply["error"]["text"].startswith("banned failed: ValueError")


ASK = """
import json, os, sys
from banish.control import client
path, command, *groups = sys.argv[1:]
groups = [int(group) for group in groups] or [65534]
os.setgroups(groups[1:])
os.setgid(groups[0])
os.setuid(65534)
words = command.split()
print(json.dumps(client.ask_words(path, words) if len(words) > 1 else client.ask(path, command, {})))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become others")
def test_a_group_may_command_another_may_look_and_the_rest_is_turned_away() -> None:
    def ask(command: str, *groups: int) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", ASK, str(path), command, *map(str, groups)],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        return json.loads(done.stdout)

    adm, games = 4, 60  # as every Debian has them
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "banish.sock"
        Path(directory).chmod(0o755)
        with running(path, groups=("adm", "games")) as control:
            assert stat.S_IMODE(path.stat().st_mode) == 0o666
            assert ask("ping") == {
                "ok": False,
                "error": {"text": "this user may not command banishd", "code": 4, "hint": "run banish as root"},
            }
            for groups in ((games,), (65534, 1, games)):
                assert ask("ping", *groups) == PONG
                refused = ask("flushlogs", *groups)["error"]
                assert (refused["text"], refused["code"]) == ("this user may look, and not command", 4)
                # The same by fail2ban's words: reading is allowed, and nothing else.
                assert ask("banned 192.0.2.7", *groups) == {"ok": True, "result": [[]]}
                for words in (
                    "set sshd bantime 1",
                    "unban --all",
                    "reload --all",
                    "stop sshd",
                    "multi-set sshd banip x",
                ):
                    assert ask(words, *groups)["error"]["text"] == "this user may look, and not command"
            assert ask("flushlogs", adm)["ok"]
            assert ask("flushlogs", 65534, games, adm)["ok"]
            assert {name for name, _ in control.calls} == {"banned"}
        with running(path, groups=("adm", "")):
            assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_gid) == (0o660, adm)
        with running(path, groups=("", "")):
            assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_gid) == (0o600, os.getegid())
        with running(path, groups=("no-such-group", "")) as control:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert [str(problem) for problem in control.server.problems] == [
                "command_group = no-such-group: there is no such group (addgroup --system no-such-group)"
            ]


def test_thousands_of_misbehaving_clients_hurt_nobody(path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with running(path), ExitStack() as clients, connected(path) as good:
        for number in range(2000):
            bad = clients.enter_context(socket.socket(socket.AF_UNIX))
            bad.settimeout(10)
            bad.connect(str(path))
            with suppress(ConnectionError):
                bad.sendall((b"", b"\x80\x04]", b'{"command":', b"\xff" * 3000)[number % 4])
            if number % 16 == 0:
                assert say(good, PING) == PONG
            if number >= 500 and number % 500 == 0:
                clients.pop_all().close()
        assert say(good, PING) == PONG
    assert len(os.listdir("/proc/self/fd")) <= before + 2
