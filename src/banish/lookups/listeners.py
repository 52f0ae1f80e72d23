"""Which programs of this machine listen on the network: where, as what, and whether they run in a container.

Read from proc(5): the sockets of our network namespace (/proc/net/tcp, tcp6, udp, udp6), who holds them open (/proc/PID/fd), what
that is (comm, exe, cmdline), and which unit of systemd it belongs to (/proc/PID/cgroup). A program whose namespace is another one
is somebody's container: its sockets are not seen, and what it writes is rarely found where the machine's own logs are.

Whoever is not root does not see who holds the sockets of others.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import NamedTuple

from banish.lookups import processes
from banish.lookups.processes import PROC

_TABLES = (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07"))
"""Files of /proc/net, and the state of a socket that waits for anybody: TCP_LISTEN, and TCP_CLOSE for UDP (net/tcp_states.h)."""
_CONTAINER = re.compile(r"docker|podman|libpod|containerd|kubepods|lxc|machine\.slice")
_UNIT = re.compile(r"/([^/]+\.service)(?:/|$)")


class Listener(NamedTuple):
    """One socket that waits for anybody."""

    protocol: str
    """``tcp`` or ``udp``."""
    address: IPv4Address | IPv6Address
    port: int
    pid: int
    """0 when nobody is seen to hold it."""

    @property
    def open_to_others(self) -> bool:
        """False when only this machine itself can reach it."""
        mapped = self.address.ipv4_mapped if isinstance(self.address, IPv6Address) else None
        return not (mapped or self.address).is_loopback


class Program(NamedTuple):
    """A running program."""

    pid: int
    name: str
    """As the kernel has it, 15 characters at most."""
    path: str
    """Of its file; empty when it cannot be seen."""
    command: str
    """Its command line, words separated by spaces; for interpreters, which are all called the same."""
    unit: str
    """The service of systemd that started it; empty when none did."""
    container: bool


def listeners(proc: str = PROC) -> list[Listener]:
    """Return the sockets that are listened on, by protocol and port. Raises OSError when /proc/net cannot be read."""
    found = list(_sockets(proc))
    holders = _holders({inode for *_, inode in found}, proc)
    return sorted(
        (Listener(protocol, address, port, holders.get(inode, 0)) for protocol, address, port, inode in found),
        key=lambda each: (each.protocol, each.port, each.address.version, int(each.address)),
    )


def program(pid: int, proc: str = PROC) -> Program | None:
    """Return what *pid* runs, None when it has ended."""
    name = processes.name(pid, proc)
    if not name:
        return None
    try:
        path = os.readlink(f"{proc}/{pid}/exe").removesuffix(" (deleted)")
    except OSError:
        path = ""
    cgroup = _text(f"{proc}/{pid}/cgroup")
    unit = _UNIT.findall(cgroup)
    command = _text(f"{proc}/{pid}/cmdline").replace("\0", " ").strip()
    return Program(pid, name, path, command, unit[-1] if unit else "", bool(_CONTAINER.search(cgroup)))


def programs(proc: str = PROC) -> Iterator[Program]:
    """Yield every program that runs, those in containers too."""
    for pid in processes.pids(proc):
        if (found := program(pid, proc)) is not None:
            yield found


def _sockets(proc: str) -> Iterator[tuple[str, IPv4Address | IPv6Address, int, int]]:
    for table, state in _TABLES:
        try:
            text = Path(proc, "net", table).read_text()
        except FileNotFoundError:
            if table == "tcp":
                raise
            continue
        for line in text.splitlines()[1:]:
            words = line.split()
            if len(words) > 9 and words[3] == state:
                digits, _, port = words[1].rpartition(":")
                # Each word of four bytes is printed as a number of this machine, whatever its byte order.
                packed = b"".join(struct.pack("=I", int(digits[at : at + 8], 16)) for at in range(0, len(digits), 8))
                address = IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)
                yield table.removesuffix("6"), address, int(port, 16), int(words[9])


def _holders(inodes: set[int], proc: str) -> dict[int, int]:
    """Return the process that holds each of *inodes*; of several the oldest, from which the others have it."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes if inode}
    found: dict[int, int] = {}
    for pid in sorted(processes.pids(proc), reverse=True):
        try:
            held = processes.descriptors(pid, proc)
        except PermissionError:
            continue
        found.update((wanted[word], pid) for word in held if word in wanted)
    return found


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
