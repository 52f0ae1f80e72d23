"""Run the real lighttpd, attack it, and print its error log and access log.

    python3 -m tests.capture.lighttpd [--only NAME ...] [--list]

``tests/samples/lighttpd-auth.log`` was made from it. Needs root, lighttpd, curl.
"""

from __future__ import annotations

import sys

from lab.namespaces import Host
from lab.web import WebServer
from tests.capture.website import HTPASSWD, Scenario, Site, forged_names, logins, main, malformed

CONFIG = """
server.modules = ( "mod_auth", "mod_authn_file", "mod_accesslog" )
server.port = 80
server.document-root = "{here}/www"
server.errorlog = "{here}/error.log"
accesslog.filename = "{here}/access.log"
index-file.names = ( "index.html" )
$SERVER["socket"] == "[2001:db8::1]:80" { }
auth.backend = "htpasswd"
auth.backend.htpasswd.userfile = "{here}/htpasswd"
auth.require = (
    "/private/" => ( "method" => "basic", "realm" => "members", "require" => "valid-user" ),
    "/some/" => ( "method" => "basic", "realm" => "members", "require" => "user=bob" ),
    "/digest/" => ( "method" => "digest", "realm" => "members", "require" => "valid-user" )
)
"""


def serve(host: Host, name: str) -> WebServer:
    """The server."""
    files = {
        "lighttpd.conf": CONFIG,
        "htpasswd": HTPASSWD,
        "www/index.html": "hello\n",
        "www/private/index.html": "hello\n",
        "www/some/index.html": "hello\n",
        "www/digest/index.html": "hello\n",
    }
    return WebServer(host, f"lighttpd-{name}", ["lighttpd", "-D", "-f", "{here}/lighttpd.conf"], files)


def digest(site: Site) -> None:
    site.login("/digest/", "alice", "guess", "--digest")
    site.login("/digest/", "oracle", "guess", "--digest")
    site.get("/digest/", "-H", "Authorization: Digest username=x")
    site.get("/private/", "-H", "Authorization: Bearer x")
    site.get("/private/", "-H", "Authorization: Basic !!!!")
    forged_names(site, "--digest", path="/digest/")


def not_allowed(site: Site) -> None:
    site.login("/some/", "alice", "correct horse")


SCENARIOS: dict[str, Scenario] = {
    "logins": logins,
    "forged-names": forged_names,
    "digest": digest,
    "not-allowed": not_allowed,
    "malformed": malformed,
}


if __name__ == "__main__":
    sys.exit(main("lighttpd", serve, SCENARIOS, ("error.log", "access.log")))
