"""Real packets over a veth pair: the test's namespace is the server, a second one the attacker and an innocent neighbour."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from banish.enforcement.nftables import NftablesFirewall
from banish.enforcement.scopes import Record, Scope
from tests.networks import net

pytestmark = pytest.mark.netns

NOW = 1_700_000_000.0
SERVER, ATTACKER, NEIGHBOUR = "198.51.100.1", "198.51.100.66", "198.51.100.77"
SERVER6, ATTACKER6, NEIGHBOUR6 = "2001:db8::1", "2001:db8:bad::66", "2001:db8::77"
SSHD, WEB = 2222, 8080

_CONNECT = """
import socket, sys
source, target, port = sys.argv[1:]
try:
    socket.create_connection((target, int(port)), timeout=0.8, source_address=(source, 0)).close()
    print("open")
except ConnectionRefusedError:
    print("refused")
except OSError:
    print("dropped")
"""
_FLOOD = """
import socket, sys
source, target, port = sys.argv[1:]
sending = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sending.bind((source, 0))
while True:
    sending.sendto(b"x", (target, int(port)))
"""


@pytest.fixture
def elsewhere() -> Iterator[list[str]]:
    """The words that run a command on the other side of the wire."""
    with subprocess.Popen(["unshare", "-n", "sh", "-c", "echo ready; cat"], stdin=-1, stdout=-1) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"ready\n"
        enter = ["nsenter", "-t", str(other.pid), "-n"]
        setup = f"""
            ip link add here type veth peer name there netns {other.pid}
            ip link set here up
            ip addr add {SERVER}/24 dev here
            ip addr add {SERVER6}/32 dev here nodad
        """
        for line in setup.strip().splitlines():
            subprocess.run(line.split(), check=True)
        there = ["link set lo up", "link set there up"]
        there += [f"addr add {address}/24 dev there" for address in (ATTACKER, NEIGHBOUR)]
        there += [f"addr add {address}/32 dev there nodad" for address in (ATTACKER6, NEIGHBOUR6)]
        for line in there:
            subprocess.run([*enter, "ip", *line.split()], check=True)
        with contextlib.ExitStack() as sockets:
            for port in (SSHD, WEB):
                listening = sockets.enter_context(socket.socket(socket.AF_INET6))
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                listening.bind(("::", port))
                listening.listen(64)
            yield enter
        other.stdin and other.stdin.close()


@pytest.fixture
def firewall() -> Iterator[NftablesFirewall]:
    one = NftablesFirewall()
    yield one
    one.stop()


def ban(network: str, left: float = 600) -> Record:
    return Record("ban", "sshd", net(network), NOW + left)


def connect(elsewhere: list[str], source: str, target: str, port: int) -> str:
    command = [*elsewhere, sys.executable, "-ISc", _CONNECT, source, target, str(port)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_ban_closes_the_port_to_the_attacker_and_to_nobody_else(
    elsewhere: list[str], firewall: NftablesFirewall
) -> None:
    firewall.replace([Scope("sshd", ("tcp",), ((SSHD, SSHD),))], [], NOW)
    assert connect(elsewhere, ATTACKER, SERVER, SSHD) == "open"
    firewall.apply([ban(ATTACKER), ban("2001:db8:bad::/48")], NOW)
    assert connect(elsewhere, ATTACKER, SERVER, SSHD) == "dropped"
    assert connect(elsewhere, ATTACKER, SERVER, WEB) == "open"
    assert connect(elsewhere, NEIGHBOUR, SERVER, SSHD) == "open"
    assert connect(elsewhere, ATTACKER6, SERVER6, SSHD) == "dropped"
    assert connect(elsewhere, ATTACKER6, SERVER6, WEB) == "open"
    assert connect(elsewhere, NEIGHBOUR6, SERVER6, SSHD) == "open"
    firewall.apply([Record("unban", "sshd", net(ATTACKER), NOW)], NOW)
    assert connect(elsewhere, ATTACKER, SERVER, SSHD) == "open"


def test_reject_answers_and_all_ports_are_all_ports(elsewhere: list[str], firewall: NftablesFirewall) -> None:
    firewall.replace([Scope("sshd", ("tcp",), (), "reject")], [ban("198.51.100.64/30"), ban(ATTACKER6)], NOW)
    for port in (SSHD, WEB):
        assert connect(elsewhere, ATTACKER, SERVER, port) == "refused"
        assert connect(elsewhere, ATTACKER6, SERVER6, port) == "refused"
    assert connect(elsewhere, NEIGHBOUR, SERVER, WEB) == "open"


def test_the_server_itself_is_never_locked_out_over_loopback(elsewhere: list[str], firewall: NftablesFirewall) -> None:
    firewall.replace([Scope("sshd", (), ())], [ban("127.0.0.0/8"), ban(SERVER), ban("::1")], NOW)
    for target in ("127.0.0.1", SERVER, "::1"):
        socket.create_connection((target, SSHD), timeout=1).close()


def test_a_ban_of_the_whole_link_leaves_neighbour_discovery_working(
    elsewhere: list[str], firewall: NftablesFirewall
) -> None:
    firewall.replace([Scope("sshd", (), (), "reject")], [ban("2001:db8::/32")], NOW)
    # The answer can only arrive if the neighbours learn each other's hardware addresses.
    assert connect(elsewhere, NEIGHBOUR6, SERVER6, WEB) == "refused"


def test_a_ban_ends_by_itself(elsewhere: list[str], firewall: NftablesFirewall) -> None:
    firewall.replace([Scope("sshd", ("tcp",), ((SSHD, SSHD),))], [ban(ATTACKER, 2.0)], NOW)
    assert connect(elsewhere, ATTACKER, SERVER, SSHD) == "dropped"
    deadline = time.monotonic() + 5
    while connect(elsewhere, ATTACKER, SERVER, SSHD) != "open":
        assert time.monotonic() < deadline


def test_no_packet_slips_through_while_the_table_is_replaced_and_bans_are_renewed(
    elsewhere: list[str], firewall: NftablesFirewall
) -> None:
    scopes = [Scope("sshd", ("udp",), ((SSHD, SSHD),))]
    firewall.replace(scopes, [ban(ATTACKER)], NOW)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiving,
        subprocess.Popen([*elsewhere, sys.executable, "-ISc", _FLOOD, ATTACKER, SERVER, str(SSHD)]) as flood,
    ):
        receiving.bind((SERVER, SSHD))
        try:
            wait_for_drops()
            for round_ in range(200):
                firewall.replace(scopes, [ban(ATTACKER, 600 + round_)], NOW)
                firewall.apply([ban(ATTACKER, 300 + round_)], NOW)
            wait_for_drops()
            receiving.setblocking(False)
            with pytest.raises(BlockingIOError):
                receiving.recv(10)
            firewall.apply([Record("unban", "sshd", net(ATTACKER), NOW)], NOW)
            receiving.settimeout(5)
            assert receiving.recv(10) == b"x"
        finally:
            flood.kill()


def wait_for_drops() -> None:
    """Wait until the table as it stands has dropped a packet: the flood runs."""
    deadline = time.monotonic() + 10
    while True:
        listing = subprocess.run(
            ["nft", "list", "chain", "inet", "banish", "pre"], capture_output=True, text=True, check=True
        )
        if any(
            "udp dport" in line and "packets 0 " not in line
            for line in listing.stdout.splitlines()
            if "ip saddr" in line
        ):
            return
        assert time.monotonic() < deadline
        time.sleep(0.02)
