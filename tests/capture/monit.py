"""Run the real Monit, attack its web interface, and print its log.

    python3 -m tests.capture.monit [--only NAME ...] [--list]

``tests/samples/monit.log`` was made from it. Needs root, monit, curl.
"""

from __future__ import annotations

import sys

from lab.namespaces import Host
from lab.web import WebServer
from tests.capture.website import SECRET, Scenario, Site, forged_names, logins, main, malformed

CONFIG = f"""
set daemon 600
set log {{here}}/monit.log
set pidfile {{here}}/pid
set idfile {{here}}/id
set statefile {{here}}/state
set httpd port 2812 and
    use address 0.0.0.0
    allow alice:"{SECRET}"
"""


def serve(host: Host, name: str) -> WebServer:
    """The program, whose configuration nobody else may read."""
    start = "chmod 600 {here}/monitrc; exec monit -I -c {here}/monitrc"
    files = {"monitrc": CONFIG}
    return WebServer(host, f"monit-{name}", ["sh", "-c", start], files, port=2812)


def guesses(site: Site) -> None:
    logins(site, path="/")


def forged(site: Site) -> None:
    forged_names(site, path="/")


SCENARIOS: dict[str, Scenario] = {"logins": guesses, "forged-names": forged, "malformed": malformed}


if __name__ == "__main__":
    sys.exit(main("Monit", serve, SCENARIOS, ("monit.log",)))
