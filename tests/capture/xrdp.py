"""Run the real xrdp, attack it with the real FreeRDP, and print the logs of both of its halves.

    python3 -m tests.capture.xrdp

``tests/samples/xrdp.log`` was made from it. Needs root, xrdp, freerdp2-x11, xvfb.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.capture.service import FORGED, SERVER, Scene, main

XRDP = """\
[Globals]
port=tcp://:3389
use_vsock=false
security_layer=negotiate
crypt_level=high
certificate={here}/cert.pem
key_file={here}/key.pem
max_bpp=32
autorun=Xvnc
allow_channels=true
[Logging]
LogFile={here}/xrdp.log
LogLevel=INFO
EnableSyslog=false
[Xvnc]
name=Xvnc
lib=libvnc.so
username=ask
password=ask
ip=127.0.0.1
port=-1
"""
SESMAN = """\
[Globals]
ListenAddress=127.0.0.1
ListenPort=3350
EnableUserWindowManager=false
DefaultWindowManager=/bin/true
[Security]
AllowRootLogin=false
MaxLoginRetry=4
[Sessions]
X11DisplayOffset=10
MaxSessions=5
[Logging]
LogFile={here}/sesman.log
LogLevel=INFO
EnableSyslog=true
SyslogLevel=INFO
"""


def logins(scene: Scene) -> Sequence[str]:
    """Wrong password, unknown user, root, odd names, a scan."""
    scene.syslog()
    cert = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9", "-subj", "/CN=rdp"]
    scene.server.run([*cert, "-keyout", scene.inside / "key.pem", "-out", scene.inside / "cert.pem"])
    scene.start("xrdp-sesman", "-n", "-c", scene.file("sesman.ini", SESMAN))
    scene.start("xrdp", "-n", "-c", scene.file("xrdp.ini", XRDP), port=3389)

    def login(user: str, server: str = SERVER) -> None:
        words = ["xfreerdp", f"/v:{server}:3389", f"/u:{user}", "/p:guess", "/cert:ignore", "/timeout:5000"]
        scene.attack("xvfb-run", "-a", *words, timeout=9)

    for name in ("nobody", "oracle", "root", *FORGED[:3]):
        login(name)
    scene.send(b"", 3389)
    scene.send(b"\x03\x00\x00\x2f\x2a\xe0\x00\x00\x00\x00\x00Cookie: mstshash=203.0.113.9\r\n\r\n", 3389)
    return [*scene.lines("sesman.log"), *scene.lines("xrdp.log"), *scene.lines("syslog"), *scene.lines("output")]


if __name__ == "__main__":
    sys.exit(main("xrdp", {"logins": logins}))
