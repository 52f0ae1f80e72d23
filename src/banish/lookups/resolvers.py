"""Which name servers this machine asks: the ``nameserver`` lines of resolv.conf(5).

Where systemd-resolved or NetworkManager stands in between, /etc/resolv.conf names a stub on loopback; whom that asks is in a file of
theirs, of the same format. A file is read again when it has become another one or has changed.

Law: nothing is raised. A file that is not there names nobody; one that cannot be read names whom it named last.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from banish.addresses import Network, parse

FILES = ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf")

_LARGEST = 1 << 16
"""Bytes that are read of a file."""

_Stamp = tuple[int, int, int, int]


class Resolvers:
    """The name servers, followed."""

    def __init__(self, files: Sequence[str] = FILES) -> None:
        self._files = tuple(files)
        self._known: dict[str, tuple[_Stamp, frozenset[Network]]] = {}

    def look(self) -> frozenset[Network]:
        """Return the addresses of the name servers as host networks."""
        return frozenset().union(*map(self._of, self._files))

    def _of(self, path: str) -> frozenset[Network]:
        known = self._known.get(path)
        try:
            status = os.stat(path)
            stamp = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
            if known is not None and known[0] == stamp:
                return known[1]
            with open(path, "rb") as opened:
                found = servers(opened.read(_LARGEST).decode("utf-8", "replace"))
        except FileNotFoundError:
            self._known.pop(path, None)
            return frozenset()
        except OSError:
            return known[1] if known is not None else frozenset()
        self._known[path] = stamp, found
        return found


def servers(text: str) -> frozenset[Network]:
    """Return the name servers of a resolv.conf, as host networks.

    >>> sorted(map(str, servers("search example.org\\nnameserver 192.0.2.53\\nnameserver fe80::1%eth0\\n# nameserver 192.0.2.9")))
    ['192.0.2.53/32', 'fe80::1/128']
    """
    words = [line.split() for line in text.splitlines()]
    named = [line[1].partition("%")[0] for line in words if len(line) > 1 and line[0] == "nameserver"]
    return frozenset(network for name in named if "/" not in name and (network := parse(name)) is not None)
