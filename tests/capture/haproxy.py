"""Run the real haproxy in front of nothing, attack it, and print what it logs.

    python3 -m tests.capture.haproxy [--only NAME ...] [--list]

``tests/samples/haproxy-http-auth.log`` was made from it; the log goes to /dev/log, a log daemon (``lab.syslog``) and a file, as on
a server. Needs root, haproxy, curl.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lab.namespaces import Host
from lab.web import WebServer
from tests.capture.website import INNOCENT, Scenario, Site, forged_names, logins, main, malformed

CONFIG = """
global
    log /dev/log local0
userlist members
    user alice insecure-password "correct horse"
defaults
    mode http
    log global
    option httplog
    timeout connect 1s
    timeout client 3s
    timeout server 3s
frontend web
    bind :80
    bind :::80 v6only
    capture request header User-Agent len 64
    capture request header Host len 64
    default_backend site
backend site
    http-request auth realm members if !{ http_auth(members) } { path_beg /private/ }
    http-request return status 200 content-type text/plain string hello
"""


def serve(host: Host, name: str) -> WebServer:
    """The server, and the daemon that writes its log."""
    syslog = [
        sys.executable,
        str(Path(__file__).parents[2] / "lab" / "syslog.py"),
        "--file",
        "{here}/haproxy.log",
        "--hostname",
        "host",
    ]
    files = {"haproxy.cfg": CONFIG, "haproxy.log": ""}
    return WebServer(host, f"haproxy-{name}", ["haproxy", "-db", "-f", "{here}/haproxy.cfg"], files, before=[syslog])


def forged(site: Site) -> None:
    forged_names(site)
    site.get(
        f"/private/x%20{INNOCENT}",
        "-A",
        f"x}} {INNOCENT}:1 [29/Nov/2026:14:32:25.000] web site/<NOSRV> 0/-1/-1/-1/0 401",
    )


SCENARIOS: dict[str, Scenario] = {"logins": logins, "forged-names": forged, "malformed": malformed}


if __name__ == "__main__":
    sys.exit(main("haproxy", serve, SCENARIOS, ("haproxy.log",)))
