"""Our own addresses, from the kernel that runs this test and from answers made by hand."""

from __future__ import annotations

import ast
import errno
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.addresses import Network, parse
from banish.lookups import own_addresses as module
from banish.lookups.own_addresses import LOOPBACK, own_addresses


def message(kind: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body + bytes(-len(body) % 4)


def address(family: int, attributes: Sequence[tuple[int, bytes]]) -> bytes:
    body = struct.pack("=BBBBI", family, 24, 0, 0, 1)
    for kind, value in attributes:
        body += struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)
    return message(20, body)


def net(text: str) -> Network:
    network = parse(text)
    assert network is not None
    return network


DONE = message(3, bytes(4))


def test_the_loopback_networks_are_always_ours() -> None:
    found, notice = own_addresses()
    assert notice is None
    assert {net("127.0.0.0/8"), net("::1")} <= found
    assert all(each.prefixlen == each.max_prefixlen for each in found - LOOPBACK)


@pytest.mark.netns
def test_a_namespace_has_addresses_of_its_own() -> None:
    script = (
        "ip link set lo up && ip addr add 192.0.2.7 peer 192.0.2.8/32 dev lo && ip addr add 198.51.100.1/24 dev lo"
        ' && ip addr add 2001:db8::7/64 dev lo nodad && exec "$0" -c \'from banish.lookups.own_addresses import *;'
        " found, notice = own_addresses(); assert notice is None; print(sorted(map(str, found)))'"
    )
    enter = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [*enter, "sh", "-c", script, sys.executable], check=False, capture_output=True, text=True, env=environment
    )
    assert run.returncode == 0, run.stderr
    assert ast.literal_eval(run.stdout) == sorted(
        ["127.0.0.0/8", "127.0.0.1/32", "192.0.2.7/32", "198.51.100.1/32", "2001:db8::7/128", "::1/128"]
    )


def test_on_a_point_to_point_link_the_peer_is_not_us() -> None:
    found: list[Network] = []
    ours, peers = socket.inet_aton("192.0.2.1"), socket.inet_aton("192.0.2.2")
    assert module.parse(address(socket.AF_INET, [(1, peers), (2, ours)]) + DONE, found)
    assert found == [net("192.0.2.1")]


def test_addresses_come_in_several_datagrams_with_what_we_do_not_know() -> None:
    found: list[Network] = []
    six = socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    assert not module.parse(address(socket.AF_INET6, [(8, b"odd"), (1, six)]) + address(socket.AF_PACKET, []), found)
    assert module.parse(DONE, found)
    assert found == [net("2001:db8::1")]


def test_a_list_that_changed_while_it_was_read_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [message(20, b"", flags=0x10), message(20, b"", flags=0x10), DONE]

    def ask() -> list[Network]:
        found: list[Network] = []
        module.parse(answers.pop(0), found)
        return found

    monkeypatch.setattr(module, "_ask", ask)
    assert own_addresses() == (LOOPBACK, None)
    answers[:] = [message(20, b"", flags=0x10)] * 3
    found, notice = own_addresses()
    assert found == LOOPBACK
    assert notice is not None


def test_without_the_kernels_answer_there_is_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> socket.socket:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(socket, "socket", refuse)
    found, notice = own_addresses()
    assert found == LOOPBACK
    assert notice is not None
    assert notice.text == (
        "cannot ask the kernel for our own addresses: Operation not permitted"
        " (name them in ignoreip; only loopback is ignored by itself)"
    )


def test_an_error_of_the_kernel_keeps_its_number() -> None:
    with pytest.raises(PermissionError):
        module.parse(message(2, struct.pack("=i", -errno.EPERM)), [])
    with pytest.raises(OSError, match="Protocol error"):
        module.parse(struct.pack("=IHHII", 5, 20, 0, 1, 0), [])


@given(st.binary(max_size=200), st.sampled_from([2, 3, 20]))
@settings(max_examples=200)
def test_whatever_comes_is_addresses_or_an_error(body: bytes, kind: int) -> None:
    found: list[Network] = []
    for answer in (body, message(kind, body)):
        try:
            module.parse(answer, found)
        except OSError:
            continue
    assert all(each.prefixlen == each.max_prefixlen for each in found)
