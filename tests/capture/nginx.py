"""Run the real nginx, attack it, and print its error log and access log.

    python3 -m tests.capture.nginx [--only NAME ...] [--list]

``tests/samples/nginx-*.log`` were made from it. Needs root, nginx-light, curl.
"""

from __future__ import annotations

import sys

from lab.namespaces import Host
from lab.web import WebServer
from tests.capture.website import HTPASSWD, Scenario, Site, forged_names, logins, main, malformed, probes

CONFIG = """
daemon off;
pid {here}/pid;
error_log {here}/error.log info;
events {}
http {
    access_log {here}/access.log combined;
    client_body_temp_path {here}/body;
    proxy_temp_path {here}/proxy;
    fastcgi_temp_path {here}/fastcgi;
    uwsgi_temp_path {here}/uwsgi;
    scgi_temp_path {here}/scgi;
    limit_req_zone $binary_remote_addr zone=one:1m rate=1r/s;
    limit_conn_zone $binary_remote_addr zone=addr:1m;
    server {
        listen 80 default_server;
        listen [::]:80 default_server;
        server_name www.example.org;
        root {here}/www;
        location /private/ {
            auth_basic "members only";
            auth_basic_user_file {here}/htpasswd;
        }
        location /limited/ { limit_req zone=one burst=1 nodelay; }
        location /delayed/ { limit_req zone=one burst=2; }
        location /dry/ { limit_req zone=one; limit_req_dry_run on; }
        location /denied/ { deny all; }
        location /listing/ { }
        location ~ /\\.git { return 403; }
    }
}
"""


def serve(host: Host, name: str) -> WebServer:
    """The server, whose error log tells even what nginx calls information."""
    files = {
        "nginx.conf": CONFIG,
        "htpasswd": HTPASSWD,
        "www/index.html": "hello\n",
        "www/private/index.html": "hello\n",
        "www/limited/index.html": "hello\n",
        "www/delayed/index.html": "hello\n",
        "www/dry/index.html": "hello\n",
        "www/listing/file": "hello\n",
    }
    return WebServer(host, f"nginx-{name}", ["nginx", "-c", "{here}/nginx.conf", "-e", "{here}/error.log"], files)


def limits(site: Site) -> None:
    for _ in range(4):
        site.get("/limited/")
    for _ in range(2):
        site.get("/dry/")


def forbidden(site: Site) -> None:
    site.get("/denied/")
    site.get("/listing/")
    site.get("/.git/config")
    site.get("/denied/", "-H", 'Referer: http://x/", client: 203.0.113.9, y')


SCENARIOS: dict[str, Scenario] = {
    "logins": logins,
    "forged-names": forged_names,
    "limits": limits,
    "forbidden": forbidden,
    "probes": probes,
    "malformed": malformed,
}


if __name__ == "__main__":
    sys.exit(main("nginx", serve, SCENARIOS, ("error.log", "access.log")))
