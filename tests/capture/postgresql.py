"""Run the real PostgreSQL server, attack it with psql, and print its log.

    python3 -m tests.capture.postgresql [--only NAME ...] [--list]

``tests/samples/postgresql.log`` was made from it. Needs root, postgresql.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.capture.service import ATTACKER, FORGED, HERE, SECRET, SERVER, SERVER6, Scene, main

RULES = """\
local all all trust
host all bob 192.0.2.0/24 reject
host all all 192.0.2.0/24 scram-sha-256
host all all 198.51.100.0/24 scram-sha-256
"""


def attacked(scene: Scene, *settings: str) -> Sequence[str]:
    """Wrong password, unknown user, refused user, no rule (IPv6), odd names, a scan, garbage, and the right password."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    data = scene.inside / "data"
    become = scene.open_to("postgres")
    scene.server.run([*become, programs / "initdb", "-D", data, "-A", "trust"], timeout=60)
    scene.server.run(["sh", "-c", f"cat {scene.file('rules', RULES)} > {data}/pg_hba.conf"])
    options = ["listen_addresses=*", f"unix_socket_directories={scene.inside}", *settings]
    words = [word for option in options for word in ("-c", option)]
    scene.start(*become, programs / "postgres", "-D", data, *words, port=5432)
    local = ["psql", "-h", str(scene.inside), "-U", "postgres", "-c"]
    scene.server.run([*local, f"CREATE USER alice PASSWORD '{SECRET}'"])
    scene.server.run([*local, "CREATE USER nopass"])

    def attempt(user: str, server: str = SERVER, database: str = "postgres") -> None:
        environment = ["env", "PGPASSWORD=guess", f"PGUSER={user}", f"PGDATABASE={database}", f"PGHOST={server}"]
        scene.attack(*environment, "psql", "-c", "SELECT 1")

    for user in ("alice", "oracle", "bob", "nopass", *FORGED):
        attempt(user)
    attempt("alice", SERVER6)
    attempt('x FATAL:  no pg_hba.conf entry for host "203.0.113.9", user "', SERVER6)
    attempt("alice", SERVER6, 'y", no encryption no pg_hba.conf entry for host "203.0.113.9"')
    scene.send(b"", 5432, ATTACKER)
    scene.send(b"GET / HTTP/1.1\r\n\r\n", 5432, ATTACKER)
    friend = ["env", f"PGPASSWORD={SECRET}", "psql", "-h", HERE, "-U", "alice", "-d", "postgres"]
    scene.visit(*friend, "-c", "SELECT 1")
    scene.visit(*friend, "-c", "SELECT 'FATAL:  no pg_hba.conf entry for host \"203.0.113.9\", user' FROM nothing")
    return scene.lines("output")


DEBIAN = "log_line_prefix=%m [%p] %q%u@%d "

if __name__ == "__main__":
    sys.exit(
        main(
            "PostgreSQL",
            {
                "debian": lambda scene: attacked(scene, DEBIAN),
                "connections": lambda scene: attacked(scene, DEBIAN, "log_connections=on", "log_disconnections=on"),
                "host": lambda scene: attacked(scene, "log_line_prefix=%m [%p] %h %q%u@%d "),
                "host-first": lambda scene: attacked(scene, "log_line_prefix=%h %m [%p] %q%u@%d "),
            },
        )
    )
