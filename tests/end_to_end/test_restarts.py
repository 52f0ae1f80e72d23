"""Restarts under fire: a banned host sends without a pause, and not one of its packets arrives.

By default there are a few restarts; RESTARTS=20 in the environment makes it as many.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from lab import Host, Lab
from lab.daemon import Daemon

pytestmark = pytest.mark.sshd

RESTARTS = int(os.environ.get("RESTARTS", "4"))
BANNED, FRIEND, SERVER = "192.0.2.66", "192.0.2.7", "192.0.2.1"
PORT = 22
BANS = 2000
_JAIL = "[sshd]\nenabled = true\nlogpath = {log}\nbanaction = nftables[type=allports]\n"
_KEEP = {"banish.local": "[Definition]\nkeepbans = true\n"}

_COUNT = """
import socket, sys, time
server, port, log = sys.argv[1], int(sys.argv[2]), sys.argv[3]
receiving = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
receiving.bind((server, port))
found = {}
written = 0.0
while True:
    _, (host, _) = receiving.recvfrom(64)
    found[host] = found.get(host, 0) + 1
    if time.monotonic() - written > 0.05:
        written = time.monotonic()
        with open(log, "w") as file:
            file.write(" ".join(f"{host}={count}" for host, count in found.items()))
"""
_SEND = """
import socket, sys, time
source, server, port, pause = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
sending = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sending.bind((source, 0))
while True:
    for _ in range(20):
        try:
            sending.sendto(b"x", (server, port))
        except OSError:
            pass
    time.sleep(pause)
"""


def arrived(counts: Path) -> dict[str, int]:
    words = counts.read_text().split() if counts.exists() else []
    return {host: int(count) for host, _, count in (word.partition("=") for word in words)}


def dropped(server: Host) -> int:
    """How many packets the table that stands now has dropped."""
    lines = server.run(["nft", "list", "chain", "inet", "banish", "pre"], check=False).stdout.splitlines()
    words = [line.split() for line in lines if "ip saddr" in line]
    return sum(int(line[line.index("packets") + 1]) for line in words)


def test_not_one_packet_of_a_banned_host_arrives_while_the_daemon_is_restarted() -> None:
    with Lab.hold() as lab:
        server, outside = lab.host("server"), lab.host("outside")
        lab.connect(server, [f"{SERVER}/24"], outside, [f"{BANNED}/24", f"{FRIEND}/24"])
        log, counts = lab.directory / "auth.log", lab.directory / "counts"
        lab.path(log).write_bytes(b"")
        daemon = Daemon(server, _JAIL.format(log=log), name="restarted", files=_KEEP)
        python = [sys.executable, "-ISc"]
        started = [server.popen([*python, _COUNT, SERVER, str(PORT), str(counts)])]
        try:
            daemon.start()
            others = "".join(f"198.18.{n // 256}.{n % 256}\n" for n in range(BANS))
            daemon.client("ban", "sshd", "-", "--for", "1h", input=f"{BANNED}\n{others}")
            started.append(outside.popen([*python, _SEND, BANNED, SERVER, str(PORT), "0.0005"]))
            started.append(outside.popen([*python, _SEND, FRIEND, SERVER, str(PORT), "0.05"]))
            friends = 0
            for number in range(RESTARTS):
                daemon.wait_for("the banned host to be heard and dropped", lambda: dropped(server) > 100)
                if number % 2:
                    daemon.signal(signal.SIGKILL)
                    daemon.process.wait(10)
                    daemon.start()
                else:
                    daemon.stop()
                    assert dropped(server) > 0, "the table stands while nobody is at home"
                    daemon.start()
                now = arrived(lab.path(counts))
                assert now.get(BANNED, 0) == 0
                assert now[FRIEND] > friends, "who is not banned is not kept out"
                friends = now[FRIEND]
            daemon.wait_for("the banned host to be dropped", lambda: dropped(server) > 100)
            assert len(daemon.ask("banned")) == BANS + 1
            daemon.banish("unban", BANNED)
            daemon.wait_for("the lifted host to be heard", lambda: arrived(lab.path(counts)).get(BANNED, 0) > 0)
        finally:
            for process in started:
                server.end(process)
            if daemon.process.poll() is None:
                server.end(daemon.process)
