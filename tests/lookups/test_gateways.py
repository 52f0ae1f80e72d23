"""Gateways of default routes, of answers made by hand; those of real routes are in end_to_end."""

from __future__ import annotations

import errno
import socket
import struct
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banish.addresses import Network
from banish.lookups import gateways as module
from banish.lookups import netlink
from banish.lookups.gateways import gateways, parse

FOUR, SIX = socket.inet_aton("192.0.2.254"), socket.inet_pton(socket.AF_INET6, "fe80::1")


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def route(*attributes: bytes, length: int = 0, kind: int = 1) -> memoryview:
    return memoryview(struct.pack("=BBBBBBBBI", 2, length, 0, 0, 254, 0, 0, kind, 0) + b"".join(attributes))


def found(*routes: memoryview) -> tuple[set[str], set[int]]:
    networks: set[Network] = set()
    numbers: set[int] = set()
    parse(routes, networks, numbers)
    return {str(network) for network in networks}, numbers


def test_only_default_routes_to_somewhere_have_a_gateway_that_matters() -> None:
    assert found(route(attribute(5, FOUR))) == ({"192.0.2.254/32"}, set())
    assert found(route(attribute(5, FOUR), length=24)) == (set(), set())
    assert found(route(attribute(5, FOUR), kind=7)) == (set(), set()), "an unreachable default"
    assert found(route(attribute(4, bytes(4)))) == (set(), set()), "a link without a gateway"


def test_a_route_of_ipv4_may_have_a_gateway_of_ipv6() -> None:
    assert found(route(attribute(18, struct.pack("=H", socket.AF_INET6) + SIX))) == ({"fe80::1/128"}, set())


def test_several_gateways_and_objects() -> None:
    hops = b"".join(
        struct.pack("=HBBi", 8 + len(each), 0, 0, 2) + each for each in (attribute(5, FOUR), attribute(5, SIX))
    )
    assert found(route(attribute(9, hops)), route(attribute(30, struct.pack("=I", 7)))) == (
        {"192.0.2.254/32", "fe80::1/128"},
        {7},
    )


def test_a_kernel_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*arguments: object, **more: object) -> list[memoryview]:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(netlink, "ask", ask)
    known, notice = gateways()
    assert known == frozenset()
    assert notice is not None
    assert "cannot ask the kernel for the default gateways: Operation not permitted" in notice.text


@pytest.mark.netns
def test_a_table_of_many_routes_is_read_so_far_and_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gateways() == (frozenset(), None)
    subprocess.run(["ip", "route", "add", "192.0.2.0/24", "dev", "lo"], check=True)
    monkeypatch.setattr(module, "MOST", 1)
    _, notice = gateways()
    assert notice is not None
    assert "more than 1 routes" in notice.text


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_whatever_comes_is_a_gateway_or_nothing(body: bytes) -> None:
    found(memoryview(body), route(body))
    module._behind([1, 7], [memoryview(body), memoryview(bytes(8) + body)])
