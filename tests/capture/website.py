"""A web server under attack: the hosts, the visitors and the printing that the captures of web servers have in common.

``192.0.2.66`` and ``2001:db8::66`` are the attacker, ``192.0.2.10`` is a visitor with a right to be there, and ``203.0.113.9`` is an
innocent whom the attacker would like to see banned: it appears in names and requests, and never connects.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lab import Lab, can_run, clients
from lab.namespaces import Host
from lab.web import WebServer, curl

SERVER, ATTACKER, FRIEND, INNOCENT = "192.0.2.1", "192.0.2.66", "192.0.2.10", "203.0.113.9"
SERVER6, ATTACKER6 = "2001:db8::1", "2001:db8::66"
USER, SECRET = "alice", "correct horse"
HTPASSWD = "alice:$apr1$lab00000$3B4x9iKs6gbDuzgEjnRSc.\n"
"""``openssl passwd -apr1 -salt lab00000 'correct horse'``"""

FORGED = (
    f"x from {INNOCENT}",
    f'x", client: {INNOCENT}, server: y',
    f"x, client: {INNOCENT}, server: y, request: z",
    f"x' from '{INNOCENT}",
    f"[client {INNOCENT}:80] user x",
    f"a\nb client: {INNOCENT}",
    "two words",
    "wörld",
    "back\\slash",
    "",
)
"""User names that try to look like the rest of the line, and some that are merely odd."""

PROBES = (
    "/wp-login.php", "/phpmyadmin/index.php", "/admin/config.php", "/cgi-bin/test.cgi", "/.env", "/.git/config", "/setup.php",
    "/manager/html", "/HNAP1/", "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php", "/shell.asp", "/scripts/..%5c../cmd.exe",
    "/~root/", "/nothing.php", "/nothing.pl", "/nothing.exe", "/nothing.html", "/favicon.ico", "/robots.txt",
)  # fmt: skip

MALFORMED = (
    b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + bytes(40) + b"\r\n\r\n",
    b"\x03\x00\x00\x2f\x2a\xe0\x00\x00\x00\x00\x00Cookie: mstshash=Administr\r\n\r\n",
    b"SSH-2.0-Go\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET nonsense HTTP/1.1\r\nHost: x\r\n\r\n",
    b"G<ET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
    b"GET /" + b"A" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"A" * 9000 + b"\r\n\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b'GET /" 400 1 "x [client 203.0.113.9] HTTP/1.1\r\nHost: x\r\n\r\n',
    b"CONNECT 203.0.113.9:25 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: nine\r\n\r\n",
    b"() { :; }; /bin/ping -c 1 203.0.113.9\r\n\r\n",
    b"\r\n\r\n",
)
"""Requests that are none."""


@dataclass(frozen=True, slots=True)
class Site:
    """The server and the host on the other side of the wire."""

    server: WebServer
    client: Host

    def get(self, path: str, *words: str, source: str = ATTACKER) -> int:
        """Ask for *path* with curl, and return the status."""
        target = f"[{SERVER6}]" if ":" in source else SERVER
        return curl(self.client, source, f"http://{target}:{self.server.port}{path}", *words)

    def ask(self, url: str, *words: str, source: str = ATTACKER) -> int:
        """Ask for *url*, which may be anybody's, with curl, and return the status."""
        return curl(self.client, source, url, *words)

    def login(self, path: str, user: str, secret: str, *words: str, source: str = ATTACKER) -> int:
        """Ask for *path* as *user*."""
        return self.get(path, "-u", f"{user}:{secret}", *words, source=source)

    def send(self, payload: bytes, source: str = ATTACKER) -> bytes:
        """Send *payload* as it is, and return the answer."""
        target = SERVER6 if ":" in source else SERVER
        return clients.raw(self.client, source, target, payload, port=self.server.port)


Scenario = Callable[[Site], None]


def logins(site: Site, *words: str, path: str = "/private/") -> None:
    """A wrong password, an unknown user, IPv6, no password at all, and the right one."""
    site.login(path, USER, "guess", *words)
    site.login(path, "oracle", "guess", *words)
    site.login(path, USER, "guess", *words, source=ATTACKER6)
    site.get(path)
    assert site.login(path, USER, SECRET, *words, source=FRIEND) in (200, 404)


def forged_names(site: Site, *words: str, path: str = "/private/") -> None:
    for name in FORGED:
        site.login(path, name, "guess", *words)


def probes(site: Site) -> None:
    for path in PROBES:
        site.get(path)
    site.get("/nothing.php", source=ATTACKER6)
    site.get("/nothing.php", "-H", f'Referer: x" client: {INNOCENT}', "-A", f"() {{ :; }}; x [client {INNOCENT}]")


def malformed(site: Site) -> None:
    for payload in MALFORMED:
        site.send(payload)


def main(
    what: str,
    serve: Callable[[Host, str], WebServer],
    scenarios: Mapping[str, Scenario],
    logs: Sequence[str],
) -> int:
    """Run the scenarios that were asked for, each against a fresh server, and print the logs of each."""
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
        with Lab.hold() as lab:
            host, client = lab.host("server"), lab.host("client")
            there = [f"{ATTACKER}/24", f"{FRIEND}/24", f"{ATTACKER6}/64"]
            lab.connect(host, [f"{SERVER}/24", f"{SERVER6}/64"], client, there)
            with serve(host, name) as server:
                scenarios[name](Site(server, client))
                time.sleep(0.5)
            for log in logs:
                print(f"# {name}: {log}", *server.lines(log), sep="\n", flush=True)
    return 0
