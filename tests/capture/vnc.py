"""Run the real TigerVNC and x11vnc servers, attack them by the protocol, and print their logs.

    python3 -m tests.capture.vnc [--only NAME ...] [--list]

``tests/samples/vnc.log`` was made from it. Needs root, tigervnc-standalone-server, tigervnc-tools, x11vnc, xvfb.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.capture.service import HERE, SERVER, SERVER6, Scene, main

_CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as link:
    link.settimeout(5)
    link.sendall(link.recv(12))
    kinds = link.recv(32)
    link.sendall(b"\\2")
    link.recv(16)
    link.sendall(bytes(16))
    print(kinds, link.recv(200))
"""


def _attacked(scene: Scene, port: int) -> None:
    for _ in range(2):
        scene.attack(sys.executable, "-c", _CLIENT, SERVER, str(port))
    scene.attack(sys.executable, "-c", _CLIENT, SERVER6, str(port))
    scene.send(b"", port)
    scene.send(b"GET / HTTP/1.1\r\n\r\n", port)
    scene.visit(sys.executable, "-c", f"import socket; print(socket.create_connection(('{HERE}', {port})).recv(12))")


def tigervnc(scene: Scene) -> Sequence[str]:
    """Wrong passwords, IPv6, a scan, garbage, a greeting."""
    scene.server.run(["sh", "-c", f"echo secret | tigervncpasswd -f > {scene.inside}/passwd"])
    words: list[str | Path] = [
        "-SecurityTypes",
        "VncAuth",
        "-rfbauth",
        scene.inside / "passwd",
        "-localhost",
        "0",
        "-rfbport",
        "5901",
    ]
    scene.start("Xtigervnc", ":7", *words, port=5901)
    _attacked(scene, 5901)
    return scene.lines("output")


def x11vnc(scene: Scene) -> Sequence[str]:
    """The same."""
    scene.start("Xvfb", ":8", log="xvfb")
    log = ["-o", str(scene.inside / "x11vnc.log"), "-forever", "-shared", "-passwd", "secret", "-6"]
    scene.start("x11vnc", "-display", ":8", *log, "-rfbport", "5902", port=5902)
    _attacked(scene, 5902)
    return [*scene.lines("x11vnc.log"), *scene.lines("output")]


if __name__ == "__main__":
    sys.exit(main("VNC", {"tigervnc": tigervnc, "x11vnc": x11vnc}))
