"""Run the real xinetd, knock where one must not, and print what it sends to syslog.

    python3 -m tests.capture.xinetd

``tests/samples/xinetd-fail.log`` was made from it. Needs root, xinetd.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.capture.service import ATTACKER6, HERE, Scene, main

CONFIG = """\
defaults
{
  log_type = SYSLOG authpriv info
  log_on_success = HOST PID
  log_on_failure = HOST USERID ATTEMPT
}
service echo
{
  type = INTERNAL
  id = echo-stream
  socket_type = stream
  flags = IPv6
  wait = no
  only_from = 198.51.100.0/24 127.0.0.1 ::1 ::ffff:127.0.0.1 ::ffff:198.51.100.10
}
service daytime
{
  type = INTERNAL
  id = daytime-stream
  socket_type = stream
  flags = IPv4
  wait = no
  access_times = 00:00-00:01
}
service discard
{
  type = INTERNAL
  id = discard-stream
  socket_type = stream
  flags = IPv4
  wait = no
  per_source = 1
}
"""


def knocks(scene: Scene) -> Sequence[str]:
    """From where one must not, at the wrong time, too often, over IPv6; and from where one may."""
    scene.syslog()
    scene.start("xinetd", "-dontfork", "-f", scene.file("xinetd.conf", CONFIG), port=7)
    scene.send(b"x\r\n", 7)
    scene.send(b"x\r\n", 7, ATTACKER6)
    scene.send(b"x\r\n", 13)
    held = "import socket,time; s=[socket.create_connection(('192.0.2.1', 9)) for _ in range(3)]; time.sleep(1)"
    scene.attack(sys.executable, "-c", held)
    scene.visit(sys.executable, "-c", f"import socket; socket.create_connection(('{HERE}', 7)).sendall(b'x')")
    return scene.lines("syslog")


if __name__ == "__main__":
    sys.exit(main("xinetd", {"knocks": knocks}))
