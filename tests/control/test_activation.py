"""A socket that was there before the daemon."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from banish.control import activation
from banish.control.server import ControlServer
from tests.control.fake import FakeControl

_ADOPT = """
import os, sys, pathlib
from banish.control import activation
os.environ["LISTEN_PID"] = str(os.getpid())
found = activation.listener(pathlib.Path(sys.argv[1]))
print(found and found.getsockname())
"""


def adopted(path: Path, *sockets: socket.socket) -> str:
    """Run a process that inherits *sockets* as systemd passes them on, and return what it adopts for *path*."""
    script = f"import os\nfor n, fd in enumerate({[each.fileno() for each in sockets]}):\n os.dup2(fd, 100 + n)\n"
    script += f"for n in range({len(sockets)}):\n os.dup2(100 + n, 3 + n)\n{_ADOPT}"
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        env={**os.environ, "LISTEN_FDS": str(len(sockets))},
        pass_fds=[each.fileno() for each in sockets],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_the_inherited_socket_of_that_path_is_taken(tmp_path: Path) -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log,
        socket.socket(socket.AF_UNIX) as mine,
        socket.socket(socket.AF_UNIX) as other,
    ):
        for each, name in ((log, "log"), (mine, "mine"), (other, "other")):
            each.bind(str(tmp_path / name))
        mine.listen()
        assert adopted(tmp_path / "mine", log, other, mine) == str(tmp_path / "mine")
        assert adopted(tmp_path / "other", log, other, mine) == "None", "nobody listens there"
        assert adopted(tmp_path / "log", log) == "None"
        assert activation.listener(tmp_path / "mine", {"LISTEN_FDS": "3", "LISTEN_PID": "1"}) is None


def test_an_inherited_socket_outlives_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(made: socket.socket) -> None:
        made.setblocking(False)
        monkeypatch.setattr(activation, "listener", lambda path: made)
        server = ControlServer(FakeControl(), tmp_path / "sock")
        await server.start()
        await server.close()

    made = socket.socket(socket.AF_UNIX)
    made.bind(str(tmp_path / "sock"))
    made.listen()
    asyncio.run(story(made))
    assert (tmp_path / "sock").exists()
