"""Run the real Samba server, attack it with smbclient, and print its log.

    python3 -m tests.capture.samba [--only NAME ...] [--list]

``tests/samples/samba.log`` was made from it. Needs root, samba, smbclient.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.capture.service import ATTACKER, FORGED, HERE, INNOCENT, SECRET, SERVER, SERVER6, Scene, main

CONFIG = """\
[global]
workgroup = EXAMPLE
security = user
map to guest = never
smb ports = 445
disable netbios = yes
log file = {here}/log.smbd
log level = LEVEL
private dir = {here}/private
state directory = {here}/state
cache directory = {here}/cache
lock directory = {here}/lock
pid directory = {here}/pid
ncalrpc dir = {here}/ncalrpc
passdb backend = tdbsam:{here}/private/passdb.tdb
[share]
path = {here}/share
read only = no
"""


def attacked(scene: Scene, level: str) -> Sequence[str]:
    """Wrong password, unknown user, odd names and machines, IPv6, a scan, and the right password."""
    config = scene.file("smb.conf", CONFIG.replace("LEVEL", level))
    for name in ("private", "state", "cache", "lock", "pid", "ncalrpc", "share"):
        (scene.outside / name).mkdir()
    scene.server.run(["smbpasswd", "-c", config, "-s", "-a", "nobody"], input=f"{SECRET}\n{SECRET}\n", check=False)
    scene.start("smbd", "-F", "--no-process-group", "-s", config, port=445)

    def login(user: str, *words: str, server: str = SERVER) -> None:
        scene.attack("smbclient", f"//{server}/share", f"--user={user}", "--password=guess", "-c", "ls", *words)

    login("nobody")
    login("oracle")
    login("nobody", server=SERVER6)
    for name in FORGED:
        login(name.replace("\\", "/"))
    login(f"x] remote host [ipv4:{INNOCENT}:1] mapped to [y", "-W", "EXAMPLE")
    login("nobody", "-W", f"x] remote host [ipv4:{INNOCENT}:1]")
    login("nobody", "-n", f"x] remote host [{INNOCENT}")
    scene.send(b"", 445, ATTACKER)
    scene.visit("smbclient", f"//{HERE}/share", "--user=nobody", f"--password={SECRET}", "-c", "ls")
    return scene.lines("log.smbd")


if __name__ == "__main__":
    sys.exit(
        main(
            "Samba",
            {
                "audit": lambda scene: attacked(scene, "1 auth_audit:2"),
                "auth": lambda scene: attacked(scene, "1 auth:2"),
            },
        )
    )
