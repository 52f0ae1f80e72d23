"""Run the real squid, misuse it as a proxy, and print its access log.

    python3 -m tests.capture.squid [--only NAME ...] [--list]

``tests/samples/squid.log`` was made from it. Needs root, squid, curl.
"""

from __future__ import annotations

import sys

from lab.namespaces import Host
from lab.web import WebServer
from tests.capture.website import ATTACKER6, FRIEND, HTPASSWD, SECRET, SERVER, Scenario, Site, main, malformed

CONFIG = """
http_port 3128
pid_filename {here}/squid.pid
access_log stdio:{here}/access.log
access_log stdio:{here}/common.log common
cache_log {here}/cache.log
coredump_dir {here}
cache deny all
memory_cache_shared off
shutdown_lifetime 0 seconds
netdb_filename none
auth_param basic program /usr/lib/squid/basic_ncsa_auth {here}/htpasswd
auth_param basic realm members
acl friend src 192.0.2.10
acl members proxy_auth REQUIRED
acl secret dstdomain secret.example.org
acl safe_ports port 80 443
http_access deny !safe_ports
http_access allow secret members
http_access allow friend
http_access deny all
"""


def serve(host: Host, name: str) -> WebServer:
    """The proxy."""
    files = {"squid.conf": CONFIG, "htpasswd": HTPASSWD}
    # It wants shared memory; the laboratory's /dev/shm is root's.
    argv = ["sh", "-c", "chmod 1777 /dev/shm; exec squid -N -f {here}/squid.conf"]
    return WebServer(host, f"squid-{name}", argv, files, port=3128)


def misuse(site: Site) -> None:
    proxy = ("-x", f"http://{SERVER}:3128")
    for url in ("http://www.example.org/", "http://www.example.org:25/"):
        site.ask(url, *proxy)
        site.ask(url, *proxy, source=FRIEND)
    site.ask("https://www.example.org/", *proxy)
    site.ask("http://www.example.org/", "-x", "http://[2001:db8::1]:3128", source=ATTACKER6)
    site.ask("http://www.example.org/x%20TCP_DENIED/403%20y", *proxy)
    site.get("/direct")


def passwords(site: Site) -> None:
    for user in ("alice:guess", "oracle:guess", "a b", f"alice:{SECRET}"):
        site.ask("http://secret.example.org/", "-x", f"http://{SERVER}:3128", "-U", user)


SCENARIOS: dict[str, Scenario] = {"misuse": misuse, "passwords": passwords, "malformed": malformed}


if __name__ == "__main__":
    sys.exit(main("squid", serve, SCENARIOS, ("access.log", "common.log")))
