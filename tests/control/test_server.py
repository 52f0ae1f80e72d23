"""The real server on a real socket, and clients that mean well, or do not."""

import json
import logging
import os
import pickle
import select
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from banish.control import client, frames
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


@pytest.mark.usefixtures("daemon")
def test_a_pickle_frame_is_closed_politely(path: Path) -> None:
    with connected(path) as connection:
        assert say(connection, pickle.dumps(["ping"], protocol=5) + b"<F2B_END_COMMAND>") is None


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
