"""Run the real Calibre-Web, attack it with its login form and its catalogue, and print its log.

    PATH=/path/to/venv/bin:$PATH python3 -m tests.capture.calibre_web

``tests/samples/calibre-web.log`` was made from it. Needs root, and ``pip install calibreweb`` in an environment of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.capture.service import FORGED, HERE, INNOCENT, SERVER, SERVER6, Scene, main

_CLIENT = r"""
import re, sys, http.cookiejar, urllib.parse, urllib.request
web, user, password, *headers = sys.argv[1:]
jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
opener = urllib.request.build_opener(jar)
opener.addheaders += [tuple(header.split(": ", 1)) for header in headers]
page = opener.open(web + "/login", timeout=10).read().decode()
token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
form = {"username": user, "password": password, "csrf_token": token, "next": "/"}
print(opener.open(web + "/login", urllib.parse.urlencode(form).encode(), timeout=10).status)
"""


def logins(scene: Scene) -> Sequence[str]:
    """Wrong password, odd names, a header that lies, the catalogue, IPv6; and the right password."""
    files: list[str | Path] = [
        "-p",
        scene.inside / "app.db",
        "-g",
        scene.inside / "gdrive.db",
        "-o",
        scene.inside / "calibre-web.log",
    ]
    scene.start("cps", *files, port=8083, environment={"HOME": str(scene.inside)})
    for name in ("admin", *FORGED, f'x" IP-address: {INNOCENT}', "x\ny"):
        scene.attack(sys.executable, "-c", _CLIENT, f"http://{SERVER}:8083", name, "guess")
    scene.attack(sys.executable, "-c", _CLIENT, f"http://[{SERVER6}]:8083", "admin", "guess")
    scene.attack(
        sys.executable, "-c", _CLIENT, f"http://{SERVER}:8083", "admin", "guess", f"X-Forwarded-For: {INNOCENT}"
    )
    scene.attack("curl", "-s", "-u", "admin:guess", f"http://{SERVER}:8083/opds")
    scene.visit(sys.executable, "-c", _CLIENT, f"http://{HERE}:8083", "admin", "admin123")
    return [*scene.lines("calibre-web.log"), *scene.lines("output")]


if __name__ == "__main__":
    sys.exit(main("Calibre-Web", {"logins": logins}))
