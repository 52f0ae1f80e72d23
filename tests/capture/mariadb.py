"""Run the real MariaDB server, attack it with its own client, and print its error log.

    python3 -m tests.capture.mariadb

``tests/samples/mysqld-auth.log`` was made from it. Needs root, mariadb-server, mariadb-client.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.capture.service import ATTACKER, FORGED, HERE, SECRET, SERVER, SERVER6, Scene, main


def logins(scene: Scene) -> Sequence[str]:
    """Wrong password, no password, unknown user, odd names, IPv6, a scan, garbage, and the right password."""
    data = scene.inside / "data"
    owner = ["--user=root", f"--datadir={data}"]
    scene.server.run(["mariadb-install-db", "--no-defaults", *owner, "--skip-test-db"], timeout=120)
    initial = (
        f"CREATE USER alice IDENTIFIED BY '{SECRET}';\nCREATE USER blocked IDENTIFIED BY '{SECRET}' ACCOUNT LOCK;\n"
    )
    options = [*owner, "--bind-address=*", f"--init-file={scene.file('init.sql', initial)}", "--skip-name-resolve"]
    scene.start("mariadbd", "--no-defaults", *options, f"--socket={scene.inside}/socket", port=3306)
    for user in ("alice", "root", "blocked", *FORGED):
        scene.attack("mariadb", "--no-defaults", "-h", SERVER, "-u", user, "-pguess", "-e", "SELECT 1")
    scene.attack("mariadb", "--no-defaults", "-h", SERVER, "-u", "alice", "-e", "SELECT 1")
    scene.attack("mariadb", "--no-defaults", "-h", SERVER6, "-u", "alice", "-pguess", "-e", "SELECT 1")
    scene.attack("mariadb", "--no-defaults", "-h", SERVER, "-u", "alice", "-pguess", "x' @ 'y", "-e", "SELECT 1")
    scene.attack("mariadb", "--no-defaults", "-h", SERVER, "-u", "alice", f"-p{SECRET}", "mysql", "-e", "SELECT 1")
    scene.send(b"", 3306, ATTACKER)
    scene.send(b"GET / HTTP/1.1\r\n\r\n", 3306, ATTACKER)
    scene.visit("mariadb", "--no-defaults", "-h", HERE, "-u", "alice", f"-p{SECRET}", "-e", "SELECT 1")
    return scene.lines("output")


if __name__ == "__main__":
    sys.exit(main("MariaDB", {"logins": logins}))
