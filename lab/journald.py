"""A real systemd-journald in the laboratory, without systemd around it: the journal of that machine, empty at first.

It keeps its files in /run/log/journal, which the laboratory has for itself. What is sent to it through the native protocol
(https://systemd.io/JOURNAL_NATIVE_PROTOCOL/) or /dev/log is an entry a moment later.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.namespaces import Host, Lab, LabError

_PROGRAMS = ("/usr/lib/systemd/systemd-journald", "/lib/systemd/systemd-journald")
_CONFIGURATION = """
[Journal]
Storage=volatile
RateLimitIntervalSec=0
ReadKMsg=no
Audit=no
"""

_SERVICE = """
import ctypes, socket, sys
name = sys.argv[1].encode()
ctypes.CDLL(None).prctl(15, name, 0, 0, 0)
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.connect("/run/systemd/journal/socket")
for line in sys.stdin.buffer:
    journal.send(b"MESSAGE=%sSYSLOG_IDENTIFIER=%s\\n" % (line, name))
    print(flush=True)
"""


def can_run() -> str | None:
    """Return None when journald can be run here, else the reason."""
    if _program() is None or shutil.which("journalctl") is None:
        return "systemd-journald is not installed (package systemd)"
    if not Path("/etc/machine-id").exists():
        return "journald needs /etc/machine-id"
    return None


class Journald:
    """The journal of *lab*; a context manager that runs while the block does. *host* is one of its hosts.

    *more* is added to its configuration.
    """

    directory = Path("/run/log/journal")

    def __init__(self, lab: Lab, host: Host, more: str = "") -> None:
        self._lab = lab
        self._host = host
        self._more = more
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    @property
    def files(self) -> Path:
        """The directory of its files, by the path that this process can open."""
        return self._lab.path(self.directory)

    def __enter__(self) -> Self:
        for directory in ("/run/systemd/journald.conf.d", "/run/systemd/journal"):
            self._lab.path(Path(directory)).mkdir(parents=True, exist_ok=True)
        configuration = self._lab.path(Path("/run/systemd/journald.conf.d/lab.conf"))
        configuration.write_text(_CONFIGURATION + self._more)
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.files, ignore_errors=True)

    def start(self) -> None:
        """Start it, and return when it takes entries."""
        program = _program()
        if program is None:
            raise LabError("systemd-journald is not installed")
        self._process = self._host.popen([program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        while self._socket.connect_ex(str(self._lab.path(Path("/run/systemd/journal/socket")))) != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"systemd-journald did not start ({self._process.poll()})")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop it; the files stay until the block ends."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._host.end(self._process)
            self._process = None

    def send(self, message: str | bytes, **fields: str) -> None:
        """Write an entry; *fields* as journald names them, ``MESSAGE`` aside."""
        if self._socket is None:
            raise LabError("systemd-journald is not running")
        text = message.encode() if isinstance(message, str) else message
        entry = b"MESSAGE\n" + struct.pack("<Q", len(text)) + text + b"\n"
        self._socket.send(entry + b"".join(f"{name}={value}\n".encode() for name, value in fields.items()))

    def rotate(self) -> None:
        """Have it put its files aside and begin new ones."""
        if self._process is not None:
            self._host.signal(self._process, signal.SIGUSR2)

    def vacuum(self, files: int = 1) -> None:
        """Remove the oldest files, all but *files*."""
        for directory in self.files.iterdir():
            words = ["journalctl", f"--directory={directory}", f"--vacuum-files={files}"]
            subprocess.run(words, check=False, capture_output=True, env={**os.environ, "LC_ALL": "C"})


class Service:
    """A process of the laboratory that is called *name* and writes entries, as a service of that name does; a context manager."""

    def __init__(self, host: Host, name: str) -> None:
        self._host = host
        self._name = name

    def __enter__(self) -> Self:
        program = [sys.executable, "-c", _SERVICE, self._name]
        self._process = self._host.popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._host.end(self._process)

    def say(self, message: str) -> None:
        """Write an entry; it is with journald when this returns."""
        if self._process.stdin is None or self._process.stdout is None:
            raise LabError(f"{self._name} does not listen")
        self._process.stdin.write(message.encode() + b"\n")
        self._process.stdin.flush()
        self._process.stdout.readline()


def _program() -> str | None:
    return next((program for program in _PROGRAMS if os.path.exists(program)), None)
