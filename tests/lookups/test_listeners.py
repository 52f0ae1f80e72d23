"""Listeners: what the kernel says of our own sockets, and of a machine that was made up."""

from __future__ import annotations

import os
import socket
from ipaddress import ip_address
from pathlib import Path

import pytest

from banish.lookups.listeners import Listener, listeners, program, programs
from tests.lookups.machine import MadeUpMachine


def test_our_own_sockets_are_seen() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as four,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as six,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
    ):
        datagrams.bind(("0.0.0.0", 0))
        ours = {
            (each.protocol, str(each.address), each.port, each.open_to_others)
            for each in listeners()
            if each.pid == os.getpid()
        }
        assert ours >= {
            ("tcp", "127.0.0.1", four.getsockname()[1], False),
            ("tcp", "::1", six.getsockname()[1], False),
            ("udp", "0.0.0.0", datagrams.getsockname()[1], True),
        }
    found = program(os.getpid())
    assert found is not None
    assert found.path == os.path.realpath("/proc/self/exe")
    assert os.getpid() in {each.pid for each in programs()}


@pytest.fixture
def machine(tmp_path: Path) -> MadeUpMachine:
    return MadeUpMachine(tmp_path)


def test_the_oldest_process_holds_a_socket_that_many_share(machine: MadeUpMachine) -> None:
    machine.program(70, "nginx", "tcp 0.0.0.0 80", "tcp :: 80")
    machine.program(71, "nginx")
    os.symlink(os.readlink(machine.proc / "70" / "fd" / "3"), machine.proc / "71" / "fd" / "3")
    assert listeners(str(machine.proc)) == [
        Listener("tcp", ip_address("0.0.0.0"), 80, 70),
        Listener("tcp", ip_address("::"), 80, 70),
    ]


def test_what_does_not_wait_for_anybody_is_no_listener(machine: MadeUpMachine) -> None:
    machine.socket("tcp 192.0.2.1 22", 5, state="01")
    machine.socket("udp 192.0.2.1 53", 6, state="01")
    machine.socket("tcp 192.0.2.1 25", 7)
    assert listeners(str(machine.proc)) == [Listener("tcp", ip_address("192.0.2.1"), 25, 0)]


def test_mapped_loopback_is_loopback() -> None:
    assert not Listener("tcp", ip_address("::ffff:127.0.0.1"), 1, 1).open_to_others
    assert Listener("tcp", ip_address("::ffff:192.0.2.1"), 1, 1).open_to_others


@pytest.mark.parametrize(
    ("cgroup", "unit", "container"),
    [
        ("0::/system.slice/nginx.service\n", "nginx.service", False),
        ("0::/system.slice/system-postfix.slice/postfix@-.service\n", "postfix@-.service", False),
        ("0::/user.slice/user-1000.slice/session-1.scope\n", "", False),
        ("0::/system.slice/docker-0123456789ab.scope\n", "", True),
        ("12:pids:/docker/0123\n1:name=systemd:/docker/0123\n", "", True),
        ("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-1.scope\n", "", True),
    ],
)
def test_units_and_containers(machine: MadeUpMachine, cgroup: str, unit: str, container: bool) -> None:
    machine.program(9, "nginx", cgroup=cgroup, path="/usr/sbin/nginx (deleted)")
    found = program(9, str(machine.proc))
    assert found is not None
    assert (found.unit, found.container, found.path) == (unit, container, "/usr/sbin/nginx")


def test_a_process_that_has_ended_is_none(machine: MadeUpMachine) -> None:
    assert program(10, str(machine.proc)) is None


def test_a_machine_without_ipv6_has_two_files(machine: MadeUpMachine) -> None:
    (machine.proc / "net" / "tcp6").unlink()
    (machine.proc / "net" / "udp6").unlink()
    machine.program(1, "sshd", "tcp 0.0.0.0 22")
    assert [each.port for each in listeners(str(machine.proc))] == [22]
    (machine.proc / "net" / "tcp").unlink()
    with pytest.raises(FileNotFoundError):
        listeners(str(machine.proc))
