"""A /proc of the test's own: sockets, and the programs that hold them."""

from __future__ import annotations

import os
import struct
from ipaddress import ip_address
from pathlib import Path

_HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


class MadeUpMachine:
    """*proc* is where it lies."""

    def __init__(self, proc: Path) -> None:
        self.proc = proc
        self._inode = 1000
        (proc / "net").mkdir(parents=True)
        for table in ("tcp", "tcp6", "udp", "udp6"):
            (proc / "net" / table).write_text(_HEAD)

    def program(
        self,
        pid: int,
        name: str,
        *sockets: str,
        path: str = "",
        command: str = "",
        cgroup: str = "",
    ) -> None:
        """Let *name* run; *sockets* are like ``tcp 0.0.0.0 22``, where it listens."""
        home = self.proc / str(pid)
        (home / "fd").mkdir(parents=True)
        (home / "comm").write_text(name[:15] + "\n")
        (home / "cmdline").write_text(command.replace(" ", "\0"))
        (home / "cgroup").write_text(cgroup)
        if path:
            os.symlink(path, home / "exe")
        os.symlink("/dev/null", home / "fd" / "0")
        for number, socket in enumerate(sockets, 3):
            self._inode += 1
            self.socket(socket, self._inode)
            os.symlink(f"socket:[{self._inode}]", home / "fd" / str(number))

    def socket(self, text: str, inode: int, *, state: str = "") -> None:
        """Let there be a socket, held by nobody."""
        protocol, host, port = text.split()
        address = ip_address(host)
        table = protocol + ("6" if address.version == 6 else "")
        words = [f"{word:08X}" for (word,) in struct.iter_unpack("=I", address.packed)]
        state = state or ("0A" if protocol == "tcp" else "07")
        nobody = "0" * (8 * len(words)) + ":0000"
        with (self.proc / "net" / table).open("a") as file:
            file.write(
                f"   0: {''.join(words)}:{int(port):04X} {nobody} {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1\n"
            )
