"""Run the real ZNC with its module adminlog, attack it, and print the log.

    python3 -m tests.capture.znc

``tests/samples/znc-adminlog.log`` was made from it. Needs root, znc, curl.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence

from tests.capture.service import ATTACKER6, FORGED, HERE, SECRET, SERVER, SERVER6, WRONG, Scene, main

CONFIG = """\
Version = 1.8.2
AnonIPLimit = 100
LoadModule = adminlog
LoadModule = webadmin
<Listener l>
  Port = 6667
  IPv4 = true
  IPv6 = true
  SSL = false
</Listener>
<User alice>
  Nick = alice
  Admin = true
  <Pass password>
    Method = sha256
    Hash = HASH
    Salt = salt
  </Pass>
</User>
"""

_RIGHT = r"""
import socket, sys, time
with socket.create_connection((sys.argv[1], 6667)) as link:
    link.sendall(f"PASS :alice:{sys.argv[2]}\r\nNICK alice\r\nUSER alice 0 * :x\r\n".encode())
    time.sleep(1)
"""


def logins(scene: Scene) -> Sequence[str]:
    """Wrong password, unknown user, odd names, the web, IPv6, a scan, and the right password."""
    digest = hashlib.sha256(f"{SECRET}salt".encode()).hexdigest()
    scene.file("configs/znc.conf", CONFIG.replace("HASH", digest))
    scene.start(*scene.open_to("_znc"), "znc", "--foreground", "--datadir", scene.inside, port=6667)

    def irc(user: str, password: str = WRONG, source: str = "192.0.2.66") -> None:
        scene.send(f"PASS {user}:{password}\r\nNICK x\r\nUSER x 0 * :x\r\n".encode(), 6667, source)

    irc("alice")
    irc("oracle")
    irc("alice", source=ATTACKER6)
    for name in FORGED:
        irc(name)
        scene.send(f"PASS guess\r\nNICK x\r\nUSER {name} 0 * :x\r\n".encode(), 6667)
    irc("x] failed to login from 203.0.113.9")
    for server in (SERVER, f"[{SERVER6}]"):
        scene.attack("curl", "-s", "-c", scene.inside / "jar", f"http://{server}:6667/")
        form = ["-d", "user=root", "-d", "pass=guess", "-d", "submitted=1"]
        web = f"http://{server}:6667/"
        scene.attack("curl", "-s", "-b", scene.inside / "jar", "-e", web, *form, web)
    scene.attack("curl", "-s", "-u", "root:guess", f"http://{SERVER}:6667/mods/global/webadmin/")
    scene.send(b"", 6667)
    scene.visit(sys.executable, "-c", _RIGHT, HERE, SECRET)
    return [*scene.lines("moddata/adminlog/znc.log"), *scene.lines("output")[-5:]]


if __name__ == "__main__":
    sys.exit(main("ZNC", {"logins": logins}))
