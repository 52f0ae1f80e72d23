"""A service of any kind under attack: the hosts, the log daemon and the printing that such captures have in common.

``192.0.2.66`` and ``2001:db8::66`` are the attacker, ``198.51.100.10`` is somebody with a right to be there, and ``203.0.113.9`` is
an innocent whom the attacker would like to see banned: it appears in names and requests, and never connects. Each has a host of
its own, so that clients need not be able to choose where they come from.

A capture gives a table of scenarios. Each starts the real service with a directory of its own, attacks it, and returns the log.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab import Lab, can_run, clients
from lab.namespaces import Host, LabError, program

SERVER, ATTACKER, INNOCENT = "192.0.2.1", "192.0.2.66", "203.0.113.9"
SERVER6, ATTACKER6 = "2001:db8::1", "2001:db8::66"
HERE, FRIEND = "198.51.100.1", "198.51.100.10"
"""The server's address on the friend's side, and the friend's."""
SECRET, WRONG = "correct horse battery staple", "guess"

FORGED = (
    f"x from {INNOCENT}",
    f"x' (from {INNOCENT})",
    f"x'@'{INNOCENT}",
    f'x" from {INNOCENT}',
    f"[{INNOCENT}]:22",
    "two words",
    "wörld",
    "back\\slash",
)
"""User names that try to look like the rest of the line, and some that are merely odd."""

_SYSLOG = Path(__file__).resolve().parents[2] / "lab" / "syslog.py"


@dataclass(slots=True)
class Scene:
    """The server's host, the attacker's and the friend's, and the directory that the service has to itself."""

    server: Host
    attacker: Host
    friend: Host
    inside: Path
    """The directory, as processes on the hosts see it."""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def outside(self) -> Path:
        """The directory, by the path that this process can open."""
        return self.server.lab.path(self.inside)

    def file(self, name: str, text: str, mode: int = 0o644) -> Path:
        """Write a file into the directory, ``{here}`` in *text* being the directory, and return its path inside."""
        path = self.outside / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("{here}", str(self.inside)))
        path.chmod(mode)
        return self.inside / name

    def start(
        self, *argv: str | Path, port: int = 0, log: str = "output", environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program of the service; what it prints goes to the file *log*. Returns when *port* answers, if one is given."""
        command = program(str(argv[0]))
        if command is None:
            raise LabError(f"{argv[0]} is not installed")
        with (self.outside / log).open("ab") as output:
            words: list[str | Path] = [command, *argv[1:]]
            process = self.server.popen(words, stdout=output, stderr=output, environment=environment)
        self.processes.append(process)
        deadline = time.monotonic() + 30
        while port and clients.probe(self.server, "127.0.0.1", "127.0.0.1", port) != "open":
            if time.monotonic() > deadline or process.poll() is not None:
                raise LabError(f"{argv[0]} takes no connections:\n" + "\n".join(self.lines(log) + self.lines("syslog")))
            time.sleep(0.1)
        return process

    def open_to(self, user: str) -> list[str]:
        """Let *user* write into the directory, and return the words with which a program is run as him."""
        self.server.run(["chown", "-R", user, self.inside])
        return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]

    def syslog(self) -> None:
        """Start the log daemon: what services send to syslog(3) goes to the file ``syslog``."""
        words: list[str | Path] = [sys.executable, _SYSLOG, "--file", self.inside / "syslog", "--hostname", "host"]
        daemon = self.server.popen(words, stdout=subprocess.PIPE)
        self.processes.append(daemon)
        assert daemon.stdout is not None
        if daemon.stdout.readline() != b"ready\n":
            raise LabError("the log daemon did not start; it said why on standard error")

    def attack(self, *argv: str | Path, text: str = "", timeout: float = 20.0) -> str:
        """Run a client on the attacker's host, whatever comes of it, and return what it said."""
        return _said(self.attacker, argv, text, timeout)

    def visit(self, *argv: str | Path, text: str = "", timeout: float = 20.0) -> str:
        """The same on the friend's."""
        return _said(self.friend, argv, text, timeout)

    def send(self, payload: bytes, port: int, source: str = ATTACKER, wait: float = 0.5) -> bytes:
        """Send bytes that no decent client would send, and return the answer."""
        return clients.raw(self.attacker, source, SERVER6 if ":" in source else SERVER, payload, port=port, wait=wait)

    def lines(self, log: str) -> list[str]:
        """Return a file of the directory once nothing has been added to it for a while; nothing when there is none."""
        path = self.outside / log
        size = -1
        while path.exists() and size != path.stat().st_size:
            size = path.stat().st_size
            time.sleep(0.4)
        return path.read_text(errors="surrogateescape").splitlines() if path.exists() else []


def _said(host: Host, argv: Sequence[str | Path], text: str, timeout: float) -> str:
    done = host.run(["timeout", str(timeout - 2), *argv], check=False, input=text, timeout=timeout)
    return done.stdout + done.stderr


Scenario = Callable[[Scene], Sequence[str]]


@contextmanager
def scene(name: str) -> Iterator[Scene]:
    """Build the hosts, and take them away again with all that runs on them."""
    with Lab.hold() as lab:
        server, attacker, friend = lab.host("server"), lab.host("attacker"), lab.host("friend")
        lab.connect(server, [f"{SERVER}/24", f"{SERVER6}/64"], attacker, [f"{ATTACKER}/24", f"{ATTACKER6}/64"])
        lab.connect(server, [f"{HERE}/24"], friend, [f"{FRIEND}/24"])
        made = Scene(server, attacker, friend, lab.directory / name)
        made.outside.mkdir(parents=True)
        made.outside.chmod(0o755)
        try:
            yield made
        finally:
            for process in reversed(made.processes):
                server.end(process)


def main(what: str, scenarios: Mapping[str, Scenario]) -> int:
    """Run the scenarios that were asked for, each against a fresh service, and print the log of each."""
    parser = argparse.ArgumentParser(description=f"what {what} logs when it is attacked")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=sorted(scenarios), default=list(scenarios))
    parser.add_argument("--list", action="store_true", help="name the scenarios and stop")
    options = parser.parse_args()
    if options.list:
        print("\n".join(scenarios))
        return 0
    if (reason := can_run(sshd=False)) is not None:
        print(f"cannot run {what} here: {reason}", file=sys.stderr)
        return 1
    for name in options.only:
        with scene(name) as made:
            print(f"# {name}", *scenarios[name](made), sep="\n", flush=True)
    return 0
