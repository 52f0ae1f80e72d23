"""Commands, standard input and syslog as sources."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from banish.sources import streams
from banish.sources.reading import LONGEST
from banish.sources.streams import Cutter, Streams, complaint, endpoint

WRONG = [
    ("command:  ", "no command"),
    ("stdin:x", "nothing may stand"),
    ("syslog:", "write syslog:unix:/PATH"),
    ("syslog:unix:relative", "write syslog:unix:/PATH"),
    ("syslog:udp:192.0.2.1:514", "allow="),
    ("syslog:udp:192.0.2.1:514 allow=everybody", "allow="),
    ("syslog:udp:192.0.2.1:514 allow=192.0.2.0/24 more", "allow="),
    ("syslog:tcp:somewhere:601 allow=192.0.2.0/24", "no address and port"),
    ("syslog:tcp:192.0.2.1:0 allow=192.0.2.0/24", "no address and port"),
]


@pytest.mark.parametrize(("pattern", "what"), WRONG)
def test_what_cannot_be_read_is_said(pattern: str, what: str) -> None:
    assert what in complaint(pattern)


def test_what_can_be_read() -> None:
    for pattern in ("command:podman logs -f web", "stdin:", "syslog:unix:/run/log"):
        assert complaint(pattern) == ""
    found = endpoint("syslog:tcp:[2001:db8::1]:601 allow=2001:db8::/32,192.0.2.7")
    assert (found.kind, found.address, found.port, len(found.allowed)) == ("tcp", "2001:db8::1", 601, 2)


def read(
    patterns: list[str], enough: bytes, act: Callable[[], object] = lambda: None, seconds: float = 20.0
) -> tuple[bytes, Streams]:
    """Read *patterns* until *enough* has come; *act* is called, again and again, to make it come."""
    source = Streams(clock=lambda: 1_800_000_000.0)
    source.add(patterns)

    async def story() -> bytes:
        found = b""

        async def take() -> None:
            nonlocal found
            async for batch in source.batches():
                assert batch.source in patterns
                found += batch.data
                if enough in found:
                    source.close()

        async def keep_acting() -> None:
            while True:
                await asyncio.sleep(0.05)
                with contextlib.suppress(OSError):
                    act()

        acting = asyncio.create_task(keep_acting())
        try:
            await asyncio.wait_for(take(), seconds)
        finally:
            acting.cancel()
        return found

    return asyncio.run(story()), source


def test_a_command_is_started_again_and_what_it_said_last_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(streams, "FIRST_PAUSE", 0.05)
    count = tmp_path / "count"
    command = f"command:echo x >> {count}; echo line $(wc -l < {count}); printf unfinished; echo no >&2; exit 3"
    found, source = read([command], b"line 3")
    assert found.startswith(b"line 1\nunfinishedno\nline 2\n")
    (notice, *_) = source.notices()
    assert "the command ended with status 3 and is started again, and said last: 'unfinishedno'" in notice.text


def test_a_command_that_runs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    found, _ = read([f"command:sleep 1000 & echo $! > {pids}; echo begun; wait"], b"begun")
    assert found == b"begun\n"
    assert is_over(int(pids.read_text()))


def is_over(process: int) -> bool:
    """True when it ended within some seconds, whether or not anybody asked for its exit status."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if not Path(f"/proc/{process}/cmdline").read_bytes():
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def test_standard_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Stdin:
        def __init__(self, descriptor: int) -> None:
            self.descriptor = descriptor

        def fileno(self) -> int:
            return self.descriptor

    hear, tell = os.pipe()
    monkeypatch.setattr(sys, "stdin", Stdin(hear))
    os.write(tell, b"one\ntw")
    os.write(tell, b"o\nthree")
    os.close(tell)
    assert read(["stdin:"], b"three\n")[0] == b"one\ntwo\nthree\n"
    os.close(hear)
    (tmp_path / "file").write_bytes(b"of a file\n")
    with (tmp_path / "file").open("rb") as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert read(["stdin:"], b"file\n")[0] == b"of a file\n"


def test_a_unix_socket_takes_what_programs_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        found, source = read(
            [f"syslog:unix:{path}"],
            b"su[7]: failed",
            lambda: sender.sendto(b"<34>Jan 31 12:00:00 su[7]: failed", str(path)),
        )
    assert found.splitlines()[0] == f"Jan 31 12:00:00 {socket.gethostname()} su[7]: failed".encode()
    assert not path.exists()
    assert source.problems() == []


@pytest.mark.netns
@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_messages_count_only_from_those_who_are_allowed(kind: str) -> None:
    def send() -> None:
        for address, text in (("127.0.0.66", b"<34>of an enemy\n"), ("127.0.0.7", b"<34>of a friend\n")):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as sender:
                sender.bind((address, 0))
                sender.connect(("127.0.0.1", 5514))
                sender.send(text)

    found, _ = read([f"syslog:{kind}:127.0.0.1:5514 allow=127.0.0.0/28"], b"friend", send)
    assert b"127.0.0.7 of a friend" in found
    assert b"enemy" not in found


def test_a_place_that_cannot_be_had_is_a_problem_and_another_stream_goes_on(tmp_path: Path) -> None:
    wrong = f"syslog:unix:{tmp_path}/none/log"
    found, source = read([wrong, "command:sleep 0.2; echo fine; sleep 100"], b"fine")
    assert found == b"fine\n"
    assert source.problems() == [(wrong, f"{wrong}: No such file or directory")]


def test_a_line_without_end_is_left_out() -> None:
    cutter = Cutter()
    assert cutter.feed(b"one\ntw") == b"one\n"
    assert cutter.feed(b"o\n") == b"two\n"
    assert cutter.feed(b"x" * (LONGEST + 1)) == b""
    assert cutter.feed(b"still\nthree\n") == b"three\n"
    assert (cutter.finish(), cutter.left_out) == (b"", 1)
