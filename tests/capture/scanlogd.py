"""Run the real scanlogd, scan the host it watches, and print what it sends to syslog.

    python3 -m tests.capture.scanlogd

``tests/samples/scanlogd.log`` was made from it. Needs root, scanlogd.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from tests.capture.service import HERE, SERVER, Scene, main

SCAN = """
import socket, sys
for port in range(int(sys.argv[2]), int(sys.argv[3])):
    with socket.socket() as link:
        link.settimeout(0.05)
        link.connect_ex((sys.argv[1], port))
"""


def scans(scene: Scene) -> Sequence[str]:
    """Two scans, and a visitor who opens one connection."""
    scene.syslog()
    scene.server.run(["sh", "-c", "mkdir -p /run/scanlogd/empty && scanlogd"], check=False)
    time.sleep(1)
    scene.attack(sys.executable, "-c", SCAN, SERVER, "20", "60")
    time.sleep(1)
    scene.attack(sys.executable, "-c", SCAN, SERVER, "6000", "6100")
    scene.visit(sys.executable, "-c", SCAN, HERE, "80", "81")
    return scene.lines("syslog")


if __name__ == "__main__":
    sys.exit(main("scanlogd", {"scans": scans}))
