"""Connections: sock_diag(7) and /proc/net/tcp say the same."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from banish.lookups import netlink
from banish.lookups.connections import ESTABLISHED, LISTEN, by_diag, by_proc, established, listening


@pytest.mark.netns
def test_both_ways_say_the_same() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as four,
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as six,
        socket.create_connection(four.getsockname()) as one,
        socket.create_connection(("::1", six.getsockname()[1])) as two,
        socket.create_connection(("127.0.0.1", six.getsockname()[1])) as mapped,
        four.accept()[0] as first,
        six.accept()[0],
        six.accept()[0],
    ):
        found = by_diag(ESTABLISHED)
        assert sorted(found) == sorted(by_proc(ESTABLISHED))
        assert len(found) == 6
        inode = os.fstat(first.fileno()).st_ino
        [ours] = [each for each in found if each.inode == inode]
        assert (ours.port, ours.peer) == (four.getsockname()[1], socket.inet_aton("127.0.0.1"))
        assert [each.peer for each in found if each.port == six.getsockname()[1]].count(b"\x7f\0\0\1") == 1, "mapped"
        assert one.getsockname() != mapped.getsockname() != two.getsockname()
        assert sorted(by_diag(LISTEN)) == sorted(by_proc(LISTEN)) == sorted(listening())
        assert {each.port for each in listening()} == {four.getsockname()[1], six.getsockname()[1]}


def test_a_kernel_without_tcp_diag_has_its_files_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*arguments: object) -> list[memoryview]:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(netlink, "ask", ask)
    with socket.create_server(("127.0.0.1", 0)) as four, socket.create_connection(four.getsockname()):
        assert four.getsockname()[1] in {each.port for each in established()}


def test_any_other_trouble_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*arguments: object) -> list[memoryview]:
        raise TimeoutError

    monkeypatch.setattr(netlink, "ask", ask)
    with pytest.raises(TimeoutError):
        established()


def test_a_machine_without_ipv6_has_one_file(tmp_path: Path) -> None:
    (tmp_path / "tcp").write_text("head\n")
    assert by_proc(ESTABLISHED, tmp_path) == []
    with pytest.raises(FileNotFoundError):
        by_proc(ESTABLISHED, tmp_path / "none")
