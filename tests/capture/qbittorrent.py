"""Run the real qBittorrent, attack its web interface with curl, and print its log.

    python3 -m tests.capture.qbittorrent

``tests/samples/qbittorrent.log`` was made from it. Needs root, qbittorrent-nox, curl.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.capture.service import FORGED, HERE, SERVER, SERVER6, Scene, main

CONFIG = """\
[LegalNotice]
Accepted=true
[Preferences]
WebUI\\Port=8080
WebUI\\MaxAuthenticationFailCount=20
WebUI\\LocalHostAuth=true
"""


def logins(scene: Scene) -> Sequence[str]:
    """Wrong password, odd names, IPv6, until it bans by itself; and the right password."""
    scene.file("qBittorrent/config/qBittorrent.conf", CONFIG)
    scene.start("qbittorrent-nox", f"--profile={scene.inside}", port=8080, environment={"HOME": str(scene.inside)})

    def login(user: str, password: str, server: str) -> list[str]:
        form = ["--data-urlencode", f"username={user}", "--data-urlencode", f"password={password}"]
        return ["curl", "-s", *form, f"http://{server}:8080/api/v2/auth/login"]

    for name in ("admin", *FORGED, "x\ny"):
        scene.attack(*login(name, "guess", SERVER))
    scene.attack(*login("admin", "guess", f"[{SERVER6}]"))
    for _ in range(12):
        scene.attack(*login("admin", "guess", SERVER))
    scene.visit(*login("admin", "adminadmin", HERE))
    return [*scene.lines("qBittorrent/data/logs/qbittorrent.log"), *scene.lines("output")]


if __name__ == "__main__":
    sys.exit(main("qBittorrent", {"logins": logins}))
