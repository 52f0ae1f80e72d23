"""Which services run, and where they can be reached: the ports that their processes listen on, and those that containers publish.

From proc(5). Sockets that listen on a loopback address only are left out: nobody from outside reaches them.
"""

from __future__ import annotations

import ipaddress
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

from banish.lookups import processes

PROGRAMS = {
    "sshd": ("sshd",),
    "dropbear": ("dropbear",),
    "nginx": ("nginx",),
    "apache": ("apache2", "httpd"),
    "lighttpd": ("lighttpd",),
    "postfix": ("master",),
    "dovecot": ("dovecot",),
    "exim": ("exim4", "exim"),
    "sendmail": ("sendmail-mta", "sendmail"),
    "vsftpd": ("vsftpd",),
    "proftpd": ("proftpd",),
    "pure-ftpd": ("pure-ftpd",),
    "mysqld": ("mysqld", "mariadbd"),
    "named": ("named",),
    "asterisk": ("asterisk",),
}
"""By the first word of a filter's name, the names of the processes (comm) that listen for the service."""

_LISTEN = "0A"


class Published(NamedTuple):
    """A port of a container that docker-proxy publishes."""

    host_port: int
    container_port: int


def programs_of(filter_name: str) -> tuple[str, ...]:
    """Return the processes that a filter is about; none when that is not known."""
    for service, programs in PROGRAMS.items():
        if filter_name == service or filter_name.startswith((f"{service}-", f"{service}[")):
            return programs
    return ()


def ports_of(programs: tuple[str, ...], proc: str = processes.PROC) -> set[int]:
    """Return the TCP ports on which *programs* listen to others than this machine; empty when none runs, or it cannot be seen."""
    held: set[str] = set()
    for pid in processes.pids(proc):
        if processes.name(pid, proc) in programs:
            try:
                held.update(processes.descriptors(pid, proc))
            except PermissionError:
                continue
    return {port for port, inode in _listening(proc) if f"socket:[{inode}]" in held} if held else set()


def published(proc: str = processes.PROC) -> list[Published]:
    """Return what docker-proxy publishes to others than this machine."""
    found = []
    for pid in processes.pids(proc):
        try:
            with open(f"{proc}/{pid}/cmdline", "rb") as opened:
                words = opened.read(1 << 14).decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if os.path.basename(words[0]) != "docker-proxy":
            continue
        options = dict(zip(words[1::2], words[2::2], strict=False))
        try:
            port = Published(int(options["-host-port"]), int(options["-container-port"]))
        except (KeyError, ValueError):
            continue
        if not options.get("-host-ip", "").startswith("127."):
            found.append(port)
    return found


def _listening(proc: str) -> Iterator[tuple[int, str]]:
    for name in ("tcp", "tcp6"):
        try:
            with open(f"{proc}/net/{name}") as opened:
                lines = opened.read().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if len(words) < 10 or words[3] != _LISTEN:
                continue
            address, _, port = words[1].partition(":")
            # Each word of four bytes is printed as a number of this machine, whatever its byte order.
            packed = b"".join(struct.pack("=I", int(address[at : at + 8], 16)) for at in range(0, len(address), 8))
            if not ipaddress.ip_address(packed).is_loopback:
                yield int(port, 16), words[9]
