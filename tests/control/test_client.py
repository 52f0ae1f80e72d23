import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from banish.control import client
from tests.control.fake import running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "banish.sock"


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    """Something on the socket that is no daemon: it takes one request, says *answer* and leaves."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(10)


def test_an_answer_comes_back(path: Path) -> None:
    with running(path) as daemon:
        assert client.ask(str(path), "banned", {"network": None}) == {"ok": True, "result": []}
    assert daemon.calls == [("banned", (None,))]


def test_a_refusal_comes_back_as_the_daemon_gave_it(path: Path) -> None:
    with running(path):
        reply = client.ask(str(path), "status", {"jail": "nosuch"})
    assert reply == {
        "ok": False,
        "error": {"text": "no such jail: nosuch", "code": 5, "hint": "banish status lists them"},
    }


@pytest.mark.parametrize("place", ["nothing", "no/such/directory", "file/in/the/way", "dead"])
def test_without_a_daemon_the_code_is_3_and_the_hint_says_how_to_start_it(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))
    reply = client.ask(str(tmp_path / place), "status", {})
    assert reply["error"] == {
        "text": f"banishd is not running on {tmp_path / place}",
        "code": 3,
        "hint": "start it with 'banishd' or 'systemctl start banish'",
    }


def test_a_path_that_no_socket_can_have_is_told(tmp_path: Path) -> None:
    reply = client.ask(str(tmp_path / ("x" * 200)), "status", {})
    assert (reply["ok"], reply["error"]["code"]) == (False, 1)
    assert "path too long" in reply["error"]["text"]


def test_missing_permission_is_code_4(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: socket.socket, _address: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    reply = client.ask(str(path), "status", {})
    assert reply["error"] == {"text": f"no permission to use {path}", "code": 4, "hint": "run banish as root"}


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"", "the connection to banishd broke"),
        (b'{"ok": true', "the connection to banishd broke"),
        (b"HTTP/1.1 400 Bad Request\r\n", "cannot understand what answers"),
        (b'{"ok": true}\n', "cannot understand what answers"),
        (b'{"ok": false, "error": "no"}\n', "cannot understand what answers"),
        (b'{"ok": "yes", "result": 1}\n', "cannot understand what answers"),
    ],
)
def test_what_is_no_answer_is_a_failure(path: Path, answer: bytes, text: str) -> None:
    with answering(path, answer):
        reply = client.ask(str(path), "status", {}, timeout=10)
    assert reply["error"]["code"] == 1
    assert text in reply["error"]["text"]


def test_a_refusal_can_not_look_like_success(path: Path) -> None:
    with answering(path, json.dumps({"ok": False, "error": {"text": "no", "code": 0, "hint": ""}}).encode() + b"\n"):
        assert client.ask(str(path), "status", {}, timeout=10)["error"]["code"] == 1


def test_a_daemon_that_hangs_is_given_up(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        reply = client.ask(str(path), "status", {}, timeout=0.05)
    assert reply["error"]["text"].startswith("banishd has not answered within")


def test_a_daemon_that_is_this_very_process_is_not_waited_for(path: Path) -> None:
    with running(path):
        before = len(os.listdir("/proc/self/fd"))
        assert client.ask(str(path), "stop", {}, timeout=10, until_exit=True)["ok"]
        assert len(os.listdir("/proc/self/fd")) <= before + 1
