"""Run the real Caddy, attack it, and print its access log (JSON) and its own log.

    python3 -m tests.capture.caddy [--only NAME ...] [--list]

``tests/samples/caddy.log`` was made from it. Needs root, caddy, curl.
"""

from __future__ import annotations

import sys

from lab.namespaces import Host
from lab.web import WebServer
from tests.capture.website import INNOCENT, Scenario, Site, forged_names, logins, main, malformed, probes

CONFIG = """
{
    admin off
    auto_https off
}
:80 {
    log {
        output file {here}/access.log
    }
    root * {here}/www
    basicauth /private/* {
        alice JDJhJDE0JGU1NDhYdXM2bjkzRVl6R0dGTFFPR3U5TDlKNmxTZTBQb0p1UzkwUFl3NDliWFNEc1hwWEFlCg==
    }
    respond /denied/* 403
    file_server
}
"""


def serve(host: Host, name: str) -> WebServer:
    """The server."""
    files = {"Caddyfile": CONFIG, "www/index.html": "hello\n", "www/private/index.html": "hello\n"}
    argv = ["caddy", "run", "--config", "{here}/Caddyfile", "--adapter", "caddyfile"]
    return WebServer(host, f"caddy-{name}", argv, files, environment={"HOME": "/run/lab"})


def forged(site: Site) -> None:
    forged_names(site)
    agent = f'x","remote_ip":"{INNOCENT}","status":401'
    site.get("/private/" + f"%22remote_ip%22:%22{INNOCENT}", "-A", agent, "-H", f"X-Forwarded-For: {INNOCENT}")
    site.get("/denied/x")


SCENARIOS: dict[str, Scenario] = {"logins": logins, "forged-names": forged, "probes": probes, "malformed": malformed}


if __name__ == "__main__":
    sys.exit(main("Caddy", serve, SCENARIOS, ("access.log", "output")))
