"""Run the real portsentry, scan the host it watches, and print its history and what it sends to syslog.

    python3 -m tests.capture.portsentry

``tests/samples/portsentry.log`` was made from it. Needs root, portsentry.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.capture.scanlogd import SCAN
from tests.capture.service import HERE, SERVER, Scene, main

CONFIG = """\
TCP_PORTS="1,11,15,79,111,143"
UDP_PORTS="1,7,9,69"
IGNORE_FILE="{here}/ignore"
HISTORY_FILE="{here}/history"
BLOCKED_FILE="{here}/blocked"
RESOLVE_HOST="0"
BLOCK_UDP="0"
BLOCK_TCP="0"
SCAN_TRIGGER="0"
"""

_PACKET = "import socket, sys; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', (sys.argv[1], 69))"


def scans(scene: Scene) -> Sequence[str]:
    """A tcp scan, a udp packet, and a visitor on the ignore list."""
    scene.syslog()
    scene.file("ignore", "198.51.100.0/24\n")
    for name in ("history", "blocked.tcp", "blocked.udp"):
        scene.file(name, "")
    config = scene.file("portsentry.conf", CONFIG)
    scene.server.lab.bind(config, Path("/etc/portsentry/portsentry.conf"))
    scene.server.run(["portsentry", "-tcp"], check=False)
    scene.server.run(["portsentry", "-udp"], check=False)
    time.sleep(1)
    scene.attack(sys.executable, "-c", SCAN, SERVER, "1", "16")
    scene.attack(sys.executable, "-c", _PACKET, SERVER)
    scene.visit(sys.executable, "-c", SCAN, HERE, "79", "80")
    return [*scene.lines("history"), *scene.lines("syslog")]


if __name__ == "__main__":
    sys.exit(main("portsentry", {"scans": scans}))
