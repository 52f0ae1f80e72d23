"""Lists of the kernel: answers made by hand, and the kernel that runs this test."""

from __future__ import annotations

import errno
import socket
import struct
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.lookups import netlink

RTM_GETADDR = 22
DONE = 3


def message(kind: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body + bytes(-len(body) % 4)


def test_one_datagram_holds_several_messages() -> None:
    answer = message(20, b"one") + message(20, b"four") + message(DONE, bytes(4))
    assert [(kind, bytes(body)) for kind, body in netlink.messages(answer)] == [
        (20, b"one"),
        (20, b"four"),
        (DONE, bytes(4)),
    ]


def test_an_error_of_the_kernel_keeps_its_number() -> None:
    with pytest.raises(PermissionError):
        list(netlink.messages(message(2, struct.pack("=i", -errno.EPERM))))


@pytest.mark.parametrize("answer", [b"", struct.pack("=IHHII", 5, 20, 0, 1, 0), struct.pack("=IHHII", 99, 20, 0, 1, 0)])
def test_a_malformed_answer_is_an_error(answer: bytes) -> None:
    with pytest.raises(OSError, match="Protocol error"):
        list(netlink.messages(answer))


def test_a_list_that_changed_while_it_was_read_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [message(20, b"", flags=0x10), message(20, b"", flags=0x10), message(20, b"now") + message(DONE, b"")]

    class Kernel(socket.socket):
        def send(self, data: object, flags: int = 0) -> int:
            return 0

        def recv(self, size: int, flags: int = 0) -> bytes:
            return answers.pop(0)

    monkeypatch.setattr(socket, "socket", Kernel)
    assert [bytes(body) for body in netlink.ask(socket.NETLINK_ROUTE, RTM_GETADDR, bytes(8))] == [b"now"]
    answers[:] = [message(20, b"", flags=0x10)] * 3
    with pytest.raises(InterruptedError):
        netlink.ask(socket.NETLINK_ROUTE, RTM_GETADDR, bytes(8))


@given(st.binary(max_size=200), st.sampled_from([2, 3, 20]))
@settings(max_examples=200)
def test_whatever_comes_is_messages_or_an_error(body: bytes, kind: int) -> None:
    for answer in (body, message(kind, body)):
        try:
            found = list(netlink.messages(answer))
        except OSError:
            continue
        assert sum(len(each) for _, each in found) <= len(answer)
        for _, each in found:
            assert all(len(value) <= len(each) for _, value in netlink.attributes(each))


@pytest.mark.netns
def test_a_watch_tells_that_something_has_changed() -> None:
    watch = netlink.Watch(0x10 | 0x100)  # RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
    assert not watch.changed()
    subprocess.run(["ip", "address", "add", "192.0.2.7/24", "dev", "lo"], check=True)
    assert watch.changed()
    assert not watch.changed()
    watch.close()
    assert not watch.changed()
