"""Run the real NRPE (Nagios' agent), ask it without leave, and print what it logs.

    python3 -m tests.capture.nrpe [--only NAME ...] [--list]

``tests/samples/nagios.log`` was made from it. Needs root, nagios-nrpe-server.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lab.namespaces import Host
from lab.web import WebServer
from tests.capture.website import ATTACKER6, FRIEND, Scenario, Site, main

CONFIG = """
server_port=5666
nrpe_user=nobody
nrpe_group=nogroup
allowed_hosts=127.0.0.1,192.0.2.10
dont_blame_nrpe=0
pid_file={here}/pid
command[check]=/bin/true
"""


def serve(host: Host, name: str) -> WebServer:
    """The agent, and the daemon that writes its log."""
    syslog = [
        *(sys.executable, str(Path(__file__).parents[2] / "lab" / "syslog.py")),
        *("--file", "{here}/syslog", "--hostname", "host"),
    ]
    files = {"nrpe.cfg": CONFIG, "syslog": ""}
    return WebServer(
        host, f"nrpe-{name}", ["nrpe", "-n", "-f", "-c", "{here}/nrpe.cfg"], files, port=5666, before=[syslog]
    )


def ask(site: Site) -> None:
    site.send(b"x" * 1036)
    site.send(b"x" * 1036, ATTACKER6)
    site.send(b"x" * 1036, FRIEND)


SCENARIOS: dict[str, Scenario] = {"ask": ask}


if __name__ == "__main__":
    sys.exit(main("NRPE", serve, SCENARIOS, ("syslog",)))
