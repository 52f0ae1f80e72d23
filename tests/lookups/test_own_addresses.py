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
from banish.lookups import netlink
from banish.lookups import own_addresses as module
from banish.lookups.own_addresses import LOOPBACK, own_addresses


def address(family: int, attributes: Sequence[tuple[int, bytes]]) -> memoryview:
    body = struct.pack("=BBBBI", family, 24, 0, 0, 1)
    for kind, value in attributes:
        body += struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)
    return memoryview(body)


def net(text: str) -> Network:
    network = parse(text)
    assert network is not None
    return network


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
    ours, peers = socket.inet_aton("192.0.2.1"), socket.inet_aton("192.0.2.2")
    assert module.parse([address(socket.AF_INET, [(1, peers), (2, ours)])]) == [net("192.0.2.1")]


def test_what_we_do_not_know_is_left_out() -> None:
    six = socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    bodies = [address(socket.AF_INET6, [(8, b"odd"), (1, six)]), address(socket.AF_PACKET, [])]
    assert module.parse(bodies) == [net("2001:db8::1")]


def test_a_list_that_never_stands_still_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*arguments: object) -> list[memoryview]:
        raise InterruptedError(errno.EINTR, "Interrupted system call")

    monkeypatch.setattr(netlink, "ask", ask)
    found, notice = own_addresses()
    assert found == LOOPBACK
    assert notice is not None
    assert "change faster" in notice.text


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


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_whatever_comes_is_addresses_or_nothing(body: bytes) -> None:
    assert all(each.prefixlen == each.max_prefixlen for each in module.parse([memoryview(body)]))
