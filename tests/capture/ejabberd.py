"""Run the real ejabberd, attack it by XMPP, and print its log.

    python3 -m tests.capture.ejabberd

``tests/samples/ejabberd-auth.log`` was made from it. Needs root, ejabberd.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.capture.service import FORGED, HERE, SECRET, SERVER, SERVER6, Scene, main

CONFIG = """\
hosts: [example.com]
loglevel: info
log_rotate_count: 0
certfiles: []
listen:
  - port: 5222
    ip: "::"
    module: ejabberd_c2s
    starttls: false
auth_method: internal
"""

CLIENT = """
import base64, socket, sys
server, user, password = sys.argv[1:4]
with socket.create_connection((server, 5222), 5) as link:
    link.settimeout(3)
    link.sendall(b"<stream:stream to='example.com' xmlns='jabber:client' "
                 b"xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>")
    seen = b""
    while b"</stream:features>" not in seen:
        if not (got := link.recv(4096)):
            sys.exit("hung up on")
        seen += got
    secret = base64.b64encode(b"\\0" + user.encode() + b"\\0" + password.encode()).decode()
    link.sendall(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>".encode())
    print(link.recv(4096).decode())
"""


def logins(scene: Scene) -> Sequence[str]:
    """Wrong password, unknown user, odd names, IPv6, garbage; and the right password."""
    config = scene.file("ejabberd.yml", CONFIG)
    become = scene.open_to("ejabberd")
    scene.server.run(["install", "-d", "-o", "ejabberd", "/run/ejabberd"])
    scene.server.lab.bind(config, Path("/etc/ejabberd/ejabberd.yml"))
    words: list[str | Path] = [*become, "env", f"HOME={scene.inside}", "ejabberdctl", "--logs", scene.inside]
    words += ["--spool", scene.inside / "spool", "--node", "lab@localhost"]
    scene.start(*words, "foreground", port=5222)
    scene.server.run([*words, "register", "alice", "example.com", SECRET], check=False, timeout=60)
    for name in ("alice", "oracle", *FORGED):
        scene.attack(sys.executable, "-c", CLIENT, SERVER, name, "guess")
    scene.attack(sys.executable, "-c", CLIENT, SERVER6, "alice", "guess")
    scene.send(b"GET / HTTP/1.1\r\n\r\n", 5222)
    scene.visit(sys.executable, "-c", CLIENT, HERE, "alice", SECRET)
    time.sleep(1)
    lines = [*scene.lines("ejabberd.log"), *scene.lines("output")]
    scene.server.run([*words, "stop"], check=False, timeout=60)
    return lines


if __name__ == "__main__":
    sys.exit(main("ejabberd", {"logins": logins}))
