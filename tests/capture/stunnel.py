"""Run the real stunnel, with client certificates demanded, attack it, and print its log.

    python3 -m tests.capture.stunnel

``tests/samples/stunnel.log`` was made from it. Needs root, stunnel4, openssl.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.capture.service import HERE, INNOCENT, SERVER, SERVER6, Scene, main

CONFIG = """\
foreground = yes
pid =
output = {here}/stunnel.log
debug = 5
[demo]
accept = :::4433
connect = 127.0.0.1:9
cert = {here}/server.pem
CAfile = {here}/good.pem
verifyChain = yes
requireCert = yes
"""


def connections(scene: Scene) -> Sequence[str]:
    """No certificate, a foreign one, no TLS at all, an old TLS, IPv6; and the right certificate."""
    for name, subject in (("server", "/CN=server"), ("good", "/CN=alice"), ("bad", f"/CN=x from {INNOCENT}:22")):
        words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9", "-subj", subject]
        scene.server.run([*words, "-keyout", scene.inside / f"{name}.key", "-out", scene.inside / f"{name}.crt"])
        (scene.outside / f"{name}.pem").write_text(
            (scene.outside / f"{name}.key").read_text() + (scene.outside / f"{name}.crt").read_text()
        )
    scene.start("stunnel4", scene.file("stunnel.conf", CONFIG), port=4433)
    for server in (SERVER, f"[{SERVER6}]"):
        scene.attack("openssl", "s_client", "-connect", f"{server}:4433", text="x\n")
    scene.attack("openssl", "s_client", "-connect", f"{SERVER}:4433", "-cert", scene.inside / "bad.pem", text="x\n")
    scene.attack("openssl", "s_client", "-tls1_2", "-connect", f"{SERVER}:4433", text="x\n")
    scene.attack(
        "openssl", "s_client", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-connect", f"{SERVER}:4433", text="x\n"
    )
    scene.send(b"", 4433)
    scene.send(b"GET / HTTP/1.1\r\n\r\n", 4433)
    scene.send(b"SSH-2.0-x\r\n", 4433)
    scene.visit("openssl", "s_client", "-connect", f"{HERE}:4433", "-cert", scene.inside / "good.pem", text="x\n")
    return scene.lines("stunnel.log")


if __name__ == "__main__":
    sys.exit(main("stunnel", {"connections": connections}))
