"""Run the real Mumble server, attack it with its own protocol, and print its log.

    python3 -m tests.capture.murmur

``tests/samples/murmur.log`` was made from it. Needs root, mumble-server.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.capture.service import ATTACKER6, FORGED, HERE, SECRET, SERVER, SERVER6, WRONG, Scene, main

CONFIG = """\
database={here}/murmur.sqlite
logfile={here}/murmur.log
pidfile={here}/murmur.pid
bonjour=false
sendversion=false
users=20
serverpassword=SECRET
"""

_CLIENT = """
import socket, ssl, struct, sys, time
server, user, secret = sys.argv[1:4]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
with context.wrap_socket(socket.create_connection((server, 64738), 5)) as link:
    def say(kind, *fields):
        body = b"".join(bytes([number << 3 | 2, len(text)]) + text for number, text in fields)
        link.sendall(struct.pack(">HL", kind, len(body)) + body)
    say(0, (2, b"1.3.4"))
    say(2, (1, user.encode()), (2, secret.encode()))
    time.sleep(0.4)
"""


def logins(scene: Scene) -> Sequence[str]:
    """Wrong password, odd names, the administrator's name, IPv6, a scan, garbage, and the right password."""
    config = scene.file("murmur.ini", CONFIG.replace("SECRET", SECRET))
    become = scene.open_to("mumble-server")
    scene.server.run([*become, "murmurd", "-ini", config, "-supw", SECRET], check=False)
    scene.start(*become, "murmurd", "-fg", "-ini", config, port=64738)

    def login(user: str, password: str = WRONG, server: str = SERVER) -> None:
        scene.attack(sys.executable, "-c", _CLIENT, server, user, password)

    login("alice")
    login("SuperUser")
    login("alice", server=SERVER6)
    for name in (*FORGED, "", "x(-1)> Rejected connection from 203.0.113.9:1: y"):
        login(name)
    scene.send(b"", 64738)
    scene.send(b"GET / HTTP/1.1\r\n\r\n", 64738, ATTACKER6)
    scene.visit(sys.executable, "-c", _CLIENT, HERE, "alice", SECRET)
    return [*scene.lines("murmur.log"), *scene.lines("output")]


if __name__ == "__main__":
    sys.exit(main("Mumble's server", {"logins": logins}))
