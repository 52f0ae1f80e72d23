"""A machine of one's own for a service that is to be watched under attack: its packages, its log, and a wire to attackers.

A script calls `enter` with the Debian packages that it needs, and goes on as root of a machine that exists for it alone:

* /usr, /etc, /var and /home are overlays: what apt installs, what a package's scripts do and what is configured is seen by the
  script and its children, and is gone with them. So services that exclude each other, as mail servers do, can be watched one
  after the other, and the machine below is left as it was;
* everything else is the laboratory (`lab`): a network of its own, /run and /dev, and all processes end with the script.

Then `Stage` is a server and a host across the wire, with the log daemon that takes what the service says to /dev/log. It needs
root, apt, and for the installation the network that the machine has.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import lab
from lab import Host, Lab
from lab.namespaces import LabError

SERVER, ATTACKER, FRIEND = "192.0.2.1", "192.0.2.66", "192.0.2.10"
SERVER6, ATTACKER6 = "2001:db8::1", "2001:db8::66"
SECRET = "correct horse battery staple"

_ROOT = Path(__file__).resolve().parents[2]
_STEP = "BANISH_CAPTURE"
_OVERLAY = """
set -e
mount -t tmpfs tmpfs /mnt
for name in usr etc var home; do
    mkdir /mnt/$name /mnt/$name.work
    mount -t overlay overlay -o lowerdir=/$name,upperdir=/mnt/$name,workdir=/mnt/$name.work /$name
done
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
echo host > /proc/sys/kernel/hostname
exec "$@"
"""


def enter(packages: Sequence[str]) -> None:
    """Move the running script onto a machine of its own with *packages* installed, and return there.

    The script must not have done anything yet that it would not want to do twice. Raises LabError when that cannot be.
    """
    step = os.environ.get(_STEP)
    if step is None:
        if os.geteuid() != 0:
            raise LabError("only root can install packages and mount file systems")
        os.environ[_STEP] = "installing"
        words = ["unshare", "--mount", "--uts", "--", "sh", "-c", _OVERLAY, "sh", sys.executable, *sys.orig_argv[1:]]
        os.execvp(words[0], words)  # noqa: S606  (no shell is wanted)
    if step == "installing":
        _install(packages)
        os.environ[_STEP] = "ready"
    lab.enter()


def _install(packages: Sequence[str]) -> None:
    apt = ["apt-get", "-qq", "-y", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", "install", *packages]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (apt, ["dpkg", "--configure", "-a"], ["apt-get", "-qq", "update"], apt):
        done = subprocess.run(words, check=False, env=environment, capture_output=True, text=True)
        if words is apt and done.returncode == 0:
            return
    raise LabError(f"{' '.join(apt)}: {done.stderr.strip() or done.stdout.strip()}")


class Stage:
    """A server with a log, and a client; a context manager for the time that both exist.

    Accounts *users* (name: password) are made on it. *log_format* is one of `lab.syslog`'s.
    """

    def __init__(self, users: Mapping[str, str] | None = None, *, log_format: str = "traditional") -> None:
        self.lab = Lab.inside()
        self.server: Host = self.lab.host("server")
        self.client: Host = self.lab.host("client")
        self.log = Path("/run/lab/log")
        self._users = users or {}
        self._format = log_format
        self._processes: list[subprocess.Popen[bytes]] = []
        self._told: dict[Path, int] = {}
        self._dns = False

    def __enter__(self) -> Self:
        clients = [f"{ATTACKER}/24", f"{FRIEND}/24", f"{ATTACKER6}/64"]
        self.lab.connect(self.server, [f"{SERVER}/24", f"{SERVER6}/64"], self.client, clients)
        Path("/etc/hosts").write_text(f"127.0.0.1 localhost\n{SERVER} mail.example.org host\n")
        Path("/etc/resolv.conf").write_text("nameserver 127.0.0.1\noptions attempts:1 timeout:1\n")
        for name, password in self._users.items():
            subprocess.run(
                ["useradd", "--create-home", "--shell", "/bin/sh", name], check=True, stderr=subprocess.DEVNULL
            )
            subprocess.run(["chpasswd"], check=True, input=f"{name}:{password}\n", text=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.touch()
        syslog: list[str | Path] = [
            sys.executable,
            _ROOT / "lab" / "syslog.py",
            "--file",
            self.log,
            "--format",
            self._format,
        ]
        daemon = self.start(syslog, stdout=subprocess.PIPE)
        assert daemon.stdout is not None
        if daemon.stdout.readline() != b"ready\n":
            raise LabError("the log daemon did not start; it said why on standard error")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._processes):
            self.server.end(process)

    def start(self, argv: Sequence[str | Path], *, stdout: int | None = None) -> subprocess.Popen[bytes]:
        """Start a server that stays in the foreground; it ends with the stage."""
        self._processes.append(self.server.popen(argv, stdout=stdout))
        return self._processes[-1]

    def stop(self) -> None:
        """End what was started last."""
        self.server.end(self._processes.pop())

    def listen(self, port: int, *, timeout: float = 20.0) -> None:
        """Wait until *port* of the server answers."""
        deadline = time.monotonic() + timeout
        code = f"import socket; socket.create_connection(({SERVER!r}, {port}), 1)"
        while self.server.run([sys.executable, "-IS", "-c", code], check=False).returncode != 0:
            if time.monotonic() > deadline:
                raise LabError(f"port {port} does not answer; the log:\n" + self.log.read_text(errors="replace"))
            time.sleep(0.1)

    def talk(
        self,
        port: int,
        *words: str | bytes,
        source: str = ATTACKER,
        target: str = SERVER,
        tls: bool = False,
        end: str = "close",
        wait: float = 8.0,
    ) -> str:
        """Connect, and say each of *words* when the server has answered the one before; return what was said on both sides.

        The word ``STARTTLS`` (or ``a STARTTLS``, ``STLS``, ``AUTH TLS``) goes on in TLS. *end*: ``close``, or ``reset``.
        """
        lines = [word.encode() if isinstance(word, str) else word for word in words]
        call = f"talk({source!r}, {target!r}, {port}, {lines!r}, {tls}, {end!r}, {wait})"
        return self.client.run([sys.executable, "-IS", "-c", _TALK + call], timeout=120).stdout

    def python(self, code: str, *, check: bool = True) -> str:
        """Run *code* on the client; return what it printed on both channels."""
        done = self.client.run([sys.executable, "-I", "-c", code], check=check, timeout=120)
        return done.stdout + done.stderr

    def names(self, known: Mapping[str, str]) -> None:
        """Let the server's DNS know the IPv4 address of each name in *known*, and that of no other; it is started if need be."""
        Path("/run/lab/names").write_text("".join(f"{name} {address}\n" for name, address in known.items()))
        if not self._dns:
            self._dns = True
            self.start([sys.executable, "-IS", "-c", _DNS])

    def certificate(self) -> None:
        """Make a certificate for the server: /run/lab/certificate.pem, and /run/lab/key.pem, that everybody may read."""
        words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=mail.example.org"]
        self.server.run([*words, "-keyout", "/run/lab/key.pem", "-out", "/run/lab/certificate.pem"])
        Path("/run/lab/key.pem").chmod(0o644)

    def show(self, title: str, act: Callable[[], object], *, log: Path | None = None, settle: float = 0.4) -> None:
        """Do *act*, and print what the server logged meanwhile under *title*, once its log has been still for *settle* seconds."""
        log = log or self.log
        act()
        text = ""
        while True:
            time.sleep(settle)
            if text == (text := log.read_text(errors="surrogateescape") if log.exists() else ""):
                break
        print(f"# {title}")
        sys.stdout.flush()
        sys.stdout.buffer.write(text[self._told.get(log, 0) :].encode("utf-8", "surrogateescape"))
        print(flush=True)
        self._told[log] = len(text)


_DNS = """
import socket

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
while True:
    query, peer = server.recvfrom(512)
    labels, place = [], 12
    while query[place]:
        labels.append(query[place + 1 : place + 1 + query[place]].decode())
        place += 1 + query[place]
    known = dict(line.split() for line in open("/run/lab/names"))
    address = known.get(".".join(labels).lower())
    answer = b""
    if address and query[place + 1 : place + 3] == b"\\0\\1":
        answer = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\1\\0\\4" + socket.inet_aton(address)
    header = query[:2] + (b"\\x81\\x80" if address else b"\\x81\\x83") + b"\\0\\1" + bytes([0, len(answer) > 0]) + bytes(4)
    server.sendto(header + query[12 : place + 5] + answer, peer)
"""

_TALK = """
import socket, ssl, struct, sys

def talk(source, target, port, lines, tls, end, wait):
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    connection = socket.socket(family)
    connection.settimeout(wait)
    connection.bind((source, 0))
    connection.connect((target, port))
    context = ssl._create_unverified_context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    try:
        if tls:
            connection = context.wrap_socket(connection)
        print("<", connection.recv(4096))
        for line in lines:
            print(">", line)
            connection.sendall(line + b"\\r\\n")
            said = connection.recv(4096)
            print("<", said)
            if not said:
                break
            if line.upper().endswith((b"STARTTLS", b"STLS", b"AUTH TLS")):
                connection = context.wrap_socket(connection)
    except OSError as failure:
        print("!", failure)
    if end == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()

"""
